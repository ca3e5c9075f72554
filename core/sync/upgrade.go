package sync

import (
	"context"
	"encoding/json"

	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
)

// upgraded returns the connection in the form of the version of its connector that runs.
// What another version stored, the configuration and the cursors, the connector brings into
// its own form; all of it is stored at once. A connector that has nothing to bring
// goes on with what there is. The error is a *Fault, or the store's.
func (s *Service) upgraded(ctx context.Context, c *Connection) (*Connection, error) {
	spec := s.Connector(c.Connector)
	if spec == nil || c.ConnectorVersion == spec.Version {
		return c, nil
	}
	in, _, err := s.dial(ctx, c)
	if err != nil {
		return nil, err
	}
	err = s.insist(ctx, func() error { // a run of a sync may come between
		c, err = s.upgradeOnce(ctx, c.ID, spec, in)
		return err
	})
	return c, err
}

func (s *Service) upgradeOnce(ctx context.Context, key string, spec *Connector, in Instance) (*Connection, error) {
	c, err := Connections.Get(ctx, s.Store, key)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, errConnection()
	}
	if c.ConnectorVersion == spec.Version {
		return c, nil // another process was faster
	}
	config, err := s.config(ctx, c)
	if err != nil {
		return nil, err
	}
	states, cursors, err := s.cursorsOf(ctx, c)
	if err != nil {
		return nil, err
	}
	from := Stored{Version: c.ConnectorVersion, Cursors: cursors}
	if from.Config, err = json.Marshal(config); err != nil {
		return nil, err
	}
	ops := []store.Op{}
	to, err := in.Upgrade(ctx, from)
	switch f := AsFault(err); {
	case f != nil && f.Kind == FaultUnsupported:
		c.ConnectorVersion = spec.Version
	case f != nil:
		return nil, f
	default:
		config = map[string]any{}
		if err := decodeJSON(to.Config, &config); err != nil {
			return nil, &Fault{Kind: FaultInternal, Origin: FromConnector, Reason: "UPGRADE", Message: "the connector made no configuration of the older one; install the version before, " + from.Version}
		}
		if err := s.put(ctx, c, spec, config); err != nil {
			return nil, err
		}
		for stream, list := range states {
			for i, st := range list {
				// Of two syncs over one stream one keeps its place; the other reads everything again.
				if st.Cursor = nil; i == 0 {
					st.Cursor = to.Cursors[stream]
				}
				ops = append(ops, States.Put(st))
			}
		}
	}
	err = s.commit(ctx, &audit.Entry{
		Workspace: c.Workspace(), Action: "connection.upgrade", Resource: c.ConnectionID(),
		Details: map[string]string{"connector": c.Connector, "from": from.Version, "to": spec.Version},
	}, append(ops, Connections.Replace(c))...)
	if err != nil {
		return nil, err
	}
	c.V++
	return c, nil
}

// cursorsOf returns the states of a connection's syncs that have a cursor, by stream, and the
// cursor of the first of each.
func (s *Service) cursorsOf(ctx context.Context, c *Connection) (map[string][]*State, map[string][]byte, error) {
	list, err := s.syncsOf(ctx, c.Workspace(), c.ConnectionID())
	if err != nil {
		return nil, nil, err
	}
	states, cursors := map[string][]*State{}, map[string][]byte{}
	for _, y := range list {
		st, err := States.Get(ctx, s.Store, y.ID)
		if err != nil {
			return nil, nil, err
		}
		if st == nil || len(st.Cursor) == 0 {
			continue
		}
		if states[y.Stream] = append(states[y.Stream], st); len(states[y.Stream]) == 1 {
			cursors[y.Stream] = st.Cursor
		}
	}
	return states, cursors, nil
}

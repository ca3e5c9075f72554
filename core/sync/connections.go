package sync

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// ConnectionInput describes a new connection.
type ConnectionInput struct {
	Name      string
	Connector string
	Config    map[string]any // fits the connector's schema, secrets in clear
	Processor string         // prc_…; needed before anything is pushed
	Edit
}

// ConnectionUpdate changes a connection; nil leaves things as they are.
type ConnectionUpdate struct {
	ID        string
	Name      *string
	Config    map[string]any // replaces the configuration; a secret that is left out, or Masked, stays
	Processor *string
	Edit
}

// Connectors lists what is installed.
func (s *Service) Connectors() []Connector { return s.Host.Connectors() }

// Connector returns an installed connector, or nil.
func (s *Service) Connector(name string) *Connector {
	list := s.Host.Connectors()
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

func errConnection() error {
	return core.Errorf(core.NotFound, "CONNECTION", "this workspace has no such connection").At("id")
}

// Connection returns a connection, or nil.
func (s *Service) Connection(ctx context.Context, ws, id string) (*Connection, error) {
	if core.IDPrefix(id) != core.PrefixConnection {
		return nil, nil
	}
	c, err := Connections.Get(ctx, s.Store, store.Key(ws, id))
	return c, storeError("read the connection", err)
}

// mustConnection is Connection with an error where there is none.
func (s *Service) mustConnection(ctx context.Context, ws, id string) (*Connection, error) {
	c, err := s.Connection(ctx, ws, id)
	if err == nil && c == nil {
		err = errConnection()
	}
	return c, err
}

// ListConnections returns a window of the connections, in the order in which they were made.
func (s *Service) ListConnections(ctx context.Context, ws string, w core.Window) (store.Page[Connection], error) {
	return Connections.Page(ctx, s.Store, store.Query{Workspace: ws, Order: []string{"createdAt"}}, w)
}

// CountConnections returns how many ListConnections lists.
func (s *Service) CountConnections(ctx context.Context, ws string) (int64, error) {
	return Connections.Count(ctx, s.Store, store.Query{Workspace: ws, Order: []string{"createdAt"}})
}

func named(name string) (string, error) {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > 200 {
		return "", core.Errorf(core.Invalid, "NAME", "a name has 1 to 200 bytes").At("name")
	}
	return name, nil
}

// split takes the secrets out of a configuration.
func split(c *Connector, config map[string]any) (open, secret map[string]any) {
	open, secret = map[string]any{}, map[string]any{}
	props := propertiesOf(c)
	for k, v := range config {
		if props[k].WriteOnly {
			secret[k] = v
		} else {
			open[k] = v
		}
	}
	return open, secret
}

// put writes a configuration into a connection's document, the secrets sealed.
func (s *Service) put(ctx context.Context, c *Connection, spec *Connector, config map[string]any) error {
	open, secret := split(spec, config)
	text, err := json.Marshal(open)
	if err != nil {
		return core.Errorf(core.Invalid, "CONFIG", "a configuration is a JSON object").At("config")
	}
	plain, err := json.Marshal(secret)
	if err != nil {
		return core.Errorf(core.Invalid, "CONFIG", "a configuration is a JSON object").At("config")
	}
	if c.Sealed, err = s.Keys.Seal(ctx, c.Workspace(), plain, []byte(c.ID)); err != nil {
		return err
	}
	c.Config, c.Secrets = string(text), slices.Sorted(maps.Keys(secret))
	c.ConnectorVersion = spec.Version
	c.Revision++
	return nil
}

// config returns the whole configuration, secrets in clear.
func (s *Service) config(ctx context.Context, c *Connection) (map[string]any, error) {
	out := map[string]any{}
	if err := decodeJSON([]byte(c.Config), &out); err != nil {
		return nil, err
	}
	if len(c.Sealed) > 0 {
		plain, err := s.Keys.Open(ctx, c.Workspace(), c.Sealed, []byte(c.ID))
		if err != nil {
			return nil, err
		}
		secret := map[string]any{}
		if err := decodeJSON(plain, &secret); err != nil {
			return nil, err
		}
		maps.Copy(out, secret)
	}
	return out, nil
}

// ShownConfig returns the configuration as it may be shown: Masked stands for each secret
// that is set.
func (c *Connection) ShownConfig() (map[string]any, error) {
	out := map[string]any{}
	err := decodeJSON([]byte(c.Config), &out)
	for _, name := range c.Secrets {
		out[name] = Masked
	}
	return out, err
}

// CreateConnection makes a connection. Nothing is called yet: CheckConnection does.
func (s *Service) CreateConnection(ctx context.Context, ws string, in ConnectionInput) (*Connection, error) {
	if err := connect(ctx); err != nil {
		return nil, err
	}
	name, err := named(in.Name)
	if err != nil {
		return nil, err
	}
	spec := s.Connector(in.Connector)
	if spec == nil {
		return nil, core.Errorf(core.NotFound, "CONNECTOR", "no connector of that name is installed; the operator adds one with: headwater connector add").At("connector")
	}
	now := s.now()
	c := &Connection{Meta: store.Meta{ID: store.Key(ws, s.newID(ws, core.PrefixConnection, in.IdempotencyKey))}}
	if in.IdempotencyKey != "" {
		if have, err := Connections.Get(ctx, s.Store, c.ID); err != nil || have != nil {
			return s.same(have, in.Connector, err)
		}
	}
	if in.Config == nil {
		in.Config = map[string]any{}
	}
	if err := s.fits(ctx, spec, in.Config); err != nil {
		return nil, err
	}
	if err := s.processor(ctx, ws, in.Processor); err != nil {
		return nil, err
	}
	c.Number, c.Name, c.Connector, c.Processor = 1, name, spec.Name, in.Processor
	c.CreatedAt, c.UpdatedAt, c.UpdatedBy = now, now, actor(ctx)
	if err := s.put(ctx, c, spec, in.Config); err != nil {
		return nil, err
	}
	src, err := event.NewSource(ws, event.SourceInput{Name: sourceName(name), Kind: event.SourceConnector}, now)
	if err != nil {
		return nil, err
	}
	c.Source = src.SourceID()
	ops := []store.Op{event.Sources.Insert(src)}
	if spec.Webhooks {
		c.Webhook = randomToken()
		ops = append(ops, Routes.Insert(&Route{Meta: store.Meta{ID: routeKey(c.Webhook)}, Workspace: ws, Connection: c.ConnectionID()}))
	}
	if in.DryRun {
		return c, nil
	}
	ops = append(ops, Connections.Insert(c))
	entry := &audit.Entry{Workspace: ws, Action: "connection.create", Resource: c.ConnectionID(), Details: map[string]string{"connector": c.Connector}}
	if err := s.commit(ctx, entry, ops...); err != nil {
		if errors.Is(err, store.ErrConflict) { // the same key, at the same time
			have, gerr := Connections.Get(ctx, s.Store, c.ID)
			return s.same(have, in.Connector, gerr)
		}
		return nil, storeError("create the connection", err)
	}
	c.V++
	s.begin(ctx, ws)
	return c, nil
}

func (s *Service) same(have *Connection, connector string, err error) (*Connection, error) {
	if err != nil || have == nil {
		return nil, storeError("read the connection", err)
	}
	if have.Connector != connector {
		return nil, core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_REUSED", "this key made another connection; use a fresh one").At("idempotencyKey")
	}
	return have, nil
}

func sourceName(name string) string {
	const what = "Connection: "
	return what + name[:min(len(name), event.MaxSourceName-len(what))]
}

// fits checks a configuration and where it leads.
func (s *Service) fits(ctx context.Context, spec *Connector, config map[string]any) error {
	if err := checkConfig(spec, config); err != nil {
		return err
	}
	_, err := s.hosts(ctx, spec, config)
	return err
}

// processor refuses an id that is not in the register.
func (s *Service) processor(ctx context.Context, ws, id string) error {
	if id == "" {
		return nil
	}
	p, err := s.Consent.Processor(ctx, ws, id)
	if err == nil && p == nil {
		err = core.Errorf(core.NotFound, "PROCESSOR", "the register has no such processor; enter it with setProcessor").At("processorId")
	}
	return err
}

// UpdateConnection changes a connection.
func (s *Service) UpdateConnection(ctx context.Context, ws string, u ConnectionUpdate) (*Connection, error) {
	return s.change(ctx, ws, u.ID, "connection.update", u.Edit, func(c *Connection) error {
		if u.Name != nil {
			name, err := named(*u.Name)
			if err != nil {
				return err
			}
			c.Name = name
		}
		if u.Processor != nil {
			if err := s.processor(ctx, ws, *u.Processor); err != nil {
				return err
			}
			c.Processor = *u.Processor
		}
		if u.Config == nil {
			return nil
		}
		spec := s.Connector(c.Connector)
		if spec == nil {
			return core.Errorf(core.Conflict, "CONNECTOR", "the connector %s is not installed any more", c.Connector)
		}
		old, err := s.config(ctx, c)
		if err != nil {
			return err
		}
		next := maps.Clone(u.Config)
		stay := false
		for _, name := range c.Secrets {
			if v, given := next[name]; !given || v == Masked {
				next[name], stay = old[name], true
			}
		}
		for name, v := range next {
			if v == nil { // null takes a property away
				delete(next, name)
			}
		}
		if err := s.fits(ctx, spec, next); err != nil {
			return err
		}
		if stay {
			if err := s.elsewhere(ctx, spec, old, next); err != nil {
				return err
			}
		}
		return s.put(ctx, c, spec, next)
	})
}

// elsewhere refuses that secrets that were given for one address go to another, unseen by
// whoever gave them.
func (s *Service) elsewhere(ctx context.Context, spec *Connector, old, next map[string]any) error {
	was, _ := s.hosts(ctx, spec, old) // none when it leads nowhere any more
	is, err := s.hosts(ctx, spec, next)
	if err != nil {
		return err
	}
	for _, host := range is {
		if !slices.Contains(was, host) {
			return core.Errorf(core.Invalid, "SECRETS_NEEDED", "the connection leads to %s now: give its secrets again, which were given for another address", host).At("config")
		}
	}
	return nil
}

// change runs f on a connection and commits what it made of it.
func (s *Service) change(ctx context.Context, ws, id, action string, e Edit, f func(*Connection) error) (*Connection, error) {
	if err := connect(ctx); err != nil {
		return nil, err
	}
	var c *Connection
	err := s.insist(ctx, func() (err error) {
		if c, err = s.mustConnection(ctx, ws, id); err != nil {
			return err
		}
		if err := expected(c.Number, e); err != nil {
			return err
		}
		rev := c.Revision
		if err := f(c); err != nil {
			return err
		}
		c.Number++
		c.UpdatedAt, c.UpdatedBy = s.now(), actor(ctx)
		if e.DryRun {
			return nil
		}
		ops := []store.Op{Connections.Replace(c)}
		if c.Revision != rev { // what was wrong may be right now
			h, err := Healths.Get(ctx, s.Store, c.ID)
			if err != nil {
				return err
			}
			if h != nil {
				ops = append(ops, Healths.Delete(h))
			}
		}
		return s.commit(ctx, &audit.Entry{Workspace: ws, Action: action, Resource: c.ConnectionID()}, ops...)
	})
	if err != nil {
		return nil, storeError("change the connection", err)
	}
	if e.DryRun {
		return c, nil
	}
	c.V++
	return c, s.wake(ctx, ws, c.ConnectionID())
}

// PauseConnection stops all syncs of a connection, or lets them go on.
func (s *Service) PauseConnection(ctx context.Context, ws, id string, pause bool, e Edit) (*Connection, error) {
	action := "connection.resume"
	if pause {
		action = "connection.pause"
	}
	c, err := s.change(ctx, ws, id, action, e, func(c *Connection) error { c.Paused = pause; return nil })
	if err == nil && pause && !e.DryRun {
		s.Host.Drop(c.ID)
	}
	return c, err
}

// DeleteConnection forgets a connection with its syncs, links and dead letters. What came
// from it stays, and so does what went there: the vendor is not asked to delete anything.
func (s *Service) DeleteConnection(ctx context.Context, ws, id string, e Edit) error {
	if err := connect(ctx); err != nil {
		return err
	}
	c, err := s.Connection(ctx, ws, id)
	if err != nil {
		return err
	}
	if c == nil {
		return errConnection()
	}
	if err := expected(c.Number, e); err != nil || e.DryRun {
		return err
	}
	list, err := s.syncsOf(ctx, ws, id)
	if err != nil {
		return err
	}
	for _, y := range list {
		if err := s.deleteSync(ctx, y); err != nil {
			return err
		}
	}
	if err := s.insist(ctx, func() error { return s.deleteConnectionOnce(ctx, c) }); err != nil {
		return storeError("delete the connection", err)
	}
	s.Host.Drop(c.ID)
	s.Runner.Wake()
	return nil
}

func (s *Service) deleteConnectionOnce(ctx context.Context, c *Connection) error {
	ws, id := c.Workspace(), c.ConnectionID()
	ops := []store.Op{Connections.Delete(c), work.Enqueue(work.Item{
		Kind: tidyKind, Workspace: ws, Name: id, DueAt: s.now(), Payload: tidy{Connection: id},
	})}
	if c.Webhook != "" {
		r, err := Routes.Get(ctx, s.Store, routeKey(c.Webhook))
		if err != nil {
			return storeError("read the route", err)
		}
		if r != nil {
			ops = append(ops, Routes.Delete(r))
		}
	}
	if h, err := Healths.Get(ctx, s.Store, c.ID); err != nil {
		return storeError("read the connection", err)
	} else if h != nil {
		ops = append(ops, Healths.Delete(h))
	}
	return s.commit(ctx, &audit.Entry{Workspace: ws, Action: "connection.delete", Resource: id}, ops...)
}

// saveSecret replaces a secret of a configuration; it returns when that is on disk.
func (s *Service) saveSecret(ctx context.Context, key, property, value string) error {
	err := s.insist(ctx, func() error {
		c, err := Connections.Get(ctx, s.Store, key)
		if err != nil {
			return err
		}
		if c == nil {
			return errConnection()
		}
		spec := s.Connector(c.Connector)
		if spec == nil || !propertiesOf(spec)[property].WriteOnly {
			return core.Errorf(core.Invalid, "SECRET", "the connector has no secret property of that name").At("property")
		}
		config, err := s.config(ctx, c)
		if err != nil {
			return err
		}
		if config[property] == value {
			return nil
		}
		rev := c.Revision
		config[property] = value
		if err := s.put(ctx, c, spec, config); err != nil {
			return err
		}
		c.Revision = rev // the process that says so has it already: it goes on
		return work.Commit(ctx, s.Store, Connections.Replace(c))
	})
	return storeError("save the secret", err)
}

// dial returns the running instance of a connection.
func (s *Service) dial(ctx context.Context, c *Connection) (Instance, *Connector, error) {
	spec := s.Connector(c.Connector)
	if spec == nil {
		return nil, nil, &Fault{Kind: FaultInvalidConfig, Origin: FromHost, Reason: "CONNECTOR_MISSING", Message: "the connector " + c.Connector + " is not installed; the operator adds it with: headwater connector add"}
	}
	config, err := s.config(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	hosts, err := s.hosts(ctx, spec, config)
	if err != nil {
		e := core.AsError(err)
		return nil, nil, &Fault{Kind: FaultInvalidConfig, Origin: FromConfig, Reason: e.Reason, Message: e.Message, Path: strings.Join(e.Path, ".")}
	}
	text, err := json.Marshal(config)
	if err != nil {
		return nil, nil, err
	}
	key := c.ID
	lim := s.limiter(c)
	in, err := s.Host.Dial(ctx, Dial{
		Key: key, Connector: c.Connector, Version: c.Revision, Config: text, Hosts: hosts, Private: s.Private, Rate: lim.hint,
		SaveSecret: func(ctx context.Context, property, value string) error {
			return s.saveSecret(ctx, key, property, value)
		},
	})
	return in, spec, err
}

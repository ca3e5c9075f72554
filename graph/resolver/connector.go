package resolver

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

type (
	connectorFields  struct{ *Resolver }
	connectionFields struct{ *Resolver }
	faultFields      struct{ *Resolver }
	streamFields     struct{ *Resolver }
	syncFields       struct{ *Resolver }
	runFields        struct{ *Resolver }
	deadFields       struct{ *Resolver }
)

// Connector implements gen.ResolverRoot.
func (r *Resolver) Connector() gen.ConnectorResolver { return connectorFields{r} }

// ConnectorInstance implements gen.ResolverRoot.
func (r *Resolver) ConnectorInstance() gen.ConnectorInstanceResolver { return connectionFields{r} }

// Fault implements gen.ResolverRoot.
func (r *Resolver) Fault() gen.FaultResolver { return faultFields{r} }

// Stream implements gen.ResolverRoot.
func (r *Resolver) Stream() gen.StreamResolver { return streamFields{r} }

// Sync implements gen.ResolverRoot.
func (r *Resolver) Sync() gen.SyncResolver { return syncFields{r} }

// SyncRun implements gen.ResolverRoot.
func (r *Resolver) SyncRun() gen.SyncRunResolver { return runFields{r} }

// DeadLetter implements gen.ResolverRoot.
func (r *Resolver) DeadLetter() gen.DeadLetterResolver { return deadFields{r} }

// Connectors answers Query.connectors.
func (r query) Connectors(context.Context) ([]*sync.Connector, error) {
	return pointers(r.Resolver.Syncs.Connectors()), nil
}

// Connection answers Query.connection.
func (r query) Connection(ctx context.Context, id string) (*sync.Connection, error) {
	return r.Resolver.Syncs.Connection(ctx, workspace(ctx), id)
}

// Connections answers Query.connections.
func (r query) Connections(ctx context.Context, first *int, after *string, last *int, before *string) (*view.ConnectorInstanceConnection, error) {
	w, err := core.PageArgs{First: first, After: after, Last: last, Before: before}.Resolve()
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Resolver.Syncs.ListConnections(ctx, ws, w)
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Resolver.Syncs.CountConnections(ctx, ws) }), err
}

// Syncs answers Query.syncs.
func (r query) Syncs(ctx context.Context, connectionID *string, first *int, after *string, last *int, before *string) (*view.SyncConnection, error) {
	w, err := core.PageArgs{First: first, After: after, Last: last, Before: before}.Resolve()
	if err != nil {
		return nil, err
	}
	ws, of := workspace(ctx), value(connectionID)
	page, err := r.Resolver.Syncs.ListSyncs(ctx, ws, of, w)
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Resolver.Syncs.CountSyncs(ctx, ws, of) }), err
}

// DeadLetters answers Query.deadLetters.
func (r query) DeadLetters(ctx context.Context, syncID *string, first *int, after *string, last *int, before *string) (*view.DeadLetterConnection, error) {
	w, err := core.PageArgs{First: first, After: after, Last: last, Before: before}.Resolve()
	if err != nil {
		return nil, err
	}
	ws, of := workspace(ctx), value(syncID)
	page, err := r.Resolver.Syncs.ListDeadLetters(ctx, ws, of, w)
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Resolver.Syncs.CountDeadLetters(ctx, ws, of) }), err
}

// Kinds answers Connector.kinds.
func (r connectorFields) Kinds(_ context.Context, c *sync.Connector) ([]string, error) {
	return append([]string{}, c.Kinds...), nil
}

// ConfigSchema answers Connector.configSchema.
func (r connectorFields) ConfigSchema(_ context.Context, c *sync.Connector) (scalar.JSON, error) {
	return schemaOf(c.ConfigSchema), nil
}

func schemaOf(text json.RawMessage) scalar.JSON {
	if !json.Valid(text) {
		return scalar.JSON("{}")
	}
	return scalar.JSON(text)
}

// Capabilities answers Connector.capabilities.
func (r connectorFields) Capabilities(_ context.Context, c *sync.Connector) ([]string, error) {
	return append([]string{}, c.Capabilities...), nil
}

// Hosts answers Connector.hosts.
func (r connectorFields) Hosts(_ context.Context, c *sync.Connector) ([]string, error) {
	return append([]string{}, c.Hosts...), nil
}

// Categories answers Connector.categories.
func (r connectorFields) Categories(_ context.Context, c *sync.Connector) ([]core.Category, error) {
	return append([]core.Category{}, c.Categories...), nil
}

// SignedBy answers Connector.signedBy.
func (r connectorFields) SignedBy(_ context.Context, c *sync.Connector) (*string, error) {
	return text(c.SignedBy), nil
}

// Processor answers Connector.processor.
func (r connectorFields) Processor(_ context.Context, c *sync.Connector) (*view.ConnectorProcessor, error) {
	if c.Processor.Name == "" {
		return nil, nil
	}
	return &view.ConnectorProcessor{Name: c.Processor.Name, Country: c.Processor.Country, Agreement: text(c.Processor.URL)}, nil
}

// Connector answers ConnectorInstance.connector.
func (r connectionFields) Connector(_ context.Context, c *sync.Connection) (*sync.Connector, error) {
	return r.Resolver.Syncs.Connector(c.Connector), nil
}

// Config answers ConnectorInstance.config.
func (r connectionFields) Config(_ context.Context, c *sync.Connection) (scalar.JSON, error) {
	config, err := c.ShownConfig()
	if err != nil {
		return nil, err
	}
	return json.Marshal(config)
}

// Processor answers ConnectorInstance.processor.
func (r connectionFields) Processor(ctx context.Context, c *sync.Connection) (*consent.Processor, error) {
	if c.Processor == "" {
		return nil, nil
	}
	return r.Consent.Processor(ctx, workspace(ctx), c.Processor)
}

// State answers ConnectorInstance.state.
func (r connectionFields) State(ctx context.Context, c *sync.Connection) (sync.ConnectionState, error) {
	state, _, err := r.Resolver.Syncs.Status(ctx, c)
	return state, err
}

// Fault answers ConnectorInstance.fault.
func (r connectionFields) Fault(ctx context.Context, c *sync.Connection) (*sync.Fault, error) {
	_, h, err := r.Resolver.Syncs.Status(ctx, c)
	if h == nil || err != nil {
		return nil, err
	}
	return h.Fault, nil
}

// WebhookURL answers ConnectorInstance.webhookUrl: for those alone who may set it up there.
func (r connectionFields) WebhookURL(ctx context.Context, c *sync.Connection) (*string, error) {
	return text(r.Resolver.Syncs.ShownWebhook(ctx, c)), nil
}

// Streams answers ConnectorInstance.streams.
func (r connectionFields) Streams(ctx context.Context, c *sync.Connection) ([]*sync.Stream, error) {
	list, err := r.Resolver.Syncs.Streams(ctx, c)
	return pointers(list), err
}

// Syncs answers ConnectorInstance.syncs.
func (r connectionFields) Syncs(ctx context.Context, c *sync.Connection) ([]*sync.Sync, error) {
	page, err := r.Resolver.Syncs.ListSyncs(ctx, workspace(ctx), c.ConnectionID(), core.Window{Limit: core.MaxPage})
	return append([]*sync.Sync{}, page.Items...), err
}

// Path answers Fault.path.
func (r faultFields) Path(_ context.Context, f *sync.Fault) (*string, error) {
	return text(f.Path), nil
}

// RetryAt answers Fault.retryAt.
func (r faultFields) RetryAt(_ context.Context, f *sync.Fault) (*time.Time, error) {
	if f.Until.IsZero() {
		return nil, nil
	}
	return &f.Until, nil
}

// Schema answers Stream.schema.
func (r streamFields) Schema(_ context.Context, s *sync.Stream) (scalar.JSON, error) {
	return schemaOf(s.Schema), nil
}

// Modes answers Stream.modes.
func (r streamFields) Modes(_ context.Context, s *sync.Stream) ([]string, error) {
	return append([]string{}, s.Modes...), nil
}

// Keys answers Stream.keys.
func (r streamFields) Keys(_ context.Context, s *sync.Stream) ([]string, error) {
	return append([]string{}, s.Keys...), nil
}

// Status answers SyncRun.status.
func (r runFields) Status(_ context.Context, run *sync.Run) (work.Status, error) {
	return work.Status(run.Status), nil
}

// FinishedAt answers SyncRun.finishedAt.
func (r runFields) FinishedAt(_ context.Context, run *sync.Run) (*time.Time, error) {
	if run.FinishedAt.IsZero() {
		return nil, nil
	}
	return &run.FinishedAt, nil
}

// Sync answers DeadLetter.sync.
func (r deadFields) Sync(ctx context.Context, d *sync.Dead) (*sync.Sync, error) {
	y, err := r.Resolver.Syncs.Sync(ctx, workspace(ctx), d.Sync)
	if err == nil && y == nil {
		err = core.Errorf(core.NotFound, "SYNC", "the sync of this dead letter was deleted meanwhile")
	}
	return y, err
}

// Fault answers DeadLetter.fault.
func (r deadFields) Fault(_ context.Context, d *sync.Dead) (*sync.Fault, error) { return &d.Fault, nil }

// Payload answers DeadLetter.payload.
func (r deadFields) Payload(ctx context.Context, d *sync.Dead) (scalar.JSON, error) {
	fields := d.ShownPayload()
	if fields == nil {
		return nil, nil
	}
	y, err := r.Resolver.Syncs.Sync(ctx, workspace(ctx), d.Sync)
	if y == nil || err != nil {
		return nil, err
	}
	sorts, err := r.Resolver.Syncs.DeadCategories(ctx, y)
	if err != nil {
		return nil, err
	}
	return r.shownFields(ctx, fields, sorts)
}

// shownFields writes fields as JSON as far as the caller may read the category of each.
func (r *Resolver) shownFields(ctx context.Context, fields map[string]any, sorts map[string]core.Category) (scalar.JSON, error) {
	if fields == nil {
		return nil, nil
	}
	gate, err := r.gateFor(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for name, v := range fields {
		d := gate.Category(sorts[name])
		switch s, isText := v.(string); {
		case d.Allowed():
			out[name] = v
		case !d.Hidden() && isText:
			out[name] = gate.MaskText(d, name, s)
		}
	}
	return json.Marshal(out)
}

// previewed makes rows of a preview what the caller may see.
func (r *Resolver) previewed(ctx context.Context, y *sync.Sync, rows []sync.PreviewRow) ([]*view.PreviewRow, error) {
	sorts, err := r.Syncs.PreviewCategories(ctx, y)
	if err != nil {
		return nil, err
	}
	out := make([]*view.PreviewRow, len(rows))
	for i, row := range rows {
		one := &view.PreviewRow{
			Direction: row.Direction, Action: row.Action, Withheld: append([]string{}, row.Withheld...), Reason: text(row.Reason), Fault: row.Fault,
		}
		if one.From, err = r.shownFields(ctx, row.From, sorts); err != nil {
			return nil, err
		}
		if one.To, err = r.shownFields(ctx, row.To, sorts); err != nil {
			return nil, err
		}
		slices.Sort(one.Withheld)
		out[i] = one
	}
	return out, nil
}

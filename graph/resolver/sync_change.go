package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
)

// jsonObject reads a JSON object of an input.
func jsonObject(j scalar.JSON, name string) (map[string]any, error) {
	if j.IsNull() {
		return nil, nil
	}
	m, ok := decoded(j).(map[string]any)
	if !ok {
		return nil, core.Errorf(core.Invalid, "NOT_AN_OBJECT", "a JSON object is expected").At(name)
	}
	return m, nil
}

// settled returns a thing with what is wrong with the input that it was made of: nil when
// something is.
func settled[T any](thing *T, err error) (*T, []*core.Error, error) {
	if err != nil {
		thing = nil
	}
	wrong, err := problems(err)
	return thing, wrong, err
}

// CreateConnection answers Mutation.createConnection.
func (r mutation) CreateConnection(ctx context.Context, in gen.CreateConnectionInput) (*gen.CreateConnectionPayload, error) {
	config, err := jsonObject(in.Config, "config")
	var c *sync.Connection
	if err == nil {
		c, err = r.Syncs.CreateConnection(ctx, workspace(ctx), sync.ConnectionInput{
			Name: in.Name, Connector: in.Connector, Config: config, Processor: value(in.ProcessorID),
			Edit: sync.Edit{IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun)},
		})
	}
	out := &gen.CreateConnectionPayload{}
	out.Connection, out.UserErrors, err = settled(c, err)
	return out, err
}

// UpdateConnection answers Mutation.updateConnection.
func (r mutation) UpdateConnection(ctx context.Context, in gen.UpdateConnectionInput) (*gen.UpdateConnectionPayload, error) {
	config, err := jsonObject(in.Config, "config")
	var c *sync.Connection
	if err == nil {
		c, err = r.Syncs.UpdateConnection(ctx, workspace(ctx), sync.ConnectionUpdate{
			ID: in.ID, Name: in.Name, Config: config, Processor: in.ProcessorID,
			Edit: sync.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)},
		})
	}
	out := &gen.UpdateConnectionPayload{}
	out.Connection, out.UserErrors, err = settled(c, err)
	return out, err
}

// CheckConnection answers Mutation.checkConnection.
func (r mutation) CheckConnection(ctx context.Context, in gen.CheckConnectionInput) (*gen.CheckConnectionPayload, error) {
	c, fault, err := r.Syncs.CheckConnection(ctx, workspace(ctx), in.ID)
	out := &gen.CheckConnectionPayload{Connection: c, Fault: fault}
	out.UserErrors, err = problems(err)
	return out, err
}

// AuthorizeConnection answers Mutation.authorizeConnection.
func (r mutation) AuthorizeConnection(ctx context.Context, in gen.AuthorizeConnectionInput) (*gen.AuthorizeConnectionPayload, error) {
	url, err := r.Syncs.Authorize(ctx, workspace(ctx), in.ID, value(in.ReturnURL))
	out := &gen.AuthorizeConnectionPayload{URL: text(url)}
	out.UserErrors, err = problems(err)
	return out, err
}

// PauseConnection answers Mutation.pauseConnection.
func (r mutation) PauseConnection(ctx context.Context, in gen.PauseConnectionInput) (*gen.PauseConnectionPayload, error) {
	c, err := r.Syncs.PauseConnection(ctx, workspace(ctx), in.ID, in.Pause, sync.Edit{ExpectedVersion: long(in.ExpectedVersion)})
	out := &gen.PauseConnectionPayload{}
	out.Connection, out.UserErrors, err = settled(c, err)
	return out, err
}

// DeleteConnection answers Mutation.deleteConnection.
func (r mutation) DeleteConnection(ctx context.Context, in gen.DeleteConnectionInput) (*gen.DeleteConnectionPayload, error) {
	err := r.Syncs.DeleteConnection(ctx, workspace(ctx), in.ID, sync.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)})
	out := &gen.DeleteConnectionPayload{}
	out.UserErrors, err = problems(err)
	return out, err
}

// settings puts what an input says into a sync.
func settings(in *gen.SyncSettingsInput, y *sync.Sync) {
	set(&y.Name, in.Name)
	set(&y.Kind, in.Kind)
	set(&y.Stream, in.Stream)
	set(&y.Direction, in.Direction)
	set(&y.Every, in.Every)
	set(&y.Conflict, in.Conflict)
	set(&y.Deletions, in.Deletions)
	set(&y.Type, in.ObjectType)
	set(&y.Segment, in.SegmentID)
	set(&y.List, in.List)
	set(&y.Match, in.Match)
	set(&y.Purpose, in.Purpose)
	set(&y.Paused, in.Paused)
	if in.Channel != nil {
		y.Channel = string(*in.Channel)
	}
	if in.Events != nil {
		y.Names = in.Events
	}
	if in.Categories != nil {
		y.Categories = in.Categories
	}
	if in.FieldMap != nil {
		y.Fields = make([]sync.Field, len(in.FieldMap))
		for i, f := range in.FieldMap {
			y.Fields[i] = sync.Field{
				Remote: f.Remote, Local: f.Local, Direction: value(f.Direction), Authority: value(f.Authority),
				ToLocal: value(f.ToLocal), ToRemote: value(f.ToRemote), Uses: f.Uses,
			}
		}
	}
}

func set[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}

// within puts what is wrong with a sync where its input has it.
func within(err error, name string) error {
	if err == nil {
		return nil
	}
	var out sync.Problems
	for _, e := range faultsOf(err) {
		if len(e.Path) > 0 && e.Path[0] != "id" && e.Path[0] != "expectedVersion" && e.Path[0] != "connectionId" && e.Path[0] != "idempotencyKey" {
			e = e.At(name)
		}
		out = append(out, e)
	}
	return out
}

// CreateSync answers Mutation.createSync.
func (r mutation) CreateSync(ctx context.Context, in gen.CreateSyncInput) (*gen.CreateSyncPayload, error) {
	y := sync.Sync{Connection: in.ConnectionID}
	settings(in.Sync, &y)
	made, err := r.Syncs.CreateSync(ctx, workspace(ctx), sync.SyncInput{Sync: y, Edit: sync.Edit{IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun)}})
	out := &gen.CreateSyncPayload{}
	out.Sync, out.UserErrors, err = settled(made, within(err, "sync"))
	return out, err
}

// UpdateSync answers Mutation.updateSync.
func (r mutation) UpdateSync(ctx context.Context, in gen.UpdateSyncInput) (*gen.UpdateSyncPayload, error) {
	e := sync.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)}
	y, err := r.Syncs.UpdateSync(ctx, workspace(ctx), in.ID, e, func(y *sync.Sync) { settings(in.Sync, y) })
	out := &gen.UpdateSyncPayload{}
	out.Sync, out.UserErrors, err = settled(y, within(err, "sync"))
	return out, err
}

// RunSync answers Mutation.runSync.
func (r mutation) RunSync(ctx context.Context, in gen.RunSyncInput) (*gen.RunSyncPayload, error) {
	out := &gen.RunSyncPayload{}
	var err error
	if !value(in.DryRun) {
		out.Sync, err = r.Syncs.RunSync(ctx, workspace(ctx), in.ID)
		out.UserErrors, err = problems(err)
		return out, err
	}
	y, err := r.Syncs.Sync(ctx, workspace(ctx), in.ID)
	if err == nil && y == nil {
		err = core.Errorf(core.NotFound, "SYNC", "this workspace has no such sync").At("id")
	}
	if err == nil {
		var rows []sync.PreviewRow
		if rows, err = r.Syncs.Preview(ctx, workspace(ctx), y, sync.MaxPreview); err == nil {
			out.Sync = y
			out.Preview, err = r.previewed(ctx, y, rows)
		}
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// ResetSync answers Mutation.resetSync.
func (r mutation) ResetSync(ctx context.Context, in gen.ResetSyncInput) (*gen.ResetSyncPayload, error) {
	y, err := r.Syncs.ResetSync(ctx, workspace(ctx), in.ID, sync.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)})
	out := &gen.ResetSyncPayload{}
	out.Sync, out.UserErrors, err = settled(y, err)
	return out, err
}

// DeleteSync answers Mutation.deleteSync.
func (r mutation) DeleteSync(ctx context.Context, in gen.DeleteSyncInput) (*gen.DeleteSyncPayload, error) {
	err := r.Syncs.DeleteSync(ctx, workspace(ctx), in.ID, sync.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)})
	out := &gen.DeleteSyncPayload{}
	out.UserErrors, err = problems(err)
	return out, err
}

// PreviewFieldMap answers Mutation.previewFieldMap.
func (r mutation) PreviewFieldMap(ctx context.Context, in gen.PreviewFieldMapInput) (*gen.PreviewFieldMapPayload, error) {
	y := &sync.Sync{Connection: in.ConnectionID}
	y.ID = workspace(ctx) + "/" + core.PrefixSync + "_preview"
	settings(in.Sync, y)
	out := &gen.PreviewFieldMapPayload{}
	rows, err := r.Syncs.Preview(ctx, workspace(ctx), y, value(in.Records))
	if err == nil {
		out.Rows, err = r.previewed(ctx, y, rows)
	}
	out.UserErrors, err = problems(within(err, "sync"))
	return out, err
}

// ReplayDeadLetters answers Mutation.replayDeadLetters.
func (r mutation) ReplayDeadLetters(ctx context.Context, in gen.ReplayDeadLettersInput) (*gen.ReplayDeadLettersPayload, error) {
	n, err := r.Syncs.ReplayDeadLetters(ctx, workspace(ctx), value(in.SyncID), in.Ids, value(in.DryRun))
	out := &gen.ReplayDeadLettersPayload{Count: n}
	out.UserErrors, err = problems(err)
	return out, err
}

// DiscardDeadLetters answers Mutation.discardDeadLetters.
func (r mutation) DiscardDeadLetters(ctx context.Context, in gen.DiscardDeadLettersInput) (*gen.DiscardDeadLettersPayload, error) {
	n, err := r.Syncs.DiscardDeadLetters(ctx, workspace(ctx), value(in.SyncID), in.Ids, value(in.DryRun))
	out := &gen.DiscardDeadLettersPayload{Count: n}
	out.UserErrors, err = problems(err)
	return out, err
}

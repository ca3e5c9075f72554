package resolver

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/graph/engine"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Connection answers Sync.connection.
func (r syncFields) Connection(ctx context.Context, y *sync.Sync) (*sync.Connection, error) {
	c, err := r.Syncs.Connection(ctx, workspace(ctx), y.Connection)
	if err == nil && c == nil {
		err = core.Errorf(core.NotFound, "CONNECTION", "the connection of this sync was deleted meanwhile")
	}
	return c, err
}

// FieldMap answers Sync.fieldMap.
func (r syncFields) FieldMap(_ context.Context, y *sync.Sync) (scalar.JSON, error) {
	return json.Marshal(append([]sync.Field{}, y.Fields...))
}

// Schedule answers Sync.schedule.
func (r syncFields) Schedule(_ context.Context, y *sync.Sync) (*string, error) {
	if y.Paused {
		return nil, nil
	}
	words := y.Every.String() // "1h0m0s"
	if y.Every%time.Minute == 0 {
		words = strings.TrimSuffix(words, "0s")
	}
	if y.Every%time.Hour == 0 {
		words = strings.TrimSuffix(words, "0m")
	}
	return text("every " + words), nil
}

// ObjectType answers Sync.objectType.
func (r syncFields) ObjectType(_ context.Context, y *sync.Sync) (*string, error) {
	return text(y.Type), nil
}

// SegmentID answers Sync.segmentId.
func (r syncFields) SegmentID(_ context.Context, y *sync.Sync) (*string, error) {
	return text(y.Segment), nil
}

// List answers Sync.list.
func (r syncFields) List(_ context.Context, y *sync.Sync) (*string, error) { return text(y.List), nil }

// Events answers Sync.events.
func (r syncFields) Events(_ context.Context, y *sync.Sync) ([]string, error) {
	return append([]string{}, y.Names...), nil
}

// Match answers Sync.match.
func (r syncFields) Match(_ context.Context, y *sync.Sync) (*string, error) {
	return text(y.Match), nil
}

// Purpose answers Sync.purpose.
func (r syncFields) Purpose(_ context.Context, y *sync.Sync) (*string, error) {
	return text(y.Purpose), nil
}

// Channel answers Sync.channel.
func (r syncFields) Channel(_ context.Context, y *sync.Sync) (*gen.Channel, error) {
	if y.Channel == "" {
		return nil, nil
	}
	c := gen.Channel(y.Channel)
	return &c, nil
}

// Categories answers Sync.categories.
func (r syncFields) Categories(_ context.Context, y *sync.Sync) ([]core.Category, error) {
	return append([]core.Category{}, y.Categories...), nil
}

// Lag answers Sync.lag.
func (r syncFields) Lag(ctx context.Context, y *sync.Sync) (*time.Duration, error) {
	d, ok, err := r.Syncs.Lag(ctx, y)
	if !ok || err != nil {
		return nil, err
	}
	return &d, nil
}

// Blocked answers Sync.blocked.
func (r syncFields) Blocked(ctx context.Context, y *sync.Sync) (*sync.Fault, error) {
	return r.Syncs.Blocked(ctx, y)
}

// Runs answers Sync.runs.
func (r syncFields) Runs(ctx context.Context, y *sync.Sync, first *int, after *string, last *int, before *string) (*view.SyncRunConnection, error) {
	w, err := core.PageArgs{First: first, After: after, Last: last, Before: before}.Resolve()
	if err != nil {
		return nil, err
	}
	ws, id := workspace(ctx), y.SyncID()
	page, err := r.Syncs.ListRuns(ctx, ws, id, w)
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Syncs.CountRuns(ctx, ws, id) }), err
}

// SyncRunChanged answers Subscription.syncRunChanged: after is a cursor of Sync.runs.
func (r subscription) SyncRunChanged(ctx context.Context, syncID string, after *string) (<-chan *sync.Run, error) {
	ws := workspace(ctx)
	y, err := r.Syncs.Sync(ctx, ws, syncID)
	if err == nil && y == nil {
		err = core.Errorf(core.NotFound, "SYNC", "this workspace has no such sync").At("syncId")
	}
	if err != nil {
		return nil, err
	}
	token, err := r.Hub.Now(ctx)
	if err != nil {
		return nil, err
	}
	f, err := r.Hub.Subscribe(ctx, token, store.Filter{Spec: sync.Runs.Spec, Prefix: store.Key(ws, core.PrefixSyncRun)})
	if err != nil {
		return nil, err
	}
	w := core.Window{Limit: 1}
	if after != nil { // the list has the latest first: what came after stands before
		w = core.Window{Limit: core.MaxPage, Backward: true, Before: *after}
	}
	page, err := r.Syncs.ListRuns(ctx, ws, syncID, w)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	out := make(chan *sync.Run)
	tell := func(run *sync.Run) bool {
		select {
		case out <- run:
			return true
		case <-ctx.Done():
			return false
		}
	}
	go func() {
		defer close(out)
		defer func() { _ = f.Close() }()
		for i := len(page.Items) - 1; i >= 0; i-- {
			if !tell(page.Items[i]) {
				return
			}
		}
		err := inOrder(ctx, f, func(batch []store.Change) error {
			seen := map[string]bool{}
			for i := len(batch) - 1; i >= 0; i-- { // of one run the latest state is enough
				if seen[batch[i].Key] {
					batch[i].Key = ""
				}
				seen[batch[i].Key] = true
			}
			for _, c := range batch {
				if c.Key == "" {
					continue
				}
				run, err := r.Syncs.SyncRun(ctx, ws, store.Rest(c.Key))
				if err != nil {
					return err
				}
				if run != nil && run.Sync == syncID && !tell(run) {
					return nil
				}
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			engine.EndStream(ctx, err)
		}
	}()
	return out, nil
}

package sync

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// RunSync makes a sync run as soon as may be.
func (s *Service) RunSync(ctx context.Context, ws, id string) (*Sync, error) {
	if err := connect(ctx); err != nil {
		return nil, err
	}
	y, err := s.mustSync(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	c, err := s.mustConnection(ctx, ws, y.Connection)
	if err != nil {
		return nil, err
	}
	if y.Paused || c.Paused {
		return nil, core.Errorf(core.Conflict, "PAUSED", "the sync or its connection is paused; resume it first")
	}
	return y, s.soon(ctx, ws, id)
}

// ResetSync makes a sync begin from the beginning: every record is read and compared again,
// on both sides. A run that is under way ends. Nothing that agrees is written.
func (s *Service) ResetSync(ctx context.Context, ws, id string, e Edit) (*Sync, error) {
	if err := connect(ctx); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		y, err := s.mustSync(ctx, ws, id)
		if err != nil {
			return nil, err
		}
		if err := expected(y.Number, e); err != nil || e.DryRun {
			return y, err
		}
		st, err := States.Get(ctx, s.Store, y.ID)
		if err != nil {
			return nil, storeError("read the sync", err)
		}
		fresh := State{Meta: store.Meta{ID: y.ID}}
		if st != nil {
			fresh.V, fresh.List, fresh.Run = st.V, st.List, st.Run
		}
		ops := []store.Op{States.Put(&fresh)}
		t, err := work.Find(ctx, s.Store, ws, runKind, id)
		if err != nil {
			return nil, storeError("read the sync", err)
		}
		if t != nil { // whoever holds it loses it, and with it what it would still write
			t.Owner, t.LeaseUntil = "", time.Time{}
			ops = append(ops, work.Move(t, s.now()))
		} else {
			ops = append(ops, work.Enqueue(work.Item{Kind: runKind, Workspace: ws, Name: id, DueAt: s.now()}))
		}
		err = s.commit(ctx, &audit.Entry{Workspace: ws, Action: "sync.reset", Resource: id}, ops...)
		if errors.Is(err, store.ErrConflict) && try < 50 {
			continue
		}
		if err != nil {
			return nil, storeError("reset the sync", err)
		}
		s.Runner.Wake()
		return y, nil
	}
}

// PauseSync stops a sync after its present batch, or lets it go on.
func (s *Service) PauseSync(ctx context.Context, ws, id string, pause bool, e Edit) (*Sync, error) {
	return s.UpdateSync(ctx, ws, id, e, func(y *Sync) { y.Paused = pause })
}

// SyncRun returns a run, or nil.
func (s *Service) SyncRun(ctx context.Context, ws, id string) (*Run, error) {
	if core.IDPrefix(id) != core.PrefixSyncRun {
		return nil, nil
	}
	r, err := Runs.Get(ctx, s.Store, store.Key(ws, id))
	return r, storeError("read the run", err)
}

func runQuery(ws, sync string) store.Query {
	return store.Query{Workspace: ws, Where: []store.Cond{store.Eq("sync", sync)}, Order: []string{"-startedAt"}}
}

// ListRuns returns a window of the runs of a sync, the latest first.
func (s *Service) ListRuns(ctx context.Context, ws, sync string, w core.Window) (store.Page[Run], error) {
	return Runs.Page(ctx, s.Store, runQuery(ws, sync), w)
}

// CountRuns returns how many ListRuns lists.
func (s *Service) CountRuns(ctx context.Context, ws, sync string) (int64, error) {
	return Runs.Count(ctx, s.Store, runQuery(ws, sync))
}

// Lag returns how far a sync is behind: since when everything is on both sides. False while
// it never got through.
func (s *Service) Lag(ctx context.Context, y *Sync) (time.Duration, bool, error) {
	st, err := States.Get(ctx, s.Store, y.ID)
	if err != nil || st == nil || st.SyncedAt.IsZero() {
		return 0, false, storeError("read the sync", err)
	}
	return max(s.now().Sub(st.SyncedAt), 0), true, nil
}

// Blocked returns why a sync may hand nothing over; nil when it may.
func (s *Service) Blocked(ctx context.Context, y *Sync) (*Fault, error) {
	st, err := States.Get(ctx, s.Store, y.ID)
	if err != nil || st == nil {
		return nil, storeError("read the sync", err)
	}
	return st.Blocked, nil
}

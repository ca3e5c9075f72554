package sync

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// tidy is what is left to remove of a connection or a sync that is gone.
type tidy struct {
	Connection string `bson:"connection,omitempty"`
	Sync       string `bson:"sync,omitempty"`
}

const (
	keepHooks = 24 * time.Hour      // vendors repeat a webhook for less
	keepRuns  = 30 * 24 * time.Hour // of a sync
)

// handleTidy removes what nobody needs any more, slice by slice.
func (s *Service) handleTidy(ctx context.Context, l *work.Lease) error {
	t := l.Task()
	var what tidy
	if t.Name != "daily" {
		if err := l.Payload(&what); err != nil {
			return work.Permanent(err)
		}
	}
	ws := t.Workspace
	switch {
	case what.Connection != "":
		return s.sweepLinks(ctx, l, ws, what.Connection)
	case what.Sync != "":
		if err := sweep(ctx, s, l, DeadLetters, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("sync", what.Sync)}, Order: []string{"-at"}}); err != nil {
			return err
		}
		return sweep(ctx, s, l, Runs, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("sync", what.Sync)}, Order: []string{"-startedAt"}})
	}
	now := s.now()
	// One that could not be carried out yet stays until it is.
	if err := sweep(ctx, s, l, Hooks, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("done", true), store.Lt("at", now.Add(-keepHooks))}}); err != nil {
		return err
	}
	if err := sweep(ctx, s, l, Grants, store.Query{Workspace: ws, Where: []store.Cond{store.Lt("expires", now)}}); err != nil {
		return err
	}
	err := Syncs.Each(ctx, s.Store, syncQuery(ws, ""), func(y *Sync) error {
		return sweep(ctx, s, l, Runs, store.Query{
			Workspace: ws, Where: []store.Cond{store.Eq("sync", y.SyncID()), store.Lt("startedAt", now.Add(-keepRuns))}, Order: []string{"-startedAt"},
		})
	})
	if err != nil {
		return err
	}
	return l.Reschedule(ctx, now.Add(time.Hour), nil)
}

// sweep deletes what a query finds.
func sweep[T any](ctx context.Context, s *Service, l *work.Lease, c *store.Collection[T], q store.Query) error {
	for {
		list, err := c.Find(ctx, s.Store, q, slice)
		if err != nil || len(list) == 0 {
			return err
		}
		ops := make([]store.Op, len(list))
		for i, d := range list {
			ops[i] = c.Delete(d)
		}
		if err := l.Progress(ctx, ops...); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// sweepLinks deletes the links of a connection with the pairs that lead to them.
func (s *Service) sweepLinks(ctx context.Context, l *work.Lease, ws, connection string) error {
	for {
		list, err := Links.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("place", connection+"/")}}, slice)
		if err != nil || len(list) == 0 {
			return err
		}
		var keys []string
		var ops []store.Op
		for _, k := range list {
			ops = append(ops, Links.Delete(k))
			if key := pairKey(ws, k.Place, k.Local); !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
		found, err := pairs.GetMany(ctx, s.Store, keys)
		if err != nil {
			return err
		}
		for _, p := range found {
			if p != nil {
				ops = append(ops, pairs.Delete(p))
			}
		}
		if err := l.Progress(ctx, ops...); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

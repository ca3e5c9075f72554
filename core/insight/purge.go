package insight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// PurgeKind is the kind of the job that deletes what was counted for definitions which no
// metric has any more.
const PurgeKind = "figures.purge"

// UnusedDays is for how long what a definition counted is kept after no metric has it any
// more, archived ones among them: whoever takes a change back finds it as it was.
const UnusedDays = 7

// PurgeResult is the result of such a job.
type PurgeResult struct {
	Measures  int64 `bson:"measures"` // that were deleted
	Documents int64 `bson:"documents"`
}

// unused says since when it is known that no metric has a measure.
type unused struct {
	Measure string    `bson:"m"`
	Since   time.Time `bson:"s"`
}

func unusedKey(ws string) string { return store.Key(ws, "unused") }

// defined returns the ids of the measures of all metrics, archived ones among them.
func (c *set) defined() map[string]bool {
	out := map[string]bool{}
	for _, m := range c.metrics {
		for _, t := range m.terms() {
			out[t.id] = true
		}
	}
	return out
}

// purge notes which measures have fallen out of use, and deletes what those have counted
// that did so long ago.
func (s *Service) purge(ctx context.Context, run *work.JobRun) error {
	ws := run.Workspace()
	var out PurgeResult
	if _, err := run.Position(&out); err != nil {
		return err
	}
	old, err := s.noteUnused(ctx, ws)
	if err != nil {
		return err
	}
	for _, id := range old {
		n, err := s.purgeOne(ctx, ws, id, func(n int64) error {
			out.Documents += n
			return run.Step(ctx, out.Documents, 0, out)
		})
		if err != nil {
			return err
		}
		if n {
			out.Measures++
		}
	}
	return run.Result(out)
}

// noteUnused writes down which of the measures that are kept no metric has, and returns
// those of which that was known UnusedDays ago.
func (s *Service) noteUnused(ctx context.Context, ws string) (old []string, err error) {
	err = work.Retry(ctx, attempts, func() error {
		old = nil
		h, err := heads.Get(ctx, s.Store, unusedKey(ws))
		if err != nil {
			return fmt.Errorf("insight: read what is unused: %w", err)
		}
		if h == nil {
			h = &head{Meta: store.Meta{ID: unusedKey(ws)}}
		}
		c, err := s.fresh(ctx, ws)
		if err != nil {
			return err
		}
		kept, err := s.measuresKept(ctx, ws)
		if err != nil {
			return err
		}
		have := c.defined()
		var list []unused
		for _, id := range kept {
			if have[id] {
				continue
			}
			one := unused{id, s.now()}
			if i := slices.IndexFunc(h.Unused, func(u unused) bool { return u.Measure == id }); i >= 0 {
				one = h.Unused[i]
			}
			list = append(list, one)
			if !one.Since.After(s.now().AddDate(0, 0, -UnusedDays)) {
				old = append(old, id)
			}
		}
		if slices.Equal(list, h.Unused) {
			return nil
		}
		h.Unused, h.At = list, s.now()
		return work.Commit(ctx, s.Store, heads.Put(h))
	})
	return old, err
}

// measuresKept returns the ids of the measures of which anything is kept, sorted.
func (s *Service) measuresKept(ctx context.Context, ws string) ([]string, error) {
	var out []string
	for _, next := range []func(from string) (string, error){
		nextKey(ctx, s.Store, ws, rollups), nextKey(ctx, s.Store, ws, crowds), nextKey(ctx, s.Store, ws, cells), nextKey(ctx, s.Store, ws, firsts),
	} {
		for from := ""; ; {
			key, err := next(from)
			if err != nil {
				return nil, fmt.Errorf("insight: look for measures: %w", err)
			}
			if key == "" {
				break
			}
			id, _, _ := strings.Cut(store.Rest(key), "/")
			out = append(out, id)
			from = after(ws, id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// after returns a key behind all of a measure's.
func after(ws, id string) string { return store.Key(ws, id) + "0" } // which follows "/"

// nextKey returns a function that returns the first key at or after one; "" when there is
// none.
func nextKey[T any](ctx context.Context, r store.Reader, ws string, c *store.Collection[T]) func(string) (string, error) {
	return func(from string) (string, error) {
		q := store.Query{Workspace: ws}
		if from != "" {
			q.Where = []store.Cond{store.Gte("_id", from)}
		}
		found, err := c.Find(ctx, r, q, 1)
		if err != nil || len(found) == 0 {
			return "", err
		}
		return any(found[0]).(store.Document).StoreMeta().ID, nil
	}
}

// purgeSlice is how many documents one commit deletes.
const purgeSlice = 200

// purgeOne deletes what a measure has counted, and reports whether it did: not when a
// metric has the measure again.
func (s *Service) purgeOne(ctx context.Context, ws, id string, tell func(n int64) error) (bool, error) {
	for {
		n := 0
		err := work.Retry(ctx, attempts, func() error {
			n = 0
			c, err := s.fresh(ctx, ws)
			if err != nil {
				return err
			}
			if c.defined()[id] {
				return nil
			}
			var ops []store.Op
			for _, some := range []func(int) ([]store.Op, error){
				slice(ctx, s.Store, ws, id, rollups), slice(ctx, s.Store, ws, id, crowds), slice(ctx, s.Store, ws, id, cells), slice(ctx, s.Store, ws, id, firsts),
			} {
				more, err := some(purgeSlice - len(ops))
				if err != nil {
					return fmt.Errorf("insight: read what is unused: %w", err)
				}
				if ops = append(ops, more...); len(ops) >= purgeSlice {
					break
				}
			}
			if n = len(ops); n == 0 {
				return nil
			}
			// Whoever defines it again meanwhile is found out by the guard.
			if g := c.guards[0]; g.V > 0 {
				ops = append(ops, guards.Check(g))
			}
			return work.Commit(ctx, s.Store, ops...)
		})
		if err != nil {
			return false, err
		}
		if n == 0 {
			c, err := s.fresh(ctx, ws)
			return err == nil && !c.defined()[id], err
		}
		if err := tell(int64(n)); err != nil {
			return false, err
		}
	}
}

// slice returns a function that returns the operations which delete some documents of a
// measure.
func slice[T any](ctx context.Context, r store.Reader, ws, id string, c *store.Collection[T]) func(int) ([]store.Op, error) {
	return func(most int) ([]store.Op, error) {
		if most <= 0 {
			return nil, nil
		}
		found, err := c.Find(ctx, r, store.Query{Workspace: ws, Where: []store.Cond{store.Gt("_id", store.Key(ws, id)+"/"), store.Lt("_id", after(ws, id))}}, most)
		ops := make([]store.Op, len(found))
		for i, d := range found {
			ops[i] = c.Delete(d)
		}
		return ops, err
	}
}

// purgeDaily starts the job of today, once in the life of the process; whichever process
// is first starts it for all.
func (s *Service) purgeDaily(ctx context.Context, ws string) error {
	today := s.now().Format(time.DateOnly)
	s.mu.Lock()
	done := s.purged[ws] == today
	s.mu.Unlock()
	if done || s.Jobs == nil {
		return nil
	}
	if _, err := s.Jobs.Start(ctx, PurgeKind, ws, struct{}{}, "purge "+today); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.purged) >= maxKept {
		clear(s.purged)
	}
	s.purged[ws] = today
	return nil
}

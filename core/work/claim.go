package work

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// poll claims what is due, as far as there is room for it, and returns how long
// to wait before the next poll: until the next due time that it saw, at most
// Options.Poll, less a little that differs from process to process.
func (r *Runner) poll(ctx context.Context) time.Duration {
	wait := r.opt.Poll - time.Duration(rand.Int64N(int64(r.opt.Poll)/8+1))
	names := make([]string, 0, len(r.kinds))
	for name := range r.kinds { // in random order: no kind is always first
		names = append(names, name)
	}
	for _, name := range names {
		k := r.kinds[name]
		next, err := r.pollKind(ctx, k)
		if err != nil {
			if ctx.Err() == nil {
				r.opt.Logger.Warn("work: poll", "kind", k.name, "error", err.Error())
			}
			continue
		}
		if !next.IsZero() {
			wait = max(min(wait, next.Sub(r.opt.Clock.Now())), time.Millisecond)
		}
	}
	return wait
}

// pollKind claims due tasks of a kind and returns when the next one is due, or
// zero when it knows of none.
func (r *Runner) pollKind(ctx context.Context, k *kindState) (time.Time, error) {
	free := int(k.free.Load())
	if free <= 0 {
		k.more.Store(true)
		return time.Time{}, nil
	}
	limit := min(max(8*free, 64), 512)
	docs, err := Tasks.Find(ctx, r.opt.Store, store.Query{Where: []store.Cond{store.Eq("kind", k.name)}, Order: []string{"dueAt"}}, limit)
	if err != nil {
		return time.Time{}, err
	}
	// What this process holds itself, its keeper renews, however late (a clock
	// that jumps, a machine that slept).
	full := len(docs) == limit
	docs = slices.DeleteFunc(docs, r.holds)
	now := r.opt.Clock.Now()
	due := docs
	var next time.Time
	if i := slices.IndexFunc(docs, func(t *Task) bool { return t.DueAt.After(now) }); i >= 0 {
		due, next = docs[:i], docs[i].DueAt
	}
	k.more.Store(len(due) > free)
	if len(due) == 0 {
		return next, nil
	}
	if len(due) > free {
		// Runners that see the same list begin at different shards of it.
		from := rand.IntN(Shards)
		slices.SortStableFunc(due, func(a, b *Task) int {
			return (a.Shard+from)%Shards - (b.Shard+from)%Shards
		})
		due = due[:free]
	}
	claimed := 0
	for part := range slices.Chunk(due, 16) {
		claimed += r.claim(ctx, k, part)
	}
	if k.more.Load() && claimed < len(due) || full && next.IsZero() && len(due) < free {
		r.Wake() // others took some, or there is more than one look shows
	}
	return next, nil
}

// claim takes the tasks, all in one commit when nobody else wants one of them,
// else each by itself. It starts those that it got and returns how many.
func (r *Runner) claim(ctx context.Context, k *kindState, tasks []*Task) int {
	start := func(t *Task) {
		t.V++
		r.start(k, t)
	}
	ops := make([]store.Op, len(tasks))
	for i, t := range tasks {
		ops[i] = r.take(k, t)
	}
	err := Commit(ctx, r.opt.Store, ops...)
	if err == nil {
		for _, t := range tasks {
			start(t)
		}
		return len(tasks)
	}
	if !errors.Is(err, store.ErrConflict) || len(tasks) == 1 {
		r.warn(ctx, k, err)
		return 0
	}
	// Commits made at once share the store's flush to disk.
	won := make([]bool, len(tasks))
	var wg sync.WaitGroup
	for i := range tasks {
		wg.Go(func() {
			err := Commit(ctx, r.opt.Store, ops[i])
			won[i] = err == nil
			r.warn(ctx, k, err)
		})
	}
	wg.Wait()
	n := 0
	for i, t := range tasks {
		if won[i] {
			start(t)
			n++
		}
	}
	return n
}

func (r *Runner) holds(t *Task) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.held[t.ID]
	return ok
}

func (r *Runner) warn(ctx context.Context, k *kindState, err error) {
	if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrConflict) {
		r.opt.Logger.Warn("work: claim", "kind", k.name, "error", err.Error())
	}
}

// take makes t a task of this process.
func (r *Runner) take(k *kindState, t *Task) store.Op {
	t.Owner, t.LeaseUntil = r.opt.Owner, ceil(r.opt.Clock.Now().Add(k.Lease))
	t.DueAt = t.LeaseUntil
	t.Fence++
	t.Attempts++
	return Tasks.Replace(t)
}

package work

import (
	"context"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Sweep looks again and again at what falls due in the documents of a workspace: a task
// for each shard of them, held by one process for some seconds. What is due is found by
// an index, so that what is not costs nothing.
type Sweep struct {
	Kind   string
	Shards int
	Clock  core.Clock
	// Step does what is due in a shard and returns when the next thing is; zero: nobody
	// knows of any.
	Step func(ctx context.Context, ws string, shard int64) (next time.Time, err error)
}

// The times of a sweep.
const (
	sweepHold = 15 * time.Second       // then another process may have the shard
	sweepPoll = 500 * time.Millisecond // while nothing is due: what a new time can be late by
)

// Register makes the sweep known to a runner.
func (s Sweep) Register(r *Runner) {
	r.Handle(s.Kind, Kind{
		Handler: HandlerFunc(s.handle), Concurrency: 256, Lease: 30 * time.Second, Attempts: -1,
		Backoff: Backoff{Base: 200 * time.Millisecond, Max: 10 * time.Second},
	})
}

// Begin returns the operations that begin the sweep of a workspace where it has not
// begun: for the commit of what first can fall due there.
func (s Sweep) Begin(ctx context.Context, r store.Reader, ws string) ([]store.Op, error) {
	var ops []store.Op
	for shard := range s.Shards {
		name := strconv.Itoa(shard)
		t, err := Find(ctx, r, ws, s.Kind, name)
		if err != nil {
			return nil, err
		}
		if t == nil {
			ops = append(ops, Enqueue(Item{Kind: s.Kind, Workspace: ws, Name: name, DueAt: s.Clock.Now()}))
		}
	}
	return ops, nil
}

func (s Sweep) handle(ctx context.Context, l *Lease) error {
	task := l.Task()
	shard, err := strconv.ParseInt(task.Name, 10, 64)
	if err != nil {
		return Permanent(err)
	}
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-l.Stopping():
			cancel()
		case <-waiting.Done():
		}
	}()
	until := s.Clock.Now().Add(sweepHold)
	for {
		next, err := s.Step(ctx, task.Workspace, shard)
		if err != nil {
			return err
		}
		now := s.Clock.Now()
		wait := min(sweepPoll, until.Sub(now))
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(now), time.Millisecond))
		}
		if wait <= 0 || s.Clock.Sleep(waiting, wait) != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return l.Reschedule(ctx, s.Clock.Now(), nil)
		}
	}
}

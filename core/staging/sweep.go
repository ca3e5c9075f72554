package staging

import (
	"context"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Sweeper returns the handler of the area's sweeps. Each deletes one file, and what
// else is given with it (also: may be nil, is called before), unless a job still
// needs it.
func (f Files) Sweeper(also func(ctx context.Context, ws, id string) error) work.Handler {
	return work.HandlerFunc(func(ctx context.Context, l *work.Lease) error {
		ws, id := l.Task().Workspace, l.Task().Name
		needed, err := f.needed(ctx, ws, id)
		if err != nil {
			return err
		}
		if needed {
			return l.Reschedule(ctx, f.clock.Now().Add(Keep), nil)
		}
		if also != nil {
			if err := also(ctx, ws, id); err != nil {
				return err
			}
		}
		return f.Delete(ctx, ws, id)
	})
}

// needed reports whether a job that has not ended names the file.
func (f Files) needed(ctx context.Context, ws, id string) (bool, error) {
	for _, status := range []work.Status{work.Queued, work.Running} {
		jobs, err := work.JobDocs.Find(ctx, f.store, store.Query{
			Workspace: ws, Where: []store.Cond{store.Eq("kind", f.area.Job), store.Eq("status", string(status))},
		}, 0)
		if err != nil {
			return false, err
		}
		for _, j := range jobs {
			if file, ok := j.Input.Lookup("file").StringValueOK(); ok && file == id {
				return true, nil
			}
		}
	}
	return false, nil
}

// sweep is the task that deletes the file when nobody needs it.
func (f Files) sweep(ws, id string) store.Op {
	return work.Enqueue(work.Item{Kind: f.area.Sweep, Workspace: ws, Name: id, DueAt: f.clock.Now().Add(Keep)})
}

// postpone puts the sweep of a file off that is still being written. A sweep that is
// gone has taken the beginning of the file with it.
func (f Files) postpone(ctx context.Context, ws, id string) (store.Op, error) {
	task, err := work.Find(ctx, f.store, ws, f.area.Sweep, id)
	if err != nil {
		return store.Op{}, err
	}
	if task == nil {
		return store.Op{}, gone()
	}
	return work.Move(task, f.clock.Now().Add(Keep)), nil
}

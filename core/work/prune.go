package work

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// KeepJobs is for how long a job that is over is kept. The next job of its kind in its
// workspace that ends after that takes it along.
const KeepJobs = 90 * 24 * time.Hour

// pruneSlice is how many jobs are forgotten at once, of each status: more than come.
const pruneSlice = 20

// prune forgets jobs of a kind that are over for long, the oldest first. Another who
// does so too makes it conflict.
func (s *Jobs) prune(ctx context.Context, workspace, kind string) error {
	before := s.clock.Now().Add(-KeepJobs)
	var ops []store.Op
	for _, status := range []Status{Succeeded, Failed, Cancelled} {
		old, err := JobDocs.Find(ctx, s.store, store.Query{
			Workspace: orSystem(workspace), Order: []string{"createdAt"},
			Where: []store.Cond{store.Eq("kind", kind), store.Eq("status", string(status)), store.Lt("createdAt", before)},
		}, pruneSlice)
		if err != nil {
			return err
		}
		for _, j := range old {
			if j.FinishedAt.Before(before) {
				ops = append(ops, JobDocs.Delete(j))
			}
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return Commit(ctx, s.store, ops...)
}

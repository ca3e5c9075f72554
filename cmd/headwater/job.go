package main

import (
	"context"
	"os"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/work"
)

// runJob works here until the job has ended, showing its progress. Another
// process may take the job; it is waited for all the same. When the command is
// interrupted the job stays and goes on wherever a server runs. The job is
// returned as it ended.
func runJob(ctx context.Context, a *app, j *work.Job, what string) (*work.Job, error) {
	a.begin(ctx)
	bar := newProgress(os.Stderr, what)
	defer bar.end()
	workspace, id := j.Workspace(), j.JobID()
	for {
		j, err := a.jobs.Get(ctx, workspace, id)
		if err != nil {
			return nil, err
		}
		if j == nil {
			return nil, core.Errorf(core.NotFound, "JOB", "the job is gone")
		}
		bar.set(j.Done, j.Total)
		switch {
		case j.Status == work.Succeeded:
			return j, nil
		case j.Status.Final():
			e := core.Errorf(core.Internal, "JOB_"+string(j.Status), "the job ended as %s", j.Status)
			if j.Error != nil {
				e = core.Errorf(j.Error.Code, j.Error.Reason, "%s", j.Error.Message)
			}
			return j, e
		}
		if err := a.e.clock.Sleep(ctx, 100*time.Millisecond); err != nil {
			return nil, core.Errorf(core.Unavailable, "INTERRUPTED", "interrupted: job %s is kept, and goes on when a server or this command runs on the store", id)
		}
	}
}

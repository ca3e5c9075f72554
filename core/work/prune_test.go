package work_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/work"
)

func TestJobsThatAreLongOverAreForgotten(t *testing.T) {
	ctx := context.Background()
	s := open(t)
	jobs, r := newJobs(s, core.SystemClock{}, func(context.Context, *work.JobRun) error { return nil })
	run(t, r)
	start := func(key string) *work.Job {
		j, err := jobs.Start(ctx, "import", ws, input{key}, key)
		require.NoError(t, err)
		return jobIs(t, jobs, j.JobID(), work.Succeeded)
	}
	long, late, recent := start("long"), start("late"), start("recent")
	ago := func(j *work.Job, created, finished time.Duration) {
		j.CreatedAt, j.FinishedAt = time.Now().Add(-created), time.Now().Add(-finished)
		put(t, s, work.JobDocs.Replace(j))
	}
	const day = 24 * time.Hour
	ago(long, work.KeepJobs+day, work.KeepJobs+day)
	ago(late, work.KeepJobs+day, day)
	ago(recent, work.KeepJobs-day, work.KeepJobs-day)
	start("next")
	until(t, "it is gone", func() bool {
		j, err := jobs.Get(ctx, ws, long.JobID())
		require.NoError(t, err)
		return j == nil
	})
	require.Equal(t, late.ID, start("late").ID)
	require.Equal(t, recent.ID, start("recent").ID)
	again := start("long")
	require.NotEqual(t, long.ID, again.ID, "its key is free again")
	require.Equal(t, again.ID, start("long").ID)
}

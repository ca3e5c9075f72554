package profile

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/work"
)

func TestRebuildAsAJob(t *testing.T) {
	f := newFixture(t)
	f.history()
	require.NoError(t, f.db.Declare(f.ctx, work.Specs()...))
	lost := f.must(UserID, "cat")
	require.NoError(t, commitOps(f.ctx, f.db, Profiles.Delete(lost)))
	runner := work.New(work.Options{Store: f.db, Poll: 5 * time.Millisecond})
	jobs := work.NewJobs(runner)
	jobs.Handle(JobRebuild, RebuildHandler(f.s), 1)
	ctx, stop := context.WithCancel(f.ctx)
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	run := func(mode RebuildMode) (*work.Job, RebuildResult) {
		j, err := jobs.Start(f.ctx, JobRebuild, ws, RebuildInput{Mode: mode}, "")
		require.NoError(t, err)
		for !j.Status.Final() {
			time.Sleep(5 * time.Millisecond)
			j, err = jobs.Get(f.ctx, ws, j.JobID())
			require.NoError(t, err)
		}
		var out RebuildResult
		require.NoError(t, j.DecodeResult(&out))
		return j, out
	}
	j, out := run(ModeCheck)
	require.Equal(t, work.Succeeded, j.Status)
	require.EqualValues(t, 1, out.Differences)
	require.Equal(t, []string{lost.ProfileID() + ": profile"}, out.Sample)
	require.Equal(t, out.Documents, j.Done)
	require.Equal(t, j.Total, j.Done)
	_, out = run(ModeRebuild)
	require.EqualValues(t, 1, out.Differences)
	_, out = run(ModeCheck)
	require.Zero(t, out.Differences)
	j, _ = run("GUESS")
	require.Equal(t, work.Failed, j.Status)
	require.Equal(t, "MODE", j.Error.Reason)
	stop()
	require.NoError(t, <-ended)
}

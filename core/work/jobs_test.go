package work_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

type input struct {
	File string `bson:"file"`
}

func newJobs(s work.Store, c core.Clock, f work.JobHandlerFunc) (*work.Jobs, *work.Runner) {
	r := work.New(work.Options{Store: s, Clock: c, Logger: silent})
	jobs := work.NewJobs(r)
	jobs.Handle("import", f, 0)
	return jobs, r
}

func jobIs(t *testing.T, jobs *work.Jobs, id string, want work.Status) *work.Job {
	t.Helper()
	var j *work.Job
	until(t, "job is "+string(want), func() bool {
		var err error
		j, err = jobs.Get(context.Background(), ws, id)
		require.NoError(t, err)
		return j.Status == want
	})
	return j
}

func TestJob(t *testing.T) {
	actor := &core.Actor{Workspace: ws, ID: "key_1", Roles: []string{"admin"}, Purpose: "support"}
	ctx := core.WithActor(context.Background(), actor)
	s := open(t)
	token, err := s.Now(ctx)
	require.NoError(t, err)
	jobs, r := newJobs(s, core.SystemClock{}, func(ctx context.Context, run *work.JobRun) error {
		var in input
		if err := run.Input(&in); err != nil {
			return err
		}
		if a := core.ActorFrom(ctx); a == nil || a.ID != "key_1" || a.Purpose != "support" || a.Workspace != ws || run.Workspace() != ws {
			return work.Permanent(errors.New("not the starter's actor"))
		}
		for i := range int64(500) { // progress alone: kept back
			if err := run.Step(ctx, i, 500, cursor{i}); err != nil {
				return err
			}
		}
		return run.Result(input{in.File + ".out"})
	})
	j, err := jobs.Start(ctx, "import", ws, input{"a.csv"}, "once", happened("started"))
	require.NoError(t, err)
	require.Equal(t, work.Queued, j.Status)
	run(t, r)
	j = jobIs(t, jobs, j.JobID(), work.Succeeded)
	require.Less(t, j.V, int64(20), "progress is written a few times a second")
	require.EqualValues(t, 499, j.Done)
	require.EqualValues(t, 500, j.Total)
	require.Equal(t, "key_1", j.By.ID)
	require.False(t, j.StartedAt.IsZero() || j.FinishedAt.IsZero() || j.StartedAt.Before(j.CreatedAt))
	var out input
	require.NoError(t, j.DecodeResult(&out))
	require.Equal(t, "a.csv.out", out.File)

	same, err := jobs.Start(ctx, "import", ws, input{"a.csv"}, "once", happened("started"))
	require.NoError(t, err)
	require.Equal(t, j.ID, same.ID)
	require.EqualValues(t, 1, times(t, s, "started"))
	_, err = jobs.Start(ctx, "import", ws, input{"b.csv"}, "once")
	require.Equal(t, "IDEMPOTENCY_KEY_REUSED", core.AsError(err).Reason)

	stream, err := s.Watch(ctx, token, work.JobDocs.Spec)
	require.NoError(t, err)
	defer func() { _ = stream.Close() }()
	for v := int64(1); v <= j.V; v++ {
		change, err := stream.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, j.ID, change.Key)
		require.Equal(t, v, change.Version)
	}
}

func TestJobFails(t *testing.T) {
	ctx := context.Background()
	s, c := open(t), core.NewVirtualClock(epoch)
	var attempts atomic.Int64
	jobs, r := newJobs(s, c, func(_ context.Context, run *work.JobRun) error {
		var in input
		if err := run.Input(&in); err != nil {
			return err
		}
		attempts.Add(1)
		switch in.File {
		case "wrong":
			return fmt.Errorf("import: %w", core.Errorf(core.Invalid, "HEADER", "the first line names the columns"))
		case "panic":
			panic(in.File)
		}
		return errors.New("secret detail")
	})
	run(t, r)
	start := func(in any) string {
		j, err := jobs.Start(ctx, "import", ws, in, "")
		require.NoError(t, err)
		return j.JobID()
	}
	j := jobIs(t, jobs, start(input{"wrong"}), work.Failed)
	require.Equal(t, &work.JobError{Code: core.Invalid, Reason: "HEADER", Message: "the first line names the columns"}, j.Error)
	require.EqualValues(t, 1, attempts.Load())
	require.Equal(t, "JOB_INPUT", jobIs(t, jobs, start(nil), work.Failed).Error.Reason)

	for _, file := range []string{"panic", "flaky"} {
		attempts.Store(0)
		id := start(input{file})
		advance(t, c, time.Second, "failed", func() bool {
			j, err := jobs.Get(ctx, ws, id)
			require.NoError(t, err)
			return j.Status == work.Failed
		})
		require.EqualValues(t, work.JobAttempts, attempts.Load())
		require.Equal(t, "internal error", jobIs(t, jobs, id, work.Failed).Error.Message)
	}
	left, err := work.Tasks.Count(ctx, s, store.Query{})
	require.NoError(t, err)
	require.Zero(t, left)
}

// A lasting job goes on until it succeeds, and nobody cancels it.
func TestLastingJob(t *testing.T) {
	ctx := context.Background()
	s, c := open(t), core.NewVirtualClock(epoch)
	var attempts atomic.Int64
	r := work.New(work.Options{Store: s, Clock: c, Logger: silent})
	jobs := work.NewJobs(r)
	jobs.HandleLasting("erase", work.JobHandlerFunc(func(_ context.Context, run *work.JobRun) error {
		switch n := attempts.Add(1); {
		case n == 2:
			panic("lost")
		case n == 3:
			return core.Errorf(core.Invalid, "X", "not even this ends it")
		case n <= 2*work.JobAttempts:
			return errors.New("not yet")
		}
		var in input
		if err := run.Input(&in); err != nil {
			return err
		}
		return run.Step(ctx, 1, 1, nil, happened("erased"))
	}), 0)
	j, err := jobs.Start(ctx, "erase", ws, input{"x"}, "")
	require.NoError(t, err)
	_, err = jobs.Cancel(ctx, ws, j.JobID())
	require.Equal(t, "NOT_CANCELLABLE", core.AsError(err).Reason)
	require.Equal(t, core.Conflict, core.CodeOf(err))
	run(t, r)
	advance(t, c, time.Minute, "succeeded", func() bool {
		j, err := jobs.Get(ctx, ws, j.JobID())
		require.NoError(t, err)
		return j.Status == work.Succeeded
	})
	require.EqualValues(t, 2*work.JobAttempts+1, attempts.Load())
	require.EqualValues(t, 1, times(t, s, "erased"))

	nothing, err := jobs.Start(ctx, "erase", ws, nil, "")
	require.NoError(t, err)
	require.Equal(t, "JOB_INPUT", jobIs(t, jobs, nothing.JobID(), work.Failed).Error.Reason, "what is Permanent ends it")
}

// A job whose processes die without getting ahead fails.
func TestJobAbandoned(t *testing.T) {
	ctx := context.Background()
	s := open(t)
	jobs, r := newJobs(s, core.SystemClock{}, func(context.Context, *work.JobRun) error {
		t.Error("ran once more")
		return nil
	})
	j, err := jobs.Start(ctx, "import", ws, nil, "")
	require.NoError(t, err)
	task := pending(t, s, "job.import", j.JobID())
	task.Attempts = work.JobAttempts
	put(t, s, work.Tasks.Replace(task))
	run(t, r)
	require.Equal(t, "ABANDONED", jobIs(t, jobs, j.JobID(), work.Failed).Error.Reason)
}

func TestCancel(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := open(t)
	var steps atomic.Int64
	ended := make(chan error, 1)
	jobs, r := newJobs(s, core.SystemClock{}, func(ctx context.Context, run *work.JobRun) error {
		var in input
		if err := run.Input(&in); err != nil {
			return err
		}
		var err error
		if in.File == "waits" {
			steps.Add(1)
			<-ctx.Done()
			err = context.Cause(ctx)
		}
		for i := int64(1); err == nil; i++ {
			if err = run.Step(ctx, i, 0, cursor{i}, happened("x")); err == nil {
				steps.Store(i)
			}
		}
		ended <- err
		return err
	})
	queued, err := jobs.Start(ctx, "import", ws, input{"steps"}, "")
	require.NoError(t, err)
	j, err := jobs.Cancel(ctx, ws, queued.JobID())
	require.NoError(t, err)
	require.Equal(t, work.Cancelled, j.Status)
	run(t, r)

	for _, how := range []string{"steps", "waits"} {
		steps.Store(0)
		j, err = jobs.Start(ctx, "import", ws, input{how}, "")
		require.NoError(t, err)
		until(t, "runs", func() bool { return steps.Load() > 0 })
		before := time.Now()
		_, err = jobs.Cancel(ctx, ws, j.JobID())
		require.NoError(t, err)
		n := times(t, s, "x")
		require.ErrorIs(t, <-ended, work.ErrLost)
		require.Less(t, time.Since(before), 10*time.Second)
		require.Equal(t, n, times(t, s, "x"), "nothing is written after Cancel")
		j = jobIs(t, jobs, j.JobID(), work.Cancelled)
		require.False(t, j.FinishedAt.IsZero())
	}
	again, err := jobs.Cancel(ctx, ws, j.JobID())
	require.NoError(t, err)
	require.Equal(t, j.V, again.V)
	_, err = jobs.Cancel(ctx, ws, "job_unknown")
	require.Equal(t, core.NotFound, core.CodeOf(err))
	_, err = jobs.Cancel(ctx, "ws_OTHER", j.JobID())
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

// A job that is stopped with its process goes on from its position in the next.
func TestResume(t *testing.T) {
	ctx := context.Background()
	s := open(t)
	var runs, first atomic.Int64
	h := func(ctx context.Context, run *work.JobRun) error {
		var at cursor
		ok, err := run.Position(&at)
		if err != nil {
			return err
		}
		if runs.Add(1) == 2 {
			if !ok {
				t.Error("no position")
			}
			first.Store(at.Next)
		}
		for ; at.Next < 60; at.Next++ {
			time.Sleep(2 * time.Millisecond)
			if err := run.Step(ctx, at.Next+1, 60, cursor{at.Next + 1}, happened(fmt.Sprint(at.Next))); err != nil {
				return err
			}
		}
		return nil
	}
	jobs, r := newJobs(s, core.SystemClock{}, h)
	j, err := jobs.Start(ctx, "import", ws, nil, "")
	require.NoError(t, err)
	stop := run(t, r)
	until(t, "under way", func() bool { return times(t, s, "10") == 1 })
	stop()
	j, err = jobs.Get(ctx, ws, j.JobID())
	require.NoError(t, err)
	require.Equal(t, work.Running, j.Status)

	jobs, r = newJobs(s, core.SystemClock{}, h)
	run(t, r)
	jobIs(t, jobs, j.JobID(), work.Succeeded)
	require.Greater(t, first.Load(), int64(10))
	require.EqualValues(t, 2, runs.Load())
	for i := range 60 {
		require.EqualValues(t, 1, times(t, s, fmt.Sprint(i)))
	}
	_, err = jobs.Cancel(ctx, ws, j.JobID())
	require.Equal(t, "JOB_FINISHED", core.AsError(err).Reason)
}

// A conflict of a step's own operations is the handler's to solve: nothing of the
// step was written, and the job goes on.
func TestStepConflict(t *testing.T) {
	s := open(t)
	put(t, s, effects.Insert(&effect{Meta: store.Meta{ID: store.Key(ws, "taken")}}))
	jobs, r := newJobs(s, core.SystemClock{}, func(ctx context.Context, run *work.JobRun) error {
		err := run.Step(ctx, 1, 2, nil, effects.Insert(&effect{Meta: store.Meta{ID: store.Key(ws, "taken")}}))
		if !errors.Is(err, store.ErrConflict) || run.Job().Done != 0 {
			return work.Permanent(fmt.Errorf("expected a conflict, got %w", err))
		}
		return run.Step(ctx, 2, 2, nil, happened("x"))
	})
	j, err := jobs.Start(context.Background(), "import", ws, nil, "")
	require.NoError(t, err)
	run(t, r)
	require.EqualValues(t, 2, jobIs(t, jobs, j.JobID(), work.Succeeded).Done)
	require.EqualValues(t, 1, times(t, s, "x"))
}

func TestListJobs(t *testing.T) {
	ctx := context.Background()
	s, c := open(t), core.NewVirtualClock(epoch)
	jobs := work.NewJobs(work.New(work.Options{Store: s, Clock: c}))
	var ids []string
	for i := range 6 {
		j, err := jobs.Start(ctx, []string{"a", "b"}[i%2], ws, nil, "")
		require.NoError(t, err)
		ids = append([]string{j.JobID()}, ids...)
		c.Advance(time.Second)
	}
	_, err := jobs.Start(ctx, "a", "ws_OTHER", nil, "")
	require.NoError(t, err)
	_, err = jobs.Cancel(ctx, ws, ids[0])
	require.NoError(t, err)

	list := func(f work.Filter, page core.PageArgs) ([]string, store.Page[work.Job]) {
		p, err := jobs.List(ctx, ws, f, page)
		require.NoError(t, err)
		var got []string
		for _, j := range p.Items {
			got = append(got, j.JobID())
		}
		return got, p
	}
	four := 4
	got, p := list(work.Filter{}, core.PageArgs{First: &four})
	require.Equal(t, ids[:4], got)
	require.True(t, p.HasNext)
	got, p = list(work.Filter{}, core.PageArgs{First: &four, After: &p.Cursors[3]})
	require.Equal(t, ids[4:], got)
	require.False(t, p.HasNext)
	got, _ = list(work.Filter{Kind: "b"}, core.PageArgs{})
	require.Equal(t, []string{ids[0], ids[2], ids[4]}, got)
	got, _ = list(work.Filter{Status: work.Cancelled}, core.PageArgs{})
	require.Equal(t, ids[:1], got)
	got, _ = list(work.Filter{Kind: "b", Status: work.Queued}, core.PageArgs{})
	require.Equal(t, []string{ids[2], ids[4]}, got)
	n, err := jobs.Count(ctx, ws, work.Filter{Kind: "a"})
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
}

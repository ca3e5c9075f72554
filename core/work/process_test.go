package work_test

import (
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	childEnv  = "HEADWATER_WORK_TEST_CHILD"
	jobSlices = 150
)

type cursor struct {
	Next int64 `bson:"next"`
}

// child is a process that works until it is killed.
func child(path string) {
	ctx := context.Background()
	s, err := sqlite.Open(ctx, sqlite.Options{Path: path})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Declare(ctx, append(work.Specs(), effects.Spec, store.Claims.Spec)...); err != nil {
		log.Fatal(err)
	}
	r := childRunner(s)
	_ = r.Run(ctx)
}

func childRunner(s work.Store) *work.Runner {
	r := work.New(work.Options{Store: s, Logger: silent, Lease: time.Second, Concurrency: 4, Poll: 100 * time.Millisecond})
	r.Handle("k", work.Kind{Attempts: -1, Handler: work.HandlerFunc(func(ctx context.Context, l *work.Lease) error {
		time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
		return l.Complete(ctx, happened(l.Task().Name))
	})})
	work.NewJobs(r).Handle("sum", work.JobHandlerFunc(sumJob), 1)
	return r
}

// sumJob does a slice after the other, each in one commit with its position.
func sumJob(ctx context.Context, run *work.JobRun) error {
	var at cursor
	if _, err := run.Position(&at); err != nil {
		return err
	}
	for ; at.Next < jobSlices; at.Next++ {
		time.Sleep(10 * time.Millisecond)
		op := effects.Add(store.Key(ws, "job"), map[string]int64{"n": at.Next})
		if err := run.Step(ctx, at.Next+1, jobSlices, cursor{at.Next + 1}, op); err != nil {
			return err
		}
	}
	return run.Result(cursor{at.Next})
}

// Processes are killed in the middle of their work; every task takes effect once,
// and the job goes on where it was.
func TestKilledProcesses(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/hw.db"
	s := openPath(t, path)
	const n = 300
	var ops []store.Op
	for i := range n {
		ops = append(ops, work.Enqueue(work.Item{Kind: "k", Workspace: ws, Name: fmt.Sprint(i), DueAt: time.Now().Add(time.Duration(i) * 10 * time.Millisecond)}))
	}
	put(t, s, ops...)
	ctx := context.Background()
	jobs := work.NewJobs(work.New(work.Options{Store: s}))
	j, err := jobs.Start(ctx, "sum", ws, nil, "")
	require.NoError(t, err)

	start := func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		return cmd
	}
	kill := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	children := []*exec.Cmd{start(), start(), start()}
	defer func() {
		for _, c := range children {
			kill(c)
		}
	}()
	finished := func() bool {
		left, err := work.Tasks.Count(ctx, s, store.Query{})
		require.NoError(t, err)
		return left == 0
	}
	kills := 0
	for end := time.Now().Add(25 * time.Second); !finished(); {
		require.True(t, time.Now().Before(end), "the work is done in time")
		time.Sleep(250 * time.Millisecond)
		if kills < 9 {
			i := kills % len(children)
			kill(children[i])
			children[i] = start()
			kills++
		}
	}
	for i := range n {
		require.EqualValues(t, 1, times(t, s, fmt.Sprint(i)), "task %d", i)
	}
	require.EqualValues(t, jobSlices*(jobSlices-1)/2, times(t, s, "job"))
	j, err = jobs.Get(ctx, ws, j.JobID())
	require.NoError(t, err)
	require.Equal(t, work.Succeeded, j.Status, "%+v", j.Error)
	require.EqualValues(t, jobSlices, j.Done)
	require.GreaterOrEqual(t, kills, 3)
}

package quality

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const rigWS = "ws_RIG0000001"

// A Monday.
var rigStart = time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)

// rig is a process over a store, under a clock that the test moves.
type rig struct {
	*Service
	t        *testing.T
	ctx      context.Context
	clock    *core.VirtualClock
	pipeline *ingest.Pipeline
	runner   *work.Runner
	ids      int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	clock := core.NewVirtualClock(rigStart)
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db"), Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	specs := store.Specs()
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(context.Background(), specs...))
	events, people := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: people})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, pipeline.Close(ctx))
	})
	runner := work.New(work.Options{Store: db, Clock: clock})
	s := New(Options{Store: db, Clock: clock, Profiles: people, Runner: runner, Jobs: work.NewJobs(runner), Logger: slog.New(slog.DiscardHandler)})
	ctx := core.WithActor(t.Context(), &core.Actor{Workspace: rigWS, ID: "mem_test"})
	return &rig{Service: s, t: t, ctx: ctx, clock: clock, pipeline: pipeline, runner: runner}
}

// start runs what is due until the test ends.
func (r *rig) start() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.runner.Run(ctx)
	}()
	r.t.Cleanup(func() { cancel(); <-done })
}

func (r *rig) send(source, format string, args ...any) string {
	r.t.Helper()
	r.ids++
	in := event.DecodeMessage([]byte(fmt.Sprintf(format, args...)), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprintf("m-%d", r.ids)})
	out, err := r.pipeline.Ingest(r.ctx, rigWS, source, []event.Input{in})
	require.NoError(r.t, err)
	require.Equal(r.t, event.Accepted, out[0].Status, "%v", out[0].Err)
	return out[0].ProfileID
}

func (r *rig) set(key string, in Rule) {
	r.t.Helper()
	if in.Name == "" {
		in.Name = key
	}
	_, err := r.SetRule(r.ctx, rigWS, key, 0, in)
	require.NoError(r.t, err)
}

// done waits until a job is over.
func (r *rig) done(id string) *work.Job {
	r.t.Helper()
	var j *work.Job
	require.Eventually(r.t, func() bool {
		var err error
		j, err = r.Jobs.Get(r.ctx, rigWS, id)
		require.NoError(r.t, err)
		return j.Status.Final()
	}, 30*time.Second, 5*time.Millisecond)
	require.Equal(r.t, work.Succeeded, j.Status, "%+v", j.Error)
	return j
}

// judge judges the day that is over.
func (r *rig) judge() (RunResult, map[string]*Result) {
	r.t.Helper()
	j, err := r.Run(r.ctx, rigWS, "")
	require.NoError(r.t, err)
	var out RunResult
	require.NoError(r.t, r.done(j.JobID()).DecodeResult(&out))
	rules, err := r.Rules(r.ctx, rigWS)
	require.NoError(r.t, err)
	var keys []string
	for _, rule := range rules {
		keys = append(keys, rule.Key())
	}
	latest, err := r.Latest(r.ctx, rigWS, keys)
	require.NoError(r.t, err)
	return out, latest
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return core.AsError(err).Reason
}

package object_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/object/objecttest"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const ws = "ws_TEST"

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// people are the profiles that exist.
type people struct {
	mu   sync.Mutex
	m    map[event.Identifier]string
	fail error // of who looks for anybody
}

func (p *people) set(namespace, value, profile string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.m[event.Identifier{Namespace: namespace, Value: value}] = profile
}

func (p *people) Resolve(_ context.Context, _ string, refs []event.Identifier) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail != nil {
		return nil, p.fail
	}
	out := make([]string, len(refs))
	for i, r := range refs {
		out[i] = p.m[r]
	}
	return out, nil
}

type fixture struct {
	*object.Service
	db     store.Store
	clock  *core.VirtualClock
	commit *objecttest.Committer
	people *people
	jobs   *work.Jobs
	runner *work.Runner
	once   sync.Once           // starts the runner
	uses   map[string][]string // "type" or "type.field"
}

func openStore(t testing.TB) store.Store {
	t.Helper()
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	for _, specs := range [][]*store.Spec{store.Specs(), work.Specs(), event.Specs(), object.Specs()} {
		require.NoError(t, db.Declare(context.Background(), specs...))
	}
	return db
}

func setup(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{db: openStore(t), clock: core.NewVirtualClock(start), people: &people{m: map[event.Identifier]string{}}, uses: map[string][]string{}}
	f.commit = &objecttest.Committer{Store: f.db}
	f.runner = work.New(work.Options{Store: f.db, Clock: core.SystemClock{}, Logger: slog.New(slog.DiscardHandler)})
	f.jobs = work.NewJobs(f.runner)
	f.Service = object.NewService(object.Options{
		Store: f.db, Clock: f.clock, Committer: f.commit, People: f.people, Jobs: f.jobs, Gate: objecttest.Everything,
		Uses: func(_ context.Context, _, typeKey, field string) ([]string, error) {
			if field != "" {
				typeKey += "." + field
			}
			return f.uses[typeKey], nil
		},
	})
	f.Register(f.jobs, f.runner)
	return f
}

// define creates a type with fields and relations.
func (f *fixture) define(t testing.TB, in object.TypeInput) *object.Type {
	t.Helper()
	if in.Name == "" {
		in.Name = in.Key
	}
	out, err := f.CreateType(t.Context(), ws, in)
	require.NoError(t, err)
	return out
}

// put writes one record and returns what became of it.
func (f *fixture) put(t testing.TB, typeKey string, it object.Item) object.ItemResult {
	t.Helper()
	out, err := f.Upsert(t.Context(), ws, typeKey, []object.Item{it})
	require.NoError(t, err)
	return out[0]
}

// run runs the background work until the job is over.
func (f *fixture) run(t testing.TB, job *work.Job) *work.Job {
	t.Helper()
	f.once.Do(func() {
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- f.runner.Run(ctx) }()
		t.Cleanup(func() { stop(); <-done })
	})
	var out *work.Job
	require.Eventually(t, func() bool {
		var err error
		out, err = f.jobs.Get(t.Context(), ws, job.JobID())
		return err == nil && out.Status.Final()
	}, 30*time.Second, 10*time.Millisecond)
	return out
}

type doc = map[string]any

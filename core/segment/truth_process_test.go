package segment_test

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
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const truthWS = "ws_TRUTH00001"

// process is all that a server runs, over a store that others may share.
type process struct {
	db       *seam
	pipeline *ingest.Pipeline
	people   *profile.Service
	objects  *object.Service
	segments *segment.Service
	runner   *work.Runner
}

func openTruth(t testing.TB, path string) store.Store {
	t.Helper()
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	specs := []*store.Spec{store.Counters.Spec, store.Claims.Spec}
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), object.Specs(), segment.Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(context.Background(), specs...))
	return db
}

func truthFile(t testing.TB) string { return filepath.Join(t.TempDir(), "headwater.db") }

func newProcess(db store.Store, clock core.Clock) *process {
	p := &process{db: &seam{Store: db}}
	quiet := slog.New(slog.DiscardHandler)
	events := event.NewService(p.db, clock)
	p.people = profile.NewService(p.db, clock)
	p.pipeline = ingest.New(ingest.Options{Store: p.db, Clock: clock, Events: events, Profiles: p.people})
	p.runner = work.New(work.Options{Store: p.db, Clock: clock, Poll: 100 * time.Millisecond, Lease: 30 * time.Second, Logger: quiet})
	jobs := work.NewJobs(p.runner)
	p.objects = object.NewService(object.Options{
		Store: p.db, Clock: clock, Committer: p.pipeline, People: p.people, Events: events, Jobs: jobs,
	})
	p.segments = segment.New(segment.Options{
		Store: p.db, Clock: clock, Profiles: p.people, Objects: p.objects, Events: events, Committer: p.pipeline,
		Jobs: jobs, Runner: p.runner, Logger: quiet, ObjectTypes: p.objects.Vocabulary,
		Gate: func(ctx context.Context, ws string) (*profile.Gate, error) {
			return p.people.Gate(core.WithActor(ctx, &core.Actor{Workspace: ws, ID: "system:test"}), ws)
		},
	})
	p.people.SetFold(p.segments)
	return p
}

func (p *process) close(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, p.pipeline.Close(ctx))
}

// seam lets a test come between a process and its store.
type seam struct {
	store.Store

	mu        sync.Mutex
	before    func() // called once, before the next commit about people
	published func() // called after definitions were published
}

// between has f happen between what the process reads and what it commits next.
func (s *seam) between(f func()) {
	s.mu.Lock()
	s.before = f
	s.mu.Unlock()
}

// whenPublished has f called once definitions were published; nil: nothing.
func (s *seam) whenPublished(f func()) {
	s.mu.Lock()
	s.published = f
	s.mu.Unlock()
}

var aboutPeople = map[string]bool{
	segment.Behaviours.Spec.Name: true, segment.Memberships.Spec.Name: true, segment.Epochs.Spec.Name: true, profile.Profiles.Spec.Name: true,
}

// Commit implements store.Writer.
func (s *seam) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	people, defs := false, false
	for i := range b.Ops {
		people = people || aboutPeople[b.Ops[i].Spec.Name]
		defs = defs || b.Ops[i].Spec.Name == segment.Segments.Spec.Name
	}
	if people {
		s.mu.Lock()
		f := s.before
		s.before = nil
		s.mu.Unlock()
		if f != nil {
			f()
		}
	}
	token, err := s.Store.Commit(ctx, b)
	if defs && people && err == nil {
		s.mu.Lock()
		f := s.published
		s.mu.Unlock()
		if f != nil {
			f()
		}
	}
	return token, err
}

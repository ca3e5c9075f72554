package segment

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// ObjectReader finds the records that conditions on objects ask about. *object.Service
// is one.
type ObjectReader interface {
	// Related returns the live records of a type that are related to a person who
	// has the identifiers and parts, once for each relation.
	Related(ctx context.Context, ws, typeKey string, ids []event.Identifier, parts []string) ([]*object.Related, error)
	// Pending returns the records that operations of a batch write, deleted ones too.
	Pending(ctx context.Context, ws string, ops []store.Op) ([]*object.Record, error)
}

var _ ObjectReader = (*object.Service)(nil)

// Options are what a Service is made of. Store, Clock, Profiles, Events, Committer,
// Jobs and Runner are required.
type Options struct {
	Store     store.Store
	Clock     core.Clock
	Profiles  *profile.Service
	Objects   ObjectReader // nil: nobody has records
	Events    *event.Service
	Committer event.Committer
	Jobs      *work.Jobs
	Runner    *work.Runner
	Logger    *slog.Logger // slog.Default()
	// ObjectTypes tells what conditions may say of records, by the keys of their
	// types; nil: there are none.
	ObjectTypes func(ctx context.Context, ws string) (map[string]condition.ObjectVocabulary, error)
	// Purposes lists the purposes that consents are given for; nil: not checked.
	Purposes func(ctx context.Context, ws string) ([]string, error)
	// Gate returns what the actor of ctx may see; nil: Profiles.Gate.
	Gate func(ctx context.Context, ws string) (*profile.Gate, error)
}

// Service answers questions about segments, changes them, and derives who is in
// them. It is safe for concurrent use.
type Service struct {
	db        store.Store
	clock     core.Clock
	profiles  *profile.Service
	objects   ObjectReader
	events    *event.Service
	committer event.Committer
	jobs      *work.Jobs
	runner    *work.Runner
	log       *slog.Logger
	gate      func(ctx context.Context, ws string) (*profile.Gate, error)

	follower Follower // nil: nobody follows

	desk desk // of the half that keeps definitions: see vocabulary.go

	sets sync.Map      // workspace → *setSlot
	lane atomic.Uint32 // of the next unit
}

// New returns a service over a store whose collections (Specs) are declared, and
// registers its jobs and sweeps with Jobs and Runner.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{
		db: o.Store, clock: o.Clock, profiles: o.Profiles, objects: o.Objects, events: o.Events,
		committer: o.Committer, jobs: o.Jobs, runner: o.Runner, log: o.Logger,
	}
	if s.gate = o.Gate; s.gate == nil {
		s.gate = o.Profiles.Gate
	}
	s.desk.open(o)
	s.register()
	s.handleJobs()
	return s
}

// register makes the jobs and sweeps of the engine known to this process.
func (s *Service) register() {
	if s.jobs == nil || s.runner == nil {
		return
	}
	s.jobs.Handle(BackfillKind, work.JobHandlerFunc(s.backfill), 1)
	s.jobs.Handle(RebuildKind, work.JobHandlerFunc(s.rebuild), 1)
	s.runner.Handle(SweepKind, work.Kind{
		Handler: work.HandlerFunc(s.sweep), Concurrency: 512, Lease: 30 * time.Second, Attempts: -1,
		Backoff: work.Backoff{Base: 200 * time.Millisecond, Max: 10 * time.Second},
	})
}

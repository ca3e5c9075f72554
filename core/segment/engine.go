package segment

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Related is a record that is related to a profile.
type Related struct {
	Relation string   // its label
	Record   string   // id of the record
	Fields   bson.Raw // as conditions read them
}

// ObjectReader finds the records that conditions on objects ask about.
type ObjectReader interface {
	// Related returns the live records of a type that are related to a person who
	// has the identifiers and parts, once for each relation.
	Related(ctx context.Context, ws, typeKey string, ids []event.Identifier, parts []string) ([]Related, error)
	// Overlay returns related with the operations of a batch that is about to be
	// committed applied to it.
	Overlay(related []Related, pending []store.Op, typeKey string, ids []event.Identifier, parts []string) []Related
}

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
	return s
}

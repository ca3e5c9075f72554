package access

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Options configure a Service. Zero values mean the defaults.
type Options struct {
	Store  store.Store
	Clock  core.Clock // core.SystemClock
	Logger *slog.Logger
	// Jobs runs the deletion of workspaces. Nil where nothing is deleted.
	Jobs *work.Jobs
	// Specs are all the collections of the server: what a deletion empties.
	Specs []*store.Spec
	// Settle is how long after a workspace was marked a deletion goes on looking
	// for documents that requests in flight were still writing; 10 s.
	Settle time.Duration
	// Ring seals what members are called. Nil where there are no members.
	Ring *keyring.Ring
	// Audit writes down what is done here. Nil in tests only.
	Audit *audit.Log
	// Alert, if set, is told of what somebody should look at. It must not wait.
	Alert func(ctx context.Context, a Alert)
	// CacheSize is how many keys, and how many members, are kept in memory; 10,000.
	CacheSize int
}

// Service answers who may come in, and manages workspaces and keys. What it is
// asked to do, it does for the actor of the context.
type Service struct {
	store    store.Store
	clock    core.Clock
	log      *slog.Logger
	jobs     *work.Jobs
	specs    []*store.Spec
	settle   time.Duration
	cache    *cache[entry]
	people   *cache[[]seat]
	live     *live
	usage    *usage
	quotas   *quotas
	policy   atomic.Pointer[policyBox]
	ring     *keyring.Ring
	audit    *audit.Log
	alert    func(ctx context.Context, a Alert)
	oidc     atomic.Pointer[OIDC]
	purposes atomic.Pointer[func(ctx context.Context, workspace, purpose string) (bool, error)]

	decisions map[string]DecisionFunc // by prefix of the subject's id
	deciders  map[string]Permission   // likewise; Govern where there is none
	changes   map[string]ChangeFunc   // by kind of PendingChange
}

// New returns the service and registers the deletion of workspaces with
// Options.Jobs.
func New(opt Options) *Service {
	if opt.Clock == nil {
		opt.Clock = core.SystemClock{}
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.Settle == 0 {
		opt.Settle = 10 * time.Second
	}
	if opt.CacheSize <= 0 {
		opt.CacheSize = 10_000
	}
	s := &Service{
		store: opt.Store, clock: opt.Clock, log: opt.Logger, jobs: opt.Jobs, specs: opt.Specs, settle: opt.Settle,
		ring: opt.Ring, audit: opt.Audit, alert: opt.Alert,
		cache: newCache[entry](opt.CacheSize), people: newCache[[]seat](opt.CacheSize), live: newLive(), usage: newUsage(), quotas: newQuotas(opt.CacheSize),
		decisions: map[string]DecisionFunc{}, deciders: map[string]Permission{},
	}
	s.OnChange(changeRetention, s.retained)
	if s.jobs != nil {
		s.jobs.Handle(DeleteKind, work.JobHandlerFunc(s.runDeletion), 1)
	}
	return s
}

// Run keeps the service fresh until ctx ends: it follows the changes that other
// processes make, ends live streams whose key ends, and writes when keys were
// last used. Without it, changes elsewhere are still seen within a second by
// Authenticate, but not by Live.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.follow(ctx) })
	for s.clock.Sleep(ctx, time.Second) == nil {
		s.live.expire(s.clock.Now())
		if s.live.stale() {
			s.recheck(ctx)
		}
		s.flushUsage(ctx)
	}
	wg.Wait()
	s.flushUsage(ctx)
	return nil
}

// follow drops what is cached whenever keys or workspaces change.
func (s *Service) follow(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.followOnce(ctx)
		if ctx.Err() == nil {
			s.log.Warn("access: watch keys", "error", err.Error())
			_ = core.SystemClock{}.Sleep(ctx, 200*time.Millisecond)
		}
	}
}

func (s *Service) followOnce(ctx context.Context) error {
	token, err := s.store.Now(ctx)
	if err != nil {
		return err
	}
	stream, err := s.store.Watch(ctx, token, Keys.Spec, Workspaces.Spec, Members.Spec)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	for {
		s.changed(ctx) // at first: for what went by while nobody watched
		if _, err := stream.Next(ctx); err != nil {
			return err
		}
	}
}

// changed forgets what is cached and ends the live streams of keys that ended.
func (s *Service) changed(ctx context.Context) {
	s.cache.drop()
	s.people.drop()
	s.recheck(ctx)
}

// write commits a batch. While the store cannot say whether it took effect, the
// batch is repeated with its id.
func (s *Service) write(ctx context.Context, ops ...store.Op) error {
	b := store.Batch{ID: core.NewID(core.PrefixBatch, s.clock.Now()), Ops: ops}
	var err error
	for try := range 4 {
		if try > 0 && (core.SystemClock{}).Sleep(ctx, 50*time.Millisecond<<try) != nil {
			break
		}
		if _, err = s.store.Commit(ctx, b); !errors.Is(err, store.ErrUnavailable) {
			break
		}
	}
	return err
}

func conflict(err error) bool { return errors.Is(err, store.ErrConflict) }

// conflictIn reports whether err is a conflict in the collection.
func conflictIn(err error, spec *store.Spec) bool {
	var c *store.ConflictError
	return errors.As(err, &c) && c.Collection == spec.Name
}

// again calls f until it meets no conflict: somebody else wrote between its read
// and its write.
func again(f func() error) error {
	for try := 0; ; try++ {
		if err := f(); !conflict(err) || try == 20 {
			return err
		}
	}
}

package insight

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Options are what a Service is made of. Store, Clock and Profiles are required; without
// Jobs nothing is counted of the time before a definition.
type Options struct {
	Store    store.Store
	Clock    core.Clock
	Profiles *profile.Service
	Segments *segment.Service // nil: figures are of everybody
	Events   *event.Service   // the registry of fields; nil: nothing is registered
	Jobs     *work.Jobs
	Costs    Costs   // nil: nothing was spent
	Targets  Targets // nil: there are none
	Logger   *slog.Logger
	// May refuses a condition that the actor of ctx may not ask; nil: everybody may.
	May func(ctx context.Context, ws string, n *condition.Node) error
	// Workspaces lists the ids of the workspaces, for Run.
	Workspaces func(ctx context.Context) ([]string, error)
	// SmallCell is how many people a cell has at least that is shown to whoever sees
	// aggregates only; 0 is SmallCell.
	SmallCell int
}

// SmallCell is how many people a cell has at least that is shown to whoever sees
// aggregates only, where nobody says otherwise.
const SmallCell = 10

// Service keeps and answers figures. It is safe for concurrent use; several processes may
// run one on the same store.
type Service struct {
	Options
	lanes  *lanes
	cells  known
	people remembered

	mu     sync.Mutex
	kept   map[string]*set   // by workspace
	purged map[string]string // the day of the last purge that was started, likewise
}

// NewService returns a service over a store whose collections (Specs) are declared, and
// registers its jobs.
func NewService(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.SmallCell <= 0 {
		o.SmallCell = SmallCell
	}
	s := &Service{Options: o, lanes: newLanes(), kept: map[string]*set{}, purged: map[string]string{}}
	if s.Jobs != nil {
		s.Jobs.Handle(BackfillKind, work.JobHandlerFunc(s.backfillJob), 1)
		s.Jobs.Handle(RebuildKind, work.JobHandlerFunc(s.rebuildJob), 1)
		s.Jobs.Handle(PurgeKind, work.JobHandlerFunc(s.purge), 1)
	}
	return s
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// attempts is how often a change is computed anew that others overtook.
const attempts = 50

// setAge is how long a process may go on with definitions that another has changed. What
// it folds by older ones than those that are stored does not pass the guard.
const setAge = 500 * time.Millisecond

// maxKept bounds what is kept: beyond it everything is read again.
const maxKept = 1000

// guardCount is how many documents guard the definitions: writers on different ones never
// wait for each other.
const guardCount = 16

func guardKey(ws string, n int) string { return store.Key(ws, "guard", strconv.Itoa(n)) }

// set returns the metrics of a workspace, at most half a second old.
func (s *Service) set(ctx context.Context, ws string) (*set, error) {
	s.mu.Lock()
	c := s.kept[ws]
	s.mu.Unlock()
	if c != nil && time.Since(c.at) < setAge {
		return c, nil
	}
	return s.fresh(ctx, ws)
}

// fresh reads the metrics of a workspace.
func (s *Service) fresh(ctx context.Context, ws string) (*set, error) {
	at := time.Now()
	keys := make([]string, guardCount)
	for i := range keys {
		keys[i] = guardKey(ws, i)
	}
	// Before the metrics: a change that comes between is found out by the guard.
	held, err := guards.GetMany(ctx, s.Store, keys)
	if err != nil {
		return nil, fmt.Errorf("insight: read guards: %w", err)
	}
	var rev int64
	for i, g := range held {
		if g == nil {
			held[i] = &guard{Meta: store.Meta{ID: keys[i]}}
		} else {
			rev = max(rev, g.Rev)
		}
	}
	common, err := s.ReportingOf(ctx, ws)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	old := s.kept[ws]
	s.mu.Unlock()
	if old != nil && old.rev == rev && old.guards[0].V == held[0].V {
		again := *old
		again.at, again.guards, again.currency = at, held, common.Currency
		s.keep(ws, &again)
		return &again, nil
	}
	list, err := s.metrics(ctx, ws)
	if err != nil {
		return nil, err
	}
	c, fault := compileSet(list)
	if fault != nil { // they were checked when they were made
		return nil, fmt.Errorf("insight: compile the metrics: %w", fault)
	}
	c.at, c.rev, c.guards, c.currency = at, rev, held, common.Currency
	s.keep(ws, c)
	return c, nil
}

func (s *Service) keep(ws string, c *set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxKept {
		clear(s.kept)
	}
	if old := s.kept[ws]; old == nil || old.rev <= c.rev {
		s.kept[ws] = c
	}
}

// Drop forgets what is kept of a workspace: to be called when it was deleted.
func (s *Service) Drop(ws string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, ws)
}

// metrics returns the workspace's metrics, those that are built in among them, in the
// order of their names.
func (s *Service) metrics(ctx context.Context, ws string) ([]*Metric, error) {
	own, err := Metrics.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, fmt.Errorf("insight: read metrics: %w", err)
	}
	by := map[string]*Metric{}
	for _, m := range builtIns(ws) {
		by[m.Name()] = m
	}
	for _, m := range own {
		m.BuiltIn = by[m.Name()] != nil
		by[m.Name()] = m
	}
	out := make([]*Metric, 0, len(by))
	for _, name := range sortedKeys(by) {
		out = append(out, by[name])
	}
	return out, nil
}

// publish returns the operations that make every process read the definitions again
// before it commits anything that they count.
func (s *Service) publish(ctx context.Context, ws string) ([]store.Op, error) {
	c, err := s.fresh(ctx, ws)
	if err != nil {
		return nil, err
	}
	ops := make([]store.Op, len(c.guards))
	for i, g := range c.guards {
		next := *g
		next.Rev = c.rev + 1
		ops[i] = guards.Put(&next)
	}
	return ops, nil
}

func headKey(ws string) string { return store.Key(ws, "head") }

func (s *Service) head(ctx context.Context, ws string) (*head, error) {
	h, err := heads.Get(ctx, s.Store, headKey(ws))
	if err != nil {
		return nil, fmt.Errorf("insight: read what is complete: %w", err)
	}
	if h == nil {
		h = &head{Meta: store.Meta{ID: headKey(ws)}}
	}
	return h, nil
}

package budget

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Cell is a figure's value for some dimensions; nil where it has none.
type Cell struct {
	Dimensions map[string]string
	Value      *condition.Decimal
	Few        bool // fewer people are behind it than are shown to who sees aggregates only
}

// Figures answers what metrics come to.
type Figures interface {
	// Dimensions returns the keys of a metric's dimensions, or NOT_FOUND.
	Dimensions(ctx context.Context, ws, metric string) ([]string, error)
	// Admit refuses who may not ask for a metric, and reports whether they see aggregates
	// only.
	Admit(ctx context.Context, ws, metric string) (few bool, err error)
	// Values returns what a metric came to in a period, as a whole.
	Values(ctx context.Context, ws, metric string, from, to time.Time, by []string) ([]Cell, error)
}

// Options are what a Service is made of. All but Logger are required, Figures before the
// first target is set: see Of.
type Options struct {
	Store   store.Store
	Clock   core.Clock
	Figures Figures
	Runner  *work.Runner
	Logger  *slog.Logger // slog.Default()
}

// Service keeps costs, targets and alerts. It is safe for concurrent use; several
// processes may run one on the same store.
type Service struct {
	Options
	mu   sync.Mutex
	kept map[string]kept // targets by workspace
}

type kept struct {
	list []*Target
	at   time.Time // by the process's own clock
}

// New returns a service over a store whose collections (Specs) are declared, and registers
// its daily task.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{Options: o, kept: map[string]kept{}}
	o.Runner.Handle(dailyKind, work.Kind{Handler: work.HandlerFunc(s.daily), Attempts: -1})
	return s
}

const (
	dailyKind = "budget.daily"
	dailyName = "daily"
	attempts  = 20
	hour      = 2 * time.Hour // after midnight, UTC: late enough for what was under way
)

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// An answer of many rows asks for the target of each: targets are kept for half a second,
// of some workspaces.
const (
	keptFor = 500 * time.Millisecond
	maxKept = 1000
)

// targetsOf returns the targets of a workspace, at most half a second old.
func (s *Service) targetsOf(ctx context.Context, ws string) ([]*Target, error) {
	s.mu.Lock()
	k, ok := s.kept[ws]
	s.mu.Unlock()
	if ok && time.Since(k.at) < keptFor {
		return k.list, nil
	}
	at := time.Now()
	list, err := Targets.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxKept {
		clear(s.kept)
	}
	s.kept[ws] = kept{list, at}
	return list, nil
}

func (s *Service) due() time.Time {
	return s.now().Truncate(24 * time.Hour).Add(24*time.Hour + hour)
}

// begin returns the operation that begins the daily check; none when there is one.
func (s *Service) begin(ctx context.Context, ws string) ([]store.Op, error) {
	task, err := work.Find(ctx, s.Store, ws, dailyKind, dailyName)
	if err != nil || task != nil {
		return nil, err
	}
	return []store.Op{work.Enqueue(work.Item{Kind: dailyKind, Workspace: ws, Name: dailyName, DueAt: s.due()})}, nil
}

func (s *Service) daily(ctx context.Context, l *work.Lease) error {
	if err := s.Check(ctx, l.Task().Workspace); err != nil {
		return err
	}
	return l.Reschedule(ctx, s.due(), nil)
}

package journey

import (
	"context"
	"errors"
	"hash/fnv"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Outbox takes the messages that steps decide. *message.Service is one.
type Outbox interface {
	Queue(ctx context.Context, ws string, in message.Intent) ([]store.Op, error)
	// Attained returns the operations that tell the messages of an enrollment that its person
	// came to the goal at an instant, once for each key.
	Attained(ws, enrollment, key string, at time.Time) []store.Op
}

// Ledger keeps points and lead scores. Its calls come before the step commits, and again
// with the same key should the step be made anew: the same key changes something once. The
// word is why nothing changed ("POINTS_TOO_FEW"), for the history; "" when something did.
// by names the journey and its node: jrn_…/node.
type Ledger interface {
	Points(ctx context.Context, ws, profileID, key string, p Points) (word string, err error)
	Score(ctx context.Context, ws, profileID, key, by string, s Score) (word string, err error)
}

// Caller carries out the calls of webhook nodes. The same key may be called again. The
// secrets sign the body, each of them; none is the workspace's own.
type Caller interface {
	Call(ctx context.Context, ws, key string, c CallWebhook, secrets []string, body any) error
}

// Keys makes of a value what tells nothing of it, and seals. keyring.Ring implements it.
type Keys interface {
	Seal(ctx context.Context, ws string, plain, bound []byte) ([]byte, error)
	Open(ctx context.Context, ws string, sealed, bound []byte) ([]byte, error)
	MAC(ctx context.Context, ws, name string, data []byte) ([]byte, error)
}

// ServiceOptions are what a Service works with. Coupons, Ledger, Caller, Objects and Audit may be
// nil: journeys with such nodes are refused then.
type ServiceOptions struct {
	Store     store.Store
	Clock     core.Clock
	Keys      Keys
	Profiles  *profile.Service
	Segments  *segment.Service
	Objects   *object.Service
	Committer event.Committer
	Outbox    Outbox
	Coupons   Coupons
	Ledger    Ledger
	Caller    Caller
	Hours     Hours // nil: nothing is known of people's hours
	Access    *access.Service
	Audit     access.Record
	Runner    *work.Runner
	Jobs      *work.Jobs
	// Words knows the names that definitions may use.
	Words func(ctx context.Context, ws string) (Vocabulary, error)
	// Title names a template to people; nil: they are told by their ids.
	Title func(ctx context.Context, ws, template string) string
	// View returns what roles may see for a purpose: by it a job simulates for whoever asked
	// for it. Nil: only the system itself has simulations made by a job.
	View   func(ctx context.Context, ws string, roles []string, purpose string) (*core.View, error)
	Logger *slog.Logger
}

// Service keeps journeys and leads people through them. It is safe for concurrent use.
type Service struct {
	ServiceOptions
	programs sync.Map // key of a version → *Program
	pokes    sync.Map // workspace/lane → chan struct{}
	asked    sync.Map // workspace → time.Time: when a guard last asked the store
	turns    atomic.Int64
}

// New returns a service over a store whose collections (Specs) are declared. It follows
// segments and registers its work; whoever wires it chains it behind segments among the
// folds of profiles.
func New(o ServiceOptions) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{ServiceOptions: o}
	s.Segments.SetFollower(s)
	s.Runner.Handle(laneKind, work.Kind{
		Handler: work.HandlerFunc(s.lane), Concurrency: 512, Lease: 30 * time.Second, Attempts: -1,
		Backoff: work.Backoff{Base: 200 * time.Millisecond, Max: 10 * time.Second},
	})
	s.Runner.Handle(callKind, work.Kind{Handler: work.HandlerFunc(s.handleCall), Concurrency: 8, Attempts: 12, Backoff: work.Backoff{Base: time.Second, Max: time.Hour}})
	s.Runner.Handle(couponKind, work.Kind{Handler: work.HandlerFunc(s.lookAfter), Concurrency: 8, Attempts: -1, Backoff: work.Backoff{Base: time.Second, Max: time.Hour}})
	s.handleJobs()
	s.Access.OnDecision(core.PrefixJourney, s.decided)
	s.Access.DecideWith(core.PrefixJourney, access.Design)
	s.Segments.OnUses(s.uses)
	return s
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// lanes is over how many workers the people of a workspace are spread.
const lanes = 16

// laneOf returns the lane of a part: all that concerns one is done by one worker.
func laneOf(part string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(part))
	n := strconv.Itoa(int(h.Sum32() % lanes))
	if len(n) == 1 {
		return "0" + n
	}
	return n
}

// LaneOf returns the name of the lane in which a part's enrollments are led on, for who
// stores enrollments as they would have come to be.
func LaneOf(part string) string { return laneOf(part) }

// Lanes lists the names of all lanes.
func Lanes() []string {
	out := make([]string, lanes)
	for n := range out {
		out[n] = string([]byte{'0' + byte(n/10), '0' + byte(n%10)})
	}
	return out
}

// versionKey is the key of a version of a journey.
func versionKey(ws, journey string, number int64) string {
	n := strconv.FormatInt(number, 10)
	return store.Key(ws, journey, "000000"[:max(0, 6-len(n))]+n)
}

// program returns a version, compiled.
func (s *Service) program(ctx context.Context, ws, journey string, number int64) (*Program, error) {
	key := versionKey(ws, journey, number)
	if p, ok := s.programs.Load(key); ok {
		return p.(*Program), nil
	}
	v, err := Versions.Get(ctx, s.Store, key)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, core.Errorf(core.NotFound, "JOURNEY_VERSION", "the journey has no version %d", number)
	}
	return s.compiled(v)
}

// compiled compiles a version, which never changes, once.
func (s *Service) compiled(v *Version) (*Program, error) {
	if p, ok := s.programs.Load(v.ID); ok {
		return p.(*Program), nil
	}
	d, err := ParseJSON([]byte(v.Definition))
	if err != nil {
		return nil, err
	}
	p, err := Compile(d, v.Journey)
	if err != nil {
		return nil, err
	}
	s.programs.Store(v.ID, p)
	return p, nil
}

// storeError makes an error of the store the one that leaves the domain.
func storeError(op string, err error) error {
	var e *core.Error
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.Is(err, store.ErrConflict):
		return core.Errorf(core.Conflict, "VERSION", "somebody else changed this meanwhile; read it again")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return core.AsError(err)
	}
	return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").After(time.Second).Wrap(err)
}

func actor(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.ID
	}
	return "system"
}

// commit writes operations as one batch.
func (s *Service) commit(ctx context.Context, ops []store.Op) error {
	return work.Commit(ctx, s.Store, ops...)
}

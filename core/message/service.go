package message

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	stdsync "sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Keys seals addresses and signs links. keyring.Ring implements it.
type Keys interface {
	Seal(ctx context.Context, ws string, plain, bound []byte) ([]byte, error)
	Open(ctx context.Context, ws string, sealed, bound []byte) ([]byte, error)
	Sign(ctx context.Context, ws, use string, claims any, expires time.Time) (string, error)
	Verify(ctx context.Context, ws, use, token string, claims any, now time.Time) error
	MAC(ctx context.Context, ws, name string, data []byte) ([]byte, error)
}

// Auditor makes an entry of the audit log to be committed with what it tells of. audit.Log
// implements it.
type Auditor interface {
	Op(ctx context.Context, e audit.Entry) (store.Op, error)
}

// Options are what a Service works with.
type Options struct {
	Store     store.Store
	Clock     core.Clock
	Keys      Keys
	Runner    *work.Runner
	Committer event.Committer
	Events    *event.Service
	Profiles  *profile.Service
	Consent   *consent.Service
	Vendors   Vendors
	Templates Templates // nil: there are none
	Audit     Auditor   // nil: nothing is audited
	Logger    *slog.Logger
	// Uses returns the categories of data that may be used for a purpose; nil: all of them.
	Uses func(ctx context.Context, ws, purpose string) (map[core.Category]bool, error)
	// Outcomes returns the operations that count what came of templates, for the batch of the
	// change that decides it; nil: nobody counts.
	Outcomes func(ws string, lane int, batch []Outcome) []store.Op
	// Predictions returns what is predicted of a person now, by name ("lead.score"), for what
	// templates read as predictions and lead; nil: nothing is.
	Predictions func(ctx context.Context, ws string, p *profile.Profile) (map[string]any, error)
	// Signing returns the secrets that sign what goes over the channel WEBHOOK, the newest
	// first; nil, or none: one that nobody knows does.
	Signing func(ctx context.Context, ws string) ([]string, error)
	// Moved is called when a message that is no test has come to another status, after its
	// commit: for metrics. The reason is one of a bounded set, and no personal value; "" is none.
	Moved func(channel, status, reason string)
	// URL is that of this server as people reach it, without a slash at its end; "" makes no
	// links that lead through it.
	URL func() string
}

// Service keeps the outbox and dispatches it. It is safe for concurrent use.
type Service struct {
	Options
	guards  []Guard
	keepers []Keeper
	client  *http.Client // of webhooks

	sets   cache[*Settings]
	routes cache[*route]
	gates  cache[*gate]

	mu      stdsync.Mutex
	ensured map[string]bool          // workspace/channel whose lanes are dispatched
	probed  map[string]time.Time     // connections, when they were last tried
	awake   map[string]chan struct{} // lanes that are worked on here
}

// New returns a service over a store whose collections (Specs) are declared. Its tasks are
// registered with the runner.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.URL == nil {
		o.URL = func() string { return "" }
	}
	s := &Service{Options: o, ensured: map[string]bool{}, probed: map[string]time.Time{}, awake: map[string]chan struct{}{}}
	s.client = s.poster()
	if o.Runner != nil {
		o.Runner.Handle(DispatchKind, work.Kind{
			Handler: work.HandlerFunc(s.dispatch), Concurrency: 512, Attempts: -1, Backoff: work.Backoff{Base: time.Second, Max: 30 * time.Second},
		})
		o.Runner.Handle(goalKind, work.Kind{Handler: work.HandlerFunc(s.attain), Concurrency: 16, Attempts: -1, Backoff: work.Backoff{Base: time.Second, Max: time.Hour}})
	}
	return s
}

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{Messages.Spec, settingsOf.Spec, controls.Spec, Reservations.Spec, Inbox.Spec, spents.Spec}
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// storeError makes an error of the store the one that leaves the domain.
func storeError(what string, err error) error {
	var own *core.Error
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case errors.Is(err, store.ErrConflict):
		return core.Errorf(core.Conflict, "VERSION", "somebody else changed this meanwhile; read it again").Wrap(err)
	}
	return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").After(time.Second).Wrap(err)
}

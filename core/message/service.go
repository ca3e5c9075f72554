package message

import (
	"context"
	"errors"
	"log/slog"
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
	Audit     Auditor // nil: nothing is audited
	Logger    *slog.Logger
}

// Service keeps the outbox and dispatches it. It is safe for concurrent use.
type Service struct {
	Options
	guards []Guard

	mu      stdsync.Mutex
	ensured map[string]bool // workspace/channel whose lanes are dispatched
}

// New returns a service over a store whose collections (Specs) are declared. Its tasks are
// registered with the runner.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Service{Options: o, ensured: map[string]bool{}}
}

// Specs lists the collections of the package.
func Specs() []*store.Spec { return []*store.Spec{Messages.Spec} }

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

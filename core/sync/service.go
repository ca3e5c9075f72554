package sync

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	stdsync "sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Keys seals what nobody may read in the store. keyring.Ring implements it.
type Keys interface {
	Seal(ctx context.Context, ws string, plain, bound []byte) ([]byte, error)
	Open(ctx context.Context, ws string, sealed, bound []byte) ([]byte, error)
	MAC(ctx context.Context, ws, name string, data []byte) ([]byte, error)
}

// Auditor makes an entry of the audit log to be committed with what it tells of. audit.Log
// implements it.
type Auditor interface {
	Op(ctx context.Context, e audit.Entry) (store.Op, error)
}

// Options are what a Service works with. All but Segments, Objects and Audit are required.
type Options struct {
	Store     store.Store
	Clock     core.Clock
	Host      Host
	Keys      Keys
	Runner    *work.Runner
	Events    *event.Service
	Committer event.Committer
	Profiles  *profile.Service
	Objects   *object.Service
	Segments  *segment.Service
	Consent   *consent.Service
	Audit     Auditor
	// Private allows connections to addresses of this machine and of private networks: for
	// sandboxes.
	Private bool
	// URL is that of this server as vendors reach it, without a slash at its end.
	URL    func() string
	Logger *slog.Logger
	// Reports takes what vendors tell of messages: what became of those that were handed over
	// by Send, and what people wrote. Workspace and connection are those of c; each report and
	// each text has an Event or ID by which it is known when it comes again, and a time.
	//
	// It is told once at least, in no order, from several goroutines and processes. nil is a
	// promise that all of it is on disk: only then a webhook counts as carried out, and a
	// cursor of a pull moves behind it, upon which a message centre is answered. With an error
	// all of it comes again later, webhooks with growing pauses for as long as it takes;
	// so an error is for what may go better then, not for a message that nobody knows. A report
	// can come before Send has returned the message's id: then Key tells whose it is, where
	// the vendor carried it, and else an error lets it come again.
	//
	// What a text or a report says of consent (STOP, a complaint, an address that does not
	// exist) is written here already, where the connector says it, before Reports is called.
	// nil: nobody sends any.
	Reports func(ctx context.Context, c *Connection, d []Delivery, in []Inbound) error
	// Costs keeps what an account spent on advertising; nil: there are no syncs of costs.
	Costs func(ctx context.Context, ws, account string, list []Cost) (CostsKept, error)
	// Lookup finds the addresses of a host; nil asks the machine's resolver.
	Lookup func(ctx context.Context, host string) ([]net.IP, error)
}

// Service keeps connections and runs syncs. It is safe for concurrent use.
type Service struct {
	Options
	mu       stdsync.Mutex
	limiters map[string]*limiter
	secrets  map[string][]byte     // by workspace: the key of the hashes in links
	shapes   map[string]discovered // by connection
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
	if o.Lookup == nil {
		o.Lookup = func(ctx context.Context, host string) ([]net.IP, error) {
			return net.DefaultResolver.LookupIP(ctx, "ip", host)
		}
	}
	s := &Service{Options: o, limiters: map[string]*limiter{}, secrets: map[string][]byte{}, shapes: map[string]discovered{}}
	s.Runner.Handle(runKind, work.Kind{Handler: work.HandlerFunc(s.handleRun), Concurrency: 8, Lease: leaseOf, Attempts: -1})
	s.Runner.Handle(hookKind, work.Kind{Handler: work.HandlerFunc(s.handleHook), Concurrency: 4, Attempts: -1})
	s.Runner.Handle(tidyKind, work.Kind{Handler: work.HandlerFunc(s.handleTidy), Concurrency: 1})
	return s
}

const (
	runKind  = "sync.run"
	hookKind = "sync.hook"
	tidyKind = "sync.tidy"
	leaseOf  = 30 * time.Second
)

// Edit is how a change is asked for.
type Edit struct {
	ExpectedVersion *int64
	IdempotencyKey  string
	DryRun          bool
}

// connect refuses who may not manage connections.
func connect(ctx context.Context) error { return access.Allow(ctx, access.Connect) }

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

func actor(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.ID
	}
	return "system"
}

// commit writes operations, an audit entry among them.
func (s *Service) commit(ctx context.Context, e *audit.Entry, ops ...store.Op) error {
	if e != nil && s.Audit != nil {
		op, err := s.Audit.Op(ctx, *e)
		if err != nil {
			return err
		}
		ops = append([]store.Op{op}, ops...)
	}
	return work.Commit(ctx, s.Store, ops...)
}

// storeError makes an error of the store the one that leaves the domain.
func storeError(what string, err error) error {
	var own *core.Error
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case errors.Is(err, store.ErrConflict):
		return core.Errorf(core.Conflict, "VERSION", "somebody else changed this meanwhile; read it again")
	}
	return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").After(time.Second).Wrap(err)
}

func expected(have int64, e Edit) error {
	if e.ExpectedVersion != nil && *e.ExpectedVersion != have {
		return core.Errorf(core.Conflict, "VERSION", "it is at version %d now; read it again and change that", have).At("expectedVersion")
	}
	return nil
}

// newID returns an id that belongs to an idempotency key, or a fresh one.
func (s *Service) newID(ws, prefix, key string) string {
	if key != "" {
		return core.HashID(prefix, ws, "create", key)
	}
	return core.NewID(prefix, s.now())
}

func randomToken() string {
	var b [20]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

package consent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// registerAge is how long a process may work by a register that another process has
// changed.
const registerAge = 500 * time.Millisecond

// Options are what a Service works with. Without People, Committer and Tokens it
// serves the register alone.
type Options struct {
	Store     store.Store
	Clock     core.Clock
	People    People
	Committer event.Committer
	Tokens    Tokens
	Audit     Auditor // nil: nothing is audited
	// URL is that of this server as people reach it, without a slash at its end; "" makes
	// links that are paths.
	URL string
	// Stands reports whether somebody who made a link may still act; nil: everybody may.
	Stands func(ctx context.Context, ws, actor string) (bool, error)
	// Approver keeps what loosens a purpose waiting for somebody else to agree; nil: it takes
	// effect at once.
	Approver Approver
	// InFlight lists the messages to a person that are with their channels, which have not
	// answered; nil: nobody sends any. It is asked after a withdrawal.
	InFlight func(ctx context.Context, ws, profile string) ([]InFlight, error)
	// Name returns what people know a workspace by; nil: its pages name nobody.
	Name func(ctx context.Context, ws string) (string, error)
}

// Service keeps the register of each workspace and the ledger of consents. It is safe
// for concurrent use.
type Service struct {
	Options
	cache sync.Map // workspace → *cached
	guard Guard
}

// Guard is asked before the purposes of a workspace change, and refuses with its error.
type Guard func(ctx context.Context, ws string, old, next *Register) error

// SetGuard makes g the guard of all changes of purposes. Call it before the first request.
func (s *Service) SetGuard(g Guard) { s.guard = g }

type cached struct {
	register *Register
	doc      *registerDoc // version 0: nothing is stored
	readAt   time.Time    // of the process's own clock
}

// NewService returns a service over a store whose collections (Specs) are declared.
func NewService(o Options) *Service {
	s := &Service{Options: o}
	if o.Approver != nil {
		o.Approver.OnChange(changeLoosen, s.purposeAgreed)
		o.Approver.OnChange(changeSettings, s.settingsAgreed)
	}
	return s
}

// Register returns the workspace's register: what this process changed at once, what
// another changed within a second.
func (s *Service) Register(ctx context.Context, ws string) (*Register, error) {
	if v, ok := s.cache.Load(ws); ok {
		if c := v.(*cached); time.Since(c.readAt) < registerAge {
			return c.register, nil
		}
	}
	c, err := s.read(ctx, ws)
	if err != nil {
		return nil, storeError("read the purposes", err)
	}
	return c.register, nil
}

// read reads the register from the store. Of two reads at once, the cache keeps the
// one with the later revision.
func (s *Service) read(ctx context.Context, ws string) (*cached, error) {
	at := time.Now()
	doc, err := registers.Get(ctx, s.Store, registerKey(ws))
	if err != nil {
		return nil, err
	}
	if doc == nil {
		doc = &registerDoc{Meta: store.Meta{ID: registerKey(ws)}}
	}
	c := &cached{register: doc.compile(), doc: doc, readAt: at}
	for {
		old, ok := s.cache.Load(ws)
		if !ok {
			if _, taken := s.cache.LoadOrStore(ws, c); !taken {
				return c, nil
			}
			continue
		}
		if o := old.(*cached); o.doc.V > c.doc.V || o.doc.V == c.doc.V && o.readAt.After(c.readAt) {
			return o, nil
		}
		if s.cache.CompareAndSwap(ws, old, c) {
			return c, nil
		}
	}
}

func (d *registerDoc) compile() *Register {
	r := newRegister(d.Purposes, d.Settings)
	r.Revision, r.At = d.V, d.At
	return r
}

// storeError turns what the store says into the domain's error; nil stays nil.
func storeError(op string, err error) error {
	var e *core.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, store.ErrConflict):
		return errBusy.Wrap(err)
	case errors.Is(err, store.ErrUnavailable):
		return core.Errorf(core.Unavailable, "STORE", "the store cannot answer now; try again").Wrap(err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return core.AsError(err)
	}
	return core.Errorf(core.Internal, "INTERNAL", "internal error").Wrap(fmt.Errorf("%s: %w", op, err))
}

// attempts is how often a change is computed anew that others overtook.
const attempts = 50

// retry runs f, which reads, computes and commits, until its commit loses no race,
// pausing a little longer each time. What the store says besides becomes the domain's
// error.
func retry(ctx context.Context, op string, f func() error) error {
	for try := range attempts {
		err := f()
		if !errors.Is(err, store.ErrConflict) {
			return storeError(op, err)
		}
		if err := (core.SystemClock{}).Sleep(ctx, time.Duration(min(try*try, 100))*time.Millisecond/4); err != nil {
			return core.AsError(err)
		}
	}
	return errBusy
}

var errBusy = core.Errorf(core.Unavailable, "BUSY", "this changes too often just now; try again")

// now is the present in whole milliseconds, as the store keeps times.
func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

package policies

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/store"
)

// freshness is how long the version in force is believed, whatever happens.
const freshness = 500 * time.Millisecond

// Options make an Enforcer. Store, Purposes and Access are required.
type Options struct {
	Store  store.Store
	Clock  core.Clock // core.SystemClock
	Logger *slog.Logger
	// Purposes returns the present register of a workspace's purposes.
	Purposes func(ctx context.Context, ws string) (*consent.Register, error)
	// Access knows the principals and keeps the approvals.
	Access *access.Service
	// Record returns the operation that writes an entry of the audit log in the batch
	// of the change. Nil: nothing is recorded.
	Record access.Record
	// Workspaces is how many workspaces' rules are kept compiled; 1,000.
	Workspaces int
}

// Enforcer answers by the rules of each workspace, and changes them. It is safe for
// concurrent use. It implements access.Policy.
type Enforcer struct {
	o        Options
	defaults *compiled // of workspaces that changed neither rules nor purposes
	flight   singleflight.Group
	slots    *lru.Cache[string, *slot]
	slotsMu  sync.Mutex // against two slots for one workspace
}

var _ access.Policy = (*Enforcer)(nil)

// slot is what is known of one workspace.
type slot struct {
	ws  string
	gen atomic.Uint64 // rises when what is known is outdated
	cur atomic.Pointer[fresh]
}

type fresh struct {
	*compiled
	version *Version
	gen     uint64
	readAt  time.Time // by the machine's own clock
}

// New makes an enforcer, and registers it for the approvals of policy versions.
func New(o Options) *Enforcer {
	if o.Clock == nil {
		o.Clock = core.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Workspaces <= 0 {
		o.Workspaces = 1000
	}
	slots, err := lru.New[string, *slot](o.Workspaces)
	if err != nil {
		panic(err) // the size is positive
	}
	e := &Enforcer{o: o, slots: slots, defaults: compile(0, Default(), consent.DefaultRegister(), Any)}
	if o.Access != nil {
		o.Access.OnDecision(core.PrefixPolicyVersion, e.decided)
	}
	return e
}

// unavailable is the error of rules that cannot be read: nobody may do anything then.
func unavailable(err error) error {
	var own *core.Error
	if errors.As(err, &own) && own.Code == core.Unavailable || ctxEnded(err) {
		return core.AsError(err)
	}
	return core.Errorf(core.Unavailable, "POLICY_UNAVAILABLE", "the policy cannot be read now, and nothing is allowed without it; try again").After(time.Second).Wrap(err)
}

func ctxEnded(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// View implements access.Policy. Rules that cannot be read are UNAVAILABLE (reason
// POLICY_UNAVAILABLE).
func (e *Enforcer) View(ctx context.Context, ws string, roles []string, purpose string) (*core.View, error) {
	if purpose == "" {
		purpose = access.DefaultPurpose
	}
	f, err := e.current(ctx, ws)
	if err != nil {
		return nil, unavailable(err)
	}
	v, err := f.view(roles, purpose)
	if err != nil {
		return nil, unavailable(err)
	}
	return v, nil
}

// current returns what is in force in a workspace.
func (e *Enforcer) current(ctx context.Context, ws string) (*fresh, error) {
	if ws == "" {
		return nil, core.Errorf(core.Invalid, "WORKSPACE_REQUIRED", "the rules are those of a workspace")
	}
	reg, err := e.o.Purposes(ctx, ws)
	if err != nil {
		return nil, err
	}
	s := e.slot(ws)
	f := s.cur.Load()
	if f == nil || f.gen != s.gen.Load() || time.Since(f.readAt) >= freshness {
		if f, err = e.refresh(ctx, s, reg); err != nil {
			return nil, err
		}
	}
	if f.reg.Revision == reg.Revision {
		return f, nil
	}
	return e.adopt(s, f, reg), nil
}

func (e *Enforcer) slot(ws string) *slot {
	if s, ok := e.slots.Get(ws); ok {
		return s
	}
	e.slotsMu.Lock()
	defer e.slotsMu.Unlock()
	if s, ok := e.slots.Get(ws); ok {
		return s
	}
	s := &slot{ws: ws}
	e.slots.Add(ws, s)
	return s
}

// refresh reads which version is in force. Those who ask at once share one read,
// which does not end with the first one's request.
func (e *Enforcer) refresh(ctx context.Context, s *slot, reg *consent.Register) (*fresh, error) {
	gen := s.gen.Load()
	read := e.flight.DoChan(s.ws+"/"+strconv.FormatUint(gen, 10), func() (any, error) {
		rctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.MaxTime)
		defer cancel()
		at := time.Now()
		old := s.cur.Load()
		h, err := heads.Get(rctx, e.o.Store, headKey(s.ws))
		if err != nil {
			return nil, err
		}
		if old != nil && old.number == numberOf(h) {
			f := &fresh{compiled: old.compiled, version: old.version, gen: gen, readAt: at}
			s.cur.Store(f)
			return f, nil
		}
		v := builtIn(s.ws)
		if h != nil {
			if v, err = versions.Get(rctx, e.o.Store, store.Key(s.ws, h.Version)); err != nil {
				return nil, err
			}
			if v == nil {
				return nil, core.Errorf(core.Internal, "POLICY_MISSING", "the version of the policy that is in force is not stored")
			}
		}
		f := &fresh{compiled: e.compile(v, reg, s.ws), version: v, gen: gen, readAt: at}
		s.cur.Store(f)
		return f, nil
	})
	select {
	case r := <-read:
		f, _ := r.Val.(*fresh)
		return f, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func numberOf(h *head) int64 {
	if h == nil {
		return 0
	}
	return h.Number
}

// compile compiles a version, or takes the defaults that all workspaces share.
func (e *Enforcer) compile(v *Version, reg *consent.Register, ws string) *compiled {
	if v.Number == 0 && v.Status == Active && reg.Revision == 0 {
		return e.defaults
	}
	return compile(v.Number, v.Policy, reg, ws)
}

// adopt compiles the same rules over another revision of the purposes.
func (e *Enforcer) adopt(s *slot, f *fresh, reg *consent.Register) *fresh {
	if cur := s.cur.Load(); cur != nil && cur.number == f.number && cur.reg.Revision == reg.Revision {
		return cur
	}
	next := &fresh{compiled: e.compile(f.version, reg, s.ws), version: f.version, gen: f.gen, readAt: f.readAt}
	s.cur.CompareAndSwap(f, next) // else somebody read anew
	return next
}

// outdate makes what is known of a workspace count no more.
func (e *Enforcer) outdate(ws string) {
	if s, ok := e.slots.Get(ws); ok {
		s.gen.Add(1)
	}
}

// Run follows the changes that other processes make until ctx ends. Without it they
// are seen within a second all the same.
func (e *Enforcer) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := e.follow(ctx)
		if ctx.Err() == nil {
			e.o.Logger.Warn("policies: watch", "error", err.Error())
			_ = core.SystemClock{}.Sleep(ctx, 200*time.Millisecond)
		}
	}
	return nil
}

func (e *Enforcer) follow(ctx context.Context) error {
	token, err := e.o.Store.Now(ctx)
	if err != nil {
		return err
	}
	stream, err := e.o.Store.Watch(ctx, token, heads.Spec)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	for _, ws := range e.slots.Keys() { // for what went by while nobody watched
		e.outdate(ws)
	}
	for {
		c, err := stream.Next(ctx)
		if err != nil {
			return err
		}
		e.outdate(store.WorkspaceOf(c.Key))
	}
}

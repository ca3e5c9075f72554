package library

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Auditor makes an entry of the audit log to be committed with what it tells of. audit.Log
// implements it.
type Auditor interface {
	Op(ctx context.Context, e audit.Entry) (store.Op, error)
}

// Options are what a Service works with. Store and Access are required.
type Options struct {
	Store  store.Store
	Clock  core.Clock // core.SystemClock
	Access *access.Service
	Audit  Auditor
	Data   Source // where Gather reads; nil: nothing is looked up
	// Condition looks whether the actor of ctx may ask a condition, as decoded JSON, of
	// people: whose faults are segment.Faults. nil: conditions are taken as they are.
	Condition func(ctx context.Context, ws string, where any) error
}

// Service keeps templates, blocks and assets. It is safe for concurrent use.
type Service struct {
	Options
	cache *lru.Cache[string, *Version] // by key of the version
	mu    sync.RWMutex
	users []UsersFunc
}

// New returns a service over a store whose collections (Specs) are declared. It takes
// part in the decisions on templates: make it before the first request.
func New(o Options) *Service {
	if o.Clock == nil {
		o.Clock = core.SystemClock{}
	}
	cache, _ := lru.New[string, *Version](2000) // never fails for a size above 0
	s := &Service{Options: o, cache: cache}
	o.Access.OnDecision(core.PrefixTemplate, s.decided)
	o.Access.DecideWith(core.PrefixTemplate, access.Review)
	return s
}

// User is something that uses a template, a block or an asset.
type User struct {
	ID   string // of a journey, a campaign, a template
	Name string // for people
}

// The kinds of what is used.
const (
	KindTemplate = "template" // named by tpl_…
	KindBlock    = "block"    // named by its key
	KindAsset    = "asset"    // named by its hash
)

// UsersFunc tells who uses a thing of a kind now.
type UsersFunc func(ctx context.Context, ws, kind, name string) ([]User, error)

// Register adds somebody who may use templates. Call it before the first request.
func (s *Service) Register(f UsersFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = append(s.users, f)
}

// UsedBy returns who uses a thing: templates (blocks and assets), and whoever registered.
func (s *Service) UsedBy(ctx context.Context, ws, kind, name string) ([]User, error) {
	s.mu.RLock()
	users := slices.Clone(s.users)
	s.mu.RUnlock()
	out, err := s.within(ctx, ws, kind, name)
	if err != nil {
		return nil, fail(err)
	}
	for _, f := range users {
		more, err := f(ctx, ws, kind, name)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// within returns the templates and blocks that use a block or an asset.
func (s *Service) within(ctx context.Context, ws, kind, name string) ([]User, error) {
	field := map[string]string{KindBlock: "blocks", KindAsset: "assets"}[kind]
	if field == "" {
		return nil, nil
	}
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq(field, name)}}
	found, err := Templates.Find(ctx, s.Store, q, 100)
	if err != nil {
		return nil, err
	}
	var out []User
	for _, t := range found {
		out = append(out, User{t.TemplateID(), t.Name})
	}
	if kind == KindAsset {
		blocks, err := Blocks.Find(ctx, s.Store, q, 100)
		if err != nil {
			return nil, err
		}
		for _, b := range blocks {
			out = append(out, User{b.Key(), b.Name})
		}
	}
	return out, nil
}

// SegmentUsers returns the templates that show a part to those in a segment only: for
// segment.Service.OnUses.
func (s *Service) SegmentUsers(ctx context.Context, ws, segmentID string) ([]segment.User, error) {
	found, err := Templates.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("segments", segmentID)}}, 100)
	if err != nil {
		return nil, fail(err)
	}
	var out []segment.User
	for _, t := range found {
		if t.Status != Archived {
			out = append(out, segment.User{ID: t.TemplateID(), Kind: "template", Name: t.Name})
		}
	}
	return out, nil
}

// unused refuses to let go of what is in use.
func (s *Service) unused(ctx context.Context, ws, kind, name string) error {
	users, err := s.UsedBy(ctx, ws, kind, name)
	if err != nil || len(users) == 0 {
		return err
	}
	names := make([]string, 0, 5)
	for _, u := range users[:min(len(users), 5)] {
		names = append(names, u.Name+" ("+u.ID+")")
	}
	more := ""
	if len(users) > 5 {
		more = " and others"
	}
	return core.Errorf(core.Conflict, "IN_USE", "this %s is used by %s%s; take it out there first", kind, strings.Join(names, ", "), more).At("id")
}

// Edit is how a change is asked for.
type Edit struct {
	ExpectedVersion *int64
	IdempotencyKey  string
}

func (e Edit) expects(have int64) error {
	if e.ExpectedVersion != nil && *e.ExpectedVersion != have {
		return core.Errorf(core.Conflict, "VERSION", "it is at version %d now; read it again and change that", have).At("expectedVersion")
	}
	return nil
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// commit writes operations with an entry of the audit log.
func (s *Service) commit(ctx context.Context, ws, action, resource string, details map[string]string, ops ...store.Op) error {
	if s.Audit != nil {
		op, err := s.Audit.Op(ctx, audit.Entry{Workspace: ws, Action: action, Resource: resource, Details: details})
		if err != nil {
			return err
		}
		ops = append(ops, op)
	}
	return work.Commit(ctx, s.Store, ops...)
}

// fail turns an error into one that may leave the domain; nil stays nil.
func fail(err error) error {
	var own *core.Error
	switch {
	case err == nil || errors.As(err, &own):
		return err
	case errors.Is(err, store.ErrConflict):
		return core.Errorf(core.Conflict, "VERSION", "somebody else changed this meanwhile; read it again")
	case errors.Is(err, store.ErrUnavailable):
		return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").After(time.Second).Wrap(err)
	}
	return core.AsError(err)
}

func actorID(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.ID
	}
	return "system"
}

func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

func fieldError(err error, locale, field string) error {
	var own *core.Error
	if errors.As(err, &own) {
		return own.At("locales", locale, field)
	}
	return err
}

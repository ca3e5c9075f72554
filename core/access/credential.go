package access

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// standing is what a credential stands for as of now.
type standing struct {
	workspace     *Workspace
	roles, scopes []string
	purposes      []string
	own           core.Limits // the credential's; its roles may have more
}

// given is what an actor was given when it came in, and keeps in its own fields.
type given struct {
	roles, purposes []string
	limits          core.Limits
}

func (st standing) given() given { return given{st.roles, st.purposes, st.limits()} }

// since says why an actor who was given other things must come in again, or nil.
func (g given) since(now given) error {
	switch {
	case !sameLimits(g.limits, now.limits):
		return errChanged
	case !sameList(g.roles, now.roles) || !sameList(g.purposes, now.purposes):
		return errAccessChanged
	}
	return nil
}

// limits are the credential's own and those of its roles.
func (st standing) limits() core.Limits {
	l := st.own
	for _, r := range st.roles {
		l = narrow(l, st.workspace.Access.limitsOf(r))
	}
	return l
}

// credential is the Decider of a key or a member: it asks for the credential and for
// the rules each time, both of which are cached and fresh.
type credential struct {
	s        *Service
	now      func(ctx context.Context) (standing, error)
	purpose  string
	reason   string
	given    given     // to its actor
	broken   bool      // the glass: it may look, and change nothing
	expires  time.Time // of a bearer token
	identity *Identity // of a bearer token
	last     atomic.Pointer[narrowed]
}

// narrowed is a view that was narrowed, with what it was made of.
type narrowed struct {
	from, view *core.View
	version    int64 // of the workspace
}

// View implements core.Decider.
func (c *credential) View(ctx context.Context) (*core.View, error) {
	st, err := c.now(ctx)
	if err != nil {
		return nil, err
	}
	// The actor's fields say what it was given: who decides by them must not go on
	// doing so when they are true no more.
	if err := c.given.since(st.given()); err != nil {
		return nil, err
	}
	p := c.s.Policy()
	if p == nil {
		return c.lookOnly(bare(&core.Actor{Roles: st.roles, Scopes: st.scopes, Purpose: c.purpose})), nil
	}
	v, err := p.View(ctx, st.workspace.ID, st.roles, c.purpose)
	if err != nil {
		return nil, err
	}
	if last := c.last.Load(); last != nil && last.from == v && last.version == st.workspace.V {
		return last.view, nil
	}
	n := c.lookOnly(Scoped(v, st.scopes))
	if c.reason == "" {
		n = unexplained(n, st.workspace.Access.ReasonFor())
	}
	c.last.Store(&narrowed{v, n, st.workspace.V})
	return n, nil
}

// glassRule is the rule of what is left out where the glass is broken.
const glassRule = "the glass is broken to look, not to change anything"

// lookOnly returns the view of a request that broke the glass: what it sees without
// limits must not become a right that outlives it.
func (c *credential) lookOnly(v *core.View) *core.View {
	if !c.broken {
		return v
	}
	n := *v
	n.Permissions = make(map[string]core.Decision, len(v.Permissions))
	for p, d := range v.Permissions {
		if d.Allowed() && p != string(Read) && p != string(Audit) {
			d = core.Decision{Effect: core.Deny, Withheld: core.WithheldRole, Rule: glassRule}
		}
		n.Permissions[p] = d
	}
	return &n
}

// unexplained returns the view without the data that nobody reads without saying why.
func unexplained(v *core.View, categories []core.Category) *core.View {
	if !slices.ContainsFunc(categories, func(c core.Category) bool { return !v.Reads(c).Hidden() }) {
		return v
	}
	n := *v
	n.Data = make(map[core.Category]core.Decision, len(v.Data))
	for c, d := range v.Data {
		if slices.Contains(categories, c) && !d.Hidden() {
			d = core.Decision{Effect: core.Deny, Withheld: core.WithheldReason, Rule: "a reason must be given for " + string(c)}
		}
		n.Data[c] = d
	}
	return &n
}

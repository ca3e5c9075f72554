package access

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
)

// DefaultPurpose is what a request is made for when neither it nor its credential
// names a purpose.
const DefaultPurpose = "operations"

// Policy says what roles may do. policies implements it.
type Policy interface {
	// View returns everything that the rules of a workspace say of somebody who has
	// the roles, under a purpose ("" is DefaultPurpose). It is cheap to ask, and never
	// older than a second. The view is shared: nobody changes it. Where the rules
	// cannot be read there is an error and no view.
	View(ctx context.Context, workspace string, roles []string, purpose string) (*core.View, error)
}

// Book is what a Policy may also know: which roles there are, and how they
// compare. Without it roles are the built-in ones.
type Book interface {
	// OwnRoles lists the roles that a workspace has beside the built-in ones.
	OwnRoles(ctx context.Context, workspace string) ([]string, error)
	// Exceeds reports whether somebody with the roles may do or read anything, for
	// any purpose, that one with the roles of than may not.
	Exceeds(ctx context.Context, workspace string, roles, than []string) (bool, error)
	// Permits reports whether a principal may do something for a purpose of its.
	Permits(ctx context.Context, workspace string, p Principal, what Permission) (bool, error)
}

// book returns the policy's Book, or nil.
func (s *Service) book() Book {
	b, _ := s.Policy().(Book)
	return b
}

// policyBox holds the policy: an atomic.Pointer holds no interface.
type policyBox struct{ Policy }

// SetPolicy gives the service its policy. Until then an actor may do what the
// built-in permissions of its roles say, and read no personal data.
func (s *Service) SetPolicy(p Policy) { s.policy.Store(&policyBox{p}) }

// Policy returns what SetPolicy was given, or nil.
func (s *Service) Policy() Policy {
	if b := s.policy.Load(); b != nil {
		return b.Policy
	}
	return nil
}

// ViewOf returns what the actor of ctx may do and read now. A part of the server
// may do everything; nobody is UNAUTHENTICATED (reason MISSING_KEY); an actor who
// has no Decider and is no part of the server may do what the built-in permissions
// of its roles say, and read no personal data.
func ViewOf(ctx context.Context) (*core.View, error) {
	a := core.ActorFrom(ctx)
	switch {
	case a == nil:
		return nil, errMissingKey
	case a.Decider != nil:
		return a.Decider.View(ctx)
	case a.IsSystem():
		return everything, nil
	}
	return bare(a), nil
}

// everything is the view of a part of the server.
var everything = func() *core.View {
	v := &core.View{Data: map[core.Category]core.Decision{}, Permissions: map[string]core.Decision{}}
	for _, c := range core.Categories {
		v.Data[c] = core.Decision{Effect: core.Allow, Rule: "the server itself"}
	}
	for _, p := range Permissions {
		v.Permissions[string(p)] = core.Decision{Effect: core.Allow, Rule: "the server itself"}
	}
	return v
}()

// bare is the view of an actor whom no policy knows.
func bare(a *core.Actor) *core.View {
	v := &core.View{Purpose: a.Purpose, Permissions: map[string]core.Decision{}}
	for _, p := range Permissions {
		if inRole(a.Roles, p) {
			v.Permissions[string(p)] = core.Decision{Effect: core.Allow, Rule: "built in"}
		}
	}
	return Scoped(v, a.Scopes)
}

// scopeRule is the rule of what a key's scopes leave out.
const scopeRule = "the scopes of the key"

// Scoped returns the view narrowed to what the scopes of a key leave: without the
// scope of reading, no data.
func Scoped(v *core.View, scopes []string) *core.View {
	if len(scopes) == 0 {
		return v
	}
	n := &core.View{Revision: v.Revision, Purpose: v.Purpose, Permissions: make(map[string]core.Decision, len(v.Permissions))}
	for p, d := range v.Permissions {
		if d.Allowed() && !slices.Contains(scopes, p) {
			d = core.Decision{Effect: core.Deny, Withheld: core.WithheldRole, Rule: scopeRule}
		}
		n.Permissions[p] = d
	}
	if slices.Contains(scopes, string(Read)) {
		n.Data = v.Data
	}
	return n
}

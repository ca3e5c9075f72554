package resolver

import (
	"context"
	"errors"

	"github.com/99designs/gqlgen/graphql"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// problems sorts an error of a mutation: what the caller can put right in the
// input becomes user errors with their paths in the input, anything else stays an
// error.
func problems(err error) ([]*core.Error, error) {
	if err == nil {
		return nil, nil
	}
	var out []*core.Error
	for _, fault := range faultsOf(err) {
		switch fault.Code {
		case core.Invalid, core.NotFound, core.Conflict, core.ConsentRequired:
			out = append(out, fault.At("input"))
		default:
			return nil, err
		}
	}
	return out, nil
}

// faultsOf returns all that an error says is wrong, one at least.
func faultsOf(err error) []*core.Error {
	var many segment.Faults
	if errors.As(err, &many) && len(many) > 0 {
		return many
	}
	var drawn journey.Faults
	if errors.As(err, &drawn) && len(drawn) > 0 {
		return drawn
	}
	var list sync.Problems
	if errors.As(err, &list) && len(list) > 0 {
		return list
	}
	return []*core.Error{core.AsError(err)}
}

// each reports all but the last of the faults of a query's input and returns the
// last: each becomes an error of its own, with its path in the input.
func each(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	list := faultsOf(err)
	if len(list) == 1 {
		return err
	}
	for _, fault := range list[:len(list)-1] {
		graphql.AddError(ctx, fault)
	}
	return list[len(list)-1]
}

// permissions are what the actions of the schema need; SIGN_IN needs none.
var permissions = map[gen.Action]access.Permission{
	gen.ActionRead: access.Read, gen.ActionIngest: access.Ingest, gen.ActionDesign: access.Design, gen.ActionChange: access.Change, gen.ActionManage: access.Manage,
	gen.ActionGovern: access.Govern, gen.ActionAudit: access.Audit, gen.ActionConsent: access.Consent,
	gen.ActionConnect: access.Connect, gen.ActionReview: access.Review, gen.ActionSend: access.Send, gen.ActionEngage: access.Engage,
}

// Can is the directive @can: it refuses early what the services would refuse.
func Can(ctx context.Context, _ any, next graphql.Resolver, action gen.Action) (any, error) {
	p, ok := permissions[action]
	switch {
	case core.ActorFrom(ctx) == nil:
		return nil, core.Errorf(core.Unauthenticated, "MISSING_KEY", "send a key as Authorization: Bearer hw_…")
	case ok:
		if err := access.Allow(ctx, p); err != nil {
			return nil, err
		}
	case action != gen.ActionSignIn:
		return nil, core.Errorf(core.Forbidden, "ROLE", "nobody may do this")
	}
	return next(ctx)
}

// text returns nil for "", which the schema writes as null.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// value returns what p points at, or the zero value.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// patched reads a member of a PATCH input: nil when it was left out, what null
// stands for when it was null. Without a meaning for null, null is an error.
func patched[T any](o graphql.Omittable[*T], name string, null *T) (*T, error) {
	v, set := o.ValueOK()
	switch {
	case !set || v != nil:
		return v, nil
	case null != nil:
		return null, nil
	}
	return nil, core.Errorf(core.Invalid, "NOT_NULL", "%s cannot be null; leave it out to keep it as it is", name).At(name)
}

// long widens an Int that may be left out.
func long(p *int) *int64 {
	if p == nil {
		return nil
	}
	n := int64(*p)
	return &n
}

// pointers gives the elements of a list by reference.
func pointers[T any](list []T) []*T {
	out := make([]*T, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

package policies

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
)

// PurposeChange refuses a change of the register by which rules come to hold for
// purposes that they did not hold for, where the change of a rule would need somebody
// else: rules hold for the children of a purpose too. It is what consent.Service.SetGuard
// asks for. The error is
//   - INVALID (reason PARENT_COMPLIANCE): a purpose comes under compliance, for which
//     people who withdrew or restricted are seen;
//   - FORBIDDEN (reason OWN_GAIN): the actor's own roles gain, and somebody else may
//     govern, or could until a short while ago: they must make the change.
func (e *Enforcer) PurposeChange(ctx context.Context, ws string, old, next *consent.Register) error {
	for _, key := range old.Keys() {
		if !slices.Contains(old.Chain(key), consent.Compliance) && slices.Contains(next.Chain(key), consent.Compliance) {
			return invalid("PARENT_COMPLIANCE", "for %s people are seen who withdrew their consent: make a new purpose under it, and leave %s where it is", consent.Compliance, key).At("parent")
		}
	}
	a := core.ActorFrom(ctx)
	if a == nil || a.IsSystem() {
		return nil
	}
	st, err := e.state(ctx, ws)
	if err != nil {
		return unavailable(err)
	}
	before, after := compile(st.now.Number, st.now.Policy, old, ws), compile(st.now.Number, st.now.Policy, next, ws)
	gains, err := gainsByPurpose(a.Roles, before, after)
	if err != nil || !gains {
		return err
	}
	people, err := e.o.Access.Principals(ctx, ws)
	if err != nil {
		return err
	}
	other, _, err := e.otherGovernors(ctx, a, &difference{ws: ws, old: before, new: before, people: people})
	if err != nil {
		return err
	}
	if !other {
		until, err := e.o.Access.VacantUntil(ctx, ws)
		if err != nil || !e.o.Clock.Now().Before(until) {
			return err
		}
	}
	return core.Errorf(core.Forbidden, "OWN_GAIN", "rules of your own roles would hold for more purposes by this; let somebody else who may govern change the purpose").At("parent")
}

// gainsByPurpose reports whether roles may do or read more for a purpose that was there
// before, archived or not: whoever archives it meanwhile gains all the same.
func gainsByPurpose(roles []string, before, after *compiled) (bool, error) {
	for _, key := range before.reg.Keys() {
		if slices.Equal(before.reg.Chain(key), after.reg.Chain(key)) {
			continue
		}
		for _, t := range targets {
			less, err := before.ask(roles, t, key)
			if err != nil {
				return false, err
			}
			more, err := after.ask(roles, t, key)
			if err != nil {
				return false, err
			}
			if rank(more) > rank(less) {
				return true, nil
			}
		}
	}
	return false, nil
}

// ask is decide for those who do not hold mu.
func (c *compiled) ask(roles []string, target, purpose string) (core.Decision, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.decide(roles, target, purpose)
}

// OpenPurpose reports whether a credential for such roles, purposes (none: all) and
// default purpose reads who people are for a purpose of which no consent is asked when its
// request names none: also of those who withdrew it for what they were written to about.
// Of who manages or governs that is meant so.
func (e *Enforcer) OpenPurpose(ctx context.Context, ws string, roles, purposes []string, purpose string) (bool, error) {
	f, err := e.current(ctx, ws)
	if err != nil {
		return false, unavailable(err)
	}
	p := f.reg.Purpose(access.DefaultPurpose)
	if len(purposes) > 0 || purpose != "" && purpose != access.DefaultPurpose || p == nil || p.ConsentRequired {
		return false, nil
	}
	v, err := f.view(roles, access.DefaultPurpose)
	if err != nil {
		return false, unavailable(err)
	}
	if v.Permits(string(access.Manage)).Allowed() || v.Permits(string(access.Govern)).Allowed() {
		return false, nil
	}
	return v.Reads(core.Contact).Allowed() && v.Permits(string(access.Read)).Allowed(), nil
}

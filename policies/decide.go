package policies

import (
	"fmt"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// rank orders effects by how much they give.
func rank(d core.Decision) int {
	switch {
	case d.Effect == core.Allow:
		return 3
	case d.Effect == core.Mask && d.Form == core.Partial:
		return 2
	case d.Effect == core.Mask:
		return 1
	}
	return 0
}

// asked is how a question about data or about a permission is put to Casbin: the
// strictest thing first, since of one role's rules the strictest counts.
type asked struct {
	act    string
	answer core.Decision
}

var dataActs = []asked{
	{actPseudonym, core.Decision{Effect: core.Mask, Form: core.Pseudonym}},
	{actPartial, core.Decision{Effect: core.Mask, Form: core.Partial}},
	{actRead, core.Decision{Effect: core.Allow}},
}

// ofRole returns what one role's rules say of a target, a category or a permission.
// The rule is the zero one when none does.
func (c *compiled) ofRole(role, target, purpose string) (core.Decision, Rule, error) {
	e, err := c.enforcer(role)
	if err != nil {
		return core.Decision{}, Rule{}, err
	}
	obj, acts := target, dataActs
	if isPermission(target) {
		obj, acts = objWorkspace, []asked{{target, core.Decision{Effect: core.Allow}}}
	}
	for _, a := range acts {
		yes, row, err := e.EnforceEx(role, c.dom, obj, a.act, purpose)
		if err != nil {
			return core.Decision{}, Rule{}, fmt.Errorf("policies: enforce: %w", err)
		}
		if len(row) == 0 {
			continue
		}
		rule := ruleOf(row)
		d := core.Decision{Effect: core.Deny}
		if yes {
			d = a.answer
		}
		d.Rule = rule.String()
		return d, rule, nil
	}
	return core.Decision{Effect: core.Deny}, Rule{}, nil
}

// decide returns what the roles together may do with a target for a purpose: the most
// that one of them may, unless one is denied it by a rule.
func (c *compiled) decide(roles []string, target, purpose string) (core.Decision, error) {
	if slices.Contains(roles, access.Owner) && (target == string(access.Govern) || target == string(access.Audit)) {
		return core.Decision{Effect: core.Allow, Rule: "an owner keeps " + target}, nil
	}
	best := core.Decision{Effect: core.Deny}
	for _, role := range roles {
		d, rule, err := c.ofRole(role, target, purpose)
		if err != nil {
			return core.Decision{}, err
		}
		if rule.Effect == core.Deny {
			d.Withheld = core.WithheldRole
			if rule.Purpose != Any {
				d.Withheld = core.WithheldPurpose
			}
			return d, nil
		}
		if rank(d) > rank(best) || best.Rule == "" && d.Rule != "" {
			best = d
		}
	}
	if best.Effect != core.Allow {
		best.Withheld = c.withheld(roles, target, purpose, best)
	}
	return best, nil
}

// withheld says why the roles are not allowed more.
func (c *compiled) withheld(roles []string, target, purpose string, d core.Decision) string {
	if target == string(core.Unclassified) {
		return core.WithheldUnclassified
	}
	held, chain := c.rules.closure(roles), c.reg.Chain(purpose)
	for _, r := range c.rules.Rules {
		more := rank(core.Decision{Effect: r.Effect, Form: r.Form}) > rank(d)
		if more && r.Purpose != Any && !slices.Contains(chain, r.Purpose) && covers(r.Target, target) && slices.Contains(held, r.Role) {
			return core.WithheldPurpose
		}
	}
	return core.WithheldRole
}

// alive reports whether data may be used for a purpose at all: it is in the register
// and not archived.
func (c *compiled) alive(purpose string) bool {
	p := c.reg.Purpose(purpose)
	return p != nil && !p.Archived
}

// noPurpose is the rule of everything that is asked for a purpose that is none.
const noPurpose = "the register has no such purpose"

// make computes a view.
func (c *compiled) make(roles []string, purpose string) (*core.View, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := &core.View{
		Revision: c.number, Purpose: purpose,
		Data: make(map[core.Category]core.Decision, len(core.Categories)), Permissions: make(map[string]core.Decision, len(access.Permissions)),
	}
	alive := c.alive(purpose)
	for _, category := range core.Categories[1:] {
		d := core.Decision{Effect: core.Deny, Withheld: core.WithheldPurpose, Rule: noPurpose}
		if alive {
			var err error
			if d, err = c.decide(roles, string(category), purpose); err != nil {
				return nil, err
			}
		}
		v.Data[category] = d
	}
	for _, p := range access.Permissions {
		d, err := c.decide(roles, string(p), purpose)
		if err != nil {
			return nil, err
		}
		v.Permissions[string(p)] = d
	}
	return v, nil
}

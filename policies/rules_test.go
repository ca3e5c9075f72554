package policies_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/policies"
)

// actor is somebody with a role and no policy.
func actor(ws string, roles ...string) context.Context {
	return core.WithActor(context.Background(), &core.Actor{Workspace: ws, ID: "key_x", Roles: roles})
}

func TestDenyOverrides(t *testing.T) {
	h := setup(t)
	out := h.set(h.admin, t, plus(policies.Rule{Role: "support", Purpose: "operations", Target: policies.Ordinary, Effect: core.Deny}))
	require.EqualValues(t, 1, out.Version.Number)
	for _, roles := range [][]string{{"support"}, {"support", "marketer"}, {"admin", "support"}, {"owner", "support"}} {
		d := h.decision(t, roles, "CONTACT", "operations")
		require.Equal(t, core.Deny, d.Effect, roles)
		require.Equal(t, "support DENY ORDINARY for operations", d.Rule)
		require.Equal(t, core.Deny, h.decision(t, roles, "CONTACT", "support").Effect, "a purpose's rules hold for its children")
	}
	require.Equal(t, core.Allow, h.decision(t, []string{"admin", "support"}, "CONTACT", "marketing").Effect, "of another purpose")
	require.Equal(t, core.Allow, h.decision(t, []string{"admin", "support"}, "SPECIAL", "operations").Effect, "of another category")
	require.Equal(t, core.Allow, h.decision(t, []string{"marketer"}, "CONTACT", "operations").Effect, "of another role")
}

// Of one role's rules the strictest counts, of several roles the most generous.
func TestStrictnessAndRoles(t *testing.T) {
	h := setup(t)
	h.set(h.admin, t, plus(
		policies.Rule{Role: "marketer", Purpose: "personalisation", Target: "CONTACT", Effect: core.Mask, Form: core.Partial},
		policies.Rule{Role: "marketer", Purpose: "analytics", Target: "CONTACT", Effect: core.Mask, Form: core.Partial},
		policies.Rule{Role: "marketer", Purpose: "analytics", Target: "CONTACT", Effect: core.Mask, Form: core.Pseudonym},
	))
	for purpose, want := range map[string]string{"marketing": "A", "personalisation": "p", "analytics": "s"} {
		require.Equal(t, want, letter(h.decision(t, []string{"marketer"}, "CONTACT", purpose)), purpose)
		require.Equal(t, "A", letter(h.decision(t, []string{"marketer", "admin"}, "CONTACT", purpose)), purpose)
	}
	require.Equal(t, "p", letter(h.decision(t, []string{"analyst", "support"}, "CONTACT", "operations")), "a part tells more than a pseudonym")
	require.Equal(t, "A", letter(h.decision(t, []string{"analyst", "support"}, "DEMOGRAPHIC", "operations")))
}

func TestInheritance(t *testing.T) {
	h := setup(t)
	rules := plus(policies.Rule{Role: "junior", Purpose: policies.Any, Target: "CONTACT", Effect: core.Mask, Form: core.Partial},
		policies.Rule{Role: "junior", Purpose: policies.Any, Target: "design", Effect: core.Deny})
	rules.Roles = []policies.Role{{Name: "trainee", Inherits: []string{"junior"}}, {Name: "junior", Inherits: []string{"marketer"}}}
	h.set(h.admin, t, rules)
	for _, role := range []string{"junior", "trainee"} {
		require.Equal(t, "p", letter(h.decision(t, []string{role}, "CONTACT", "marketing")))
		require.Equal(t, "A", letter(h.decision(t, []string{role}, "DEVICE", "marketing")))
		require.Equal(t, "-", letter(h.decision(t, []string{role}, "SPECIAL", "marketing")))
		require.True(t, h.decision(t, []string{role}, "read", "marketing").Allowed())
		require.False(t, h.decision(t, []string{role}, "design", "marketing").Allowed())
	}
	require.Equal(t, "A", letter(h.decision(t, []string{"marketer"}, "CONTACT", "marketing")), "what inherits gives nothing back")
	ctx, id := h.key(h.admin, t, "trainee")
	require.NoError(t, access.Allow(ctx, access.Read))
	refused(t, access.Allow(ctx, access.Design), core.Forbidden, "ROLE")

	// Who has a role is named before it can go, by whatever way.
	for _, gone := range []func() error{
		func() error { _, err := h.Set(h.admin, policies.Change{Policy: policies.Default()}); return err },
		func() error { _, err := h.Rollback(h.admin, 0, policies.Change{}); return err },
		func() error {
			_, err := h.Set(h.admin, policies.Change{Policy: policies.Default(), DryRun: true})
			return err
		},
	} {
		err := gone()
		refused(t, err, core.Invalid, "ROLE_IN_USE")
		require.Contains(t, err.Error(), "trainee is still given to "+id)
	}
	_, err := h.access.RevokeKey(h.admin, "", id)
	require.NoError(t, err)

	deep := policies.Default()
	for i := range 40 { // beyond the ten steps that Casbin walks by itself
		r := policies.Role{Name: "r" + string(rune('a'+i/26)) + string(rune('a'+i%26)), Inherits: []string{"support"}}
		if i > 0 {
			r.Inherits = []string{deep.Roles[i-1].Name}
		}
		deep.Roles = append(deep.Roles, r)
	}
	deep.Rules = append(deep.Rules, policies.Rule{Role: "raa", Purpose: policies.Any, Target: "CONSENT", Effect: core.Deny})
	h.set(h.admin, t, deep)
	require.Equal(t, "p", letter(h.decision(t, []string{"rbn"}, "CONTACT", "support")))
	require.Equal(t, "-", letter(h.decision(t, []string{"rbn"}, "CONSENT", "support")))
}

func TestRulesAreChecked(t *testing.T) {
	h := setup(t)
	rule := func(r policies.Rule) policies.Rules { return plus(r) }
	role := func(roles ...policies.Role) policies.Rules { r := policies.Default(); r.Roles = roles; return r }
	for reason, rules := range map[string]policies.Rules{
		"RULES_REQUIRED":     {},
		"UNKNOWN_ROLE":       rule(policies.Rule{Role: "king", Purpose: "*", Target: "CONTACT", Effect: core.Allow}),
		"UNKNOWN_PURPOSE":    rule(policies.Rule{Role: "analyst", Purpose: "fun", Target: "CONTACT", Effect: core.Allow}),
		"UNKNOWN_TARGET":     rule(policies.Rule{Role: "analyst", Purpose: "*", Target: "NONE", Effect: core.Allow}),
		"EFFECT":             rule(policies.Rule{Role: "analyst", Purpose: "*", Target: "CONTACT", Effect: "PERHAPS"}),
		"MASK_OF_PERMISSION": rule(policies.Rule{Role: "analyst", Purpose: "*", Target: "read", Effect: core.Mask, Form: core.Partial}),
		"MASK_FORM":          rule(policies.Rule{Role: "analyst", Purpose: "*", Target: "CONTACT", Effect: core.Mask}),
		"OWNER_LOCKED_OUT":   rule(policies.Rule{Role: "owner", Purpose: "security", Target: "govern", Effect: core.Deny}),
		"WRITE_ONLY_INGESTS": rule(policies.Rule{Role: "write", Purpose: "*", Target: "CONTACT", Effect: core.Allow}),
		"ROLE_NAME":          role(policies.Role{Name: "The Boss"}),
		"ROLE_TAKEN":         role(policies.Role{Name: "analyst"}),
		"ROLE_NOT_INHERITED": role(policies.Role{Name: "boss", Inherits: []string{"owner"}}),
		"ROLE_CIRCLE":        role(policies.Role{Name: "a", Inherits: []string{"b"}}, policies.Role{Name: "b", Inherits: []string{"a"}}),
		"TOO_MANY_RULES":     {Rules: make([]policies.Rule, policies.MaxRules+1)},
		"NOBODY_GOVERNS":     {Rules: []policies.Rule{{Role: "analyst", Purpose: "*", Target: "read", Effect: core.Allow}}},
	} {
		_, err := h.Set(h.admin, policies.Change{Policy: rules})
		refused(t, err, core.Invalid, reason)
		require.NotEmpty(t, core.AsError(err).Path, reason)
	}
	n, err := h.CountVersions(h.admin)
	require.NoError(t, err)
	require.Zero(t, n)
	analyst, _ := h.key(h.admin, t, "analyst")
	_, err = h.Set(analyst, policies.Change{Policy: policies.Default()})
	refused(t, err, core.Forbidden, "ROLE")
	_, err = h.Matrix(analyst, "", "")
	refused(t, err, core.Forbidden, "ROLE")
}

// An owner keeps govern and audit whatever the rules say, beside whichever role; and
// no rule names the writing of the audit log.
func TestOwnerKeepsGovernAndAudit(t *testing.T) {
	h := setup(t)
	owner, _ := h.key(root, t, "owner")
	var rules policies.Rules
	for _, role := range access.Roles {
		for _, target := range access.Permissions {
			if role != "owner" || target != access.Govern && target != access.Audit {
				rules.Rules = append(rules.Rules, policies.Rule{Role: role, Purpose: "*", Target: string(target), Effect: core.Deny})
			}
		}
	}
	h.set(core.WithActor(context.Background(), access.System(h.ws, "test")), t, rules)
	for _, roles := range [][]string{{"owner"}, {"owner", "support"}, {"analyst", "owner"}} {
		require.True(t, h.decision(t, roles, "govern", "operations").Allowed())
		require.True(t, h.decision(t, roles, "audit", "mistyped").Allowed())
		require.False(t, h.decision(t, roles, "manage", "operations").Allowed())
	}
	require.NoError(t, access.Allow(owner, access.Govern))
	require.Len(t, h.recorded(t, "policy.set"), 1)
	out := h.set(owner, t, policies.Default())
	require.EqualValues(t, 2, out.Version.Number)
	require.Len(t, h.recorded(t, "policy.set"), 2, "what was allowed to nobody is still recorded")
}

// Random rules against a second reading of what they mean.
func TestRandomRules(t *testing.T) {
	h := setup(t)
	h.key(root, t, "owner") // somebody governs whatever the rules say
	ctx := core.WithActor(context.Background(), access.System(h.ws, "test"))
	r := rand.New(rand.NewPCG(1, 2))
	one := func(list []string) string { return list[r.IntN(len(list))] }
	purposes := h.purposes.reg.Keys()
	var targets []string
	for _, c := range core.Categories[1:] {
		targets = append(targets, string(c))
	}
	for round := range rounds(2, 5, 100) {
		var rules policies.Rules
		roles := slices.Clone(access.Roles)
		for i := range r.IntN(4) {
			own := policies.Role{Name: string(rune('a' + i))}
			for range r.IntN(3) {
				if parent := one(roles); parent != "owner" && parent != "write" {
					own.Inherits = append(own.Inherits, parent)
				}
			}
			rules.Roles = append(rules.Roles, own)
			roles = append(roles, own.Name)
		}
		for range 1 + r.IntN(60) {
			rule := policies.Rule{Role: one(roles), Purpose: one(append(purposes, "*", "*")), Target: one(append(targets, "ALL", "ORDINARY", "read", "manage"))}
			switch r.IntN(6) {
			case 0:
				rule.Effect = core.Deny
			case 1:
				rule.Effect, rule.Form = core.Mask, core.Partial
			case 2:
				rule.Effect, rule.Form = core.Mask, core.Pseudonym
			default:
				rule.Effect = core.Allow
			}
			if rule.Role == "write" || rule.Form != "" && (rule.Target == "read" || rule.Target == "manage") {
				continue
			}
			rules.Rules = append(rules.Rules, rule)
		}
		if len(rules.Rules) == 0 {
			continue
		}
		h.set(ctx, t, rules)
		for range rounds(150, 300, 400) {
			held := []string{one(roles)}
			for r.IntN(3) == 0 {
				held = append(held, one(roles))
			}
			target, purpose := one(append(targets, "read", "manage")), one(purposes)
			got := h.decision(t, held, target, purpose)
			require.Equal(t, reading(h, rules, held, target, purpose), letter(got), "round %d: %v %s for %s: %+v\n%+v", round, held, target, purpose, got, rules)
		}
	}
}

// reading says by the words of the documentation what rules mean.
func reading(h *house, rules policies.Rules, held []string, target, purpose string) string {
	scale := "-spA"
	best := 0
	for _, role := range held {
		strictest := -1
		for _, rule := range rules.Rules {
			if !inherits(rules, role, rule.Role, 0) || rule.Purpose != "*" && !slices.Contains(h.purposes.reg.Chain(purpose), rule.Purpose) {
				continue
			}
			data := target != "read" && target != "manage"
			secret := target == "SPECIAL" || target == "FREE_TEXT" || target == "UNCLASSIFIED"
			if rule.Target != target && !(data && rule.Target == "ALL") && !(data && !secret && rule.Target == "ORDINARY") {
				continue
			}
			n := map[core.MaskForm]int{core.Pseudonym: 1, core.Partial: 2, "": 3}[rule.Form]
			if rule.Effect == core.Deny {
				return "-"
			}
			if strictest < 0 || n < strictest {
				strictest = n
			}
		}
		best = max(best, strictest)
	}
	return scale[best : best+1]
}

func inherits(rules policies.Rules, role, from string, depth int) bool {
	if role == from {
		return true
	}
	for _, own := range rules.Roles {
		if own.Name == role && depth < 10 && slices.ContainsFunc(own.Inherits, func(p string) bool { return inherits(rules, p, from, depth+1) }) {
			return true
		}
	}
	return false
}

// A parent that is named twice is inherited from once.
func TestAParentNamedTwice(t *testing.T) {
	h := setup(t)
	rules := policies.Default()
	parents := []string{"support", "analyst", "support"}
	rules.Roles = []policies.Role{{Name: "intern", Inherits: parents}}
	h.set(h.admin, t, rules)
	require.Equal(t, []string{"support", "analyst", "support"}, parents)
	require.True(t, h.decision(t, []string{"intern"}, "DEVICE", "analytics").Allowed())
}

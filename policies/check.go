package policies

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
)

// The bounds of a workspace's rules.
const (
	MaxRules       = 1000
	MaxRoles       = 100
	MaxDescription = 500 // characters
)

var roleName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

func invalid(reason, format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, reason, format, args...)
}

// check says what is wrong with the rules, or puts them in their normal form: sorted,
// none twice.
func (rs *Rules) check(reg *consent.Register) error {
	if len(rs.Rules) == 0 {
		return invalid("RULES_REQUIRED", "give all rules, as the policy lists them; what is left out is denied").At("rules")
	}
	if len(rs.Rules) > MaxRules || len(rs.Roles) > MaxRoles {
		return invalid("TOO_MANY_RULES", "a workspace has at most %d rules and %d roles of its own", MaxRules, MaxRoles).At("rules")
	}
	if err := rs.checkRoles(); err != nil {
		return err
	}
	names := rs.roleNames()
	for i, r := range rs.Rules {
		if err := r.check(names, reg); err != nil {
			return err.At("rules", strconv.Itoa(i))
		}
	}
	slices.SortFunc(rs.Rules, compareRules)
	rs.Rules = slices.Compact(rs.Rules)
	return nil
}

func compareRules(a, b Rule) int { return strings.Compare(a.sortKey(), b.sortKey()) }

// sortKey orders rules by role in the order of the roles, own ones last, permissions
// before data.
func (r Rule) sortKey() string {
	at := slices.Index(access.Roles, r.Role)
	if at < 0 {
		at = len(access.Roles)
	}
	target := slices.Index(access.Permissions, access.Permission(r.Target))
	if target < 0 {
		target = len(access.Permissions) + slices.Index(dataTargets, r.Target)
	}
	return strings.Join([]string{string(rune('a' + at)), r.Role, r.purposeKey(), string(rune('A' + target)), string(r.Effect), string(r.Form)}, "\x00")
}

func (r Rule) purposeKey() string {
	if r.Purpose == Any {
		return ""
	}
	return r.Purpose
}

func (r Rule) check(roles []string, reg *consent.Register) *core.Error {
	switch {
	case !slices.Contains(roles, r.Role):
		return invalid("UNKNOWN_ROLE", "a rule is of one of the roles: %s", strings.Join(roles, ", ")).At("role")
	case r.Purpose != Any && reg.Purpose(r.Purpose) == nil:
		return invalid("UNKNOWN_PURPOSE", "a rule is for a purpose of the register or * for every one; the register has %s", strings.Join(reg.Keys(), ", ")).At("purpose")
	case !isPermission(r.Target) && !slices.Contains(dataTargets, r.Target):
		return invalid("UNKNOWN_TARGET", "a rule is about a category (%s) or a permission", strings.Join(dataTargets, ", ")).At("target")
	case r.Effect != core.Allow && r.Effect != core.Mask && r.Effect != core.Deny:
		return invalid("EFFECT", "an effect is ALLOW, MASK or DENY").At("effect")
	case r.Effect == core.Mask && isPermission(r.Target):
		return invalid("MASK_OF_PERMISSION", "a permission is allowed or denied; only data can be masked").At("effect")
	case r.Effect == core.Mask && r.Form != core.Partial && r.Form != core.Pseudonym:
		return invalid("MASK_FORM", "MASK has the form PARTIAL or PSEUDONYM").At("form")
	case r.Effect != core.Mask && r.Form != "":
		return invalid("MASK_FORM", "only MASK has a form").At("form")
	case r.Role == access.Owner && r.Effect == core.Deny && (r.Target == string(access.Govern) || r.Target == string(access.Audit)):
		return invalid("OWNER_LOCKED_OUT", "an owner cannot be kept from governing and from the audit log").At("effect")
	case r.Role == access.Write && r.Effect != core.Deny && r.Target != string(access.Ingest):
		return invalid("WRITE_ONLY_INGESTS", "a write key is in browsers and apps, open to everybody: it can be allowed nothing but to ingest").At("target")
	}
	return nil
}

func (rs *Rules) checkRoles() error {
	own := map[string]*Role{}
	for i := range rs.Roles {
		r := &rs.Roles[i]
		at := func(field string, e *core.Error) error { return e.At("roles", strconv.Itoa(i), field) }
		switch {
		case !roleName.MatchString(r.Name):
			return at("name", invalid("ROLE_NAME", "a role's name has lower-case letters, digits, - and _, at most 40, and begins with a letter"))
		case slices.Contains(access.Roles, r.Name) || own[r.Name] != nil:
			return at("name", invalid("ROLE_TAKEN", "there is a role of that name already"))
		case len([]rune(r.Description)) > MaxDescription:
			return at("description", invalid("TOO_LONG", "a description has at most %d characters", MaxDescription))
		}
		own[r.Name] = r
	}
	for i := range rs.Roles {
		r := &rs.Roles[i]
		r.Inherits = slices.Compact(slices.Sorted(slices.Values(r.Inherits))) // of its own: the caller's list stays as it is
		for _, parent := range r.Inherits {
			var e *core.Error
			switch {
			case parent == access.Owner || parent == access.Write:
				e = invalid("ROLE_NOT_INHERITED", "the roles of owner and of write cannot be inherited")
			case own[parent] == nil && !slices.Contains(access.Roles, parent):
				e = invalid("UNKNOWN_ROLE", "a role inherits from built-in roles and from those that are defined beside it")
			case slices.Contains(rs.closure([]string{parent}), r.Name):
				e = invalid("ROLE_CIRCLE", "a role cannot inherit from itself, also not by way of others")
			}
			if e != nil {
				return e.At("roles", strconv.Itoa(i), "inherits")
			}
		}
	}
	slices.SortFunc(rs.Roles, func(a, b Role) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// roleNames lists the built-in roles and the workspace's own.
func (rs *Rules) roleNames() []string {
	names := slices.Clone(access.Roles)
	for _, r := range rs.Roles {
		names = append(names, r.Name)
	}
	return names
}

// closure lists the roles and all that they inherit, each once.
func (rs *Rules) closure(roles []string) []string {
	var out []string
	todo := slices.Clone(roles)
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if slices.Contains(out, name) {
			continue
		}
		out = append(out, name)
		for _, r := range rs.Roles {
			if r.Name == name {
				todo = append(todo, r.Inherits...)
			}
		}
	}
	return out
}

// hash identifies rules in their normal form.
func (rs *Rules) hash() string {
	text, err := json.Marshal(rs)
	if err != nil {
		panic(err) // strings only
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

package policies

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// Cell is what a role may do with a target for a purpose.
type Cell struct {
	Role     string
	Purpose  string
	Target   string // a category or a permission
	Decision core.Decision
	// NeedsReason says that what is allowed is allowed only to who says why. Filled in by
	// Matrix and Explain.
	NeedsReason bool
}

// Category returns the category that a cell is about, NONE when it is a permission.
func (c Cell) Category() core.Category {
	if isPermission(c.Target) {
		return core.None
	}
	return core.Category(c.Target)
}

// Action returns what the cell is about: reading data, or a permission.
func (c Cell) Action() string {
	if isPermission(c.Target) {
		return c.Target
	}
	return string(access.Read)
}

// CellChange is a cell that differs between two versions.
type CellChange struct {
	Cell           // as it will be
	Before         core.Decision
	Gains          bool     // else loses
	Principals     []string // key_…, mem_…: who has the role
	PrincipalCount int      // of all who have it; Principals names the first 100
}

// maxNamed is how many principals a change of a cell names.
const maxNamed = 100

// difference compares two versions of a workspace's rules.
type difference struct {
	ws       string
	old, new *compiled
	people   []access.Principal
	changes  []CellChange
}

func (e *Enforcer) compare(ctx context.Context, ws string, past, next *Version) (*difference, error) {
	reg, err := e.o.Purposes(ctx, ws)
	if err != nil {
		return nil, err
	}
	d := &difference{ws: ws}
	if d.people, err = e.o.Access.Principals(ctx, ws); err != nil {
		return nil, err
	}
	d.new = compile(next.Number, next.Policy, reg, ws)
	// What is in force is compiled already, as a rule.
	if f, err := e.current(ctx, ws); err == nil && f.version.Hash == past.Hash && f.reg.Revision == reg.Revision {
		d.old = f.compiled
	} else {
		d.old = e.compile(past, reg, ws)
	}
	roles := d.old.rules.roleNames()
	for _, r := range d.new.rules.roleNames() {
		if !slices.Contains(roles, r) {
			roles = append(roles, r)
		}
	}
	for _, role := range roles {
		if d.alike(role) {
			continue
		}
		before, err := d.old.cells(role, "")
		if err != nil {
			return nil, err
		}
		after, err := d.new.cells(role, "")
		if err != nil {
			return nil, err
		}
		holders := d.holders(role)
		for i, now := range after {
			was := before[i].Decision
			if rank(was) == rank(now.Decision) {
				continue
			}
			d.changes = append(d.changes, CellChange{
				Cell: now, Before: was, Gains: rank(now.Decision) > rank(was),
				Principals: holders[:min(len(holders), maxNamed)], PrincipalCount: len(holders),
			})
		}
	}
	return d, nil
}

// alike reports whether both versions have the very same rules for a role and what it
// inherits: most roles of most changes.
func (d *difference) alike(role string) bool {
	old, now := d.old.rules.closure([]string{role}), d.new.rules.closure([]string{role})
	if !slices.Equal(old, now) {
		return false
	}
	of := func(rs *Rules) []Rule {
		return slices.DeleteFunc(slices.Clone(rs.Rules), func(r Rule) bool { return !slices.Contains(old, r.Role) })
	}
	return slices.Equal(of(&d.old.rules), of(&d.new.rules))
}

func (d *difference) holders(role string) []string {
	var ids []string
	for _, p := range d.people {
		if slices.Contains(p.Roles, role) {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// purposes lists the purposes that are asked about: all that data may be used for.
func (c *compiled) purposes() []string {
	return slices.DeleteFunc(c.reg.Keys(), func(key string) bool { return !c.alive(key) })
}

// targets are all that can be asked about.
var targets = func() []string {
	var out []string
	for _, c := range core.Categories[1:] {
		out = append(out, string(c))
	}
	for _, p := range access.Permissions {
		out = append(out, string(p))
	}
	return out
}()

// of returns what a view says of a target.
func of(v *core.View, target string) core.Decision {
	if isPermission(target) {
		return v.Permits(target)
	}
	return v.Reads(core.Category(target))
}

// cells lists what a role may do, for every purpose or for one.
func (c *compiled) cells(role, purpose string) ([]Cell, error) {
	purposes := []string{purpose}
	if purpose == "" {
		purposes = c.purposes()
	}
	var out []Cell
	for _, p := range purposes {
		v, err := c.view([]string{role}, p)
		if err != nil {
			return nil, err
		}
		for _, t := range targets {
			out = append(out, Cell{Role: role, Purpose: p, Target: t, Decision: of(v, t)})
		}
	}
	return out, nil
}

// gains reports whether somebody with the roles may do or read more by the new rules.
func (d *difference) gains(roles []string) (bool, error) { return d.new.exceeds(roles, d.old, roles) }

// exceeds reports whether roles may do or read anything by c that others may not by o.
func (c *compiled) exceeds(roles []string, o *compiled, others []string) (bool, error) {
	for _, p := range c.purposes() {
		more, err := c.view(roles, p)
		if err != nil {
			return false, err
		}
		less, err := o.view(others, p)
		if err != nil {
			return false, err
		}
		for _, t := range targets {
			if rank(of(more, t)) > rank(of(less, t)) {
				return true, nil
			}
		}
	}
	return false, nil
}

// governed reports whether somebody may govern by the new rules. Where nobody may by
// the old ones either, as in a workspace without keys, nothing is lost.
func (d *difference) governed() bool {
	governs := func(c *compiled) bool {
		return slices.ContainsFunc(d.people, func(p access.Principal) bool {
			may, err := c.permits(p, access.Govern)
			return may && err == nil
		})
	}
	return governs(d.new) || !governs(d.old)
}

// permits reports whether a principal has a permission for some purpose that it may act
// for.
func (c *compiled) permits(p access.Principal, what access.Permission) (bool, error) {
	if len(p.Scopes) > 0 && !slices.Contains(p.Scopes, string(what)) {
		return false, nil
	}
	for _, purpose := range c.purposes() {
		if len(p.Purposes) > 0 && !slices.Contains(p.Purposes, purpose) {
			continue
		}
		v, err := c.view(p.Roles, purpose)
		if err != nil {
			return false, err
		}
		if v.Permits(string(what)).Allowed() {
			return true, nil
		}
	}
	return false, nil
}

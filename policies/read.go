package policies

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

var _ access.Book = (*Enforcer)(nil)

// OwnRoles implements access.Book.
func (e *Enforcer) OwnRoles(ctx context.Context, ws string) ([]string, error) {
	f, err := e.current(ctx, ws)
	if err != nil {
		return nil, unavailable(err)
	}
	names := make([]string, len(f.rules.Roles))
	for i, r := range f.rules.Roles {
		names[i] = r.Name
	}
	return names, nil
}

// Permits implements access.Book.
func (e *Enforcer) Permits(ctx context.Context, ws string, p access.Principal, what access.Permission) (bool, error) {
	f, err := e.current(ctx, ws)
	if err != nil {
		return false, unavailable(err)
	}
	may, err := f.permits(p, what)
	if err != nil {
		return false, unavailable(err)
	}
	return may, nil
}

// HasPurpose reports whether a workspace has a purpose, and data may be used for it:
// what access.Service.SetPurposes asks for.
func (e *Enforcer) HasPurpose(ctx context.Context, ws, purpose string) (bool, error) {
	f, err := e.current(ctx, ws)
	if err != nil {
		return false, unavailable(err)
	}
	return f.alive(purpose), nil
}

// Exceeds implements access.Book.
func (e *Enforcer) Exceeds(ctx context.Context, ws string, roles, than []string) (bool, error) {
	f, err := e.current(ctx, ws)
	if err != nil {
		return false, unavailable(err)
	}
	more, err := f.exceeds(roles, f.compiled, than)
	if err != nil {
		return false, unavailable(err)
	}
	return more, nil
}

// governor returns the workspace of an actor who may govern.
func governor(ctx context.Context) (string, error) {
	a, err := access.Require(ctx, access.Govern)
	if err != nil {
		return "", err
	}
	return a.Workspace, nil
}

// Present returns the version that is in force. The actor must be allowed to govern,
// as for all that tells of the rules.
func (e *Enforcer) Present(ctx context.Context) (*Version, error) {
	ws, err := governor(ctx)
	if err != nil {
		return nil, err
	}
	st, err := e.state(ctx, ws)
	if err != nil {
		return nil, err
	}
	return st.now, nil
}

// Version returns a version, or nil.
func (e *Enforcer) Version(ctx context.Context, id string) (*Version, error) {
	ws, err := governor(ctx)
	if err != nil {
		return nil, err
	}
	if first := builtIn(ws); first.VersionID == id {
		return first, nil
	}
	return versions.Get(ctx, e.o.Store, store.Key(ws, id))
}

func history(ws string) store.Query {
	return store.Query{Workspace: ws, Order: []string{"-createdAt"}}
}

// Versions returns a page of the versions that were stored, the latest first, those
// that wait and those that were rejected among them.
func (e *Enforcer) Versions(ctx context.Context, page core.PageArgs) (store.Page[Version], error) {
	ws, err := governor(ctx)
	if err != nil {
		return store.Page[Version]{}, err
	}
	w, err := page.Resolve()
	if err != nil {
		return store.Page[Version]{}, err
	}
	return versions.Page(ctx, e.o.Store, history(ws), w)
}

// CountVersions returns how many versions Versions lists.
func (e *Enforcer) CountVersions(ctx context.Context) (int64, error) {
	ws, err := governor(ctx)
	if err != nil {
		return 0, err
	}
	return versions.Count(ctx, e.o.Store, history(ws))
}

// Rollback makes the rules of an old version (its number; 0: the built-in ones) those
// of a new one, under the conditions of Set.
func (e *Enforcer) Rollback(ctx context.Context, number int64, c Change) (*Outcome, error) {
	ws, err := governor(ctx)
	if err != nil {
		return nil, err
	}
	c.Policy = Default()
	if number != 0 {
		found, err := versions.Find(ctx, e.o.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("number", number)}}, 1)
		if err != nil {
			return nil, err
		}
		if number < 0 || len(found) == 0 {
			return nil, core.Errorf(core.NotFound, "POLICY_VERSION", "the policy never had this version").At("number")
		}
		c.Policy = found[0].Policy
	}
	return e.Set(ctx, c)
}

// Matrix lists what roles may do for purposes now: of one role or of all (""), for one
// purpose or for all ("").
func (e *Enforcer) Matrix(ctx context.Context, role, purpose string) ([]Cell, error) {
	ws, err := governor(ctx)
	if err != nil {
		return nil, err
	}
	f, err := e.current(ctx, ws)
	if err != nil {
		return nil, unavailable(err)
	}
	roles := f.rules.roleNames()
	if role != "" {
		if !slices.Contains(roles, role) {
			return nil, invalid("UNKNOWN_ROLE", "this workspace has no such role").At("role")
		}
		roles = []string{role}
	}
	if purpose != "" && f.reg.Purpose(purpose) == nil {
		return nil, invalid("UNKNOWN_PURPOSE", "the register has no such purpose").At("purpose")
	}
	settings, err := e.o.Access.SettingsOf(ctx, ws)
	if err != nil {
		return nil, err
	}
	var out []Cell
	for _, r := range roles {
		cells, err := f.cells(r, purpose)
		if err != nil {
			return nil, unavailable(err)
		}
		for i, c := range cells {
			cells[i].NeedsReason = !c.Decision.Hidden() && settings.NeedsReason([]string{r}, c.Category())
		}
		out = append(out, cells...)
	}
	return out, nil
}

// Explain tells what a principal (the id of a key or a member, or a role) may do with
// a category for a purpose, and which rule says so. action is "read" for reading data
// of the category, or a permission, with the category NONE.
func (e *Enforcer) Explain(ctx context.Context, principal, action string, category core.Category, purpose string) (*Cell, error) {
	ws, err := governor(ctx)
	if err != nil {
		return nil, err
	}
	f, err := e.current(ctx, ws)
	if err != nil {
		return nil, unavailable(err)
	}
	if !isPermission(action) {
		return nil, invalid("UNKNOWN_ACTION", "an action is read, of a category of data, or one of the permissions").At("action")
	}
	if f.reg.Purpose(purpose) == nil {
		return nil, invalid("UNKNOWN_PURPOSE", "the register has no such purpose").At("purpose")
	}
	who := access.Principal{ID: principal, Roles: []string{principal}}
	if !slices.Contains(f.rules.roleNames(), principal) {
		people, err := e.o.Access.Principals(ctx, ws)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(people, func(p access.Principal) bool { return p.ID == principal })
		if i < 0 {
			return nil, core.Errorf(core.NotFound, "PRINCIPAL", "nobody can come in by this id, and no role has this name").At("principal")
		}
		who = people[i]
	}
	target := action
	if action == string(access.Read) && category != core.None {
		target = string(category)
	}
	if len(who.Purposes) > 0 && !slices.Contains(who.Purposes, purpose) {
		d := core.Decision{Effect: core.Deny, Withheld: core.WithheldPurpose, Rule: "the purposes of the key"}
		return &Cell{Role: principal, Purpose: purpose, Target: target, Decision: d}, nil
	}
	v, err := f.view(who.Roles, purpose)
	if err != nil {
		return nil, unavailable(err)
	}
	v = access.Scoped(v, who.Scopes)
	c := &Cell{Role: principal, Purpose: purpose, Target: target, Decision: of(v, target)}
	settings, err := e.o.Access.SettingsOf(ctx, ws)
	if err != nil {
		return nil, err
	}
	c.NeedsReason = !c.Decision.Hidden() && settings.NeedsReason(who.Roles, c.Category())
	return c, nil
}

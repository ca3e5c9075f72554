package access

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/store"
)

// Principal is somebody who can come in.
type Principal struct {
	ID     string // key_…, mem_…
	Roles  []string
	Scopes []string // empty: all that the roles allow
	// Purposes are those that its data may be used for; empty means all.
	Purposes []string
	// Made lists who made it or what it replaces: key_…, mem_…, "system:…". Nobody made
	// a member for good: see Family.
	Made []string
}

// Principals lists who can come into a workspace now: its keys and members. It checks
// nothing: callers are the server's own parts.
func (s *Service) Principals(ctx context.Context, workspace string) ([]Principal, error) {
	keys, err := Keys.Find(ctx, s.store, keysOf(workspace), 0)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	var out []Principal
	for _, k := range keys {
		if k.works(now) {
			out = append(out, k.principal())
		}
	}
	q := store.Query{Workspace: workspace, Where: []store.Cond{store.Eq("status", string(Joined))}, Order: []string{"invitedAt"}}
	members, err := Members.Find(ctx, s.store, q, 0)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		out = append(out, m.principal())
	}
	return out, nil
}

func (k *Key) principal() Principal {
	p := Principal{ID: k.KeyID, Roles: k.Roles, Scopes: k.Scopes, Purposes: k.Purposes, Made: []string{k.CreatedBy}}
	if k.RotatedFrom != "" {
		p.Made = append(p.Made, k.RotatedFrom)
	}
	return p
}

func (m *Member) principal() Principal {
	return Principal{ID: m.MemberID, Roles: slices.Clone(m.Roles), Purposes: slices.Clone(m.Purposes)}
}

// Holders lists who has a role of a workspace: keys that can be used, members, invited
// and suspended ones too, and "the access settings" when these name it. It checks nothing.
func (s *Service) Holders(ctx context.Context, workspace, role string) ([]string, error) {
	var out []string
	keys, err := Keys.Find(ctx, s.store, keysOf(workspace), 0)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	for _, k := range keys {
		if slices.Contains(k.Roles, role) && k.works(now) {
			out = append(out, k.KeyID)
		}
	}
	members, err := Members.Find(ctx, s.store, store.Query{Workspace: workspace, Where: []store.Cond{store.Eq("roles", role)}}, 0)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		out = append(out, m.MemberID)
	}
	w, err := Workspaces.Get(ctx, s.store, workspace)
	if err != nil {
		return nil, err
	}
	limited := func(l RoleLimits) bool { return l.Role == role }
	if w != nil && (slices.Contains(w.Access.ReasonRoles, role) || slices.ContainsFunc(w.Access.RoleLimits, limited)) {
		out = append(out, "the access settings")
	}
	return out, nil
}

// Family says which keys and members come of each other: of who made whom, and which
// key took whose place. A member is of whoever invited them, or made them one who may
// govern, for Vacancy: a person of their own by then, and until then perhaps a second
// address of the one who did.
type Family struct {
	keys []*Key
	made map[string][]string // by id: who made it or what it replaces
}

// Family reads who made whom in a workspace. Keys that have ended count too: what they
// made lives on. It checks nothing: callers are the server's own parts.
func (s *Service) Family(ctx context.Context, workspace string) (*Family, error) {
	return s.family(ctx, workspace, true)
}

// family is Family, where it is not asked of members whether they came lately.
func (s *Service) family(ctx context.Context, workspace string, lately bool) (*Family, error) {
	keys, err := Keys.Find(ctx, s.store, keysOf(workspace), 0)
	if err != nil {
		return nil, err
	}
	f := &Family{keys: keys, made: map[string][]string{}}
	for _, k := range keys {
		f.made[k.KeyID] = k.principal().Made
	}
	if !lately {
		return f, nil
	}
	members, err := Members.Find(ctx, s.store, store.Query{Workspace: workspace, Order: []string{"invitedAt"}}, 0)
	if err != nil {
		return nil, err
	}
	since := s.clock.Now().Add(-Vacancy)
	for _, m := range members {
		if m.JoinedAt.After(since) {
			f.made[m.MemberID] = append(f.made[m.MemberID], m.InvitedBy)
		}
		if m.RaisedBy != "" && m.RaisedAt.After(since) {
			f.made[m.MemberID] = append(f.made[m.MemberID], m.RaisedBy)
		}
	}
	return f, nil
}

// Same reports whether who is the same as other in all that matters for an approval:
// other itself, a key that it was rotated from or to, or one that these made, rotated,
// or made by way of others.
func (f *Family) Same(who, other string) bool {
	if who == other {
		return true
	}
	if strings.HasPrefix(other, "system:") {
		return false // a part of the server makes keys for others, not for itself
	}
	line := []string{other}
	for grown := true; grown; { // the keys that other was rotated from and to
		grown = false
		for _, k := range f.keys {
			if k.RotatedFrom == "" || slices.Contains(line, k.KeyID) == slices.Contains(line, k.RotatedFrom) {
				continue
			}
			line, grown = append(line, k.KeyID, k.RotatedFrom), true
		}
	}
	seen, todo := map[string]bool{}, []string{who}
	for len(todo) > 0 {
		id := todo[0]
		todo = todo[1:]
		if slices.Contains(line, id) {
			return true
		}
		if !seen[id] {
			seen[id] = true
			todo = append(todo, f.made[id]...)
		}
	}
	return false
}

// Related reports whether two come of the same key or member, whichever made which. What
// parts of the server made is not related by that.
func (f *Family) Related(a, b string) bool {
	kin := map[string]bool{a: true}
	for grown := true; grown && !kin[b]; {
		grown = false
		for id, makers := range f.made {
			for _, maker := range makers {
				if strings.HasPrefix(maker, "system:") || kin[id] == kin[maker] {
					continue
				}
				kin[id], kin[maker], grown = true, true, true
			}
		}
	}
	return kin[b]
}

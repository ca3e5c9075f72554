package access

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// MemberUpdate changes what a member may do; what is nil stays as it is.
type MemberUpdate struct {
	Workspace       string // "" means the actor's own
	ID              string // mem_…
	ExpectedVersion int64  // 0 for whichever there is
	Name            *string
	Roles           *[]string
	Purposes        *[]string
	Purpose         *string
	Limits          *core.Limits
}

// UpdateMember changes a member, at once and also for what it has open. Nobody changes
// their own roles, purposes or limits: FORBIDDEN (reason OWN_ACCESS). The last owner
// stays one: CONFLICT (reason LAST_OWNER).
func (s *Service) UpdateMember(ctx context.Context, u MemberUpdate) (*Member, error) {
	return s.changeMember(ctx, u.Workspace, u.ID, u.ExpectedVersion, "member.update", func(m *Member, a *core.Actor) ([]string, error) {
		if a.ID == m.MemberID && (u.Roles != nil || u.Purposes != nil || u.Limits != nil) {
			return nil, errOwnAccess
		}
		var fields []string
		if u.Name != nil {
			name, err := cleanName(*u.Name)
			if err != nil {
				return nil, err
			}
			m.Name = name
			fields = append(fields, "name")
			if err := s.seal(ctx, m); err != nil {
				return nil, err
			}
		}
		if u.Roles != nil {
			m.Roles = *u.Roles
			fields = append(fields, "roles")
		}
		if u.Purposes != nil {
			m.Purposes = *u.Purposes
			fields = append(fields, "purposes")
		}
		if u.Purpose != nil {
			m.Purpose = *u.Purpose
			fields = append(fields, "purpose")
		}
		if u.Limits != nil {
			m.Limits = *u.Limits
			fields = append(fields, "limits")
		}
		if fields == nil {
			return nil, core.Errorf(core.Invalid, "NOTHING_TO_CHANGE", "give what to change")
		}
		if err := s.checkAccess(ctx, m.Workspace(), m.Roles, m.Purposes, m.Purpose, m.Limits); err != nil {
			return nil, err
		}
		if err := within(a, m.Roles, nil, m.Purposes, m.Limits); err != nil {
			return nil, err
		}
		return fields, s.noMore(ctx, a, m.Workspace(), m.Roles)
	})
}

var errOwnAccess = core.Errorf(core.Forbidden, "OWN_ACCESS", "nobody changes what they may do themselves; ask another owner or admin").At("id")

// SuspendMember shuts a member out, at once, until RestoreMember. Suspending a
// suspended member changes nothing.
func (s *Service) SuspendMember(ctx context.Context, workspace, id string) (*Member, error) {
	return s.switchMember(ctx, workspace, id, "member.suspend", Joined, Suspended)
}

// RestoreMember lets a suspended member in again.
func (s *Service) RestoreMember(ctx context.Context, workspace, id string) (*Member, error) {
	return s.switchMember(ctx, workspace, id, "member.restore", Suspended, Joined)
}

func (s *Service) switchMember(ctx context.Context, workspace, id, action string, from, to MemberStatus) (*Member, error) {
	return s.changeMember(ctx, workspace, id, 0, action, func(m *Member, a *core.Actor) ([]string, error) {
		switch {
		case a.ID == m.MemberID:
			return nil, errOwnAccess
		case m.Status != from && m.Status != to:
			return nil, core.Errorf(core.Conflict, "MEMBER_STATUS", "this member has not joined yet; remove them to withdraw the invitation").At("id")
		}
		m.Status = to
		return []string{"status"}, nil
	})
}

// RemoveMember forgets a member, or withdraws an invitation: their audit entries keep
// the id, which tells nobody who it was. The last owner cannot be removed: CONFLICT
// (reason LAST_OWNER).
func (s *Service) RemoveMember(ctx context.Context, workspace, id string) (*Member, error) {
	return s.changeMember(ctx, workspace, id, 0, "member.remove", nil)
}

// RevokeInvitation withdraws the invitation of somebody who has not accepted it: its
// token is worthless then. Who joined already is CONFLICT (reason MEMBER_STATUS).
func (s *Service) RevokeInvitation(ctx context.Context, workspace, id string) (*Member, error) {
	ws, _, err := in(ctx, workspace, Manage)
	if err != nil {
		return nil, err
	}
	m, err := Members.Get(ctx, s.store, store.Key(ws, id))
	if err != nil {
		return nil, err
	}
	if m != nil && m.Status != Invited {
		return nil, core.Errorf(core.Conflict, "MEMBER_STATUS", "the invitation was accepted; remove or suspend the member").At("id")
	}
	if m == nil {
		return nil, core.Errorf(core.NotFound, "MEMBER", "this workspace has no such invitation").At("id")
	}
	return s.changeMember(ctx, workspace, id, m.V, "member.remove", nil)
}

// changeMember replaces a member by what f makes of it, or removes it when f is nil.
func (s *Service) changeMember(ctx context.Context, workspace, id string, expected int64, action string, f func(m *Member, a *core.Actor) ([]string, error)) (*Member, error) {
	ws, a, err := in(ctx, workspace, Manage)
	if err != nil {
		return nil, err
	}
	var m *Member
	err = again(func() error {
		if m, err = Members.Get(ctx, s.store, store.Key(ws, id)); err != nil {
			return err
		}
		if m == nil {
			return core.Errorf(core.NotFound, "MEMBER", "this workspace has no such member").At("id")
		}
		if expected != 0 && m.V != expected {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the member was changed meanwhile; read it again").At("expectedVersion")
		}
		if err := s.open(ctx, m); err != nil {
			return err
		}
		if err := within(a, m.Roles, nil, m.Purposes, m.Limits); err != nil {
			return err
		}
		owned, was := m.owns(), m.principal()
		came := m.Status == Joined
		var fields []string
		var ops []store.Op
		if f == nil {
			if ops, err = s.removal(ctx, ws, m); err != nil {
				return err
			}
		} else {
			if fields, err = f(m, a); err != nil {
				return err
			}
			if err := s.raise(ctx, ws, a, m, was); err != nil {
				return err
			}
			ops = append(ops, Members.Replace(m))
		}
		if owned && (f == nil || !m.owns()) {
			other, err := s.otherOwner(ctx, ws, m.MemberID)
			if err != nil {
				return err
			}
			// Of two owners who remove each other at once, one comes too late.
			ops = append(ops, Members.Check(other))
		}
		if came {
			var still *Principal
			if f != nil && m.Status == Joined {
				p := m.principal()
				still = &p
			}
			gone, err := s.departing(ctx, ws, a, was, still, s.stamp())
			if err != nil {
				return err
			}
			ops = append(ops, gone...)
		}
		entry, err := s.audited(ctx, ws, action, m.MemberID, fields, map[string]string{"roles": strings.Join(m.Roles, " "), "status": string(m.Status)})
		if err != nil {
			return err
		}
		if err = s.write(ctx, append(entry, ops...)...); err == nil {
			m.V++
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.changed(ctx)
	return m, nil
}

// raise notes that the actor made somebody one who may govern.
func (s *Service) raise(ctx context.Context, ws string, a *core.Actor, m *Member, was Principal) error {
	if could, err := s.governs(ctx, ws, was); err != nil || could {
		return err
	}
	if may, err := s.governs(ctx, ws, m.principal()); err != nil || !may {
		return err
	}
	m.RaisedBy, m.RaisedAt = a.ID, s.stamp()
	return nil
}

// owns reports whether the member is an owner who can come in.
func (m *Member) owns() bool { return m.Status == Joined && slices.Contains(m.Roles, Owner) }

func (s *Service) otherOwner(ctx context.Context, ws, not string) (*Member, error) {
	owners, err := Members.Find(ctx, s.store, store.Query{
		Workspace: ws, Where: []store.Cond{store.Eq("roles", Owner), store.Eq("status", string(Joined))},
	}, 2)
	if err != nil {
		return nil, err
	}
	for _, o := range owners {
		if o.MemberID != not {
			return o, nil
		}
	}
	return nil, core.Errorf(core.Conflict, "LAST_OWNER", "a workspace keeps one owner: make somebody else an owner first").At("id")
}

// removal returns the operations that forget a member.
func (s *Service) removal(ctx context.Context, ws string, m *Member) ([]store.Op, error) {
	ops := []store.Op{Members.Delete(m)}
	claim, err := store.Claims.Get(ctx, s.store, store.Key(ws, emailClaim, m.EmailHash))
	if err != nil {
		return nil, err
	}
	if claim != nil && claim.Owner == m.MemberID {
		ops = append(ops, store.Claims.Delete(claim))
	}
	seen, err := Usages.Get(ctx, s.store, m.ID)
	if err != nil {
		return nil, err
	}
	if seen != nil {
		ops = append(ops, Usages.Delete(seen))
	}
	if m.Login == "" {
		return ops, nil
	}
	l, err := Logins.Get(ctx, s.store, store.Key(m.Login, ws))
	if err != nil {
		return nil, err
	}
	if l != nil {
		ops = append(ops, Logins.Delete(l))
	}
	return ops, nil
}

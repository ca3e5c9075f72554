package access

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// seat is a member in its workspace.
type seat struct {
	member    *Member
	workspace *Workspace
}

// maxSeats is in how many workspaces of one server somebody can be a member.
const maxSeats = 100

// The errors of members.
var (
	errNotMember      = core.Errorf(core.Unauthenticated, "NOT_A_MEMBER", "you signed in, but are no member of this workspace; ask its owner to invite you")
	errSuspended      = core.Errorf(core.Unauthenticated, "MEMBER_SUSPENDED", "your membership was suspended; ask the owner of the workspace")
	errChanged        = core.Errorf(core.Forbidden, "LIMITS_CHANGED", "whose data you may see has changed; connect again")
	errAccessChanged  = core.Errorf(core.Forbidden, "ACCESS_CHANGED", "your roles or purposes have changed; send the request, or connect, again")
	errOtherWorkspace = core.Errorf(core.Forbidden, "OTHER_WORKSPACE", "this key belongs to another workspace")
)

// state says why the member cannot come in now, or nil.
func (st seat) state() error {
	switch {
	case st.member == nil || st.member.Status == Invited:
		return errNotMember
	case st.workspace == nil || st.workspace.Status != Active:
		return errDeleted
	case st.member.Status != Joined:
		return errSuspended
	case len(st.workspace.Access.Issuers) > 0 && !slices.Contains(st.workspace.Access.Issuers, st.member.Issuer):
		return core.Errorf(core.Unauthenticated, "BEARER_ISSUER", "this workspace does not let in who signs in at that issuer")
	}
	return nil
}

func (st seat) standing() standing {
	return standing{workspace: st.workspace, roles: st.member.Roles, purposes: st.member.Purposes, own: st.member.Limits}
}

// seats returns where somebody is a member, in the order of the workspaces' ids.
func (s *Service) seats(ctx context.Context, login string) ([]seat, error) {
	return s.people.get(ctx, login, func(ctx context.Context) ([]seat, bool, error) {
		found, err := Logins.Find(ctx, s.store, store.Query{Where: []store.Cond{store.Eq("login", login)}, Order: []string{"ws"}}, maxSeats)
		if err != nil || len(found) == 0 {
			return nil, false, err
		}
		ids, spaces := make([]string, len(found)), make([]string, len(found))
		for i, l := range found {
			ids[i], spaces[i] = store.Key(l.Workspace, l.Member), l.Workspace
		}
		members, err := Members.GetMany(ctx, s.store, ids)
		if err != nil {
			return nil, false, err
		}
		workspaces, err := Workspaces.GetMany(ctx, s.store, spaces)
		if err != nil {
			return nil, false, err
		}
		var out []seat
		for i, m := range members {
			// A login that outlived its member, or says another than the member, opens nothing.
			if m != nil && m.Login == login {
				out = append(out, seat{m, workspaces[i]})
			}
		}
		return out, true, nil
	})
}

// pick chooses the seat that a call means.
func pick(seats []seat, workspace string) (seat, error) {
	if workspace != "" {
		for _, st := range seats {
			if st.member.Workspace() == workspace {
				return st, nil
			}
		}
		return seat{}, errNotMember
	}
	var open []seat
	for _, st := range seats {
		if st.state() == nil {
			open = append(open, st)
		}
	}
	switch {
	case len(open) == 1:
		return open[0], nil
	case len(open) > 1:
		return seat{}, core.Errorf(core.Invalid, "WORKSPACE_REQUIRED", "you are a member of several workspaces; name one in X-Workspace")
	case len(seats) > 0:
		return seats[0], nil // says why not
	}
	return seat{}, errNotMember
}

// memberNow returns how a member stands as of now.
func (s *Service) memberNow(ctx context.Context, login, id string, expires time.Time) (standing, error) {
	if !s.clock.Now().Before(expires) {
		return standing{}, errBearerExpired
	}
	seats, err := s.seats(ctx, login)
	if err != nil {
		return standing{}, err
	}
	for _, st := range seats {
		if st.member.ID == id {
			return st.standing(), st.state()
		}
	}
	return standing{}, errNotMember
}

// admitMember lets in whom an issuer vouches for.
func (s *Service) admitMember(ctx context.Context, call Call) (*core.Actor, error) {
	o := s.oidc.Load()
	if o == nil {
		return nil, errNoIssuer
	}
	who, err := o.Verify(ctx, call.Secret)
	if err != nil {
		return nil, err
	}
	login, err := s.login(ctx, who.Issuer, who.Subject)
	if err != nil {
		return nil, err
	}
	seats, err := s.seats(ctx, login)
	if err != nil {
		return nil, err
	}
	st, err := pick(seats, call.Workspace)
	if err == nil {
		err = st.state()
	}
	if err != nil {
		if call.Guest && errors.Is(err, errNotMember) {
			return guest(who, call), nil
		}
		return nil, err
	}
	m := st.member
	a := &core.Actor{
		Workspace: m.Workspace(), ID: m.MemberID, Name: m.MemberID, Roles: m.Roles, Purposes: m.Purposes, Purpose: call.Purpose,
	}
	c := &credential{s: s, expires: who.Expires, identity: who, now: func(ctx context.Context) (standing, error) {
		return s.memberNow(ctx, login, m.ID, who.Expires)
	}}
	if err := s.equip(ctx, a, c, call, st.standing(), m.Purpose); err != nil {
		return nil, err
	}
	s.usage.touch(a.Workspace, a.ID, s.clock.Now())
	return a, nil
}

// noWorkspace is where guests are: there is nothing there, nor can be.
const noWorkspace = "none"

// guest is somebody who signed in and is no member: whatever they ask for is
// UNAUTHENTICATED (NOT_A_MEMBER), but accepting an invitation.
func guest(who *Identity, call Call) *core.Actor {
	return &core.Actor{
		Workspace: noWorkspace, ID: "guest", Name: "guest", Purpose: DefaultPurpose, Reason: call.Reason,
		Decider: &guestDecider{who},
	}
}

// guestDecider allows nothing, whatever the policy says of who has no roles.
type guestDecider struct{ identity *Identity }

// View implements core.Decider.
func (g *guestDecider) View(context.Context) (*core.View, error) { return nil, errNotMember }

// IsGuest reports whether a is somebody who signed in and is no member.
func IsGuest(a *core.Actor) bool {
	if a == nil {
		return false
	}
	_, ok := a.Decider.(*guestDecider)
	return ok
}

// identityOf returns whom an issuer vouched for in this request, or nil.
func identityOf(a *core.Actor) *Identity {
	if a == nil {
		return nil
	}
	switch c := a.Decider.(type) {
	case *credential:
		return c.identity
	case *guestDecider:
		return c.identity
	}
	return nil
}

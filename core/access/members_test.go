package access_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func TestInvitations(t *testing.T) {
	h := newHouse(t)
	invite := func(n access.NewMember) *access.InvitedMember {
		t.Helper()
		n.Workspace = h.ws
		made, err := h.InviteMember(root, n)
		require.NoError(t, err)
		return made
	}
	accept := func(ctx context.Context, token string) error {
		_, err := h.AcceptInvitation(ctx, token)
		return err
	}
	first := invite(access.NewMember{Email: " Ana@Example.com ", Roles: []string{access.Marketer}})
	require.Equal(t, access.Invited, first.Member.Status)
	require.Equal(t, "ana@example.com", first.Member.Email)
	refused(t, h.try(h.issuer.token("ana", "ana@example.com", nil)), core.Unauthenticated, "NOT_A_MEMBER")

	// An invitation of the same address replaces the one before.
	second := invite(access.NewMember{Email: "ana@example.com", Roles: []string{access.Analyst}})
	require.Equal(t, first.Member.MemberID, second.Member.MemberID)
	refused(t, accept(h.guest(t, "ana"), first.Token), core.Invalid, "INVITATION_INVALID")

	// Only a person whose address the issuer verified.
	refused(t, accept(h.admin, second.Token), core.Forbidden, "SIGN_IN_REQUIRED")
	refused(t, accept(h.guest(t, "ben"), second.Token), core.Forbidden, "INVITATION_EMAIL")
	for _, verified := range []any{false, "false", nil, 1} {
		a, err := h.Admit(t.Context(), access.Call{Secret: h.issuer.token("eve", "ana@example.com", map[string]any{"email_verified": verified}), Guest: true})
		require.NoError(t, err)
		refused(t, accept(core.WithActor(t.Context(), a), second.Token), core.Forbidden, "INVITATION_EMAIL")
	}
	for _, bad := range []string{"", "x", second.Token[:len(second.Token)-3], "ws_0000000000.abc"} {
		require.Equal(t, core.Invalid, core.CodeOf(accept(h.guest(t, "ana"), bad)), bad)
	}
	require.NoError(t, accept(h.guest(t, "ana"), second.Token))
	refused(t, accept(h.guest(t, "ana"), second.Token), core.Invalid, "INVITATION_INVALID")
	require.NoError(t, h.try(h.issuer.token("ana", "ana@example.com", nil)))
	_, err := h.InviteMember(root, access.NewMember{Workspace: h.ws, Email: "ANA@example.com", Roles: []string{access.Admin}})
	refused(t, err, core.Conflict, "ALREADY_MEMBER")
	// The same person under another address is one member still.
	refused(t, accept(h.guest(t, "ana"), invite(access.NewMember{Email: "x@example.com", Roles: []string{access.Admin}, AnyEmail: true}).Token), core.Conflict, "ALREADY_MEMBER")

	late := invite(access.NewMember{Email: "ben@example.com", Roles: []string{access.Support}, ExpiresIn: time.Hour})
	h.clock.Advance(time.Hour)
	refused(t, accept(h.guest(t, "ben"), late.Token), core.Invalid, "TOKEN_EXPIRED")
	anybody := invite(access.NewMember{Email: "ben@example.com", Roles: []string{access.Support}, AnyEmail: true})
	require.NoError(t, accept(h.guest(t, "carl"), anybody.Token))

	for reason, n := range map[string]access.NewMember{
		"EMAIL": {Email: "ana", Roles: []string{access.Admin}}, "UNKNOWN_ROLE": {Email: "a@b.c", Roles: []string{access.Write}},
		"ROLE_REQUIRED": {Email: "a@b.c"}, "LIMITS": {Email: "a@b.c", Roles: []string{access.Admin}, Limits: core.Limits{Segments: []string{"vip"}}},
		"EXPIRES_IN": {Email: "a@b.c", Roles: []string{access.Admin}, ExpiresIn: 31 * 24 * time.Hour},
	} {
		n.Workspace = h.ws
		_, err := h.InviteMember(root, n)
		refused(t, err, core.Invalid, reason)
	}
	_, err = h.InviteMember(h.admin, access.NewMember{Email: "a@b.c", Roles: []string{access.Owner}})
	refused(t, err, core.Forbidden, "ESCALATION")
	h.withdrawn(t)
}

// withdrawn: a removed invitation cannot be accepted.
func (h *house) withdrawn(t *testing.T) {
	made, err := h.InviteMember(h.admin, access.NewMember{Email: "dan@example.com", Roles: []string{access.Support}})
	require.NoError(t, err)
	_, err = h.RemoveMember(h.admin, "", made.Member.MemberID)
	require.NoError(t, err)
	_, err = h.AcceptInvitation(h.guest(t, "dan"), made.Token)
	refused(t, err, core.Invalid, "INVITATION_INVALID")
}

func TestInvitationIsAcceptedOnce(t *testing.T) {
	h := newHouse(t)
	made, err := h.InviteMember(root, access.NewMember{Workspace: h.ws, Email: "team@example.com", Roles: []string{access.Support}, AnyEmail: true})
	require.NoError(t, err)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		ctx := h.guest(t, string(rune('a'+i)))
		wg.Go(func() { _, errs[i] = h.AcceptInvitation(ctx, made.Token) })
	}
	wg.Wait()
	in := 0
	for _, err := range errs {
		if err == nil {
			in++
			continue
		}
		refused(t, err, core.Invalid, "INVITATION_INVALID")
	}
	require.Equal(t, 1, in)
}

func TestGuestsMayDoNothing(t *testing.T) {
	h := newHouse(t)
	ctx := h.guest(t, "eve")
	require.True(t, access.IsGuest(core.ActorFrom(ctx)))
	for _, p := range access.Permissions {
		refused(t, access.Allow(ctx, p), core.Unauthenticated, "NOT_A_MEMBER")
	}
	v, err := access.ViewOf(ctx)
	refused(t, err, core.Unauthenticated, "NOT_A_MEMBER")
	require.Nil(t, v)
	_, err = h.Members(ctx, h.ws, "", core.PageArgs{})
	refused(t, err, core.Unauthenticated, "NOT_A_MEMBER")
	_, err = h.Member(ctx, h.ws, "guest")
	refused(t, err, core.Unauthenticated, "NOT_A_MEMBER")
	_, err = h.Workspace(ctx, h.ws)
	refused(t, err, core.Unauthenticated, "NOT_A_MEMBER")
}

func TestSeveralWorkspaces(t *testing.T) {
	h := newHouse(t)
	other, err := h.CreateWorkspace(root, "Other")
	require.NoError(t, err)
	token := func() string { return h.issuer.token("ana", "ana@example.com", nil) }
	enter := func(ws string) (*core.Actor, error) {
		return h.Admit(t.Context(), access.Call{Secret: token(), Workspace: ws})
	}
	h.join(t, "ana", access.NewMember{Roles: []string{access.Analyst}})
	_, err = enter(other.Workspace.ID)
	refused(t, err, core.Unauthenticated, "NOT_A_MEMBER")
	_, err = enter("ws_0000000000")
	refused(t, err, core.Unauthenticated, "NOT_A_MEMBER")
	made, err := h.InviteMember(root, access.NewMember{Workspace: other.Workspace.ID, Email: "ana@example.com", Roles: []string{access.Admin}})
	require.NoError(t, err)
	_, err = h.AcceptInvitation(h.member(t, "ana"), made.Token)
	require.NoError(t, err)

	_, err = enter("")
	refused(t, err, core.Invalid, "WORKSPACE_REQUIRED")
	a, err := enter(h.ws)
	require.NoError(t, err)
	require.Equal(t, []string{access.Analyst}, a.Roles)
	a, err = enter(other.Workspace.ID)
	require.NoError(t, err)
	require.Equal(t, []string{access.Admin}, a.Roles)
	_, err = h.Members(core.WithActor(t.Context(), a), h.ws, "", core.PageArgs{})
	refused(t, err, core.Forbidden, "OTHER_WORKSPACE")
	_, err = h.Admit(t.Context(), access.Call{Secret: h.made.AdminKey, Workspace: other.Workspace.ID})
	refused(t, err, core.Forbidden, "OTHER_WORKSPACE")

	// Where only one is left open, it is implied.
	_, err = h.SuspendMember(root, other.Workspace.ID, a.ID)
	require.NoError(t, err)
	a, err = enter("")
	require.NoError(t, err)
	require.Equal(t, h.ws, a.Workspace)
}

func TestMembersCannotRaiseThemselves(t *testing.T) {
	h := newHouse(t)
	m := h.join(t, "ana", access.NewMember{Roles: []string{access.Admin}, Limits: core.Limits{Owners: []string{"north"}}})
	ana := h.member(t, "ana")
	require.Equal(t, core.Limits{Owners: []string{"north"}}, core.ActorFrom(ana).Limits)
	for _, u := range []access.MemberUpdate{
		{Roles: &[]string{access.Owner}}, {Limits: &core.Limits{}}, {Purposes: &[]string{}},
	} {
		u.ID = m.MemberID
		_, err := h.UpdateMember(ana, u)
		refused(t, err, core.Forbidden, "OWN_ACCESS")
	}
	_, err := h.SuspendMember(ana, "", m.MemberID)
	refused(t, err, core.Forbidden, "OWN_ACCESS")
	name := "Ana"
	m, err = h.UpdateMember(ana, access.MemberUpdate{ID: m.MemberID, Name: &name})
	require.NoError(t, err)
	require.Equal(t, "Ana", m.Name)
	_, err = h.UpdateMember(ana, access.MemberUpdate{ID: m.MemberID, Name: &name, ExpectedVersion: m.V - 1})
	refused(t, err, core.Conflict, "VERSION_CONFLICT")

	// Nor by way of somebody or something else.
	_, err = h.CreateKey(ana, access.NewKey{Name: "wide", Roles: []string{access.Admin}})
	refused(t, err, core.Forbidden, "ESCALATION")
	_, err = h.InviteMember(ana, access.NewMember{Email: "x@example.com", Roles: []string{access.Admin}, Limits: core.Limits{Owners: []string{"north", "south"}}})
	refused(t, err, core.Forbidden, "ESCALATION")
	_, err = h.UpdateSettings(ana, access.SettingsUpdate{RoleLimits: &[]access.RoleLimits{}})
	refused(t, err, core.Forbidden, "ESCALATION")
	narrow, err := h.CreateKey(ana, access.NewKey{Name: "narrow", Roles: []string{access.Admin}, Limits: core.Limits{Owners: []string{"north"}, Segments: []string{"seg_1"}}})
	require.NoError(t, err)
	next, err := h.RotateKey(ana, "", narrow.Key.KeyID, 0)
	require.NoError(t, err)
	require.Equal(t, narrow.Key.Limits, next.Key.Limits)
	owner := h.join(t, "olga", access.NewMember{Roles: []string{access.Owner}})
	_, err = h.RemoveMember(ana, "", owner.MemberID)
	refused(t, err, core.Forbidden, "ESCALATION")
}

func TestLastOwner(t *testing.T) {
	h := newHouse(t)
	ids := map[string]string{}
	for _, name := range []string{"ana", "ben"} {
		ids[name] = h.join(t, name, access.NewMember{Roles: []string{access.Owner, access.Analyst}}).MemberID
	}
	// Two owners who remove each other at once: one of them stays.
	for range 5 {
		var wg sync.WaitGroup
		errs := make([]error, 2)
		ana, ben := h.member(t, "ana"), h.member(t, "ben")
		wg.Go(func() { _, errs[0] = h.SuspendMember(ana, "", ids["ben"]) })
		wg.Go(func() { _, errs[1] = h.SuspendMember(ben, "", ids["ana"]) })
		wg.Wait()
		require.False(t, errs[0] == nil && errs[1] == nil, "nobody is left")
		for _, id := range ids {
			_, err := h.RestoreMember(root, h.ws, id)
			require.NoError(t, err)
		}
	}
	_, err := h.RemoveMember(h.member(t, "ana"), "", ids["ana"]) // leaving is everybody's right
	require.NoError(t, err)
	for _, change := range []func() error{
		func() error { _, err := h.RemoveMember(root, h.ws, ids["ben"]); return err },
		func() error { _, err := h.SuspendMember(root, h.ws, ids["ben"]); return err },
		func() error {
			_, err := h.UpdateMember(root, access.MemberUpdate{Workspace: h.ws, ID: ids["ben"], Roles: &[]string{access.Admin}})
			return err
		},
	} {
		refused(t, change(), core.Conflict, "LAST_OWNER")
	}
	require.NoError(t, h.try(h.issuer.token("ben", "ben@example.com", nil)))
	refused(t, h.try(h.issuer.token("ana", "ana@example.com", nil)), core.Unauthenticated, "NOT_A_MEMBER")
}

// What is forgotten of a member leaves nothing, and what is kept is sealed.
func TestMembersAreSealedAndForgotten(t *testing.T) {
	h := newHouse(t)
	m := h.join(t, "ana", access.NewMember{Roles: []string{access.Admin}, Name: "Ana Canary"})
	doc, err := access.Members.Get(t.Context(), h.store, m.ID)
	require.NoError(t, err)
	raw, err := access.Members.Encode(doc)
	require.NoError(t, err)
	for _, word := range []string{"ana@example.com", "Canary", "\"ana\""} {
		require.NotContains(t, raw.String(), word)
	}
	page, err := h.Members(h.admin, "", access.Joined, core.PageArgs{})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Equal(t, "Ana Canary", page.Items[0].Name)
	_, err = h.RemoveMember(h.admin, "", m.MemberID)
	require.NoError(t, err)
	n, err := access.Logins.Count(t.Context(), h.store, store.Query{Where: []store.Cond{store.Eq("ws", h.ws)}})
	require.NoError(t, err)
	require.Zero(t, n)
	again := h.join(t, "ana", access.NewMember{Roles: []string{access.Analyst}}) // can be invited anew
	var told []string
	background(t, h.runner.Run)
	background(t, h.log.Run)
	until(t, "it is all written down", func() bool {
		page, err := h.log.Entries(t.Context(), h.ws, audit.Filter{}, core.Window{Limit: 50})
		require.NoError(t, err)
		told = nil
		for _, r := range page.Items {
			if strings.HasPrefix(r.Action, "member.") {
				told = append(told, r.Action+" "+r.Actor)
			}
		}
		return len(told) == 5
	})
	key := core.ActorFrom(h.admin).ID
	require.ElementsMatch(t, []string{
		"member.invite system:test", "member.join " + m.MemberID, "member.remove " + key, "member.invite system:test", "member.join " + again.MemberID,
	}, told)
}

func TestRevokingMembersCountsAtOnce(t *testing.T) {
	h := newHouse(t)
	m := h.join(t, "ana", access.NewMember{Roles: []string{access.Admin}})
	ana := h.member(t, "ana")
	live, stop := h.Live(ana)
	defer stop()
	require.NoError(t, access.Allow(ana, access.Manage))
	_, err := h.UpdateMember(root, access.MemberUpdate{Workspace: h.ws, ID: m.MemberID, Roles: &[]string{access.Analyst}})
	require.NoError(t, err)
	refused(t, access.Allow(ana, access.Manage), core.Forbidden, "ACCESS_CHANGED")
	until(t, "what a stream was opened with is no more", func() bool { return live.Err() != nil })
	refused(t, context.Cause(live), core.Forbidden, "ACCESS_CHANGED")
	ana = h.member(t, "ana")
	refused(t, access.Allow(ana, access.Manage), core.Forbidden, "ROLE")
	live, stop = h.Live(ana)
	defer stop()

	_, err = h.UpdateMember(root, access.MemberUpdate{Workspace: h.ws, ID: m.MemberID, Limits: &core.Limits{Owners: []string{"north"}}})
	require.NoError(t, err)
	until(t, "whom a stream may show has changed", func() bool { return live.Err() != nil })
	refused(t, context.Cause(live), core.Forbidden, "LIMITS_CHANGED")

	live, stop = h.Live(h.member(t, "ana"))
	defer stop()
	_, err = h.SuspendMember(root, h.ws, m.MemberID)
	require.NoError(t, err)
	refused(t, h.try(h.issuer.token("ana", "ana@example.com", nil)), core.Unauthenticated, "MEMBER_SUSPENDED")
	refused(t, access.Allow(ana, access.Read), core.Unauthenticated, "MEMBER_SUSPENDED")
	until(t, "the stream ends", func() bool { return live.Err() != nil })
	refused(t, context.Cause(live), core.Unauthenticated, "MEMBER_SUSPENDED")
}

func TestRevokingMembersElsewhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hw.db")
	a := houseOn(t, openPath(t, path))
	m := a.join(t, "ana", access.NewMember{Roles: []string{access.Admin}})
	b := serviceOn(t, openPath(t, path), func(f *fixture, o *access.Options) { o.Ring = a.ring })
	other := &house{fixture: b, issuer: a.issuer, ring: a.ring, ws: a.ws}
	other.trust(t, a.issuer)
	background(t, b.Run)
	ana := other.member(t, "ana")
	live, stop := b.Live(ana)
	defer stop()
	require.NoError(t, access.Allow(ana, access.Manage))
	_, err := a.SuspendMember(root, a.ws, m.MemberID)
	require.NoError(t, err)
	begun := time.Now()
	until(t, "the other process hears of it", func() bool { return live.Err() != nil && access.Allow(ana, access.Manage) != nil })
	t.Logf("heard of after %v", time.Since(begun).Round(time.Millisecond))
	refused(t, context.Cause(live), core.Unauthenticated, "MEMBER_SUSPENDED")
}

func TestStreamsEndWithTheirToken(t *testing.T) {
	h := newHouse(t)
	h.join(t, "ana", access.NewMember{Roles: []string{access.Admin}})
	ana := h.member(t, "ana")
	live, stop := h.Live(ana)
	defer stop()
	background(t, h.Run)
	h.clock.Advance(time.Hour + 2*time.Minute)
	until(t, "the stream ends", func() bool { h.clock.Advance(time.Second); return live.Err() != nil })
	refused(t, context.Cause(live), core.Unauthenticated, "BEARER_EXPIRED")
	refused(t, access.Allow(ana, access.Read), core.Unauthenticated, "BEARER_EXPIRED")
}

func TestWorkspaceChoosesIssuers(t *testing.T) {
	h := newHouse(t)
	second := newIssuer(t, h.clock)
	h.trust(t, h.issuer, second)
	h.join(t, "ana", access.NewMember{Roles: []string{access.Admin}})
	_, err := h.UpdateSettings(h.admin, access.SettingsUpdate{Issuers: &[]string{"https://unknown.example"}})
	refused(t, err, core.Invalid, "ISSUER_UNKNOWN")
	_, err = h.UpdateSettings(h.admin, access.SettingsUpdate{Issuers: &[]string{second.url}})
	require.NoError(t, err)
	refused(t, h.try(h.issuer.token("ana", "ana@example.com", nil)), core.Unauthenticated, "BEARER_ISSUER")
	// The same subject at another issuer is somebody else.
	refused(t, h.try(second.token("ana", "ana@example.com", nil)), core.Unauthenticated, "NOT_A_MEMBER")
	_, err = h.UpdateSettings(h.admin, access.SettingsUpdate{Issuers: &[]string{}})
	require.NoError(t, err)
	require.NoError(t, h.try(h.issuer.token("ana", "ana@example.com", nil)))
}

func TestMembersEndWithTheirWorkspace(t *testing.T) {
	h := newHouse(t)
	h.join(t, "ana", access.NewMember{Roles: []string{access.Admin}})
	background(t, h.runner.Run)
	background(t, h.log.Run)
	plan, err := h.DeleteWorkspace(root, access.Deletion{Workspace: h.ws, ExpectedName: "Shop"})
	require.NoError(t, err)
	require.Error(t, h.try(h.issuer.token("ana", "ana@example.com", nil)))
	until(t, "it is deleted", func() bool {
		h.clock.Advance(time.Second)
		j, err := h.jobs.Get(root, work.System, plan.Job.JobID())
		return err == nil && j.Status == work.Succeeded
	})
	n, err := access.Logins.Count(t.Context(), h.store, store.Query{Where: []store.Cond{store.Eq("ws", h.ws)}})
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = access.Members.Count(t.Context(), h.store, store.Query{Workspace: h.ws, Order: []string{"invitedAt"}})
	require.NoError(t, err)
	require.Zero(t, n)
}

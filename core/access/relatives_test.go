package access_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// joinBy has somebody invite somebody, who accepts.
func (h *house) joinBy(by context.Context, t *testing.T, name string, roles ...string) context.Context {
	t.Helper()
	made, err := h.InviteMember(by, access.NewMember{Email: name + "@example.com", Roles: roles})
	require.NoError(t, err)
	_, err = h.AcceptInvitation(h.guest(t, name), made.Token)
	require.NoError(t, err)
	return h.member(t, name)
}

// A second address of one's own does not agree with oneself: whom somebody invited, by way
// of others and of keys too, is a person of their own after three days.
func TestInvitedMembersDoNotAgreeForThoseWhoLetThemIn(t *testing.T) {
	h := newHouse(t)
	h.joinNamed(t, "xena", access.Owner)
	h.joinNamed(t, "yves", access.Owner) // an operator let both in
	h.clock.Advance(access.Vacancy)
	xena, yves := h.member(t, "xena"), h.member(t, "yves")

	twin := h.joinBy(xena, t, "twin", access.Owner)
	key, err := h.CreateKey(xena, access.NewKey{Name: "x", Roles: []string{access.Owner}})
	require.NoError(t, err)
	byKey := h.joinBy(h.as(t, key.Secret), t, "bykey", access.Owner)
	third := h.joinBy(twin, t, "third", access.Owner)
	decide := func(asks, decides context.Context) error {
		t.Helper()
		a, err := h.RequestApproval(asks, core.NewID("jrn", h.clock.Now()), "hash")
		require.NoError(t, err)
		_, err = h.DecideApproval(decides, a.ApprovalID, true, "")
		return err
	}
	for name, one := range map[string]context.Context{"twin": twin, "by a key": byKey, "by the twin": third} {
		refused(t, decide(xena, one), core.Forbidden, "OWN_REQUEST")
		refused(t, decide(one, xena), core.Forbidden, "OWN_REQUEST") // yves can
		require.NoError(t, decide(one, yves), name)
		require.NoError(t, decide(yves, one), "who has nothing to do with them: %s", name)
	}
	h.clock.Advance(access.Vacancy)
	xena = h.member(t, "xena")
	for _, name := range []string{"twin", "bykey", "third"} {
		require.NoError(t, decide(xena, h.member(t, name)), name)
		require.NoError(t, decide(h.member(t, name), xena), name)
	}
}

func (h *house) joinNamed(t *testing.T, name string, roles ...string) string {
	t.Helper()
	h.join(t, name, access.NewMember{Roles: roles})
	return name
}

// Neither does somebody whom one lets govern just now, who was let in long ago to be so;
// one who could govern before is nobody's for another role.
func TestWhoIsLetGovernDoesNotAgreeForWhoeverDid(t *testing.T) {
	h := newHouse(t)
	h.join(t, "xena", access.NewMember{Roles: []string{access.Owner}})
	old := h.join(t, "old", access.NewMember{Roles: []string{access.Analyst}})
	peer := h.join(t, "peer", access.NewMember{Roles: []string{access.Admin}})
	h.clock.Advance(access.Vacancy)
	xena := h.member(t, "xena")
	for _, m := range []*access.Member{old, peer} {
		_, err := h.UpdateMember(xena, access.MemberUpdate{ID: m.MemberID, Roles: &[]string{access.Compliance, access.Analyst}})
		require.NoError(t, err)
	}
	a, err := h.RequestApproval(xena, "jrn_1", "hash")
	require.NoError(t, err)
	_, err = h.DecideApproval(h.member(t, "old"), a.ApprovalID, true, "")
	refused(t, err, core.Forbidden, "OWN_REQUEST")
	_, err = h.DecideApproval(h.member(t, "peer"), a.ApprovalID, true, "")
	require.NoError(t, err)
}

package policies_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/policies"
)

var complianceMarkets = policies.Rule{Role: "compliance", Purpose: "marketing", Target: "CONTACT", Effect: core.Allow}

// Who gains by their own change waits for somebody else.
func TestOwnGainNeedsApproval(t *testing.T) {
	h := setup(t)
	officer, officerID := h.key(h.admin, t, "compliance")
	rules := plus(complianceMarkets)
	dry, err := h.Set(officer, policies.Change{Policy: rules, DryRun: true})
	require.NoError(t, err)
	require.True(t, dry.NeedsApproval)
	require.False(t, dry.Alone)
	require.NotEmpty(t, dry.Changes)
	for _, c := range dry.Changes {
		require.Equal(t, "compliance", c.Role)
		require.Equal(t, "CONTACT", c.Target)
		require.True(t, c.Gains)
		require.Equal(t, []string{officerID}, c.Principals)
	}
	require.Empty(t, h.recorded(t, "policy.propose"))

	out := h.set(officer, t, rules)
	require.Equal(t, policies.Pending, out.Version.Status)
	reads := func() bool { return h.decision(t, []string{"compliance"}, "CONTACT", "marketing").Allowed() }
	require.False(t, reads(), "nothing is in force yet")
	require.Len(t, h.recorded(t, "policy.propose"), 1)
	id := out.Approval.ApprovalID
	_, err = h.access.DecideApproval(officer, id, true, "")
	refused(t, err, core.Forbidden, "OWN_REQUEST")
	analyst, _ := h.key(h.admin, t, "analyst")
	_, err = h.access.DecideApproval(analyst, id, true, "")
	refused(t, err, core.Forbidden, "ROLE")
	next, err := h.access.RotateKey(h.admin, "", officerID, access.DefaultGrace)
	require.NoError(t, err)
	_, err = h.access.DecideApproval(h.as(t, next.Secret), id, true, "")
	refused(t, err, core.Forbidden, "OWN_REQUEST")
	require.False(t, reads())

	a, err := h.access.DecideApproval(h.admin, id, true, "agreed")
	require.NoError(t, err)
	require.Equal(t, access.ApprovalApproved, a.Status)
	require.True(t, reads())
	v, err := h.Present(h.admin)
	require.NoError(t, err)
	require.Equal(t, out.Version.VersionID, v.VersionID)
	require.Equal(t, h.adminID, v.ApprovedBy)
	require.Len(t, h.recorded(t, "policy.set"), 1)
	ok, err := h.access.Approved(h.admin, v.VersionID, v.Hash)
	require.NoError(t, err)
	require.True(t, ok)
	ok, err = h.access.Approved(h.admin, v.VersionID, "another")
	require.NoError(t, err)
	require.False(t, ok)
	_, err = h.access.DecideApproval(h.admin, id, false, "")
	refused(t, err, core.Conflict, "NOT_PENDING")
}

func TestRejectedAndVoid(t *testing.T) {
	h := setup(t)
	officer, _ := h.key(h.admin, t, "compliance")
	out := h.set(officer, t, plus(complianceMarkets))
	_, err := h.access.DecideApproval(h.admin, out.Approval.ApprovalID, false, "no")
	require.NoError(t, err)
	v, err := h.Version(h.admin, out.Version.VersionID)
	require.NoError(t, err)
	require.Equal(t, policies.Rejected, v.Status)

	out = h.set(officer, t, plus(complianceMarkets))
	h.set(h.admin, t, plus(noContact)) // loses, so it is in force at once
	v, err = h.Version(h.admin, out.Version.VersionID)
	require.NoError(t, err)
	require.Equal(t, policies.Void, v.Status)
	_, err = h.access.DecideApproval(h.admin, out.Approval.ApprovalID, true, "")
	refused(t, err, core.Conflict, "NOT_PENDING")
	require.False(t, h.decision(t, []string{"compliance"}, "CONTACT", "marketing").Allowed())

	// Editing voids what was agreed to.
	one, err := h.access.RequestApproval(officer, "jrn_1", "a")
	require.NoError(t, err)
	same, err := h.access.RequestApproval(officer, "jrn_1", "a")
	require.NoError(t, err)
	require.Equal(t, one.ApprovalID, same.ApprovalID)
	_, err = h.access.DecideApproval(h.admin, one.ApprovalID, true, "")
	require.NoError(t, err)
	_, err = h.access.RequestApproval(officer, "jrn_1", "b")
	require.NoError(t, err)
	for _, hash := range []string{"a", "b"} {
		ok, err := h.access.Approved(officer, "jrn_1", hash)
		require.NoError(t, err)
		require.False(t, ok, hash)
	}
}

// Nobody else to ask: it takes effect, and the record says so. Whoever would first
// take govern from the others has to ask them.
func TestAloneAndOusting(t *testing.T) {
	h := setup(t)
	narrowed := h.set(h.admin, t, without(func(r policies.Rule) bool { return r.Role == "admin" && r.Target == policies.All }))
	require.EqualValues(t, 1, narrowed.Version.Number)
	require.False(t, narrowed.NeedsApproval)
	out := h.set(h.admin, t, policies.Default())
	require.True(t, out.NeedsApproval && out.Alone)
	set := h.recorded(t, "policy.set")
	require.Len(t, set, 2)
	said := 0
	for _, e := range set {
		if e.Details["alone"] != "" {
			said++
		}
	}
	require.Equal(t, 1, said)

	h.key(h.admin, t, "compliance") // the admin's own key cannot approve for it
	require.False(t, h.set(h.admin, t, without(func(r policies.Rule) bool { return r.Role == "compliance" && r.Target == "govern" })).NeedsApproval)
	h.set(h.admin, t, policies.Default())
	h.key(root, t, "compliance") // somebody else's
	out = h.set(h.admin, t, without(func(r policies.Rule) bool { return r.Role == "compliance" && r.Target == "govern" }))
	require.True(t, out.NeedsApproval)
	require.Equal(t, policies.Pending, out.Version.Status)
}

func TestHistoryAndRollback(t *testing.T) {
	h := setup(t)
	h.set(h.admin, t, plus(noContact))
	again := h.set(h.admin, t, plus(noContact))
	require.EqualValues(t, 1, again.Version.Number, "the same rules again change nothing")
	h.set(h.admin, t, policies.Default())
	back, err := h.Rollback(h.admin, 1, policies.Change{Note: "back"})
	require.NoError(t, err)
	require.EqualValues(t, 3, back.Version.Number)
	require.False(t, h.decision(t, []string{"marketer"}, "CONTACT", "marketing").Allowed())
	seen := int64(2)
	_, err = h.Rollback(h.admin, 0, policies.Change{ExpectedVersion: &seen})
	refused(t, err, core.Conflict, "VERSION_CONFLICT")
	page, err := h.Versions(h.admin, core.PageArgs{})
	require.NoError(t, err)
	require.Len(t, page.Items, 3)
	active := 0
	for _, v := range page.Items {
		if v.Status == policies.Active {
			active++
		}
	}
	require.Equal(t, 1, active)
}

// Nobody gives a key what they do not have themselves.
func TestKeysGiveNoMoreThanTheirMaker(t *testing.T) {
	h := setup(t)
	h.set(h.admin, t, plus(policies.Rule{Role: "admin", Purpose: policies.Any, Target: "SPECIAL", Effect: core.Deny}))
	_, err := h.access.CreateKey(h.admin, access.NewKey{Name: "x", Roles: []string{"compliance"}})
	refused(t, err, core.Forbidden, "ESCALATION")
	_, err = h.access.CreateKey(h.admin, access.NewKey{Name: "x", Roles: []string{"analyst"}})
	require.NoError(t, err)
	officer, err := h.access.CreateKey(root, access.NewKey{Workspace: h.ws, Name: "x", Roles: []string{"compliance"}})
	require.NoError(t, err)
	_, err = h.access.RotateKey(h.admin, "", officer.Key.KeyID, time.Hour) // it would hand out the secret of a stronger key
	refused(t, err, core.Forbidden, "ESCALATION")
	_, err = h.access.RevokeKey(h.admin, "", officer.Key.KeyID)
	require.NoError(t, err)
	c, err := h.Explain(h.admin, h.adminID, "read", core.Special, "operations")
	require.NoError(t, err)
	require.Equal(t, core.Deny, c.Decision.Effect)
	require.Equal(t, "admin DENY SPECIAL for every purpose", c.Decision.Rule)
}

var complianceLoses = func(r policies.Rule) bool { return r.Role == "compliance" && r.Target == "govern" }

// Whoever asks with a key of their own making does not agree for it either, while there
// is somebody else.
func TestNobodyAgreesForTheirOwnKeys(t *testing.T) {
	h := setup(t)
	officer, officerID := h.key(root, t, "compliance") // the admin did not make it
	k, _ := h.key(h.admin, t, "admin")
	sibling, _ := h.key(h.admin, t, "admin")
	out := h.set(k, t, without(complianceLoses))
	require.Equal(t, policies.Pending, out.Version.Status)
	for _, own := range []struct {
		name string
		id   string
	}{{"maker", h.adminID}, {"sibling", core.ActorFrom(sibling).ID}} {
		ctx := h.admin
		if own.name == "sibling" {
			ctx = sibling
		}
		_, err := h.access.DecideApproval(ctx, out.Approval.ApprovalID, true, "")
		refused(t, err, core.Forbidden, "OWN_REQUEST")
		require.Contains(t, err.Error(), officerID, own.name)
	}
	a, err := h.access.DecideApproval(officer, out.Approval.ApprovalID, true, "")
	require.NoError(t, err)
	again, err := h.access.DecideApproval(officer, out.Approval.ApprovalID, true, "")
	refused(t, err, core.Forbidden, "ROLE") // agreed: the officer governs no more
	require.Nil(t, again)
	require.Equal(t, access.ApprovalApproved, a.Status)
}

// Who shuts out the others does not govern alone a moment later, and a lone one does.
func TestRemovingTheOthersFirst(t *testing.T) {
	h := setup(t)
	clock := core.NewVirtualClock(time.Now())
	h.renew(t, clock)
	_, officerID := h.key(root, t, "compliance")
	h.set(h.admin, t, without(func(r policies.Rule) bool { return r.Role == "admin" && r.Target == policies.All }))
	_, err := h.access.RevokeKey(h.admin, "", officerID)
	require.NoError(t, err)
	out := h.set(h.admin, t, policies.Default())
	require.Equal(t, policies.Pending, out.Version.Status)
	require.False(t, out.Alone)
	require.WithinDuration(t, clock.Now().Add(access.Vacancy), out.AloneAt, time.Second)
	_, err = h.access.DecideApproval(h.admin, out.Approval.ApprovalID, true, "")
	refused(t, err, core.Forbidden, "OWN_REQUEST")
	puppet, _ := h.key(h.admin, t, "admin")
	_, err = h.access.DecideApproval(puppet, out.Approval.ApprovalID, true, "")
	refused(t, err, core.Forbidden, "OWN_REQUEST")

	same := h.set(h.admin, t, policies.Default())
	require.Equal(t, out.Version.VersionID, same.Version.VersionID, "it waits already")
	clock.Advance(access.Vacancy)
	out = h.set(h.admin, t, policies.Default())
	require.True(t, out.Alone)
	require.Equal(t, policies.Active, out.Version.Status)
}

// What is said again while it waits is the same, and what waits over old rules is void
// however much it is.
func TestWaitingVersionsDoNotPileUp(t *testing.T) {
	h := setup(t)
	officer, _ := h.key(root, t, "compliance")
	first := h.set(officer, t, plus(complianceMarkets))
	for range 3 {
		next := h.set(officer, t, plus(complianceMarkets))
		require.Equal(t, first.Version.VersionID, next.Version.VersionID)
		require.Equal(t, first.Approval.ApprovalID, next.Approval.ApprovalID)
	}
	require.Len(t, h.recorded(t, "policy.propose"), 1)
	other, _ := h.key(root, t, "compliance")
	require.NotEqual(t, first.Version.VersionID, h.set(other, t, plus(complianceMarkets)).Version.VersionID, "somebody else asks for themselves")

	for i := range rounds(22, 22, 45) {
		rules := plus(complianceMarkets)
		rules.Roles = []policies.Role{{Name: "r" + string(rune('a'+i/26)) + string(rune('a'+i%26))}}
		h.set(officer, t, rules)
	}
	pending := func() int64 {
		n, err := h.access.CountApprovals(h.admin, access.ApprovalPending)
		require.NoError(t, err)
		return n
	}
	require.Greater(t, pending(), int64(22))
	h.set(h.admin, t, plus(noContact))
	require.Zero(t, pending())
	page, err := h.Versions(h.admin, core.PageArgs{})
	require.NoError(t, err)
	for _, v := range page.Items {
		require.NotEqual(t, policies.Pending, v.Status)
	}
	_, err = h.access.DecideApproval(h.admin, first.Approval.ApprovalID, true, "")
	refused(t, err, core.Conflict, "NOT_PENDING")
	// It can be asked for again, over the new rules.
	require.NotEqual(t, first.Version.VersionID, h.set(officer, t, plus(complianceMarkets)).Version.VersionID)
}

// A repetition whose first reply was lost finds its own change.
func TestRepeatedChanges(t *testing.T) {
	h := setup(t)
	seen := int64(0)
	change := policies.Change{Policy: plus(noContact), ExpectedVersion: &seen}
	first, err := h.Set(h.admin, change)
	require.NoError(t, err)
	again, err := h.Set(h.admin, change)
	require.NoError(t, err)
	require.Equal(t, first.Version.VersionID, again.Version.VersionID)
	require.Len(t, h.recorded(t, "policy.set"), 1)
	change.Policy = policies.Default() // another one over what it has not seen
	_, err = h.Set(h.admin, change)
	refused(t, err, core.Conflict, "VERSION_CONFLICT")
	other, _ := h.key(root, t, "admin")
	change.Policy = plus(noContact)
	_, err = h.Set(other, change)
	refused(t, err, core.Conflict, "VERSION_CONFLICT")

	officer, _ := h.key(root, t, "compliance")
	out := h.set(officer, t, plus(noContact, complianceMarkets))
	for range 2 {
		a, err := h.access.DecideApproval(h.admin, out.Approval.ApprovalID, true, "yes")
		require.NoError(t, err)
		require.Equal(t, access.ApprovalApproved, a.Status)
	}
	require.Len(t, h.recorded(t, "policy.set"), 2)
	_, err = h.access.DecideApproval(h.admin, out.Approval.ApprovalID, false, "no")
	refused(t, err, core.Conflict, "NOT_PENDING")
	_, err = h.access.DecideApproval(other, out.Approval.ApprovalID, true, "me too")
	refused(t, err, core.Conflict, "NOT_PENDING")
}

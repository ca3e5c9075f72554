package access_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// Whoever is limited to a segment, or may only design, does not say who is in it while
// anybody's access rests on it.
func TestWhoMayMoveThePeopleOfALimit(t *testing.T) {
	h := newHouse(t)
	may := func(roles []string, limits core.Limits, segments ...string) error {
		ctx := core.WithActor(t.Context(), &core.Actor{Workspace: h.ws, ID: "key_X", Roles: roles, Limits: limits})
		return h.MayRedefine(ctx, h.ws, segments)
	}
	admin, marketer, none := []string{access.Admin}, []string{access.Marketer}, core.Limits{}
	require.NoError(t, may(marketer, none, "seg_1"), "nobody is limited to it")
	limited := core.Limits{Segments: []string{"seg_1"}}
	k, err := h.CreateKey(h.admin, access.NewKey{Name: "narrow", Roles: marketer, Limits: limited})
	require.NoError(t, err)
	check := func(segment string) {
		t.Helper()
		refused(t, may(marketer, none, "seg_9", segment), core.Forbidden, "LIMITS_ACCESS")
		refused(t, may(admin, core.Limits{Segments: []string{segment}}, segment), core.Forbidden, "LIMITS_ACCESS")
		refused(t, may(admin, core.Limits{Owners: []string{"north"}}, segment), core.Forbidden, "LIMITS_ACCESS")
		require.NoError(t, may(admin, none, segment))
		require.NoError(t, may(marketer, none, "seg_9"))
		require.NoError(t, h.MayRedefine(core.WithActor(t.Context(), access.System(h.ws, "job")), h.ws, []string{segment}))
	}
	check("seg_1")
	_, err = h.RevokeKey(h.admin, "", k.Key.KeyID)
	require.NoError(t, err)
	require.NoError(t, may(marketer, none, "seg_1"), "the key works no more")
	h.join(t, "ana", access.NewMember{Roles: marketer, Limits: core.Limits{Segments: []string{"seg_2"}}})
	check("seg_2")
	_, err = h.UpdateSettings(h.admin, access.SettingsUpdate{RoleLimits: &[]access.RoleLimits{{Role: access.Support, Limits: core.Limits{Segments: []string{"seg_3"}}}}})
	require.NoError(t, err)
	check("seg_3")
}

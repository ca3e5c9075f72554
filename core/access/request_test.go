package access_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
)

// open is a policy that allows everybody everything but to those without a role.
type open struct{}

func (open) View(_ context.Context, _ string, roles []string, purpose string) (*core.View, error) {
	v := &core.View{Revision: 1, Purpose: purpose, Data: map[core.Category]core.Decision{}, Permissions: map[string]core.Decision{}}
	for _, p := range access.Permissions {
		v.Permissions[string(p)] = core.Decision{Effect: core.Allow}
	}
	for _, c := range core.Categories {
		v.Data[c] = core.Decision{Effect: core.Allow}
	}
	return v, nil
}

func TestPurposesMustBeKnown(t *testing.T) {
	h := newHouse(t)
	h.SetPurposes(func(_ context.Context, ws, purpose string) (bool, error) {
		require.Equal(t, h.ws, ws)
		return purpose == "marketing" || purpose == "operations", nil
	})
	_, err := h.Admit(t.Context(), access.Call{Secret: h.made.AdminKey, Purpose: "profiling"})
	refused(t, err, core.Invalid, "PURPOSE_UNKNOWN")
	a, err := h.Admit(t.Context(), access.Call{Secret: h.made.AdminKey, Purpose: "marketing"})
	require.NoError(t, err)
	require.Equal(t, "marketing", a.Purpose)
	_, err = h.CreateKey(h.admin, access.NewKey{Name: "x", Roles: []string{access.Admin}, Purposes: []string{"profiling"}})
	refused(t, err, core.Invalid, "PURPOSE_UNKNOWN")
	_, err = h.InviteMember(h.admin, access.NewMember{Email: "a@b.c", Roles: []string{access.Admin}, Purpose: "profiling"})
	refused(t, err, core.Invalid, "PURPOSE_UNKNOWN")
	h.join(t, "ana", access.NewMember{Roles: []string{access.Admin}, Purposes: []string{"marketing"}})
	require.Equal(t, "marketing", core.ActorFrom(h.member(t, "ana")).Purpose)
	_, err = h.Admit(t.Context(), access.Call{Secret: h.issuer.token("ana", "ana@example.com", nil), Purpose: "operations"})
	refused(t, err, core.Forbidden, "PURPOSE_NOT_ALLOWED")
}

func TestReasons(t *testing.T) {
	h := newHouse(t)
	h.SetPolicy(open{})
	call := func(reason string) (*core.Actor, error) {
		return h.Admit(t.Context(), access.Call{Secret: h.made.AdminKey, Reason: reason})
	}
	for _, bad := range []string{strings.Repeat("x", access.MaxReason+1), "a\nb", "a\x00b", "a\u0085b", "\xff"} {
		_, err := call(bad)
		refused(t, err, core.Invalid, "REASON_TEXT")
	}
	special := func(a *core.Actor) core.Decision {
		v, err := access.ViewOf(core.WithActor(t.Context(), a))
		require.NoError(t, err)
		require.True(t, v.Reads(core.Contact).Allowed())
		return v.Reads(core.Special)
	}
	silent, err := call("")
	require.NoError(t, err)
	require.Equal(t, core.WithheldReason, special(silent).Withheld)
	told, err := call(" ticket 4711 ")
	require.NoError(t, err)
	require.Equal(t, "ticket 4711", told.Reason)
	require.True(t, special(told).Allowed())
	require.Equal(t, core.WithheldReason, special(silent).Withheld, "one request's reason is not another's")

	// The setting counts at once, also for who is in already.
	_, err = h.UpdateSettings(h.admin, access.SettingsUpdate{ReasonData: &[]core.Category{}})
	require.NoError(t, err)
	require.True(t, special(silent).Allowed())
	_, err = h.UpdateSettings(h.admin, access.SettingsUpdate{ReasonRoles: &[]string{access.Admin}})
	require.NoError(t, err)
	_, err = call("")
	refused(t, err, core.Forbidden, "REASON_REQUIRED")
	_, err = call("ticket 4711")
	require.NoError(t, err)
}

func TestBreakGlass(t *testing.T) {
	h := newHouse(t)
	limits := core.Limits{Owners: []string{"north"}}
	issued := h.key(t, access.NewKey{Roles: []string{access.Compliance}, Limits: limits})
	call := func(c access.Call) (*core.Actor, error) {
		c.Secret = issued.Secret
		return h.Admit(t.Context(), c)
	}
	a, err := call(access.Call{Reason: "ticket 1"})
	require.NoError(t, err)
	require.Equal(t, limits, a.Limits)
	require.False(t, a.BreakGlass)
	a, err = call(access.Call{Reason: "Break-Glass: fire in the data centre"})
	require.NoError(t, err)
	require.True(t, a.Limits.None())
	require.True(t, a.BreakGlass)
	require.Len(t, h.alerts, 1)
	require.Equal(t, issued.Key.KeyID, h.alerts[0].Actor)
	a, err = call(access.Call{Reason: "ticket 2"})
	require.NoError(t, err)
	require.Equal(t, limits, a.Limits, "for the one request only")

	_, err = call(access.Call{Reason: "break-glass:  "})
	refused(t, err, core.Invalid, "REASON_TEXT")
	_, err = call(access.Call{Reason: "break-glass: x", Stream: true})
	refused(t, err, core.Forbidden, "BREAK_GLASS")
	for _, k := range []access.NewKey{{Roles: []string{access.Support}}, {Roles: []string{access.Admin}, Scopes: []string{"read"}}} {
		_, err = h.Admit(t.Context(), access.Call{Secret: h.key(t, k).Secret, Reason: "break-glass: x"})
		refused(t, err, core.Forbidden, "BREAK_GLASS")
	}
	// What is not written down does not happen.
	h.store.off.Store(true)
	_, err = call(access.Call{Reason: "break-glass: once more"})
	h.store.off.Store(false)
	require.Equal(t, core.Unavailable, core.CodeOf(err), "%v", err)
	require.Len(t, h.alerts, 1)

	background(t, h.runner.Run)
	background(t, h.log.Run)
	until(t, "it is written down", func() bool {
		page, err := h.log.Entries(t.Context(), h.ws, audit.Filter{Action: "access.breakGlass"}, core.Window{Limit: 10})
		require.NoError(t, err)
		return len(page.Items) == 1 && page.Items[0].Reason == "Break-Glass: fire in the data centre" && page.Items[0].Actor == issued.Key.KeyID
	})
}

func TestLimitsOfRolesAndCredentials(t *testing.T) {
	h := newHouse(t)
	_, err := h.UpdateSettings(h.admin, access.SettingsUpdate{RoleLimits: &[]access.RoleLimits{{Role: access.Admin, Limits: core.Limits{Owners: []string{"x"}}}}})
	refused(t, err, core.Forbidden, "OWN_ACCESS")
	_, err = h.UpdateSettings(h.admin, access.SettingsUpdate{RoleLimits: &[]access.RoleLimits{
		{Role: access.Support, Limits: core.Limits{Owners: []string{"north", "south"}, Segments: []string{"seg_1"}}},
	}})
	require.NoError(t, err)
	for _, c := range []struct {
		roles     []string
		own, want core.Limits
	}{
		{[]string{access.Marketer}, core.Limits{}, core.Limits{}},
		{[]string{access.Support}, core.Limits{}, core.Limits{Owners: []string{"north", "south"}, Segments: []string{"seg_1"}}},
		{[]string{access.Marketer, access.Support}, core.Limits{Owners: []string{"south", "east"}}, core.Limits{Owners: []string{"south"}, Segments: []string{"seg_1"}}},
		{[]string{access.Support}, core.Limits{Owners: []string{"east"}}, core.Limits{Owners: []string{"seg_none"}, Segments: []string{"seg_1"}}},
	} {
		k := h.key(t, access.NewKey{Roles: c.roles, Limits: c.own})
		require.Equal(t, c.want, core.ActorFrom(h.as(t, k.Secret)).Limits, "%v", c)
	}
	k := h.key(t, access.NewKey{Roles: []string{access.Support}})
	live, stop := h.Live(h.as(t, k.Secret))
	defer stop()
	_, err = h.UpdateSettings(h.admin, access.SettingsUpdate{RoleLimits: &[]access.RoleLimits{}})
	require.NoError(t, err)
	until(t, "the stream ends", func() bool { return live.Err() != nil })
	refused(t, context.Cause(live), core.Forbidden, "LIMITS_CHANGED")
}

package access_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// What an actor was given when it came in is no right that outlives it: whoever opened
// something as an owner makes no owner's key with it afterwards, and acts for no purpose
// that was taken away.
func TestActorsDoNotOutliveWhatTheyWereGiven(t *testing.T) {
	for name, u := range map[string]access.MemberUpdate{
		"roles":    {Roles: &[]string{access.Admin}},
		"purposes": {Purposes: &[]string{"marketing"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.join(t, "olga", access.NewMember{Roles: []string{access.Owner}})
			m := h.join(t, "ana", access.NewMember{Roles: []string{access.Owner, access.Analyst}})
			ana := h.member(t, "ana") // as a socket keeps it
			live, stop := h.Live(ana)
			defer stop()
			name := "Ana"
			u.Workspace, u.ID, u.Name = h.ws, m.MemberID, &name
			_, err := h.UpdateMember(root, u)
			require.NoError(t, err)
			_, err = h.CreateKey(ana, access.NewKey{Name: "x", Roles: []string{access.Owner}})
			refused(t, err, core.Forbidden, "ACCESS_CHANGED")
			_, err = access.ViewOf(ana)
			refused(t, err, core.Forbidden, "ACCESS_CHANGED")
			until(t, "the stream ends", func() bool { return live.Err() != nil })
			refused(t, context.Cause(live), core.Forbidden, "ACCESS_CHANGED")
		})
	}
	h := newHouse(t)
	m := h.join(t, "ana", access.NewMember{Roles: []string{access.Support, access.Analyst}})
	ana := h.member(t, "ana")
	live, stop := h.Live(ana)
	defer stop()
	_, err := h.UpdateMember(root, access.MemberUpdate{Workspace: h.ws, ID: m.MemberID, Roles: &[]string{access.Analyst, access.Support}})
	require.NoError(t, err)
	require.NoError(t, access.Allow(ana, access.Consent), "the same in another order is the same")
	require.NoError(t, live.Err())
}

// Who breaks the glass looks, and makes nothing of it that lasts.
func TestBrokenGlassChangesNothing(t *testing.T) {
	h := newHouse(t)
	limits := core.Limits{Owners: []string{"north"}}
	secret := h.key(t, access.NewKey{Roles: []string{access.Admin}, Limits: limits}).Secret
	a, err := h.Admit(t.Context(), access.Call{Secret: secret, Reason: "break-glass: fire"})
	require.NoError(t, err)
	require.True(t, a.Limits.None())
	ctx := core.WithActor(t.Context(), a)
	require.NoError(t, access.Allow(ctx, access.Read))
	require.NoError(t, access.Allow(ctx, access.Audit))
	for _, p := range []access.Permission{access.Ingest, access.Design, access.Change, access.Manage, access.Govern, access.Consent} {
		refused(t, access.Allow(ctx, p), core.Forbidden, "BREAK_GLASS")
	}
	_, err = h.CreateKey(ctx, access.NewKey{Name: "for ever", Roles: []string{access.Admin}})
	refused(t, err, core.Forbidden, "BREAK_GLASS")
	_, err = h.UpdateSettings(ctx, access.SettingsUpdate{RoleLimits: &[]access.RoleLimits{}})
	refused(t, err, core.Forbidden, "BREAK_GLASS")
}

// The shutting out of somebody who may govern is kept for a while; of others, of one's
// own, and by an operator, it is not.
func TestDepartures(t *testing.T) {
	h := newHouse(t)
	vacant := func() time.Duration {
		t.Helper()
		until, err := h.VacantUntil(t.Context(), h.ws)
		require.NoError(t, err)
		if until.IsZero() {
			return 0
		}
		return until.Sub(h.clock.Now())
	}
	made := func(by context.Context, roles ...string) string {
		t.Helper()
		k, err := h.CreateKey(by, access.NewKey{Workspace: h.ws, Name: "x", Roles: roles})
		require.NoError(t, err)
		return k.Key.KeyID
	}
	revoke := func(by context.Context, id string) {
		t.Helper()
		_, err := h.RevokeKey(by, h.ws, id)
		require.NoError(t, err)
	}
	revoke(h.admin, made(h.admin, access.Compliance)) // its agreement would not have counted
	revoke(h.admin, made(root, access.Analyst))       // it could not govern
	revoke(root, made(root, access.Compliance))       // the operator is above it
	require.Zero(t, vacant())
	revoke(h.admin, made(root, access.Compliance))
	require.Equal(t, access.Vacancy, vacant())

	for name, change := range map[string]func(id string) error{
		"suspend": func(id string) error { _, err := h.SuspendMember(h.admin, "", id); return err },
		"remove":  func(id string) error { _, err := h.RemoveMember(h.admin, "", id); return err },
		"roles": func(id string) error {
			_, err := h.UpdateMember(h.admin, access.MemberUpdate{ID: id, Roles: &[]string{access.Analyst}})
			return err
		},
	} {
		h.clock.Advance(time.Minute)
		id := h.join(t, name, access.NewMember{Roles: []string{access.Compliance}}).MemberID
		require.Less(t, vacant(), access.Vacancy)
		require.NoError(t, change(id))
		require.Equal(t, access.Vacancy, vacant(), name)
	}
	h.clock.Advance(time.Minute)
	id := h.join(t, "carl", access.NewMember{Roles: []string{access.Compliance}}).MemberID
	_, err := h.UpdateMember(h.admin, access.MemberUpdate{ID: id, Roles: &[]string{access.Admin}})
	require.NoError(t, err)
	require.Equal(t, access.Vacancy-time.Minute, vacant(), "who still may govern has not left")

	// A rotated key's successor is in the hands of who rotated it.
	key := made(root, access.Compliance)
	_, err = h.RotateKey(h.admin, "", key, time.Hour)
	require.NoError(t, err)
	require.Equal(t, access.Vacancy+time.Hour, vacant())
}

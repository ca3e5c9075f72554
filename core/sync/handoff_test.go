package sync_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

func marketing(y *sync.Sync) {
	y.Direction, y.Purpose, y.Channel = sync.Push, consent.Marketing, consent.Email
}

func (r *rig) say(email, status string) { r.t.Helper(); r.sayUntil(email, status, nil) }

func (r *rig) sayUntil(email, status string, until *time.Time) {
	r.t.Helper()
	_, err := r.consent.Record(r.ctx, ws, consent.RecordInput{
		Identifier: &event.Identifier{Namespace: "email", Value: email}, Purpose: consent.Marketing, Channel: consent.Email, Status: status, ExpiresAt: until,
		Evidence: &consent.Evidence{NoticeHash: "sha256:0000000000000000000000000000000000000000000000000000000000000000", Surface: "form", Method: "checkbox", Locale: "en"},
	})
	require.NoError(r.t, err)
}

// Who did not agree does not leave; who withdraws is told there, and leaves no more.
func TestConsentAtTheHandOff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, u := range []string{"yes", "no", "silent"} {
		r.identify(u, map[string]any{"email": u + "@shop.example", "name": u})
	}
	r.say("yes@shop.example", consent.Granted)
	r.say("no@shop.example", consent.Denied)
	y := r.twoWay(r.connection(), marketing)
	run := r.settled(y)
	require.Equal(t, sync.RunSucceeded, run.Status, js(run.Fault))
	require.Equal(t, 1, r.vendor.count("contacts"))
	id, _ := r.vendor.find("contacts", "email", "yes@shop.example")
	require.NotEmpty(t, id)
	r.run(y)
	require.Len(t, r.vendor.consents, 1)
	require.True(t, r.vendor.consents[0].Granted && r.vendor.consents[0].Fresh)
	require.Equal(t, "1", r.audited("sync.consent")[0].Details["granted"])
	require.Len(t, r.audited("sync.consent")[0].Subjects, 1)

	r.say("yes@shop.example", consent.Denied)
	r.identify("yes", map[string]any{"name": "changed"})
	r.run(y)
	require.Equal(t, "yes", r.vendor.get("contacts", id)["name"], "nothing leaves after the withdrawal")
	require.Len(t, r.vendor.consents, 2)
	require.False(t, r.vendor.consents[1].Granted)
	r.run(y)
	require.Len(t, r.vendor.consents, 2, "told once")

	r.say("yes@shop.example", consent.Granted)
	r.run(y)
	require.Equal(t, "changed", r.vendor.get("contacts", id)["name"])
	require.True(t, r.vendor.consents[2].Granted)

	soon := time.Now().Add(2 * time.Second).UTC()
	r.sayUntil("yes@shop.example", consent.Granted, &soon)
	r.run(y)
	told := len(r.vendor.consents)
	require.True(t, r.vendor.consents[told-1].Granted)
	time.Sleep(time.Until(soon) + 50*time.Millisecond)
	r.run(y)
	require.Len(t, r.vendor.consents, told+1, "the end of a consent is told too")
	require.False(t, r.vendor.consents[told].Granted)

	left := r.audited("sync.push")
	require.GreaterOrEqual(t, len(left), 3)
	require.Equal(t, []string{"email", "name"}, left[0].Fields)
	require.Equal(t, []string{r.person("user_id", "yes").ProfileID()}, left[0].Subjects)
}

// Nothing leaves without an agreement, and the state says what to do.
func TestNoAgreementNoHandOff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.identify("u", map[string]any{"email": "u@shop.example", "name": "U"})
	c := r.connection()
	none := ""
	c, err := r.UpdateConnection(r.ctx, ws, sync.ConnectionUpdate{ID: c.ConnectionID(), Processor: &none})
	require.NoError(t, err)
	y := r.twoWay(c)
	run := r.settled(y)
	require.Equal(t, sync.RunFailed, run.Status)
	require.Equal(t, "AGREEMENT_MISSING", run.Fault.Reason)
	require.Zero(t, r.vendor.upserts)
	state, h, err := r.Status(r.ctx, c)
	require.NoError(t, err)
	require.Equal(t, sync.InvalidConfig, state)
	require.Contains(t, h.Fault.Message, "setProcessor")
}

// A field whose category may not leave stays; the others go.
func TestCategories(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.identify("u", map[string]any{"email": "u@shop.example", "name": "U", "city": "Ulm"})
	special := core.Special
	_, err := r.events.SetField(r.ctx, ws, event.FieldUpdate{Owner: event.OwnerTrait, Path: "city", Category: &special})
	require.NoError(t, err)
	y := r.twoWay(r.connection(), func(y *sync.Sync) {
		y.Direction = sync.Push
		y.Fields = append(y.Fields, sync.Field{Remote: "greeting", Local: "traits.name", ToRemote: `"Hi " + value + " of " + local["traits.city"]`, Uses: []string{"traits.city"}})
	})
	require.Equal(t, sync.RunSucceeded, r.settled(y).Status)
	_, rec := r.vendor.find("contacts", "email", "u@shop.example")
	require.Equal(t, map[string]any{"email": "u@shop.example", "name": "U"}, rec)
	rows, err := r.Preview(r.ctx, ws, y, 5)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.ElementsMatch(t, []string{"city", "greeting"}, rows[0].Withheld)
}

// Whose processing is restricted, and who is suppressed, does not leave.
func TestRestrictedAndSuppressed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, u := range []string{"a", "b", "c"} {
		r.identify(u, map[string]any{"email": u + "@shop.example", "name": u})
	}
	p := r.person("user_id", "a")
	in := event.Input{Type: event.System, Name: event.NameProcessingRestricted, MessageID: "restrict", Timestamp: time.Now().UTC()}
	in.Seal(time.Now())
	_, err := r.pipeline.Commit(r.ctx, ws, in, p.ProfileID())
	require.NoError(t, err)
	_, err = r.consent.Suppress(r.ctx, ws, []consent.SuppressInput{
		{Identifier: event.Identifier{Namespace: "email", Value: "b@shop.example"}, Reason: consent.SuppressManual},
	}, false)
	require.NoError(t, err)
	y := r.twoWay(r.connection(), func(y *sync.Sync) { y.Direction = sync.Push })
	require.Equal(t, sync.RunSucceeded, r.settled(y).Status)
	require.Equal(t, 1, r.vendor.count("contacts"))
	_, c := r.vendor.find("contacts", "email", "c@shop.example")
	require.NotNil(t, c)
}

// An erasure reaches the vendor, which is asked until it is done; nothing that leads there is
// kept.
func TestErasure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.identify("u", map[string]any{"email": "u@shop.example", "name": "U"})
	c := r.connection()
	r.twoWay(c)
	p := r.person("user_id", "u")
	require.Equal(t, 1, r.vendor.count("contacts"))
	list, err := r.Destinations(r.ctx, ws)
	require.NoError(t, err)
	require.Len(t, list, 1)
	r.vendor.erasing = 1
	ids := []event.Identifier{{Namespace: "email", Value: "u@shop.example"}}
	e, err := r.Erase(r.ctx, ws, c.ConnectionID(), "dsr_1", p.Parts, ids)
	require.NoError(t, err)
	require.False(t, e.Done)
	require.Equal(t, time.Second, e.After)
	e, err = r.Erase(r.ctx, ws, c.ConnectionID(), "dsr_1", p.Parts, ids)
	require.NoError(t, err)
	require.True(t, e.Done, e.Evidence)
	require.Zero(t, r.vendor.count("contacts"))
	n, err := sync.Links.Count(r.ctx, r.store, store.Query{Workspace: ws})
	require.NoError(t, err)
	require.Zero(t, n)
}

package privacy

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// may asks for a decision of now, by the gate of hand-offs too.
func (r *rig) may(id, purpose, channel string) (bool, string) {
	r.t.Helper()
	d, err := r.consents.Decide(r.ctx, rigWS, consent.Question{ProfileID: id, Purpose: purpose, Channel: channel})
	require.NoError(r.t, err)
	v, _, err := r.consents.Check(r.ctx, rigWS, id, purpose, channel)
	require.NoError(r.t, err)
	require.Equal(r.t, d.Reason, v.Reason)
	require.Equal(r.t, d.Allowed, v.Allowed)
	return d.Allowed, d.Reason
}

func (r *rig) suppressed(value string, lifted bool) []*consent.Suppression {
	r.t.Helper()
	page, err := r.consents.Suppressions(r.ctx, rigWS, consent.SuppressionFilter{
		Identifier: &event.Identifier{Namespace: "email", Value: value}, Reason: consent.SuppressErasure, Lifted: lifted,
	}, core.Window{Limit: 10})
	require.NoError(r.t, err)
	return page.Items
}

// Who was erased and comes back is suppressed until they agree anew: a preference that a
// page sends is no such word, and neither is what was said before.
func TestWhoComesBackIsSuppressedUntilTheyAgreeAnew(t *testing.T) {
	r := newRig(t)
	ana := r.identify("ana", `{"email":"ana@example.com"}`)
	r.say(ana, consent.Marketing, consent.Granted, time.Now())
	yes, _ := r.may(ana, consent.Marketing, consent.Email)
	require.True(t, yes)
	req := r.erase(EraseInput{ProfileID: ana})
	held := r.suppressed("ana@example.com", false)
	require.Len(t, held, 1, "listed from the erasure on")
	require.Equal(t, req.RequestID(), held[0].Source)
	require.True(t, held[0].At.Equal(*req.ErasedAt))
	require.Nil(t, held[0].ExpiresAt)

	back := r.send(`{"type":"identify","userId":"ana","traits":{"email":"ana@example.com"},"context":{"consent":{"categoryPreferences":{"marketing":true,"personalisation":true}}}}`)[0]
	require.Equal(t, event.Accepted, back.Status, "%v", back.Err)
	require.NotEqual(t, ana, back.ProfileID)
	for purpose, channel := range map[string]string{consent.Marketing: consent.Email, consent.Personalisation: "", consent.Analytics: consent.Email} {
		yes, why := r.may(back.ProfileID, purpose, channel)
		require.False(t, yes, "%s: %s", purpose, why)
		require.Equal(t, consent.ReasonSuppressed, why, purpose)
	}
	for _, purpose := range []string{consent.Operations, consent.Compliance} {
		yes, why := r.may(back.ProfileID, purpose, consent.Email)
		require.True(t, yes, "what a contract or the law demands is done: %s", why)
	}

	r.say(back.ProfileID, consent.Marketing, consent.Granted, held[0].At.Add(-time.Hour))
	yes, _ = r.may(back.ProfileID, consent.Marketing, consent.Email)
	require.False(t, yes, "what was said before the erasure is not said anew")
	_, err := r.consents.Record(r.ctx, rigWS, consent.RecordInput{ProfileID: back.ProfileID, Purpose: consent.Personalisation})
	require.NoError(t, err)
	yes, _ = r.may(back.ProfileID, consent.Personalisation, "")
	require.False(t, yes, "a yes without evidence lifts nothing")

	before := time.Now()
	time.Sleep(5 * time.Millisecond)
	r.say(back.ProfileID, consent.Marketing, consent.Granted, time.Now())
	yes, why := r.may(back.ProfileID, consent.Marketing, consent.Email)
	require.True(t, yes, why)
	require.Empty(t, r.suppressed("ana@example.com", false))
	lifted := r.suppressed("ana@example.com", true)
	require.Len(t, lifted, 1)
	require.Contains(t, lifted[0].LiftReason, "agreed anew: con_")
	then, err := r.consents.Decide(r.ctx, rigWS, consent.Question{ProfileID: back.ProfileID, Purpose: consent.Personalisation, AsOf: &before})
	require.NoError(t, err)
	require.Equal(t, consent.ReasonSuppressed, then.Reason, "as of then it held")

	// Another erasure begins it again.
	r.erase(EraseInput{ProfileID: back.ProfileID})
	require.Len(t, r.suppressed("ana@example.com", false), 1)
}

// say records a word with evidence.
func (r *rig) say(id, purpose, status string, at time.Time) {
	r.t.Helper()
	at = at.UTC().Truncate(time.Millisecond)
	_, err := r.consents.Record(r.ctx, rigWS, consent.RecordInput{
		ProfileID: id, Purpose: purpose, Status: status, At: &at, Evidence: &consent.Evidence{NoticeHash: "sha256-notice", Method: "checkbox", Surface: "checkout", Locale: "en"},
	})
	require.NoError(r.t, err)
}

func TestDoubleOptInLiftsWhenItIsConfirmed(t *testing.T) {
	r := newRig(t)
	_, err := r.consents.CreatePurpose(r.ctx, rigWS, consent.Purpose{Key: "letters", Name: "Letters", LegalBasis: consent.BasisConsent, ConsentRequired: true, DoubleOptIn: true}, consent.Edit{})
	require.NoError(t, err)
	r.erase(EraseInput{ProfileID: r.identify("ana", `{"email":"ana@example.com"}`)})
	back := r.identify("ana", `{"email":"ana@example.com"}`)
	out, err := r.consents.Record(r.ctx, rigWS, consent.RecordInput{ProfileID: back, Purpose: "letters", Evidence: &consent.Evidence{NoticeHash: "sha256-notice", Method: "checkbox", Surface: "checkout", Locale: "en"}})
	require.NoError(t, err)
	require.Len(t, r.suppressed("ana@example.com", false), 1, "anybody may have asked")
	_, err = r.consents.Confirm(r.ctx, rigWS, out.Token)
	require.NoError(t, err)
	require.Empty(t, r.suppressed("ana@example.com", false))
	yes, why := r.may(back, "letters", consent.Email)
	require.True(t, yes, why)
}

// What is restricted is not used, whatever the person agreed to, but to comply with the
// law; as of an instant before it was, it may have been.
func TestARestrictedPersonIsNotToBeUsed(t *testing.T) {
	r := newRig(t)
	ana := r.identify("ana", `{"email":"ana@example.com"}`)
	r.say(ana, consent.Marketing, consent.Granted, time.Now())
	time.Sleep(5 * time.Millisecond)
	before := time.Now()
	time.Sleep(5 * time.Millisecond)
	r.restrict(ana, event.NameProcessingRestricted)
	for _, purpose := range []string{consent.Marketing, consent.Analytics, consent.Operations} {
		yes, why := r.may(ana, purpose, "")
		require.False(t, yes, purpose)
		require.Equal(t, consent.ReasonRestricted, why, purpose)
	}
	yes, _ := r.may(ana, consent.Compliance, "")
	require.True(t, yes)
	then, err := r.consents.Decide(r.ctx, rigWS, consent.Question{ProfileID: ana, Purpose: consent.Marketing, AsOf: &before})
	require.NoError(t, err)
	require.True(t, then.Allowed, then.Reason)
	r.restrict(ana, event.NameProcessingResumed)
	yes, why := r.may(ana, consent.Marketing, "")
	require.True(t, yes, why)
}

func (r *rig) restrict(id, name string) {
	r.t.Helper()
	_, err := r.pipeline.Commit(r.ctx, rigWS, event.Input{MessageID: fmt.Sprint(name, store.Key(rigWS, id)), Name: name, Timestamp: time.Now()}, id)
	require.NoError(r.t, err)
}

package message_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/sync"
)

func check(m *message.Message, c message.SendCheck) *message.Check {
	for i := range m.Checks {
		if m.Checks[i].Check == c {
			return &m.Checks[i]
		}
	}
	return nil
}

func TestSendsOnce(t *testing.T) {
	r := newRig(t, newPostman())
	who := r.person(1)
	id := r.queue(intent(who))[0]
	m := r.becomes(id, message.Sent)
	require.Equal(t, 1, r.post.sentTo(id))
	require.Equal(t, "p1@example.com", r.post.order[0].To)
	require.Equal(t, "Hello Ana", r.post.order[0].Text)
	require.Contains(t, r.post.order[0].Headers["List-Unsubscribe"], "https://cdp.example/u/")
	require.Equal(t, consent.OneClick, r.post.order[0].Headers["List-Unsubscribe-Post"])
	require.Equal(t, []string{"Sent"}, r.events(who))
	require.EqualValues(t, 3, m.TemplateVersion)
	for _, c := range message.SendChecks() {
		require.NotNil(t, check(m, c), c)
		require.True(t, check(m, c).Passed, c)
	}
	require.NotEmpty(t, check(m, message.CheckConsent).Receipt)
	d, err := r.consent.Receipt(r.ctx, ws, check(m, message.CheckConsent).Receipt)
	require.NoError(t, err)
	require.True(t, d.Allowed)

	// The same decision again changes nothing.
	ops, err := r.Queue(r.ctx, ws, message.Intent{ID: id, Profile: who, Channel: message.Email, Purpose: consent.Marketing, Template: "tpl_hello"})
	require.NoError(t, err)
	_, err = r.pipeline.CommitAll(r.ctx, ws, nil, ops...)
	require.Error(t, err)
}

func TestOutcomes(t *testing.T) {
	r := newRig(t, newPostman())
	r.words["tpl_missing"] = func(map[string]any) message.Content { return message.Content{Missing: []string{"profile.x"}} }
	who, other := r.person(1), r.person(2)
	_, err := r.consent.Suppress(r.ctx, ws, []consent.SuppressInput{{Identifier: event.Identifier{Namespace: "email", Value: "p2@example.com"}, Channel: message.Email, Reason: consent.SuppressManual}}, false)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		in     message.Intent
		status message.Status
		check  message.SendCheck
		reason string
	}{
		"missing value": {intent(who, func(in *message.Intent) { in.Template = "tpl_missing" }), message.Skipped, message.CheckTemplate, "MISSING"},
		"no template":   {intent(who, func(in *message.Intent) { in.Template = "tpl_none" }), message.Skipped, message.CheckTemplate, "TEMPLATE"},
		"suppressed":    {intent(other), message.Skipped, message.CheckSuppression, consent.SuppressManual},
		"no address":    {intent(who, func(in *message.Intent) { in.Channel = message.Push }), message.Skipped, message.CheckChannel, "NO_ADDRESS"},
		"nobody":        {intent("prof_00000000000000000000000000"), message.Cancelled, message.CheckConsent, "NOBODY"},
	} {
		id := r.queue(c.in)[0]
		m := r.becomes(id, message.Skipped, message.Cancelled, message.Sent, message.Failed)
		require.Equal(t, c.status, m.Status, name)
		require.NotNil(t, check(m, c.check), name)
		require.False(t, check(m, c.check).Passed, name)
		require.Equal(t, c.reason, check(m, c.check).Reason, name)
		require.Zero(t, r.post.sentTo(id), name)
	}
}

func TestWithdrawnIsCancelled(t *testing.T) {
	r := newRig(t, newPostman())
	who := r.person(1)
	_, err := r.consent.Withdraw(r.ctx, ws, consent.WithdrawInput{ProfileID: who, Purpose: consent.Marketing})
	require.NoError(t, err)
	m := r.becomes(r.queue(intent(who))[0], message.Cancelled, message.Skipped, message.Sent)
	require.Equal(t, message.Cancelled, m.Status)
	require.Equal(t, consent.ReasonWithdrawn, m.Reason)
	require.Zero(t, r.post.total())
}

func TestSwitchHoldsAndLetsGo(t *testing.T) {
	r := newRig(t, newPostman())
	who := r.person(1)
	off, _, err := r.SetSwitch(r.ctx, ws, message.Email, true, "incident")
	require.NoError(t, err)
	require.Len(t, off, 1)
	id := r.queue(intent(who))[0]
	m := r.becomes(id, message.Held, message.Sent)
	require.Equal(t, message.Held, m.Status)
	require.False(t, check(m, message.CheckSwitch).Passed)
	_, _, err = r.SetSwitch(r.ctx, ws, message.Email, false, "")
	require.NoError(t, err)
	r.becomes(id, message.Sent)
}

func TestChannelHeldUntilItWorks(t *testing.T) {
	r := rigOver(t, openStore(t, ""), newPostman(), realClock)
	r.start()
	who := r.person(1)
	id := r.queue(intent(who))[0]
	m := r.becomes(id, message.Held, message.Sent)
	require.Equal(t, "NO_CONNECTION", check(m, message.CheckChannel).Reason)
	r.setUp()
	r.becomes(id, message.Sent)
}

// An e-mail that nobody could object to with a click goes only where there is nothing to object
// to.
func TestHeldWithoutAWayOut(t *testing.T) {
	r := rigOver(t, openStore(t, ""), newPostman(), realClock)
	r.setUp()
	r.consent.URL = ""
	r.start()
	who := r.person(1)
	other := intent(who, func(in *message.Intent) { in.Purpose = consent.Operations })
	ids := r.queue(intent(who), other)
	m := r.becomes(ids[0], message.Held, message.Sent)
	require.Equal(t, "NO_PUBLIC_URL", check(m, message.CheckChannel).Reason)
	r.becomes(ids[1], message.Sent)
}

func TestRefusedFailsAloneAndFreesItsPlace(t *testing.T) {
	p := newPostman()
	p.send = func(_ context.Context, m sync.Message) (sync.Sent, error) {
		if m.To == "p2@example.com" {
			return sync.Sent{}, &sync.Fault{Kind: sync.FaultInvalidRecord, Origin: sync.FromVendor, Reason: "BAD_NUMBER", Message: "no"}
		}
		return sync.Sent{ID: m.Key}, nil
	}
	r := newRig(t, p)
	_, err := r.SetSettings(r.ctx, ws, nil, false, func(s *message.Settings) {
		s.Caps = []message.Cap{{Limit: 1, Rolling: 24 * time.Hour}}
	})
	require.NoError(t, err)
	ids := r.queue(intent(r.person(1)), intent(r.person(2)), intent(r.person(3)))
	r.becomes(ids[0], message.Sent)
	m := r.becomes(ids[1], message.Failed)
	r.becomes(ids[2], message.Sent)
	require.Equal(t, "BAD_NUMBER", m.Reason)
	require.Equal(t, "VENDOR", m.Attempt.Origin)
	for _, id := range ids {
		require.Equal(t, 1, p.sentTo(id))
	}
	// The cap has room for the one that was refused, and none for the others.
	p.mu.Lock()
	p.send = nil
	p.mu.Unlock()
	again := r.queue(intent(m.Part), intent(r.get(ids[0]).Part))
	r.becomes(again[0], message.Sent)
	require.Equal(t, "FULL", check(r.becomes(again[1], message.Skipped), message.CheckCap).Reason)
}

func TestUnknownOutcomeIsIndeterminate(t *testing.T) {
	p := newPostman()
	p.send = func(context.Context, sync.Message) (sync.Sent, error) {
		return sync.Sent{}, &sync.Fault{Kind: sync.FaultUnknownOutcome, Origin: sync.FromVendor, Message: "lost"}
	}
	r := newRig(t, p)
	id := r.queue(intent(r.person(1)))[0]
	r.becomes(id, message.Indeterminate)
	time.Sleep(300 * time.Millisecond)
	require.Equal(t, 1, p.sentTo(id))
}

func TestUnknownOutcomeGoesAgainWhereTheChannelDedupes(t *testing.T) {
	p := newPostman(sync.DedupesSends)
	p.send = func(_ context.Context, m sync.Message) (sync.Sent, error) {
		if p.sentTo(m.Key) == 1 {
			return sync.Sent{}, &sync.Fault{Kind: sync.FaultUnknownOutcome, Origin: sync.FromVendor, Message: "lost"}
		}
		return sync.Sent{ID: m.Key}, nil
	}
	r := newRig(t, p)
	id := r.queue(intent(r.person(1)))[0]
	require.Eventually(t, func() bool { m := r.get(id); return m.Attempt != nil && m.Attempt.Fault != "" }, 5*time.Second, 10*time.Millisecond)
	m := r.get(id)
	require.Equal(t, message.Handed, m.Status)
	m.Due = time.Now()
	_, err := r.pipeline.CommitAll(r.ctx, ws, nil, message.Messages.Replace(m))
	require.NoError(t, err)
	r.WakeAll(ws)
	m = r.becomes(id, message.Sent)
	require.Equal(t, 2, p.sentTo(id))
	require.Equal(t, []string{"Sent"}, r.events(m.Part))
}

func TestGuardCancelsHoldsAndStops(t *testing.T) {
	r := rigOver(t, openStore(t, ""), newPostman(), realClock)
	r.setUp()
	verdict := make(chan message.Stand, 1)
	verdict <- message.Stand{Verdict: message.Hold, Check: message.CheckApproval, Reason: "WAITS", Scope: "apr_1"}
	r.OnHandOff(func(context.Context, string, *message.Message) (message.Stand, error) {
		st := <-verdict
		verdict <- st
		return st, nil
	})
	r.start()
	id := r.queue(intent(r.person(1)))[0]
	m := r.becomes(id, message.Held)
	require.Equal(t, "WAITS", check(m, message.CheckApproval).Reason)
	<-verdict
	verdict <- message.Stand{Verdict: message.Cancel, Reason: "EXITED"}
	require.Equal(t, "EXITED", r.becomes(id, message.Cancelled).Reason)
	require.Zero(t, r.post.total())
}

func TestInboxIsDeliveredWhenItIsStored(t *testing.T) {
	r := newRig(t, newPostman())
	who := r.person(1)
	r.becomes(r.queue(intent(who, func(in *message.Intent) { in.Channel = message.InApp }))[0], message.Delivered)
	require.ElementsMatch(t, []string{"Sent", "Delivered"}, r.events(who))
}

func TestGuardError(t *testing.T) {
	r := rigOver(t, openStore(t, ""), newPostman(), realClock)
	r.setUp()
	r.OnHandOff(func(_ context.Context, _ string, m *message.Message) (message.Stand, error) {
		if m.Arm == "bad" {
			return message.Stand{}, errors.New("broken")
		}
		return message.Stand{}, nil
	})
	r.start()
	ids := r.queue(intent(r.person(1), func(in *message.Intent) { in.Arm = "bad" }), intent(r.person(2)))
	r.becomes(ids[1], message.Sent)
	m := r.becomes(ids[0], message.Deferred)
	require.Equal(t, "ERROR", m.Reason)
	require.True(t, m.Due.After(time.Now()))
}

func TestNothingWithoutAnAgreement(t *testing.T) {
	r := rigOver(t, openStore(t, ""), newPostman(), realClock)
	_, err := r.syncs.CreateConnection(r.ctx, ws, sync.ConnectionInput{Name: "Post", Connector: "post", Config: map[string]any{}})
	require.NoError(t, err)
	r.start()
	m := r.becomes(r.queue(intent(r.person(1)))[0], message.Held, message.Sent)
	require.Equal(t, "AGREEMENT_MISSING", check(m, message.CheckChannel).Reason)
	require.Zero(t, r.post.total())
}

func TestVendorThatIsBusyIsAskedAgain(t *testing.T) {
	p := newPostman()
	p.send = func(_ context.Context, m sync.Message) (sync.Sent, error) {
		if p.sentTo(m.Key) == 1 {
			return sync.Sent{}, &sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromVendor, After: 100 * time.Millisecond, Message: "busy"}
		}
		return sync.Sent{ID: m.Key}, nil
	}
	r := newRig(t, p)
	id := r.queue(intent(r.person(1)))[0]
	require.Eventually(t, func() bool { m := r.get(id); return m.Status == message.Pending && m.Attempt != nil }, 5*time.Second, 5*time.Millisecond)
	require.Empty(t, r.events(r.get(id).Part))
}

// TestALetGoAddressIsNotWrittenTo: what waited for it goes to where the person is then, or
// nowhere, whatever the trait says still.
func TestALetGoAddressIsNotWrittenTo(t *testing.T) {
	r := newRig(t, newPostman())
	moved, gone := r.person(1), r.person(2)
	_, _, err := r.SetSwitch(r.ctx, ws, message.Email, true, "incident")
	require.NoError(t, err)
	ids := r.queue(intent(moved), intent(gone))
	for _, id := range ids {
		r.becomes(id, message.Held)
	}
	mail := func(v string) []event.Identifier { return []event.Identifier{{Namespace: "email", Value: v}} }
	_, err = r.people.Correct(r.ctx, ws, profile.CorrectInput{ProfileID: moved, Release: mail("p1@example.com"), Add: mail("new@example.com"), Reason: "r"})
	require.NoError(t, err)
	_, err = r.people.Correct(r.ctx, ws, profile.CorrectInput{ProfileID: gone, Release: mail("p2@example.com"), Reason: "r"})
	require.NoError(t, err)
	_, _, err = r.SetSwitch(r.ctx, ws, message.Email, false, "")
	require.NoError(t, err)
	r.becomes(ids[0], message.Sent)
	require.Equal(t, "new@example.com", r.post.order[0].To)
	m := r.becomes(ids[1], message.Skipped, message.Sent)
	require.Equal(t, message.Skipped, m.Status)
	require.Equal(t, "NO_ADDRESS", check(m, message.CheckChannel).Reason)
	require.Zero(t, r.post.sentTo(ids[1]))
}

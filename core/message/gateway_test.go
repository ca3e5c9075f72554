package message_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/sync"
)

// What a gateway refuses because the person wrote STOP to it is their word: it ends what goes
// over the channel, for every purpose, and suppresses the number. A number that it says is
// none is suppressed, and nobody has said anything.
func TestAGatewayKnowsOfAStop(t *testing.T) {
	p := newPostman()
	p.send = func(_ context.Context, m sync.Message) (sync.Sent, error) {
		f := &sync.Fault{Kind: sync.FaultInvalidRecord, Origin: sync.FromVendor, Reason: sync.ReasonStopWord, Message: "the person wrote STOP"}
		if strings.HasSuffix(m.To, "2") {
			f.Reason = sync.ReasonHardBounce
		}
		return sync.Sent{}, f
	}
	r := newRig(t, p)
	r.words["tpl_hello"] = func(map[string]any) message.Content { return message.Content{Text: "Hello"} }
	sms := func(in *message.Intent) { in.Channel = message.SMS }
	ana, ben := r.person(1), r.person(2)
	ids := r.queue(intent(ana, sms), intent(ben, sms))
	m := r.becomes(ids[0], message.Failed)
	require.Equal(t, "STOP_WORD", m.Reason)
	require.Contains(t, r.events(ana), "Unsubscribed")
	require.Equal(t, message.Bounced, r.becomes(ids[1], message.Bounced).Status)
	for n, want := range map[int]string{1: consent.SuppressStopWord, 2: consent.SuppressHardBounce} {
		sup, yes, err := r.consent.Suppressed(r.ctx, ws, message.SMS, []event.Identifier{{Namespace: "phone", Value: fmt.Sprintf("+4072%07d", n)}})
		require.NoError(t, err)
		require.True(t, yes)
		require.Equal(t, want, sup.Reason)
	}
	for who, want := range map[string]bool{ana: false, ben: true} {
		d, err := r.consent.Decide(r.ctx, ws, consent.Question{ProfileID: who, Purpose: consent.Marketing, Channel: message.SMS})
		require.NoError(t, err)
		if !want {
			require.Equal(t, "CONSENT_WITHDRAWN", d.Reason)
		} else {
			require.NotEqual(t, "CONSENT_WITHDRAWN", d.Reason, "nobody has said so")
		}
		mail, err := r.consent.Decide(r.ctx, ws, consent.Question{ProfileID: who, Purpose: consent.Marketing, Channel: message.Email})
		require.NoError(t, err)
		require.True(t, mail.Allowed, "another channel")
	}
	before := p.total()
	r.becomes(r.queue(intent(ana, sms))[0], message.Skipped, message.Cancelled)
	require.Equal(t, before, p.total())
}

package sync_test

import (
	"errors"
	"net/http"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

// events is a sync of what a stream tells beside records.
func (r *rig) pullsEvents(c *sync.Connection) *sync.Sync {
	return r.twoWay(c, func(y *sync.Sync) {
		y.Kind, y.Direction, y.Fields, y.Match, y.Purpose = sync.Events, sync.Pull, nil, "", ""
	})
}

func (r *rig) ledger(email string) int64 {
	r.t.Helper()
	p := r.person("email", email)
	if p == nil {
		return 0
	}
	n, err := r.consent.CountLedger(r.ctx, ws, p.ProfileID())
	require.NoError(r.t, err)
	return n
}

func (r *rig) suppressed(channel, namespace, value string) string {
	r.t.Helper()
	sup, yes, err := r.consent.Suppressed(r.ctx, ws, channel, []event.Identifier{{Namespace: namespace, Value: value}})
	require.NoError(r.t, err)
	if !yes {
		return ""
	}
	return sup.Reason
}

// The cursor of a page moves when what it tells of messages is on disk, and not before; a
// webhook stays until it is.
func TestReports(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	fails := 1
	var got []sync.Delivery
	var wrote []sync.Inbound
	r.reports = func(c *sync.Connection, d []sync.Delivery, in []sync.Inbound) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		require.Equal(t, ws, c.Workspace())
		if fails > 0 {
			fails--
			return errors.New("not now")
		}
		got, wrote = append(got, d...), append(wrote, in...)
		return nil
	}
	counts := func() (int, int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(got), len(wrote)
	}
	c := r.connection()
	r.vendor.told = []sync.Page{{Cursor: []byte("1"), Deliveries: []sync.Delivery{
		{ID: "m1", Key: "out_1", State: sync.DeliveryHardBounced, Reason: "5.1.1 no such mailbox"}, {State: sync.DeliverySent},
	}, Inbound: []sync.Inbound{{Channel: "SMS", From: "+491701234567", To: "+49", Text: "hello"}}}}
	y := r.pullsEvents(c)
	st, err := sync.States.Get(r.ctx, r.store, y.ID)
	require.NoError(t, err)
	require.Empty(t, st.Cursor, "nobody has kept it")
	require.Eventually(t, func() bool { d, _ := counts(); return d == 1 }, 10*time.Second, 10*time.Millisecond, "it comes again by itself")
	require.Equal(t, sync.RunSucceeded, r.settled(y).Status)
	st, err = sync.States.Get(r.ctx, r.store, y.ID)
	require.NoError(t, err)
	require.Equal(t, "1", string(st.Cursor))
	require.Equal(t, "out_1", got[0].Key)
	require.Equal(t, sync.BounceHard, got[0].Bounce())
	require.NotEmpty(t, got[0].Event)
	require.False(t, got[0].At.IsZero())
	require.Len(t, wrote, 1)
	require.NotEmpty(t, wrote[0].ID)

	r.mu.Lock()
	fails = 1
	r.mu.Unlock()
	r.vendor.receive = func(sync.Webhook) (sync.Received, error) {
		return sync.Received{Deliveries: []sync.Delivery{{Event: "e2", ID: "m2", State: sync.DeliveryDelivered}}}, nil
	}
	token := strings.TrimPrefix(r.WebhookURL(c), "https://cdp.example/hooks/")
	_, err = r.Receive(r.ctx, token, sync.Webhook{Method: "POST", URL: "/", Header: http.Header{}, Body: []byte("x")})
	require.NoError(t, err)
	require.Eventually(t, func() bool { d, _ := counts(); return d == 2 }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, "e2", got[1].Event)
}

// What people decided at a vendor is kept, by whichever way it comes, once.
func TestConsentsByPull(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connection()
	r.identify("a", map[string]any{"email": "a@shop.example", "phone": "+491701234567"})
	r.say("a@shop.example", consent.Granted)
	before := r.ledger("a@shop.example")
	// A push of marketing by e-mail says which purpose a no is about.
	r.twoWay(c, func(y *sync.Sync) { y.Purpose, y.Channel, y.Direction = consent.Marketing, consent.Email, sync.Push })
	no := sync.ConsentChange{Key: "k1", Identifiers: map[string]string{"email": "a@shop.example"}, Channel: consent.Email, At: time.Now(), Source: "unsubscribe"}
	r.vendor.told = []sync.Page{{Cursor: []byte("1"), Consents: []sync.ConsentChange{no, no}}}
	y := r.pullsEvents(c)
	require.Equal(t, sync.RunSucceeded, r.settled(y).Status, js(r.settled(y).Fault))
	require.Equal(t, before+1, r.ledger("a@shop.example"))
	_, yes, err := r.consent.Suppressed(r.ctx, ws, consent.Email, []event.Identifier{{Namespace: "email", Value: "a@shop.example"}})
	require.NoError(t, err)
	require.False(t, yes, "a no to one purpose suppresses nobody")

	// The same by webhook, under another key: it is so already.
	no.Key = "k2"
	r.vendor.receive = func(sync.Webhook) (sync.Received, error) {
		return sync.Received{Consents: []sync.ConsentChange{no}}, nil
	}
	r.hook(c, "1")
	require.Equal(t, before+1, r.ledger("a@shop.example"))
	p := r.person("email", "a@shop.example")
	status, _ := consent.Status(p.Words(time.Now()), consent.Marketing, consent.Email, time.Now())
	require.True(t, consent.No(status))

	// STOP suppresses the number, and START lifts that; nobody's no is undone.
	says := func(n string, granted bool, reason string) {
		change := sync.ConsentChange{Key: "stop" + n, Identifiers: map[string]string{"phone": "+491701234567"}, Channel: consent.SMS, Granted: granted, Fresh: granted, Reason: reason, At: time.Now()}
		r.vendor.receive = func(sync.Webhook) (sync.Received, error) {
			return sync.Received{Consents: []sync.ConsentChange{change}}, nil
		}
		r.hook(c, n)
	}
	says("2", false, sync.ReasonStopWord)
	require.Equal(t, consent.SuppressStopWord, r.suppressed(consent.SMS, "phone", "+491701234567"))
	p = r.person("email", "a@shop.example")
	status, _ = consent.Status(p.Words(time.Now()), consent.Marketing, consent.SMS, time.Now())
	require.True(t, consent.No(status), "no sync says which purpose: all that can be objected to")
	says("3", true, "")
	require.Empty(t, r.suppressed(consent.SMS, "phone", "+491701234567"))
	p = r.person("email", "a@shop.example")
	status, _ = consent.Status(p.Words(time.Now()), consent.Marketing, consent.SMS, time.Now())
	require.True(t, consent.No(status))

	// An address that does not exist is nobody's decision. What somebody lifted stays so.
	bounce := sync.ConsentChange{Key: "b1", Identifiers: map[string]string{"email": "nobody@shop.example"}, Channel: consent.Email, Reason: sync.ReasonHardBounce, At: time.Now()}
	r.vendor.receive = func(sync.Webhook) (sync.Received, error) {
		return sync.Received{Consents: []sync.ConsentChange{bounce}}, nil
	}
	r.hook(c, "4")
	require.Equal(t, consent.SuppressHardBounce, r.suppressed(consent.Email, "email", "nobody@shop.example"))
	require.Nil(t, r.person("email", "nobody@shop.example"), "for that nobody is made")
	id := event.Identifier{Namespace: "email", Value: "nobody@shop.example"}
	list, err := r.consent.Suppressions(r.ctx, ws, consent.SuppressionFilter{Identifier: &id}, core.Window{Limit: 1})
	require.NoError(t, err)
	_, err = r.consent.Lift(r.ctx, ws, consent.LiftInput{ID: list.Items[0].SuppressionID(), Reason: "mailbox is back"})
	require.NoError(t, err)
	r.hook(c, "5")
	require.Empty(t, r.suppressed(consent.Email, "email", "nobody@shop.example"))
}

// hook sends a webhook and waits until it is carried out.
func (r *rig) hook(c *sync.Connection, body string) {
	r.t.Helper()
	token := strings.TrimPrefix(r.WebhookURL(c), "https://cdp.example/hooks/")
	_, err := r.Receive(r.ctx, token, sync.Webhook{Method: "POST", URL: "/", Header: http.Header{}, Body: []byte(body)})
	require.NoError(r.t, err)
	require.Eventually(r.t, func() bool {
		list, err := sync.Hooks.Find(r.ctx, r.store, store.Query{Workspace: ws}, 0)
		if err != nil {
			return false
		}
		for _, h := range list {
			if !h.Done {
				return false
			}
		}
		return true
	}, 10*time.Second, 10*time.Millisecond)
}

// As many calls of a connection run at once as its connector says.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ says, most int }{{1, 1}, {3, 3}} {
		r := newRig(t)
		r.vendor.atOnce = c.says
		var mu stdsync.Mutex
		running, most := 0, 0
		r.vendor.pulled = func() {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			running--
			mu.Unlock()
		}
		conn := r.connection()
		var list []*sync.Sync
		for _, name := range []string{"a", "b", "c"} {
			list = append(list, r.twoWay(conn, func(y *sync.Sync) { y.Stream, y.Direction, y.Purpose = name, sync.Pull, "" }))
		}
		for _, y := range list {
			_, err := r.RunSync(r.ctx, ws, y.SyncID())
			require.NoError(t, err)
		}
		for _, y := range list {
			r.settled(y)
		}
		mu.Lock()
		require.Equal(t, c.most, most)
		mu.Unlock()
		r.end()
	}
}

// A message goes through the connection's queue, under an agreement, and is remembered for
// erasures.
func TestSend(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connection()
	m := sync.Message{Key: "out_1", Channel: "SMS", To: "+491701234567", Text: "hello"}
	_, err := r.Send(r.ctx, ws, c.ConnectionID(), consent.Analytics, m)
	require.Equal(t, sync.FaultBlocked, sync.AsFault(err).Kind, "no agreement for that")
	sent, err := r.Send(r.ctx, ws, c.ConnectionID(), consent.Operations, m)
	require.NoError(t, err)
	require.Equal(t, "m1", sent.ID)
	require.Equal(t, r.WebhookURL(c), r.vendor.sent[0].CallbackURL)
	d, err := r.MessageStatus(r.ctx, ws, c.ConnectionID(), sent.ID, m.Key)
	require.NoError(t, err)
	require.Equal(t, sync.DeliveryDelivered, d.State)
	m.To = ""
	_, err = r.Send(r.ctx, ws, c.ConnectionID(), consent.Operations, m)
	require.Equal(t, sync.FaultInvalidRecord, sync.AsFault(err).Kind)
	state, _, err := r.Status(r.ctx, c)
	require.NoError(t, err)
	require.Equal(t, sync.Ready, state, "one bad number is not the connection's fault")
	list, err := r.Destinations(r.ctx, ws)
	require.NoError(t, err)
	require.Len(t, list, 1)
	_, err = r.PauseConnection(r.ctx, ws, c.ConnectionID(), true, sync.Edit{})
	require.NoError(t, err)
	_, err = r.Send(r.ctx, ws, c.ConnectionID(), consent.Operations, m)
	require.Equal(t, "PAUSED", sync.AsFault(err).Reason)
}

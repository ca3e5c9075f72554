package message_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
)

// expire deletes what is older, as retention does, and returns how many documents that were.
func (r *rig) expire(who string, x message.Expiry) int64 {
	r.t.Helper()
	p, err := r.people.Get(r.ctx, ws, who)
	require.NoError(r.t, err)
	_, counted, err := r.Expired(r.ctx, ws, p.Parts, x, true)
	require.NoError(r.t, err)
	var total int64
	for {
		ops, n, err := r.Expired(r.ctx, ws, p.Parts, x, false)
		require.NoError(r.t, err)
		if n == 0 {
			require.Equal(r.t, counted, total, "what was counted is what was deleted")
			return total
		}
		require.NoError(r.t, work.Commit(r.ctx, r.store, ops...))
		total += n
	}
}

func (r *rig) there(id string) bool {
	r.t.Helper()
	m, err := message.Messages.Get(r.ctx, r.store, store.Key(ws, id))
	require.NoError(r.t, err)
	return m != nil
}

func TestOldMessagesGoAndTheirKeysStayUsed(t *testing.T) {
	p := newPostman()
	r := newRig(t, p)
	who := r.person(1)
	send := func(key string) (*message.Message, error) {
		return r.SendMessage(r.ctx, ws, message.SendInput{
			ProfileID: who, Channel: message.Email, Purpose: consent.Operations, Template: "tpl_hello", IdempotencyKey: key,
		})
	}
	m, err := send("order 7")
	require.NoError(t, err)
	receipt := r.becomes(m.MessageID(), message.Sent).MessageID()
	held := message.Intent{ID: core.HashID(core.PrefixMessage, "held"), Profile: who, Channel: message.Push, Purpose: consent.Marketing, Template: "tpl_hello", DueAt: time.Now().Add(time.Hour)}
	r.queue(held)
	news := r.queue(intent(who))[0]
	r.becomes(news, message.Sent)
	before, err := r.Figures(r.ctx, ws, "tpl_hello")
	require.NoError(t, err)

	soon := message.Expiry{Before: time.Now().Add(time.Minute)}
	require.Zero(t, r.expire(who, message.Expiry{Before: r.get(receipt).At}), "nothing is older")
	require.EqualValues(t, 1, r.expire(who, message.Expiry{Purpose: consent.Operations, Before: soon.Before}))
	require.False(t, r.there(receipt))
	require.True(t, r.there(news), "of another purpose")
	// What happens to a message makes it young again.
	require.NoError(t, r.told(news, "e1", sync.DeliveryOpened, time.Now().Add(time.Hour)))
	require.Zero(t, r.expire(who, soon))
	require.EqualValues(t, 1, r.expire(who, message.Expiry{Before: time.Now().Add(2 * time.Hour)}))
	require.True(t, r.there(held.ID), "it waits")

	// The same key sends nothing, however often it comes, and says why.
	for range 2 {
		_, err = send("order 7")
		require.Equal(t, "MESSAGE_EXPIRED", core.AsError(err).Reason)
	}
	require.Equal(t, 1, p.sentTo(receipt))
	other, err := send("order 8")
	require.NoError(t, err)
	r.becomes(other.MessageID(), message.Sent)
	// Reports and clicks that come late change nothing and fail nobody.
	require.NoError(t, r.told(receipt, "late", sync.DeliveryDelivered, time.Now()))
	after, err := r.Figures(r.ctx, ws, "tpl_hello")
	require.NoError(t, err)
	before[string(message.Sent)]++ // order 8
	for _, name := range []string{string(message.Sent), string(message.Delivered)} {
		require.GreaterOrEqual(t, after[name], before[name], name)
	}
	// Nothing that is left tells whose key it was, or which.
	plan, err := store.PlanQuery(message.Specs()[len(message.Specs())-1], store.Query{Workspace: ws})
	require.NoError(t, err)
	raws, err := r.store.Scan(r.ctx, plan)
	require.NoError(t, err)
	require.Len(t, raws, 2, "of the receipt, and of the one that nobody else decided")
	for _, raw := range raws {
		require.False(t, strings.Contains(raw.String(), receipt[4:]))
	}
}

func TestInboxesTestsAndCampaignsExpire(t *testing.T) {
	r := newRig(t, newPostman())
	r.words["tpl_hello"] = func(map[string]any) message.Content { return message.Content{Title: "Hi", Text: "Hello"} }
	who := r.person(1)
	running := true
	r.OnExpiry(func(_ context.Context, _ string, m *message.Message) (bool, error) {
		return m.Campaign != "" && running, nil
	})
	chat := r.queue(intent(who, func(in *message.Intent) { in.Channel = message.InApp }))[0]
	r.becomes(chat, message.Delivered)
	_, err := r.Reply(r.ctx, ws, chat, "yes please", "k")
	require.NoError(t, err)
	sent := r.queue(intent(who, func(in *message.Intent) { in.Campaign = "cmp_1" }))[0]
	r.becomes(sent, message.Sent)
	soon := message.Expiry{Before: time.Now().Add(time.Minute)}
	require.EqualValues(t, 3, r.expire(who, soon), "the message, what the inbox shows of it, and the answer")
	people, err := r.people.Get(r.ctx, ws, who)
	require.NoError(t, err)
	left, err := r.CountInbox(r.ctx, ws, people)
	require.NoError(t, err)
	require.Zero(t, left)
	require.True(t, r.there(sent), "a campaign that runs needs it")
	running = false
	// A person of a campaign to whom another message of it waits keeps the one that went.
	waits := r.queue(intent(who, func(in *message.Intent) { in.Campaign, in.DueAt = "cmp_1", time.Now().Add(time.Hour) }))[0]
	require.Zero(t, r.expire(who, soon))
	m := *r.get(waits)
	m.Status, m.Lane = message.Cancelled, ""
	require.NoError(t, work.Commit(r.ctx, r.store, message.Messages.Replace(&m)))
	require.EqualValues(t, 2, r.expire(who, soon))

	try, err := r.TestSend(r.ctx, ws, message.TestInput{Channel: message.Email, Template: "tpl_hello", To: "me@example.com"})
	require.NoError(t, err)
	r.becomes(try.MessageID(), message.Sent, message.Failed)
	ops, n, next, err := r.ExpiredTests(r.ctx, ws, soon, "", true)
	require.NoError(t, err)
	require.Empty(t, ops)
	require.EqualValues(t, 1, n)
	require.Empty(t, next)
	ops, n, _, err = r.ExpiredTests(r.ctx, ws, soon, "", false)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.NoError(t, work.Commit(r.ctx, r.store, ops...))
	require.False(t, r.there(try.MessageID()))
}

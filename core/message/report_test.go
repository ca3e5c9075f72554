package message_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

// told is a vendor's report on a message.
func (r *rig) told(id, word, state string, at time.Time) error {
	return r.Reports(r.ctx, r.conn(), []sync.Delivery{{Event: word, Key: id, State: state, At: at}}, nil)
}

func (r *rig) conn() *sync.Connection {
	page, err := r.syncs.ListConnections(r.ctx, ws, core.Window{Limit: 1})
	require.NoError(r.t, err)
	return page.Items[0]
}

func TestReportsOnlyMoveForward(t *testing.T) {
	r := newRig(t, newPostman())
	who := r.person(1)
	id := r.queue(intent(who))[0]
	sent := r.becomes(id, message.Sent)
	at := time.Now()
	require.NoError(t, r.told(id, "e1", sync.DeliveryDelivered, at))
	require.NoError(t, r.told(id, "e1", sync.DeliveryDelivered, at))                               // again
	require.NoError(t, r.told(id, "e0", sync.DeliverySent, at.Add(-time.Second)))                  // late
	require.NoError(t, r.told(id, "e2", sync.DeliveryOpened, at.Add(time.Minute)))                 // a person
	require.NoError(t, r.told(id, "e3", sync.DeliveryOpened, at.Add(2*time.Minute)))               // again
	require.NoError(t, r.told(id, "e4", sync.DeliveryFailed, at.Add(3*time.Minute)))               // it did arrive
	require.NoError(t, r.told(id, "e5", "SOMETHING_NEW", at.Add(3*time.Minute)))                   // nobody knows that
	require.NoError(t, r.told("msg_00000000000000000000000000", "e6", sync.DeliveryDelivered, at)) // nobody's
	m := r.get(id)
	require.Equal(t, message.Delivered, m.Status)
	require.EqualValues(t, 2, m.Opens)
	require.ElementsMatch(t, []string{"Sent", "Delivered", "Opened"}, r.events(who))
	// By the vendor's id, where it does not carry the key.
	require.Equal(t, r.conn().ConnectionID()+"/v-"+id, sent.Ref)
	require.NoError(t, r.Reports(r.ctx, r.conn(), []sync.Delivery{{Event: "e7", ID: "v-" + id, State: sync.DeliveryHardBounced, At: at.Add(time.Hour)}}, nil))
	require.Equal(t, message.Bounced, r.get(id).Status)
	// One that nobody knows yet comes again; one that is old does not.
	require.Error(t, r.Reports(r.ctx, r.conn(), []sync.Delivery{{Event: "e8", ID: "v-none", State: sync.DeliveryDelivered, At: time.Now()}}, nil))
	require.NoError(t, r.Reports(r.ctx, r.conn(), []sync.Delivery{{Event: "e8", ID: "v-none", State: sync.DeliveryDelivered, At: time.Now().Add(-time.Hour)}}, nil))
}

func TestReportBeforeTheAnswer(t *testing.T) {
	p := newPostman()
	hang := make(chan struct{})
	p.send = func(_ context.Context, m sync.Message) (sync.Sent, error) {
		<-hang
		return sync.Sent{ID: "v-" + m.Key}, nil
	}
	r := newRig(t, p)
	who := r.person(1)
	id := r.queue(intent(who))[0]
	r.becomes(id, message.Handed)
	require.NoError(t, r.told(id, "e1", sync.DeliveryDelivered, time.Now()))
	require.Equal(t, message.Delivered, r.get(id).Status)
	close(hang)
	require.Eventually(t, func() bool { return r.get(id).Ref != "" }, 5*time.Second, 10*time.Millisecond)
	require.Equal(t, message.Delivered, r.get(id).Status)
	require.ElementsMatch(t, []string{"Sent", "Delivered"}, r.events(who))
}

// What becomes of messages is told to metrics once each, in words of a bounded set.
func TestMetricsOfMessages(t *testing.T) {
	p := newPostman()
	p.send = func(_ context.Context, m sync.Message) (sync.Sent, error) {
		if m.To == "p2@example.com" {
			return sync.Sent{}, &sync.Fault{Kind: sync.FaultInvalidRecord, Origin: sync.FromVendor, Reason: "SOMETHING_OF_THEIRS", Message: "no"}
		}
		return sync.Sent{ID: "v-" + m.Key}, nil
	}
	r := rigOver(t, openStore(t, ""), p, core.SystemClock{})
	var mu stdsync.Mutex
	counts := map[string]int{}
	r.Moved = func(channel, status, reason string) {
		mu.Lock()
		defer mu.Unlock()
		counts[channel+" "+status+" "+reason]++
	}
	r.setUp()
	r.start()
	list := r.persons([]int{1, 2, 3})
	_, err := r.consent.Suppress(r.ctx, ws, []consent.SuppressInput{{Identifier: event.Identifier{Namespace: "email", Value: "p3@example.com"}, Reason: consent.SuppressManual}}, false)
	require.NoError(t, err)
	ids := r.queue(intent(list[0]), intent(list[1]), intent(list[2]))
	r.becomes(ids[0], message.Sent)
	r.becomes(ids[1], message.Failed)
	r.becomes(ids[2], message.Skipped)
	for range 2 {
		require.NoError(t, r.told(ids[0], "d", sync.DeliveryDelivered, time.Now()))
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(counts) == 5
	}, 10*time.Second, 5*time.Millisecond)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, map[string]int{
		"EMAIL HANDED ": 2, "EMAIL SENT ": 1, "EMAIL FAILED VENDOR": 1, "EMAIL SKIPPED MANUAL": 1, "EMAIL DELIVERED ": 1,
	}, counts)
}

func text(s string) bson.Raw {
	raw, _ := bson.Marshal(bson.D{{Key: "text", Value: s}})
	return raw
}

// What is predicted of somebody is there for templates, where the purpose allows it.
func TestTemplatesReadPredictions(t *testing.T) {
	r := rigOver(t, openStore(t, ""), newPostman(), core.SystemClock{})
	var allowed map[core.Category]bool
	r.Uses = func(context.Context, string, string) (map[core.Category]bool, error) { return allowed, nil }
	r.Predictions = func(context.Context, string, *profile.Profile) (map[string]any, error) {
		return map[string]any{"lead.score": int64(37), "churn": 0.25}, nil
	}
	r.words["tpl_hot"] = func(roots map[string]any) message.Content {
		return message.Content{Subject: "x", Text: fmt.Sprint(roots["lead"], " ", roots["predictions"])}
	}
	hot := func(in *message.Intent) { in.Template = "tpl_hot" }
	allowed = map[core.Category]bool{core.Inferred: true}
	r.setUp()
	r.start()
	r.becomes(r.queue(intent(r.person(1), hot))[0], message.Sent)
	require.Equal(t, "map[score:37] map[churn:0.25 lead:map[score:37]]", r.post.order[0].Text)
	r.end()

	r = rigOver(t, openStore(t, filepath.Join(t.TempDir(), "two.db")), newPostman(), core.SystemClock{})
	r.Uses = func(context.Context, string, string) (map[core.Category]bool, error) {
		return map[core.Category]bool{}, nil
	}
	r.Predictions = func(context.Context, string, *profile.Profile) (map[string]any, error) {
		t.Error("nobody asks for what may not be used")
		return nil, nil
	}
	r.words["tpl_hot"] = func(roots map[string]any) message.Content {
		return message.Content{Subject: "x", Text: fmt.Sprint(roots["lead"])}
	}
	r.setUp()
	r.start()
	r.becomes(r.queue(intent(r.person(1), hot))[0], message.Sent)
	require.Equal(t, "<nil>", r.post.order[0].Text)
}

func TestBouncesAndComplaints(t *testing.T) {
	r := newRig(t, newPostman())
	hard, soft, angry := r.person(1), r.person(2), r.person(3)
	ids := r.queue(intent(hard), intent(soft), intent(angry))
	for _, id := range ids {
		r.becomes(id, message.Sent)
	}
	at := time.Now()
	require.NoError(t, r.told(ids[0], "a", sync.DeliveryHardBounced, at))
	require.NoError(t, r.told(ids[1], "b", sync.DeliverySoftBounced, at))
	require.NoError(t, r.told(ids[1], "c", sync.DeliverySoftBounced, at.Add(time.Second)))
	require.NoError(t, r.told(ids[2], "d", sync.DeliveryComplained, at))
	require.Equal(t, message.Sent, r.get(ids[1]).Status)
	require.EqualValues(t, 2, r.get(ids[1]).Softs)
	again := r.queue(intent(hard), intent(soft), intent(angry))
	require.Equal(t, consent.SuppressHardBounce, r.becomes(again[0], message.Skipped).Reason)
	r.becomes(again[1], message.Sent)
	require.Equal(t, message.Cancelled, r.becomes(again[2], message.Cancelled, message.Skipped).Status)
	_, yes, err := r.consent.Suppressed(r.ctx, ws, message.Email, []event.Identifier{{Namespace: "email", Value: "p3@example.com"}})
	require.NoError(t, err)
	require.True(t, yes)
	require.Contains(t, r.events(angry), "Complained")
}

// What a mail server refuses for good while it is spoken to is a bounce as one that is told
// later, and its address is suppressed once, though several messages come back.
func TestBounceWhileSending(t *testing.T) {
	p := newPostman()
	p.send = func(_ context.Context, m sync.Message) (sync.Sent, error) {
		if m.To == "p2@example.com" {
			return sync.Sent{}, &sync.Fault{Kind: sync.FaultInvalidRecord, Origin: sync.FromVendor, Reason: "REJECTED", Message: "no"}
		}
		return sync.Sent{}, &sync.Fault{Kind: sync.FaultInvalidRecord, Origin: sync.FromVendor, Reason: sync.ReasonHardBounce, Message: "there is no such mailbox"}
	}
	r := newRig(t, p)
	gone, refused := r.person(1), r.person(2)
	ids := r.queue(intent(gone), intent(gone), intent(refused))
	m := r.becomes(ids[0], message.Bounced, message.Skipped)
	if other := r.becomes(ids[1], message.Bounced, message.Skipped); m.Status != message.Bounced {
		m = other
	}
	require.Equal(t, []any{message.Bounced, "HARD_BOUNCE"}, []any{m.Status, m.Reason})
	require.Contains(t, r.events(gone), "Bounced")
	require.NotContains(t, r.events(gone), "Sent")
	require.Equal(t, message.Failed, r.becomes(ids[2], message.Failed).Status, "a refusal that says nothing of the address")
	for n, want := range map[int]bool{1: true, 2: false} {
		sup, yes, err := r.consent.Suppressed(r.ctx, ws, message.Email, []event.Identifier{{Namespace: "email", Value: fmt.Sprintf("p%d@example.com", n)}})
		require.NoError(t, err)
		require.Equal(t, want, yes)
		if want {
			require.Equal(t, consent.SuppressHardBounce, sup.Reason)
			require.EqualValues(t, 1, sup.V, "written once")
		}
	}
	require.Equal(t, consent.SuppressHardBounce, r.becomes(r.queue(intent(gone))[0], message.Skipped).Reason)
	figures, err := r.Figures(r.ctx, ws, "tpl_hello")
	require.NoError(t, err)
	require.EqualValues(t, len(r.bounces(gone)), figures["BOUNCED"])
}

// bounces lists the messages of somebody that came back.
func (r *rig) bounces(profileID string) (out []string) {
	list, err := message.Messages.Find(r.ctx, r.store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", profileID)}}, 0)
	require.NoError(r.t, err)
	for _, m := range list {
		if m.Status == message.Bounced {
			out = append(out, m.MessageID())
		}
	}
	return out
}

func TestStopWordAndReply(t *testing.T) {
	r := newRig(t, newPostman())
	r.words["tpl_bye"] = func(map[string]any) message.Content { return message.Content{Text: "You get no more."} }
	_, err := r.SetSettings(r.ctx, ws, nil, false, func(s *message.Settings) { s.StopReply = "tpl_bye" })
	require.NoError(t, err)
	who := r.person(1)
	sms := func(in *message.Intent) { in.Channel = message.SMS }
	id := r.queue(intent(who, sms))[0]
	r.becomes(id, message.Sent)
	in := func(word, text string) []sync.Inbound {
		return []sync.Inbound{{ID: word, Channel: message.SMS, From: "+40720000001", To: "+1", Text: text, At: time.Now()}}
	}
	for range 2 {
		require.NoError(t, r.Reports(r.ctx, r.conn(), nil, in("i1", "Do you have it in blue?")))
	}
	require.ElementsMatch(t, []string{"Sent", "Replied"}, r.events(who))
	for range 2 {
		require.NoError(t, r.Reports(r.ctx, r.conn(), nil, in("i2", "stop")))
	}
	require.Equal(t, message.Cancelled, r.becomes(r.queue(intent(who, sms))[0], message.Cancelled, message.Skipped, message.Sent).Status)
	require.Eventually(t, func() bool { return r.post.total() == 2 }, 5*time.Second, 10*time.Millisecond)
	r.post.mu.Lock()
	require.Equal(t, "You get no more.", r.post.order[1].Text)
	r.post.mu.Unlock()
	r.becomes(r.queue(intent(who))[0], message.Sent) // by e-mail they said nothing
}

func TestLinksLeadThroughUs(t *testing.T) {
	r := newRig(t, newPostman())
	_, err := r.SetSettings(r.ctx, ws, nil, false, func(s *message.Settings) {
		s.Ways = []message.Way{{Channel: message.Email, Clicks: true, Opens: true}}
	})
	require.NoError(t, err)
	who := r.person(1)
	id := r.queue(intent(who))[0]
	r.becomes(id, message.Sent)
	html := r.post.order[0].HTML
	require.NotContains(t, html, "shop.example")
	require.NotContains(t, html, who)
	click := regexp.MustCompile(`href="https://cdp.example/c/([^"]+)"`).FindStringSubmatch(html)
	open := regexp.MustCompile(`src="https://cdp.example/o/([^"]+)"`).FindStringSubmatch(html)
	require.NotNil(t, click)
	require.NotNil(t, open)
	person := message.Visit{Method: "GET", UserAgent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/130", At: time.Now().Add(time.Hour)}
	scanner := message.Visit{Method: "GET", UserAgent: "Barracuda", At: time.Now()}
	for _, v := range []message.Visit{scanner, person, person} {
		url, err := r.Follow(r.ctx, click[1], v)
		require.NoError(t, err)
		require.Equal(t, "https://shop.example/x?a=1&b=2", url)
		require.NoError(t, r.Opened(r.ctx, open[1], v))
	}
	m := r.get(id)
	require.Equal(t, message.Delivered, m.Status)
	require.EqualValues(t, 2, m.Opens)
	require.EqualValues(t, 2, m.Clicks)
	require.EqualValues(t, 2, m.Bots)
	require.ElementsMatch(t, []string{"Sent", "Delivered", "Opened", "Clicked"}, r.events(who))
	_, err = r.Follow(r.ctx, click[1][:len(click[1])-2]+"AA", person)
	require.Equal(t, core.Invalid, core.CodeOf(err))
	_, err = r.Follow(r.ctx, strings.TrimSuffix(open[1], ".gif"), person) // of another use
	require.Equal(t, core.Invalid, core.CodeOf(err))
}

func TestWebhookChannel(t *testing.T) {
	r := newRig(t, newPostman())
	var secret string
	got := make(chan map[string]any, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		parts := strings.Split(req.Header.Get(message.SignatureHeader), ",")
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(strings.TrimPrefix(parts[0], "t=") + "."))
		mac.Write(body)
		if parts[1] != "v1="+hex.EncodeToString(mac.Sum(nil)) {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		var m map[string]any
		_ = json.Unmarshal(body, &m)
		got <- m
	}))
	defer srv.Close()
	secrets, err := r.WebhookSecrets(r.ctx, ws)
	require.NoError(t, err)
	secret = secrets[0]
	_, err = r.SetSettings(r.ctx, ws, nil, false, func(s *message.Settings) { s.Ways = []message.Way{{Channel: message.Webhook, URL: srv.URL}} })
	require.NoError(t, err)
	id := r.queue(intent(r.person(1), func(in *message.Intent) { in.Channel = message.Webhook }))[0]
	r.becomes(id, message.Sent)
	require.Equal(t, id, (<-got)["id"])
}

func TestWebhookNeverReachesOurOwnNetwork(t *testing.T) {
	r := newRig(t, newPostman())
	r.syncs.Private = false
	for _, url := range []string{"http://example.com/x", "https://127.0.0.1/x", "https://localhost/", "https://169.254.169.254/latest", "https://user:pw@example.com/"} {
		_, err := r.SetSettings(r.ctx, ws, nil, true, func(s *message.Settings) { s.Ways = []message.Way{{Channel: message.Webhook, URL: url}} })
		require.Equal(t, core.Invalid, core.CodeOf(err), url)
	}
}

func TestSendMessageOnceByItsKey(t *testing.T) {
	r := newRig(t, newPostman())
	who := r.person(1)
	in := message.SendInput{
		Identifier: &event.Identifier{Namespace: "email", Value: "P1@example.com"}, Channel: message.Email, Purpose: consent.Operations,
		Template: "tpl_hello", IdempotencyKey: "k",
	}
	m, err := r.SendMessage(r.ctx, ws, in)
	require.NoError(t, err)
	again, err := r.SendMessage(r.ctx, ws, in)
	require.NoError(t, err)
	require.Equal(t, m.ID, again.ID)
	r.becomes(m.MessageID(), message.Sent)
	require.Equal(t, 1, r.post.total())
	in.Channel = message.SMS
	_, err = r.SendMessage(r.ctx, ws, in)
	require.Equal(t, core.Conflict, core.CodeOf(err))
	_, err = r.SendMessage(r.ctx, ws, message.SendInput{ProfileID: who, Channel: message.Email, Purpose: "nothing", Template: "tpl_hello"})
	require.Equal(t, core.Invalid, core.CodeOf(err))

	// A test goes to the address that is named, even of somebody who agreed to nothing.
	test, err := r.TestSend(r.ctx, ws, message.TestInput{Channel: message.Email, Template: "tpl_hello", To: "me@shop.example", ProfileID: who})
	require.NoError(t, err)
	r.becomes(test.MessageID(), message.Sent)
	require.Equal(t, "me@shop.example", r.post.order[1].To)
	require.Equal(t, []string{"Sent"}, r.events(who))

	page, err := r.List(r.ctx, ws, message.Filter{ProfileID: who, Status: []message.Status{message.Sent}}, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
}

func TestResolve(t *testing.T) {
	p := newPostman()
	p.send = func(context.Context, sync.Message) (sync.Sent, error) {
		return sync.Sent{}, &sync.Fault{Kind: sync.FaultUnknownOutcome, Origin: sync.FromVendor, Message: "lost"}
	}
	r := newRig(t, p)
	ids := r.queue(intent(r.person(1)), intent(r.person(2)), intent(r.person(3)))
	for _, id := range ids {
		r.becomes(id, message.Indeterminate)
	}
	page, err := r.List(r.ctx, ws, message.Filter{Status: []message.Status{message.Indeterminate}}, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 3)
	p.mu.Lock()
	p.send = nil
	p.mu.Unlock()
	for i, as := range []message.Resolution{message.ResolveSent, message.ResolveFailed, message.ResolveAgain} {
		_, err := r.Resolve(r.ctx, ws, ids[i], as, nil)
		require.NoError(t, err)
	}
	require.Equal(t, message.Sent, r.get(ids[0]).Status)
	require.Equal(t, message.Failed, r.get(ids[1]).Status)
	r.becomes(ids[2], message.Sent)
	require.Equal(t, 2, p.sentTo(ids[2]))
	_, err = r.Resolve(r.ctx, ws, ids[2], message.ResolveSent, nil)
	require.Equal(t, core.Conflict, core.CodeOf(err))
}

func TestInboxReadAndReply(t *testing.T) {
	r := newRig(t, newPostman())
	who := r.person(1)
	id := r.queue(intent(who, func(in *message.Intent) { in.Channel = message.WebChat }))[0]
	r.becomes(id, message.Delivered)
	n, err := r.MarkRead(r.ctx, ws, who, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	n, err = r.MarkRead(r.ctx, ws, who, nil)
	require.NoError(t, err)
	require.Zero(t, n)
	for range 2 {
		_, err = r.Reply(r.ctx, ws, id, "Yes please", "key")
		require.NoError(t, err)
	}
	p, err := r.people.Get(r.ctx, ws, who)
	require.NoError(t, err)
	page, err := r.InboxOf(r.ctx, ws, p, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	require.ElementsMatch(t, []string{"Sent", "Delivered", "Opened", "Replied"}, r.events(who))
}

func TestQuietHoursDeferSkipSend(t *testing.T) {
	r := newRig(t, newPostman())
	now := time.Now().UTC()
	_, err := r.SetSettings(r.ctx, ws, nil, false, func(s *message.Settings) {
		s.Quiets = []message.Quiet{{From: now.Add(-time.Hour).Format("15:04"), To: now.Add(2 * time.Hour).Format("15:04")}}
	})
	require.NoError(t, err)
	who, away := r.person(1), r.person(2, bson.E{Key: "timezone", Value: "Asia/Kolkata"}) // 5:30 ahead
	ids := r.queue(
		intent(who), intent(who, func(in *message.Intent) { in.Quiet = message.QuietSkip }),
		intent(who, func(in *message.Intent) { in.Quiet = message.QuietSend }), intent(away),
	)
	m := r.becomes(ids[0], message.Deferred)
	require.True(t, m.Due.After(now.Add(time.Hour)))
	require.Equal(t, "QUIET", r.becomes(ids[1], message.Skipped).Reason)
	r.becomes(ids[2], message.Sent)
	r.becomes(ids[3], message.Sent)
}

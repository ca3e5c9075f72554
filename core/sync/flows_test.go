package sync_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

// What the vendor does not take becomes a dead letter, costs the others nothing, and goes when
// it is replayed.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, u := range []string{"a", "b", "c"} {
		r.identify(u, map[string]any{"email": u + "@shop.example", "name": u})
	}
	broken := true
	r.vendor.upsert = func(b sync.Batch) ([]sync.Result, error) {
		if !broken {
			return nil, nil
		}
		out := make([]sync.Result, len(b.Items))
		for i, it := range b.Items {
			if it.Fields["name"] == "b" {
				out[i] = sync.Result{Fault: &sync.Fault{Kind: sync.FaultInvalidRecord, Origin: sync.FromVendor, Path: "name", Message: "too short"}}
				continue
			}
			out[i] = r.vendor.write(b.Stream, it)
		}
		return out, nil
	}
	y := r.twoWay(r.connection(), func(y *sync.Sync) { y.Direction = sync.Push })
	run := r.settled(y)
	require.Equal(t, sync.RunSucceeded, run.Status)
	require.EqualValues(t, 1, run.Failed)
	require.EqualValues(t, 2, run.Written)
	page, err := r.ListDeadLetters(r.ctx, ws, y.SyncID(), core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Equal(t, "name", page.Items[0].Fault.Path)

	n, err := r.ReplayDeadLetters(r.ctx, ws, y.SyncID(), nil, false)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	r.settled(y)
	require.Eventually(t, func() bool {
		d, err := r.DeadLetter(r.ctx, ws, page.Items[0].DeadID())
		return err == nil && d != nil && d.Attempts == 2 && d.Replay == 0
	}, 5*time.Second, 10*time.Millisecond)
	broken = false
	_, err = r.ReplayDeadLetters(r.ctx, ws, "", []string{page.Items[0].DeadID()}, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return r.vendor.count("contacts") == 3 }, 5*time.Second, 10*time.Millisecond)
	r.settled(y)
	count, err := r.CountDeadLetters(r.ctx, ws, y.SyncID())
	require.NoError(t, err)
	require.Zero(t, count)

	// One that comes in: the expression fails on it.
	z := r.twoWay(r.connectionNamed("in"), func(y *sync.Sync) {
		y.Direction, y.Stream = sync.Pull, "leads"
		y.Fields = []sync.Field{{Remote: "email", Local: "traits.email"}, {Remote: "size", Local: "traits.size", ToLocal: "number(value)"}}
	})
	r.vendor.set("leads", "l1", map[string]any{"email": "l1@shop.example", "size": "12"})
	r.vendor.set("leads", "l2", map[string]any{"email": "l2@shop.example", "size": "wide"})
	run = r.run(z)
	require.EqualValues(t, 1, run.Failed)
	require.Equal(t, "12", r.trait(r.person("email", "l1@shop.example"), "size"))
	require.Nil(t, r.person("email", "l2@shop.example"))
	page, err = r.ListDeadLetters(r.ctx, ws, z.SyncID(), core.Window{Limit: 10})
	require.NoError(t, err)
	require.Equal(t, "wide", page.Items[0].ShownPayload()["size"])
	k, err := r.DiscardDeadLetters(r.ctx, ws, z.SyncID(), nil, false)
	require.NoError(t, err)
	require.Equal(t, 1, k)
}

// A busy vendor, a spent quota and a false credential are states that say when it goes on.
func TestFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.identify("a", map[string]any{"email": "a@shop.example", "name": "a"})
	var fault *sync.Fault
	r.vendor.upsert = func(sync.Batch) ([]sync.Result, error) {
		if fault != nil {
			return nil, fault
		}
		return nil, nil
	}
	until := time.Now().Add(time.Hour)
	for _, c := range []struct {
		fault *sync.Fault
		state sync.ConnectionState
	}{
		{&sync.Fault{Kind: sync.FaultQuota, Origin: sync.FromVendor, Until: until, Message: "spent"}, sync.QuotaParked},
		{&sync.Fault{Kind: sync.FaultUnauthorized, Origin: sync.FromVendor, Message: "log in again"}, sync.Unauthorized},
		{&sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromVendor, After: 50 * time.Millisecond, Message: "busy"}, sync.Degraded},
	} {
		fault = c.fault
		conn := r.connectionNamed(string(c.state))
		y := r.twoWay(conn, func(y *sync.Sync) { y.Direction = sync.Push; y.Stream = string(c.state) })
		require.Equal(t, sync.RunFailed, r.settled(y).Status)
		state, h, err := r.Status(r.ctx, conn)
		require.NoError(t, err)
		require.Equal(t, c.state, state)
		require.Equal(t, c.fault.Message, h.Fault.Message)
		if c.state == sync.QuotaParked {
			require.WithinDuration(t, until, h.Until, time.Second)
			calls := r.vendor.upserts
			_, err := r.RunSync(r.ctx, ws, y.SyncID())
			require.NoError(t, err)
			time.Sleep(150 * time.Millisecond)
			require.Equal(t, calls, r.vendor.upserts, "parked: nothing is called")
		}
		if c.state == sync.Degraded {
			fault = nil
			require.Eventually(t, func() bool { return r.vendor.count(string(c.state)) == 1 }, 10*time.Second, 20*time.Millisecond, "it goes on by itself")
		}
	}
}

// Webhooks are kept before they are answered, once each; records go through the sync.
func TestWebhook(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connection()
	y := r.twoWay(c, func(y *sync.Sync) { y.Direction = sync.Pull })
	r.vendor.receive = func(h sync.Webhook) (sync.Received, error) {
		switch h.Header.Get("Signature") {
		case "":
			return sync.Received{}, &sync.Fault{Kind: sync.FaultUnauthorized, Origin: sync.FromVendor}
		case "old":
			return sync.Received{}, &sync.Fault{Kind: sync.FaultStale, Origin: sync.FromVendor}
		}
		if strings.HasPrefix(string(h.Body), "challenge=") {
			return sync.Received{Body: h.Body[10:]}, nil
		}
		return sync.Received{
			Records: []sync.StreamRecord{{Key: "k", Stream: "contacts", Record: sync.Record{ID: "w1", Fields: map[string]any{"email": "w@shop.example", "name": "W"}, UpdatedAt: time.Now()}}},
			Events:  []sync.Event{{Key: "e1", Name: "Deal Won", Identifiers: map[string]string{"email": "w@shop.example"}, Properties: map[string]any{"total": json.Number("10.50")}}},
		}, nil
	}
	token := strings.TrimPrefix(r.WebhookURL(c), "https://cdp.example/hooks/")
	send := func(token, signature, body string) (*sync.Reply, error) {
		return r.Receive(r.ctx, token, sync.Webhook{Method: "POST", URL: "/", Header: http.Header{"Signature": {signature}}, Body: []byte(body)})
	}
	_, err := send(strings.Repeat("0", 40), "ok", "x")
	require.Equal(t, core.NotFound, core.CodeOf(err))
	_, err = send(token, "", "x")
	require.Equal(t, core.Unauthenticated, core.CodeOf(err))
	_, err = send(token, "old", "x")
	require.Equal(t, "STALE", core.AsError(err).Reason)
	reply, err := send(token, "ok", "challenge=abc")
	require.NoError(t, err)
	require.Equal(t, "abc", string(reply.Body))
	for range 3 {
		reply, err = send(token, "ok", "x")
		require.NoError(t, err)
		require.Equal(t, 200, reply.Status)
	}
	n, err := sync.Hooks.Count(r.ctx, r.store, store.Query{Workspace: ws})
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "the same body is one webhook")
	require.Eventually(t, func() bool {
		p := r.person("email", "w@shop.example")
		return p != nil && r.trait(p, "name") == `"W"` && p.Events == 2
	}, 5*time.Second, 10*time.Millisecond)
	r.settled(y)
	raw, err := sync.Hooks.Find(r.ctx, r.store, store.Query{Workspace: ws}, 0)
	require.NoError(t, err)
	require.True(t, raw[0].Done)
	require.Empty(t, raw[0].Received, "what it held is not kept")
}

// Who enters a segment is put on the list, who leaves it or withdraws is taken off.
func TestList(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	where := map[string]any{"trait": map[string]any{"path": "city", "eq": "Ulm"}}
	out, err := r.segments.Create(r.ctx, ws, segment.CreateInput{Name: "Ulm", Kind: segment.Dynamic, Where: where})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		seg, err := r.segments.Get(r.ctx, ws, out.Segment.SegmentID())
		return err == nil && seg.Status == segment.Live
	}, 10*time.Second, 10*time.Millisecond)
	for _, u := range []string{"a", "b", "c"} {
		r.identify(u, map[string]any{"email": u + "@shop.example", "city": map[bool]string{true: "Ulm", false: "Bonn"}[u != "c"]})
		r.say(u+"@shop.example", consent.Granted)
	}
	y := r.twoWay(r.connection(), func(y *sync.Sync) {
		y.Kind, y.Stream, y.Direction, y.List, y.Segment = sync.List, "", sync.Push, "Newsletter", out.Segment.SegmentID()
		y.Purpose, y.Channel = consent.Marketing, consent.Email
		y.Fields = y.Fields[:1]
	})
	members := func(want ...string) {
		t.Helper()
		r.vendor.mu.Lock()
		defer r.vendor.mu.Unlock()
		got := r.vendor.lists["list-Newsletter"]
		require.Len(t, got, len(want), got)
		for _, w := range want {
			require.True(t, got[w+"@shop.example"], w)
		}
	}
	require.Equal(t, sync.RunSucceeded, r.settled(y).Status, js(r.settled(y).Fault))
	members("a", "b")
	r.identify("a", map[string]any{"city": "Bonn"})
	r.identify("c", map[string]any{"city": "Ulm"})
	run := r.run(y)
	require.EqualValues(t, 2, run.Written, js(run))
	members("b", "c")
	r.say("b@shop.example", consent.Denied)
	r.run(y)
	members("c")
	require.NotEmpty(t, r.audited("sync.list.remove"), "who leaves a list is written down too")
	require.Len(t, r.audited("sync.list.remove")[0].Subjects, 1)
	run = r.run(y)
	require.EqualValues(t, 0, run.Written)
}

// What happens is forwarded: the events that are named, of people who agreed, without what may
// not leave, and nothing that came from there.
func TestForward(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.identify("a", map[string]any{"email": "a@shop.example"})
	r.identify("b", map[string]any{"email": "b@shop.example"})
	r.say("a@shop.example", consent.Granted)
	track := func(user, name, id string, source string) {
		props, fault := event.FromJSON(map[string]any{"total": 10, "note": "secret"})
		require.Nil(t, fault)
		in := event.Input{Type: event.Track, Name: name, UserID: user, MessageID: id, Properties: props, Timestamp: time.Now().UTC()}
		in.Seal(time.Now())
		if source == "" {
			src, err := r.events.EnsureSource(r.ctx, ws, event.SourceInput{Name: "web"})
			require.NoError(t, err)
			source = src.SourceID()
		}
		_, err := r.pipeline.Ingest(r.ctx, ws, source, []event.Input{in})
		require.NoError(t, err)
	}
	track("a", "Bought", "before", "")
	special, behaviour := core.Special, core.Behaviour
	_, err := r.events.SetField(r.ctx, ws, event.FieldUpdate{Owner: "Bought", Path: "note", Category: &special})
	require.NoError(t, err)
	_, err = r.events.SetField(r.ctx, ws, event.FieldUpdate{Owner: "Bought", Path: "total", Category: &behaviour})
	require.NoError(t, err)
	c := r.connection()
	y := r.twoWay(c, func(y *sync.Sync) {
		y.Kind, y.Stream, y.Direction, y.Fields, y.Match, y.Names = sync.Events, "", sync.Push, nil, "", []string{"Bought"}
		y.Purpose, y.Channel = consent.Marketing, consent.Email
	})
	track("a", "Bought", "m1", "")
	track("a", "Looked", "m2", "")
	track("b", "Bought", "m3", "")
	track("a", "Bought", "m4", c.Source)
	run := r.run(y)
	require.Equal(t, sync.RunSucceeded, run.Status, js(run.Fault))
	require.Len(t, r.vendor.events, 1)
	e := r.vendor.events[event.ID(ws, "m1")]
	require.Equal(t, "a@shop.example", e.Identifiers["email"])
	require.Equal(t, map[string]any{"total": json.Number("10")}, e.Properties)
}

// Records of a custom type go both ways.
func TestObjects(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := r.objects.CreateType(r.ctx, ws, object.TypeInput{
		Key: "deal", Name: "Deal", Plural: "Deals",
		Fields: []object.FieldInput{{Key: "title", Label: "Title", Type: "TEXT", Category: core.None}, {Key: "stage", Label: "Stage", Type: "TEXT", Category: core.None}},
	})
	require.NoError(t, err)
	r.vendor.set("deals", "d1", map[string]any{"title": "One", "stage": "open"})
	_, err = r.objects.Upsert(r.ctx, ws, "deal", []object.Item{{ExternalID: "mine", Fields: map[string]any{"title": "Mine"}}})
	require.NoError(t, err)
	y := r.twoWay(r.connection(), func(y *sync.Sync) {
		y.Kind, y.Stream, y.Type, y.Match, y.Deletions = sync.Objects, "deals", "deal", "title", sync.DeleteDeleted
		y.Fields = []sync.Field{{Remote: "title", Local: "fields.title"}, {Remote: "stage", Local: "fields.stage"}}
	})
	require.Equal(t, sync.RunSucceeded, r.settled(y).Status, js(r.settled(y).Fault))
	stage := func(ext string) string {
		rec, err := r.objects.Get(r.ctx, ws, "deal", ext)
		require.NoError(t, err)
		if rec == nil || rec.Deleted() {
			return "gone"
		}
		s, _ := rec.Fields.Lookup("stage").StringValueOK()
		return s
	}
	require.Equal(t, "open", stage("d1"))
	id, mine := r.vendor.find("deals", "title", "Mine")
	require.NotNil(t, mine)
	require.Equal(t, 1, r.vendor.items)
	_, err = r.objects.Upsert(r.ctx, ws, "deal", []object.Item{{ExternalID: "d1", Fields: map[string]any{"stage": "won"}}})
	require.NoError(t, err)
	r.vendor.set("deals", id, map[string]any{"stage": "lost"})
	r.run(y)
	r.run(y)
	require.Equal(t, "won", r.vendor.get("deals", "d1")["stage"])
	require.Equal(t, "lost", stage("mine"))
	require.Equal(t, 2, r.vendor.items, "nothing echoes")
	r.vendor.remove("deals", id, "")
	_, err = r.objects.Delete(r.ctx, ws, "deal", []string{"d1"})
	require.NoError(t, err)
	r.run(y)
	require.Equal(t, "gone", stage("mine"))
	require.Nil(t, r.vendor.get("deals", "d1"))
}

// Secrets are sealed, never given back, and kept over an update that does not name them.
func TestConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	bad := func(config map[string]any, path ...string) {
		t.Helper()
		_, err := r.CreateConnection(r.ctx, ws, sync.ConnectionInput{Name: "x", Connector: "shop", Config: config})
		var list sync.Problems
		if errors.As(err, &list) {
			require.Equal(t, path, list[0].Path)
			return
		}
		require.Equal(t, path, core.AsError(err).Path, "%v", err)
	}
	bad(map[string]any{}, "config")
	bad(map[string]any{"url": "http://127.0.0.1", "limit": "many"}, "config", "limit")
	bad(map[string]any{"url": "http://127.0.0.1", "tokn": "x"}, "config")
	r.Service.Private = false
	for _, u := range []string{
		"https://127.0.0.1", "https://10.1.2.3", "https://169.254.169.254/latest", "https://[::1]", "https://localhost:8080", "https://2130706433", "https://[::ffff:10.0.0.1]",
		"https://metadata.google.internal", "http://shop.example", "https://user:pw@shop.example", "https://192.168.0.1.", "https://[fd00::1]", "https://0x7f.1",
		"https://168.63.129.16", "https://192.0.0.192", "https://[::127.0.0.1]", "https://[64:ff9b:1::7f00:1]", "https://[2001:0:7f00:1::]",
	} {
		bad(map[string]any{"url": u}, "config", "url")
	}
	r.Service.Private = true
	c := r.connection()
	shown, err := c.ShownConfig()
	require.NoError(t, err)
	require.Equal(t, sync.Masked, shown["token"])
	raw, err := r.store.Get(r.ctx, sync.Connections.Spec, []string{c.ID})
	require.NoError(t, err)
	require.NotContains(t, string(raw[0]), "secret-canary")

	wrong := int64(9)
	_, err = r.UpdateConnection(r.ctx, ws, sync.ConnectionUpdate{ID: c.ConnectionID(), Config: shown, Edit: sync.Edit{ExpectedVersion: &wrong}})
	require.Equal(t, "VERSION", core.AsError(err).Reason)
	shown["limit"] = 5
	c, err = r.UpdateConnection(r.ctx, ws, sync.ConnectionUpdate{ID: c.ConnectionID(), Config: shown})
	require.NoError(t, err)
	last := func() map[string]any {
		t.Helper()
		_, _, err := r.CheckConnection(r.ctx, ws, c.ConnectionID())
		require.NoError(t, err)
		var config map[string]any
		require.NoError(t, json.Unmarshal(r.vendor.dials[len(r.vendor.dials)-1].Config, &config))
		return config
	}
	require.Equal(t, map[string]any{"url": "http://127.0.0.1:1", "token": "secret-canary", "limit": 5.0}, last())
	require.NoError(t, r.vendor.dials[len(r.vendor.dials)-1].SaveSecret(r.ctx, "token", "rotated"))
	require.Equal(t, "rotated", last()["token"])
	require.Error(t, r.vendor.dials[0].SaveSecret(r.ctx, "url", "http://evil"), "not a secret")

	r.vendor.check = &sync.Fault{Kind: sync.FaultUnauthorized, Origin: sync.FromVendor, Reason: "MISSING_SCOPE", Message: "grant contacts.read"}
	_, fault, err := r.CheckConnection(r.ctx, ws, c.ConnectionID())
	require.NoError(t, err)
	require.Equal(t, "MISSING_SCOPE", fault.Reason)
	state, _, err := r.Status(r.ctx, c)
	require.NoError(t, err)
	require.Equal(t, sync.Unauthorized, state)
	r.vendor.check = nil

	// OAuth: the state is good once, and what came back is sealed.
	address, err := r.Authorize(r.ctx, ws, c.ConnectionID(), "/done")
	require.NoError(t, err)
	u, err := url.Parse(address)
	require.NoError(t, err)
	require.NotEmpty(t, u.Query().Get("code_challenge"))
	_, err = r.Authorize(r.ctx, ws, c.ConnectionID(), "https://evil.example/")
	require.Equal(t, "RETURN_URL", core.AsError(err).Reason)
	_, err = r.Callback(r.ctx, u.Query().Get("state")+"x", "good", "")
	require.Equal(t, "AUTHORIZATION", core.AsError(err).Reason)
	to, err := r.Callback(r.ctx, u.Query().Get("state"), "good", "")
	require.NoError(t, err)
	require.Equal(t, "/done", to)
	require.Equal(t, "from-oauth", last()["token"])
	_, err = r.Callback(r.ctx, u.Query().Get("state"), "good", "")
	require.Equal(t, "AUTHORIZATION", core.AsError(err).Reason)

	y := r.twoWay(c)
	require.NoError(t, r.DeleteConnection(r.ctx, ws, c.ConnectionID(), sync.Edit{}))
	gone, err := r.Sync(r.ctx, ws, y.SyncID())
	require.NoError(t, err)
	require.Nil(t, gone)
	require.Contains(t, r.vendor.dropped, c.ID)
	_, err = r.Receive(r.ctx, c.Webhook, sync.Webhook{})
	require.Equal(t, core.NotFound, core.CodeOf(err))
}

// Expressions have bounds, and say where they are wrong.
func TestFieldMap(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connection()
	for _, e := range []string{"map([1,2], #)", "1..1000000000", "while(true)", "value +", "filter(remote, true)", "now()", strings.Repeat("value+", 300) + "value", `repeat("a", 1000000)`} {
		_, err := r.CreateSync(r.ctx, ws, sync.SyncInput{Sync: sync.Sync{
			Connection: c.ConnectionID(), Name: "x", Kind: sync.Profiles, Stream: "contacts", Direction: sync.Pull,
			Fields: []sync.Field{{Remote: "email", Local: "traits.email"}, {Remote: "x", Local: "traits.x", ToLocal: e}},
		}})
		var list sync.Problems
		require.ErrorAs(t, err, &list, e)
		require.Equal(t, []string{"fieldMap", "1", "toLocal"}, list[0].Path, e)
	}
	r.vendor.set("contacts", "a", map[string]any{"email": "a@shop.example", "first": " Ann ", "last": "Lee", "birthday": "1990-02-03T00:00:00Z"})
	rows, err := r.Preview(r.ctx, ws, &sync.Sync{
		Connection: c.ConnectionID(), Kind: sync.Profiles, Stream: "contacts", Direction: sync.Pull,
		Fields: []sync.Field{
			{Remote: "email", Local: "traits.email"}, {Remote: "first", Local: "traits.name", ToLocal: `trim(value) + " " + remote.last`},
			{Remote: "birthday", Local: "traits.born", ToLocal: "date(value)"}, {Remote: "missing", Local: "traits.missing", ToLocal: "upper(value)"},
		},
	}, 5)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Equal(t, sync.Created, rows[0].Action)
	require.Equal(t, map[string]any{"traits.email": "a@shop.example", "traits.name": "Ann Lee", "traits.born": "1990-02-03"}, rows[0].To)
	require.Nil(t, r.person("email", "a@shop.example"), "nothing is written")
}

package sync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
)

// lying gives the pages in turn, however often it is asked.
func lying(pages ...sync.Page) func(context.Context, sync.PullRequest, func(sync.Page) error) error {
	return func(_ context.Context, _ sync.PullRequest, emit func(sync.Page) error) error {
		for _, p := range pages {
			if err := emit(p); err != nil {
				return err
			}
		}
		return nil
	}
}

func pulling(y *sync.Sync) { y.Direction = sync.Pull }

// A pull that never comes to an end and never gets anywhere is ended, and says so.
func TestAPullThatGoesNowhere(t *testing.T) {
	t.Parallel()
	same := sync.Page{Records: []sync.Record{{ID: "1", Fields: map[string]any{"email": "a@shop.example"}}}, Cursor: []byte("c")}
	for name, page := range map[string]sync.Page{"empty": {}, "an empty one with a cursor": {Cursor: []byte("c")}, "the same": same} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.vendor.pull = func(ctx context.Context, _ sync.PullRequest, emit func(sync.Page) error) error {
				for ctx.Err() == nil {
					if err := emit(page); err != nil {
						return err
					}
				}
				return ctx.Err()
			}
			run := r.settled(r.twoWay(r.connection(), pulling))
			require.Equal(t, sync.RunFailed, run.Status)
			require.Equal(t, "NO_PROGRESS", run.Fault.Reason)
			require.Equal(t, sync.FromConnector, run.Fault.Origin)
		})
	}
}

// What is of no sensible size is refused where it is, and the rest goes on.
func TestGiganticAnswers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	big := strings.Repeat("x", 3<<20)
	good := sync.Record{ID: "ok", Fields: map[string]any{"email": "ok@shop.example", "name": "Ok"}}
	r.vendor.pull = lying(sync.Page{Cursor: []byte("1"), Records: []sync.Record{
		{ID: big, Fields: map[string]any{"email": "a@shop.example"}},
		{ID: "gone", Deleted: true, Merged: big},
		{ID: "wide", Fields: map[string]any{"email": "b@shop.example", "name": big}},
		{ID: "number", Fields: map[string]any{"email": "c@shop.example", "city": json.Number("1e999999999")}},
		{ID: "deep", Fields: map[string]any{"email": "d@shop.example", "city": deep(500)}},
		good,
	}})
	y := r.twoWay(r.connection(), pulling)
	run := r.settled(y)
	require.Equal(t, sync.RunSucceeded, run.Status, js(run.Fault))
	require.Equal(t, `"Ok"`, r.trait(r.person("email", "ok@shop.example"), "name"))
	require.EqualValues(t, 6, run.Read)
	require.GreaterOrEqual(t, run.Failed, int64(4))
	page, err := r.ListDeadLetters(r.ctx, ws, y.SyncID(), core.Window{Limit: 10})
	require.NoError(t, err)
	for _, d := range page.Items {
		require.Less(t, len(d.Payload)+len(d.Remote)+len(d.Fault.Message), 1<<20, d.Fault.Reason)
	}

	// The cursor is one too.
	r.vendor.pull = lying(sync.Page{Records: []sync.Record{good}, Cursor: bytes.Repeat([]byte("c"), 1<<20)})
	run = r.run(y)
	require.Equal(t, sync.RunFailed, run.Status)
	require.Equal(t, "CURSOR_TOO_LARGE", run.Fault.Reason)
	st, err := sync.States.Get(r.ctx, r.store, y.ID)
	require.NoError(t, err)
	require.Equal(t, "1", string(st.Cursor))
}

func deep(n int) any {
	var v any = "bottom"
	for range n {
		v = map[string]any{"a": v}
	}
	return v
}

// A clock that is wrong by millennia changes nothing but its own record.
func TestTimesBeyondReason(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	never := time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	later := time.Date(292000, 1, 1, 0, 0, 0, 0, time.UTC)
	r.vendor.pull = lying(sync.Page{Cursor: []byte("1"), Records: []sync.Record{
		{ID: "1", Fields: map[string]any{"email": "a@shop.example", "size": "wide"}, UpdatedAt: later},
		{ID: "2", Fields: map[string]any{"email": "b@shop.example", "size": "1"}, UpdatedAt: never},
	}, Events: []sync.Event{
		{Key: "e", Name: "Deal Won", At: later, Identifiers: map[string]string{"email": "b@shop.example"}},
	}})
	y := r.twoWay(r.connection(), func(y *sync.Sync) {
		y.Direction = sync.Pull
		y.Fields = []sync.Field{{Remote: "email", Local: "traits.email"}, {Remote: "size", Local: "traits.size", ToLocal: "number(value)"}}
	})
	run := r.settled(y)
	require.Equal(t, sync.RunSucceeded, run.Status, js(run.Fault))
	require.EqualValues(t, 1, run.Failed)
	p := r.person("email", "b@shop.example")
	require.Equal(t, "1", r.trait(p, "size"))
	require.False(t, p.LastSeenAt.After(time.Now().Add(time.Minute)), "%v", p.LastSeenAt)

	// A vendor that says it wrote in the year 9999 is heard again all the same.
	z := newRig(t)
	z.identify("a", map[string]any{"email": "a@shop.example", "name": "Ann"})
	z.vendor.upsert = func(b sync.Batch) ([]sync.Result, error) {
		out := make([]sync.Result, len(b.Items))
		for i, it := range b.Items {
			out[i] = z.vendor.write(b.Stream, it)
			out[i].UpdatedAt = never
		}
		return out, nil
	}
	both := z.twoWay(z.connection())
	id, _ := z.vendor.find("contacts", "email", "a@shop.example")
	require.NotEmpty(t, id)
	z.vendor.set("contacts", id, map[string]any{"name": "Anna"})
	z.run(both)
	require.Equal(t, `"Anna"`, z.trait(z.person("user_id", "a"), "name"))
}

// Two people here whom the vendor knows as one: the one who came first is that record, the
// other one is a dead letter that says so, and the sync goes on.
func TestTwoPeopleOneRecord(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.identify("a", map[string]any{"email": "a@shop.example", "name": "Miller"})
	r.identify("b", map[string]any{"email": "b@shop.example", "name": "Miller"})
	r.identify("c", map[string]any{"email": "c@shop.example", "name": "Meyer"})
	y := r.twoWay(r.connection(), func(y *sync.Sync) { y.Direction, y.Match = sync.Push, "name" })
	run := r.settled(y)
	require.Equal(t, sync.RunSucceeded, run.Status, js(run.Fault))
	require.Equal(t, 2, r.vendor.count("contacts"))
	page, err := r.ListDeadLetters(r.ctx, ws, y.SyncID(), core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	require.Equal(t, "SAME_RECORD", page.Items[0].Fault.Reason)
	run = r.run(y)
	require.Equal(t, sync.RunSucceeded, run.Status, js(run.Fault))

	// One who comes later meets the same.
	r.identify("d", map[string]any{"email": "d@shop.example", "name": "Meyer"})
	run = r.run(y)
	require.Equal(t, sync.RunSucceeded, run.Status, js(run.Fault))
	n, err := r.CountDeadLetters(r.ctx, ws, y.SyncID())
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
}

// A credential that fails for every item is the connection's state, and no heap of dead letters.
func TestEveryItemUnauthorized(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 5 {
		r.identify(fmt.Sprint("u", i), map[string]any{"email": fmt.Sprintf("u%d@shop.example", i)})
	}
	r.vendor.upsert = func(b sync.Batch) ([]sync.Result, error) {
		out := make([]sync.Result, len(b.Items))
		for i := range out {
			out[i].Fault = &sync.Fault{Kind: sync.FaultUnauthorized, Origin: sync.FromVendor, Message: "log in again"}
		}
		return out, nil
	}
	c := r.connection()
	y := r.twoWay(c, func(y *sync.Sync) { y.Direction = sync.Push })
	require.Equal(t, sync.RunFailed, r.settled(y).Status)
	state, _, err := r.Status(r.ctx, c)
	require.NoError(t, err)
	require.Equal(t, sync.Unauthorized, state)
	n, err := r.CountDeadLetters(r.ctx, ws, y.SyncID())
	require.NoError(t, err)
	require.Zero(t, n)
}

// Nobody parks a connection, or an erasure, for longer than somebody would wait.
func TestParkedForEver(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.vendor.pull = func(context.Context, sync.PullRequest, func(sync.Page) error) error {
		return &sync.Fault{Kind: sync.FaultQuota, Origin: sync.FromVendor, Until: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	}
	c := r.connection()
	y := r.twoWay(c, pulling)
	require.Equal(t, sync.RunFailed, r.settled(y).Status)
	_, h, err := r.Status(r.ctx, c)
	require.NoError(t, err)
	require.Less(t, time.Until(h.Until), 32*24*time.Hour)

	r.vendor.erasing, r.vendor.retry = 1, 200*365*24*time.Hour
	e, err := r.Erase(r.ctx, ws, c.ConnectionID(), "k", nil, []event.Identifier{{Namespace: "email", Value: "a@shop.example"}})
	require.NoError(t, err)
	require.False(t, e.Done)
	require.LessOrEqual(t, e.After, 24*time.Hour)
}

// Pausing, or changing, a sync is heard by the run that is under way.
func TestPausedInTheMiddle(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	n, first, paused := 0, make(chan struct{}), make(chan struct{})
	r.vendor.pull = func(ctx context.Context, from sync.PullRequest, emit func(sync.Page) error) error {
		for ctx.Err() == nil {
			n++
			err := emit(sync.Page{Cursor: fmt.Append(nil, n), Records: []sync.Record{{ID: fmt.Sprint(n), Fields: map[string]any{"email": fmt.Sprintf("n%d@shop.example", n)}}}})
			if err != nil {
				return err
			}
			if n == 1 {
				close(first)
				<-paused
			}
		}
		return ctx.Err()
	}
	y, err := r.CreateSync(r.ctx, ws, sync.SyncInput{Sync: sync.Sync{
		Connection: r.connection().ConnectionID(), Name: "contacts", Kind: sync.Profiles, Stream: "contacts", Direction: sync.Pull, Every: time.Hour,
		Purpose: "operations", Fields: []sync.Field{{Remote: "email", Local: "traits.email"}},
	}})
	require.NoError(t, err)
	<-first
	_, err = r.PauseSync(r.ctx, ws, y.SyncID(), true, sync.Edit{})
	require.NoError(t, err)
	close(paused)
	require.Eventually(t, func() bool {
		task, err := work.Find(r.ctx, r.store, ws, "sync.run", y.SyncID())
		return err == nil && task != nil && task.LeaseUntil.IsZero() && task.DueAt.After(time.Now())
	}, 5*time.Second, 10*time.Millisecond)
	require.LessOrEqual(t, n, 3)
}

// What a webhook brought while the connection was paused, even for days, is carried out after.
func TestWebhooksOfAPausedConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connection()
	late := time.Date(292000, 1, 1, 0, 0, 0, 0, time.UTC)
	r.vendor.receive = func(h sync.Webhook) (sync.Received, error) {
		e := sync.Event{Key: string(h.Body[:1]), Name: "Deal Won", Identifiers: map[string]string{"email": "w@shop.example"}}
		switch string(h.Body) {
		case "2 late":
			e.At = late
		case "3 large":
			e.Properties = map[string]any{"x": strings.Repeat("x", 12<<20)}
		}
		return sync.Received{Events: []sync.Event{e}}, nil
	}
	_, err := r.PauseConnection(r.ctx, ws, c.ConnectionID(), true, sync.Edit{})
	require.NoError(t, err)
	send := func(body string) error {
		_, err := r.Receive(r.ctx, c.Webhook, sync.Webhook{Method: "POST", URL: "/", Header: http.Header{}, Body: []byte(body)})
		return err
	}
	require.NoError(t, send("1 waits"))
	require.NoError(t, send("2 late"))
	require.Equal(t, core.Invalid, core.CodeOf(send("3 large")))
	hooks, err := sync.Hooks.Find(r.ctx, r.store, store.Query{Workspace: ws}, 0)
	require.NoError(t, err)
	require.Len(t, hooks, 2)
	for _, h := range hooks { // two days ago
		h.At = h.At.Add(-48 * time.Hour)
		require.NoError(t, work.Commit(r.ctx, r.store, sync.Hooks.Replace(h)))
	}
	r.soon("sync.tidy", "daily")
	require.Nil(t, r.person("email", "w@shop.example"))
	_, err = r.PauseConnection(r.ctx, ws, c.ConnectionID(), false, sync.Edit{})
	require.NoError(t, err)
	for _, h := range hooks { // they look once a minute whether it is over
		task, err := work.Find(r.ctx, r.store, ws, "sync.hook", store.Rest(h.ID))
		require.NoError(t, err)
		require.NoError(t, work.Commit(r.ctx, r.store, work.Move(task, time.Now())))
	}
	r.runner.Wake()
	require.Eventually(t, func() bool {
		p := r.person("email", "w@shop.example")
		return p != nil && p.Events == 2
	}, 5*time.Second, 10*time.Millisecond)
	require.False(t, r.person("email", "w@shop.example").LastSeenAt.After(time.Now().Add(time.Minute)))
	r.soon("sync.tidy", "daily")
	require.Eventually(t, func() bool {
		n, err := sync.Hooks.Count(r.ctx, r.store, store.Query{Workspace: ws})
		return err == nil && n == 0
	}, 5*time.Second, 10*time.Millisecond)
}

// soon makes a task that waits run now, and waits until it has.
func (r *rig) soon(kind, name string) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		task, err := work.Find(r.ctx, r.store, ws, kind, name)
		return err == nil && task != nil && task.LeaseUntil.IsZero() && work.Commit(r.ctx, r.store, work.Move(task, time.Now())) == nil
	}, 5*time.Second, 10*time.Millisecond)
	r.runner.Wake()
	require.Eventually(r.t, func() bool {
		task, err := work.Find(r.ctx, r.store, ws, kind, name)
		return err == nil && task != nil && task.LeaseUntil.IsZero() && task.DueAt.After(time.Now())
	}, 5*time.Second, 10*time.Millisecond)
}

// People are sent to an address of the web, and nowhere else.
func TestWhereToAuthorize(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connection()
	_, err := r.UpdateConnection(r.ctx, ws, sync.ConnectionUpdate{ID: c.ConnectionID(), Config: map[string]any{"url": "https://93.184.215.14", "token": "x"}})
	require.NoError(t, err)
	r.Service.Private = false
	_, err = r.Authorize(r.ctx, ws, c.ConnectionID(), "")
	require.NoError(t, err)
	for _, address := range []string{"javascript:alert(1)//", "http://login.shop.example/?x=", "//login.shop.example/?x=", "https://user:pw@login.shop.example/?x=", "data:text/html,", "https:///?x="} {
		r.vendor.address = address
		_, err := r.Authorize(r.ctx, ws, c.ConnectionID(), "")
		require.Error(t, err, address)
	}
}

// Whoever may change where a connection leads does not get the secrets that were given to another.
func TestSecretsStayWithTheirAddress(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connection()
	update := func(config map[string]any) error {
		_, err := r.UpdateConnection(r.ctx, ws, sync.ConnectionUpdate{ID: c.ConnectionID(), Config: config})
		return err
	}
	require.Equal(t, "SECRETS_NEEDED", core.AsError(update(map[string]any{"url": "http://127.0.0.2:1"})).Reason)
	require.Equal(t, "SECRETS_NEEDED", core.AsError(update(map[string]any{"url": "http://127.0.0.2:1", "token": sync.Masked})).Reason)
	require.NoError(t, update(map[string]any{"url": "http://127.0.0.1:1/v2", "token": sync.Masked}), "the same host")
	require.NoError(t, update(map[string]any{"url": "http://127.0.0.2:1", "token": "another"}))
	require.NoError(t, update(map[string]any{"url": "http://127.0.0.3:1", "token": nil}), "taken away")
}

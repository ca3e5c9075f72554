package graph_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/graph"
)

const changedQuery = `subscription($id:ID!, $after:Cursor) { profileChanged(id:$id, after:$after) {
	cursor cause at paths profile { id cursor traits eventCount } } }`

func identify(user string, traits map[string]any) map[string]any {
	return map[string]any{"type": "IDENTIFY", "userId": user, "traits": traits}
}

func TestProfileChangedTellsEveryChange(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(identify("u1", map[string]any{"email": "a@b.example"}))[0]
	c := w.connect(t, w.admin)
	c.subscribe("1", changedQuery, map[string]any{"id": id})
	first := dig(c.next("1"), "profileChanged")
	require.Equal(t, id, dig(first, "profile", "id"))
	require.Equal(t, dig(first, "cursor"), dig(first, "profile", "cursor"))

	w.ingest(identify("u1", map[string]any{"plan": "pro"}))
	second := dig(c.next("1"), "profileChanged")
	require.Equal(t, "EVENT", dig(second, "cause"))
	require.ElementsMatch(t, []any{"events", "traits.plan"}, dig(second, "paths"))
	require.Equal(t, "pro", dig(second, "profile", "traits", "plan"))
}

// TestProfileChangedResumesWithoutAGap begins from every cursor that a client can
// have and expects what came after it, once.
func TestProfileChangedResumesWithoutAGap(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(identify("u1", map[string]any{"n": 0}))[0]
	cursor := func() string {
		return dig(w.ask(`query($id:ID!){profile(id:$id){cursor}}`, map[string]any{"id": id}), "profile", "cursor").(string)
	}
	before := cursor()
	w.ingest(identify("u1", map[string]any{"a": 1}))
	w.ingest(identify("u1", map[string]any{"b": 1}))
	after := cursor()

	c := w.connect(t, w.admin)
	c.subscribe("1", changedQuery, map[string]any{"id": id, "after": before})
	got := dig(c.next("1"), "profileChanged")
	require.ElementsMatch(t, []any{"events", "traits.a", "traits.b"}, dig(got, "paths"))

	// The state is known: nothing comes until something changes.
	c.subscribe("2", changedQuery, map[string]any{"id": id, "after": after})
	c.subscribe("3", changedQuery, map[string]any{"id": id, "after": dig(got, "cursor")})
	time.Sleep(200 * time.Millisecond)
	w.ingest(identify("u1", map[string]any{"c": 1}))
	seen := map[string]bool{}
	for range 3 {
		f := c.hear()
		require.Equal(t, "next", f.Type)
		require.Contains(t, string(f.Payload), "traits.c")
		require.NotContains(t, string(f.Payload), `"traits.a"`)
		require.False(t, seen[f.ID], "told twice")
		seen[f.ID] = true
	}
}

// TestCursorsCostNoRoundTrip takes places in the stream from the hub, which knows
// them once it has heard from the store.
func TestCursorsCostNoRoundTrip(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(identify("u1", nil))[0]
	asked := func() int {
		w.ask(`query($id:ID!){profile(id:$id){cursor}}`, map[string]any{"id": id})
		w.db.mu.Lock()
		defer w.db.mu.Unlock()
		return w.db.nows
	}
	require.Eventually(t, func() bool { before := asked(); return asked() == before }, 5*time.Second, 10*time.Millisecond)
	before := asked()
	c := w.connect(t, w.admin)
	c.subscribe("1", `subscription($id:ID!){profileChanged(id:$id){profile{events(first:1){edges{node{profile{cursor}}}}}}}`, map[string]any{"id": id})
	inside := dig(c.next("1"), "profileChanged", "profile", "events", "edges", 0, "node", "profile", "cursor")
	require.Equal(t, before, asked())
	// A cursor from inside a change is one to go on from as well.
	c = w.connect(t, w.admin)
	c.subscribe("2", changedQuery, map[string]any{"id": id, "after": inside})
	w.ingest(identify("u1", map[string]any{"plan": "pro"}))
	require.Contains(t, dig(c.next("2"), "profileChanged", "paths"), "traits.plan")
}

func TestProfileChangedFollowsAMerge(t *testing.T) {
	w := newWorld(t)
	ids := w.ingest(identify("u1", nil), identify("u2", nil))
	c := w.connect(t, w.admin)
	for i, id := range ids {
		c.subscribe(fmt.Sprint(i), changedQuery, map[string]any{"id": id})
		c.next(fmt.Sprint(i))
	}
	merged := w.ask(`mutation($w:ID!,$l:ID!){mergeProfiles(input:{winnerId:$w,loserId:$l,reason:"same person"}){merge{id} profile{id} userErrors{reason}}}`, map[string]any{"w": ids[0], "l": ids[1]})
	both := func(cause string) map[string]any {
		t.Helper()
		out := map[string]any{}
		for range 2 {
			f := c.hear()
			var p struct{ Data map[string]any }
			require.NoError(t, json.Unmarshal(f.Payload, &p))
			ch := dig(p.Data, "profileChanged")
			require.Equal(t, cause, dig(ch, "cause"), string(f.Payload))
			out[f.ID] = dig(ch, "profile", "id")
		}
		return out
	}
	require.Equal(t, map[string]any{"0": ids[0], "1": ids[0]}, both("MERGE"))

	// Whoever asked for the loser hears of the winner from now on.
	w.ingest(identify("u1", map[string]any{"x": 1}))
	require.Equal(t, map[string]any{"0": ids[0], "1": ids[0]}, both("EVENT"))

	w.ask(`mutation($m:ID!){unmergeProfiles(input:{mergeId:$m}){profiles{id} userErrors{reason}}}`, map[string]any{"m": dig(merged, "mergeProfiles", "merge", "id")})
	require.Equal(t, map[string]any{"0": ids[0], "1": ids[1]}, both("MERGE"))
	w.ingest(identify("u2", map[string]any{"y": 1}))
	f := c.hear()
	require.Equal(t, "1", f.ID)
	require.Contains(t, string(f.Payload), "traits.y")
}

// TestBurstIsToldOnce writes much while a client does not read.
func TestBurstIsToldOnce(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(identify("u1", nil))[0]
	c := w.connect(t, w.admin)
	c.subscribe("1", changedQuery, map[string]any{"id": id})
	c.next("1")
	w.db.take()
	const burst = 60
	for i := range burst {
		w.ingest(identify("u1", map[string]any{fmt.Sprint("t", i): i}))
	}
	told := map[string]bool{}
	answers := 0
	for !told[fmt.Sprint("traits.t", burst-1)] {
		answers++
		for _, p := range dig(c.next("1"), "profileChanged", "paths").([]any) {
			told[p.(string)] = true
		}
	}
	for i := range burst {
		require.True(t, told[fmt.Sprint("traits.t", i)], i)
	}
	require.LessOrEqual(t, answers, burst)
}

func TestCursorMisuse(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(identify("u1", nil))[0]
	c := w.connect(t, w.admin)
	for i, bad := range []string{"nonsense", "", "!!!", "AAAA"} {
		c.subscribe(fmt.Sprint(i), changedQuery, map[string]any{"id": id, "after": bad})
		f := c.hear()
		require.Equal(t, "error", f.Type)
		require.Contains(t, string(f.Payload), "BAD_CURSOR")
	}
	c.subscribe("x", changedQuery, map[string]any{"id": "prof_nobody"})
	f := c.hear()
	require.Equal(t, "error", f.Type)
	require.Contains(t, string(f.Payload), `"NOT_FOUND"`)
	require.Equal(t, "INVALID BAD_CURSOR", w.as(w.admin, `{profiles(first:1, after:"nonsense"){edges{node{id}}}}`, nil).code())
}

// expired is a store whose watch knows no old tokens any more.
type expired struct{ store.Watcher }

func (e expired) Watch(context.Context, store.Token, ...*store.Spec) (store.Stream, error) {
	return nil, store.ErrTokenExpired
}

func TestOldCursorIsExpired(t *testing.T) {
	var hub *store.Hub
	w := newWorld(t, func(o *graph.Options) {
		hub = store.NewHub(context.Background(), expired{o.Store})
		o.Hub = hub
	})
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	id := w.ingest(identify("u1", nil))[0]
	cursor := dig(w.ask(`query($id:ID!){profile(id:$id){cursor}}`, map[string]any{"id": id}), "profile", "cursor")
	c := w.connect(t, w.admin)
	c.subscribe("1", changedQuery, map[string]any{"id": id, "after": cursor})
	f := c.hear()
	require.Equal(t, "error", f.Type)
	require.Contains(t, string(f.Payload), `"code":"CURSOR_EXPIRED"`)
}

func TestJobChanged(t *testing.T) {
	w := newWorld(t)
	w.ingest(identify("u1", nil))
	d := w.ask(`mutation { rebuildProfiles(input: {dryRun: true}) { job { id kind status } userErrors { reason } } }`, nil)
	c := w.connect(t, w.admin)
	c.subscribe("1", `subscription($id:ID!){jobChanged(id:$id){id status done total result}}`, map[string]any{"id": dig(d, "rebuildProfiles", "job", "id")})
	var last any
	for {
		f := c.hear()
		if f.Type == "complete" {
			break
		}
		var p struct{ Data map[string]any }
		require.NoError(t, json.Unmarshal(f.Payload, &p))
		last = dig(p.Data, "jobChanged")
	}
	require.Equal(t, "SUCCEEDED", dig(last, "status"))
	require.EqualValues(t, 0, dig(last, "result", "differences"))
	c.subscribe("2", `subscription{jobChanged(id:"job_unknown"){id}}`, nil)
	require.Equal(t, "error", c.hear().Type)
}

// events reads a stream of server-sent events.
type eventStream struct {
	t *testing.T
	*bufio.Scanner
}

func (e eventStream) next() (name, data string) {
	e.t.Helper()
	for e.Scan() {
		line := e.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			name = line[7:]
		case strings.HasPrefix(line, "data:"):
			return name, strings.TrimPrefix(line[5:], " ")
		}
	}
	require.NoError(e.t, e.Err())
	return "", ""
}

func (w *world) stream(t *testing.T, key, query string, vars map[string]any) (eventStream, *http.Response) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	body, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.http.URL+"/graphql", bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := w.http.Client().Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { cancel(); _ = resp.Body.Close() })
	return eventStream{t, bufio.NewScanner(resp.Body)}, resp
}

func TestServerSentEvents(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(identify("u1", nil))[0]
	e, resp := w.stream(t, w.analyst, changedQuery, map[string]any{"id": id})
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "text/event-stream; charset=utf-8", resp.Header.Get("Content-Type"))
	name, data := e.next()
	require.Equal(t, "next", name)
	require.Contains(t, data, id)
	w.ingest(identify("u1", map[string]any{"plan": "pro"}))
	_, data = e.next()
	require.Contains(t, data, "traits.plan")

	// A query comes as a stream of one.
	e, _ = w.stream(t, w.analyst, `{viewer{workspaceId}}`, nil)
	name, data = e.next()
	require.Equal(t, "next", name)
	require.Contains(t, data, w.ws)
	name, _ = e.next()
	require.Equal(t, "complete", name)

	// What cannot begin is a plain answer or an error event.
	_, resp = w.stream(t, "hw_nobody", changedQuery, map[string]any{"id": id})
	require.Equal(t, 401, resp.StatusCode)
	e, _ = w.stream(t, w.analyst, changedQuery, map[string]any{"id": id, "after": "x"})
	_, data = e.next()
	require.Contains(t, data, "BAD_CURSOR")
}

func TestRevokedKeyEndsItsEvents(t *testing.T) {
	w := newWorld(t)
	made := w.ask(`mutation { createKey(input: {name: "short", roles: ["analyst"]}) { key { id } secret } }`, nil)
	id := w.ingest(identify("u1", nil))[0]
	e, _ := w.stream(t, dig(made, "createKey", "secret").(string), changedQuery, map[string]any{"id": id})
	e.next()
	w.ask(`mutation($id:ID!) { revokeKey(input: {id: $id}) { key { id } } }`, map[string]any{"id": dig(made, "createKey", "key", "id")})
	name, data := e.next()
	require.Equal(t, "next", name)
	require.Contains(t, data, "KEY_REVOKED")
	name, _ = e.next()
	require.Equal(t, "complete", name)
}

package graph_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/graph"
	"github.com/headwater-cdp/headwater/graph/limit"
)

// wire is a client of graphql-transport-ws.
type wire struct {
	t *testing.T
	*websocket.Conn
}

type frame struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

func (w *world) dial(t *testing.T, protocol string, headers http.Header) (*wire, *http.Response, error) {
	t.Helper()
	d := websocket.Dialer{Subprotocols: []string{protocol}, HandshakeTimeout: 5 * time.Second}
	c, resp, err := d.Dial(strings.Replace(w.http.URL, "http", "ws", 1)+"/graphql", headers)
	if err != nil {
		return nil, resp, err
	}
	t.Cleanup(func() { _ = c.Close() })
	return &wire{t, c}, resp, nil
}

// connect opens a socket that was acknowledged.
func (w *world) connect(t *testing.T, key string) *wire {
	t.Helper()
	return w.connectFor(t, key, "")
}

func (w *world) connectFor(t *testing.T, key, purpose string) *wire {
	t.Helper()
	c, _, err := w.dial(t, "graphql-transport-ws", nil)
	require.NoError(t, err)
	c.say(frame{Type: "connection_init", Payload: json.RawMessage(`{"authorization":"Bearer ` + key + `","purpose":"` + purpose + `"}`)})
	require.Equal(t, "connection_ack", c.hear().Type)
	return c
}

func (c *wire) say(f frame) {
	c.t.Helper()
	require.NoError(c.t, c.WriteJSON(f))
}

func (c *wire) hear() frame {
	c.t.Helper()
	require.NoError(c.t, c.SetReadDeadline(time.Now().Add(10*time.Second)))
	var f frame
	require.NoError(c.t, c.ReadJSON(&f))
	return f
}

// closed reads until the server closes and returns the code.
func (c *wire) closed() int {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	for {
		_, _, err := c.ReadMessage()
		if err == nil {
			continue
		}
		var ce *websocket.CloseError
		require.ErrorAs(c.t, err, &ce)
		return ce.Code
	}
}

func (c *wire) subscribe(id, query string, vars map[string]any) {
	c.t.Helper()
	p, err := json.Marshal(map[string]any{"query": query, "variables": vars})
	require.NoError(c.t, err)
	c.say(frame{ID: id, Type: "subscribe", Payload: p})
}

// next returns the data of the next answer to a subscription.
func (c *wire) next(id string) map[string]any {
	c.t.Helper()
	f := c.hear()
	require.Equal(c.t, "next", f.Type, string(f.Payload))
	require.Equal(c.t, id, f.ID)
	var p struct {
		Data   map[string]any
		Errors []any
	}
	require.NoError(c.t, json.Unmarshal(f.Payload, &p))
	require.Empty(c.t, p.Errors)
	return p.Data
}

func TestSocketProtocol(t *testing.T) {
	w := newWorld(t)
	open := func() *wire {
		c, _, err := w.dial(t, "graphql-transport-ws", nil)
		require.NoError(t, err)
		return c
	}
	c, _, err := w.dial(t, "graphql-ws", nil)
	require.NoError(t, err)
	require.Equal(t, 4406, c.closed())

	c = open()
	c.say(frame{ID: "1", Type: "subscribe", Payload: json.RawMessage(`{"query":"{__typename}"}`)})
	require.Equal(t, 4401, c.closed())

	c = open()
	c.say(frame{Type: "connection_init"})
	require.Equal(t, 4403, c.closed())
	c = open()
	c.say(frame{Type: "connection_init", Payload: json.RawMessage(`{"authorization":"Bearer hw_nobody"}`)})
	require.Equal(t, 4403, c.closed())
	c = open()
	require.NoError(t, c.WriteMessage(websocket.TextMessage, []byte("nonsense")))
	require.Equal(t, 4400, c.closed())

	c = w.connect(t, w.admin)
	c.say(frame{Type: "connection_init"})
	require.Equal(t, 4429, c.closed())
	c = w.connect(t, w.admin)
	c.say(frame{Type: "what"})
	require.Equal(t, 4400, c.closed())
	c = w.connect(t, w.admin)
	require.NoError(t, c.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"ping"}`)))
	require.Equal(t, 4400, c.closed())

	c = w.connect(t, w.admin)
	c.say(frame{Type: "ping", Payload: json.RawMessage(`{"a":1}`)})
	pong := c.hear()
	require.Equal(t, "pong", pong.Type)
	require.JSONEq(t, `{"a":1}`, string(pong.Payload))

	// Queries and mutations work as well.
	c.subscribe("q", `{viewer{workspaceId}}`, nil)
	require.Equal(t, w.ws, dig(c.next("q"), "viewer", "workspaceId"))
	require.Equal(t, "complete", c.hear().Type)
	c.subscribe("bad", `{nothing}`, nil)
	f := c.hear()
	require.Equal(t, "error", f.Type)
	require.Contains(t, string(f.Payload), "GRAPHQL_VALIDATION_FAILED")
}

func TestSocketLimits(t *testing.T) {
	l := limit.Default()
	l.Streams = 2
	w := newWorld(t, func(o *graph.Options) { o.Limits = l })
	id := w.ingest(map[string]any{"type": "IDENTIFY", "userId": "u1"})[0]
	c := w.connect(t, w.admin)
	q := `subscription($id:ID!){profileChanged(id:$id){cursor}}`
	for _, sub := range []string{"1", "2"} {
		c.subscribe(sub, q, map[string]any{"id": id})
		c.next(sub)
	}
	c.subscribe("3", q, map[string]any{"id": id})
	f := c.hear()
	require.Equal(t, "error", f.Type)
	require.Contains(t, string(f.Payload), "TOO_MANY_STREAMS")
	c.say(frame{ID: "1", Type: "complete"})
	require.Eventually(t, func() bool {
		c.subscribe("4", q, map[string]any{"id": id})
		return c.hear().Type == "next"
	}, 5*time.Second, 20*time.Millisecond)
	c.subscribe("2", q, map[string]any{"id": id})
	require.Equal(t, 4409, c.closed())
}

func TestSocketOrigins(t *testing.T) {
	w := newWorld(t, func(o *graph.Options) { o.Origins = []string{"https://app.example"} })
	_, resp, err := w.dial(t, "graphql-transport-ws", http.Header{"Origin": {"https://evil.example"}})
	require.Error(t, err)
	require.Equal(t, 403, resp.StatusCode)
	for _, origin := range []string{"https://app.example", w.http.URL} {
		_, _, err = w.dial(t, "graphql-transport-ws", http.Header{"Origin": {origin}})
		require.NoError(t, err)
	}
}

func TestRevokedKeyClosesItsSocket(t *testing.T) {
	w := newWorld(t)
	made := w.ask(`mutation { createKey(input: {name: "short", roles: ["analyst"]}) { key { id prefix } secret } }`, nil)
	secret := dig(made, "createKey", "secret").(string)
	require.True(t, strings.HasPrefix(secret, dig(made, "createKey", "key", "prefix").(string)))
	profile := w.ingest(map[string]any{"type": "IDENTIFY", "userId": "u1"})[0]
	mine, other := w.connect(t, secret), w.connect(t, w.analyst)
	for _, c := range []*wire{mine, other} {
		c.subscribe("1", `subscription($id:ID!){profileChanged(id:$id){cursor}}`, map[string]any{"id": profile})
		c.next("1")
	}
	d := w.ask(`mutation($id:ID!) { revokeKey(input: {id: $id}) { key { revokedAt } userErrors { reason } } }`, map[string]any{"id": dig(made, "createKey", "key", "id")})
	require.NotNil(t, dig(d, "revokeKey", "key", "revokedAt"))
	require.Equal(t, 4403, mine.closed())
	require.Equal(t, "UNAUTHENTICATED KEY_REVOKED", w.as(secret, `{viewer{id}}`, nil).code())

	w.ingest(map[string]any{"type": "IDENTIFY", "userId": "u1", "traits": map[string]any{"a": 1}})
	other.next("1") // lives on
}

func TestCloseEndsSockets(t *testing.T) {
	w := newWorld(t)
	id := w.ingest(map[string]any{"type": "IDENTIFY", "userId": "u1"})[0]
	c := w.connect(t, w.admin)
	c.subscribe("1", `subscription($id:ID!){profileChanged(id:$id){cursor}}`, map[string]any{"id": id})
	c.next("1")
	done := make(chan error, 1)
	go func() { done <- w.server.Close(t.Context()) }()
	require.Equal(t, websocket.CloseGoingAway, c.closed())
	require.NoError(t, <-done)
}

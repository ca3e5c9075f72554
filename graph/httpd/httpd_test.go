package httpd

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

// edge is a server over the real services and an embedded store.
type edge struct {
	t        *testing.T
	url      string
	db       store.Store
	access   *access.Service
	segments *segment.Service
	audit    *audit.Log
	between  func() // called between two parts of an export
	made     *access.Created
	ctx      context.Context // the operator's
	notReady error
	mu       sync.Mutex
	seen     []string // routes, methods and statuses as metrics get them
}

func newEdge(t *testing.T) *edge {
	e := &edge{t: t, ctx: core.WithActor(t.Context(), access.Operator("test"))}
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	require.NoError(t, err)
	e.db = db
	for _, specs := range [][]*store.Spec{store.Specs(), keyring.Specs(), audit.Specs(), access.Specs(), event.Specs(), profile.Specs(), ingest.Specs(), work.Specs(), segment.Specs()} {
		require.NoError(t, db.Declare(t.Context(), specs...))
	}
	clock := core.SystemClock{}
	e.access = access.New(access.Options{Store: db})
	events, profiles := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: profiles})
	runner := work.New(work.Options{Store: db})
	e.segments = segment.New(segment.Options{
		Store: db, Clock: clock, Profiles: profiles, Events: events, Committer: pipeline, Jobs: work.NewJobs(runner), Runner: runner,
	})
	profiles.SetFold(e.segments)
	profiles.SetGate(profile.GateOptions{View: everything, Events: events, Members: e.segments})
	e.made, err = e.access.CreateWorkspace(e.ctx, "test")
	require.NoError(t, err)
	master, err := keyring.NewMaster(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, err)
	e.audit = audit.New(audit.Options{Store: db, Keys: keyring.New(db, clock, master)})
	s := httptest.NewServer(New(Options{
		Access: e.access, Audit: e.audit, Events: pipeline, Segments: pausing{e},
		GraphQL:     http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a bug") }),
		GraphiQL:    http.NotFoundHandler(),
		Ready:       func(context.Context) error { return e.notReady },
		CORSOrigins: []string{"https://app.example.com"},
		Observe: func(route, method string, status int, _ time.Duration) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.seen = append(e.seen, fmt.Sprint(method, " ", route, " ", status))
		},
		Clock: clock, Logger: slog.New(slog.DiscardHandler),
	}).Handler())
	e.url = s.URL
	t.Cleanup(func() {
		s.Close()
		require.NoError(t, pipeline.Close(context.Background()))
		require.NoError(t, db.Close(context.Background()))
	})
	return e
}

// pausing exports as the service does, and lets the test act between two parts.
type pausing struct{ e *edge }

func (p pausing) Export(ctx context.Context, ws string, in segment.ExportInput, write func([]byte) error) (int64, error) {
	return p.e.segments.Export(ctx, ws, in, func(part []byte) error {
		err := write(part)
		if p.e.between != nil && len(part) > 0 {
			p.e.between()
			p.e.between = nil
			<-ctx.Done()
		}
		return err
	})
}

// send makes a request; redirects are not followed, as no SDK should have to.
func (e *edge) send(method, path, body string, header ...string) (*http.Response, string) {
	e.t.Helper()
	req, err := http.NewRequest(method, e.url+path, strings.NewReader(body))
	require.NoError(e.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(e.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(e.t, err)
	return res, string(b)
}

func (e *edge) key() []string {
	req, _ := http.NewRequest(http.MethodPost, e.url, nil)
	req.SetBasicAuth(e.made.WriteKey, "")
	return []string{"Authorization", req.Header.Get("Authorization")}
}

// stored is the event with a message id, or nil.
func (e *edge) stored(id string) *event.Event {
	e.t.Helper()
	ev, err := event.Events.Get(e.t.Context(), e.db, event.Key(e.made.Workspace.ID, id))
	require.NoError(e.t, err)
	return ev
}

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, s)
	_ = z.Close()
	return b.String()
}

func TestTrackingRoutes(t *testing.T) {
	e := newEdge(t)
	bodies := map[string]struct {
		body string
		want event.Type
	}{
		"identify": {`{"messageId":%q,"userId":"u","traits":{"a":1}}`, event.Identify},
		"track":    {`{"messageId":%q,"userId":"u","event":"E"}`, event.Track},
		"page":     {`{"messageId":%q,"userId":"u","name":"Home"}`, event.Page},
		"screen":   {`{"messageId":%q,"anonymousId":"a","name":"Home"}`, event.Screen},
		"group":    {`{"messageId":%q,"userId":"u","groupId":"g"}`, event.Group},
		"alias":    {`{"messageId":%q,"userId":"u","previousId":"a"}`, event.Alias},
		"i":        {`{"messageId":%q,"userId":"u"}`, event.Identify},
		"t":        {`{"messageId":%q,"userId":"u","event":"E"}`, event.Track},
		"p":        {`{"messageId":%q,"userId":"u"}`, event.Page},
		"s":        {`{"messageId":%q,"userId":"u"}`, event.Screen},
		"g":        {`{"messageId":%q,"userId":"u","groupId":"g"}`, event.Group},
		"a":        {`{"messageId":%q,"userId":"u","previousId":"a"}`, event.Alias},
		"batch":    {`{"batch":[{"type":"track","messageId":%q,"userId":"u","event":"E"}]}`, event.Track},
		"b":        {`{"batch":[{"type":"track","messageId":%q,"userId":"u","event":"E"}]}`, event.Track},
		"import":   {`{"batch":[{"type":"track","messageId":%q,"userId":"u","event":"E","timestamp":"2020-01-01T00:00:00Z"}]}`, event.Track},
	}
	for kind, c := range bodies {
		for _, path := range []string{"/v1/" + kind, "/v1/" + kind + "/", "//v1/" + kind} {
			id := "m-" + path
			res, answer := e.send(http.MethodPost, path, fmt.Sprintf(c.body, id), e.key()...)
			require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", path, answer)
			require.JSONEq(t, `{"success":true}`, answer)
			require.NotNil(t, e.stored(id), path)
			require.Equal(t, c.want, e.stored(id).Type, path)
		}
	}
}

func TestTrackingForms(t *testing.T) {
	e := newEdge(t)
	body := func(id string) string {
		return fmt.Sprintf(`{"batch":[{"type":"track","messageId":%q,"anonymousId":"a","event":"E"}],"context":{"app":"shop"}}`, id)
	}
	withKey := fmt.Sprintf(`{"writeKey":%q,"batch":[{"type":"track","messageId":"in-body","anonymousId":"a","event":"E"}]}`, e.made.WriteKey)
	for id, send := range map[string]func(id string) (*http.Response, string){
		"gzip": func(id string) (*http.Response, string) {
			return e.send(http.MethodPost, "/v1/batch", zipped(body(id)), append(e.key(), "Content-Encoding", "gzip")...)
		},
		"gzip labelled as a form": func(id string) (*http.Response, string) {
			return e.send(http.MethodPost, "/v1/batch", zipped(body(id)), append(e.key(), "Content-Type", "application/x-www-form-urlencoded")...)
		},
		"text/plain": func(id string) (*http.Response, string) {
			return e.send(http.MethodPost, "/v1/batch", body(id), append(e.key(), "Content-Type", "text/plain")...)
		},
		"bearer": func(id string) (*http.Response, string) {
			return e.send(http.MethodPost, "/v1/batch", body(id), "Authorization", "Bearer "+e.made.WriteKey)
		},
		"in-body": func(string) (*http.Response, string) { return e.send(http.MethodPost, "/v1/batch", withKey) },
		"gpc": func(id string) (*http.Response, string) {
			return e.send(http.MethodPost, "/v1/batch", body(id), append(e.key(), "Sec-GPC", "1")...)
		},
	} {
		res, answer := send(id)
		require.Equal(t, http.StatusOK, res.StatusCode, "%s: %s", id, answer)
		require.NotNil(t, e.stored(id), id)
		require.Equal(t, e.made.Source, e.stored(id).Source)
	}
	require.True(t, e.stored("gpc").Context.Lookup("gpc").Boolean(), "a GPC signal is kept with the event")
	require.Equal(t, "shop", e.stored("gpc").Context.Lookup("app").StringValue(), "the batch's context is merged in")
}

func TestTrackingRefusals(t *testing.T) {
	e := newEdge(t)
	long := strings.Repeat("x", event.MaxMessage)
	for name, c := range map[string]struct {
		method, path, body string
		header             []string
		status             int
		reason             string
	}{
		"no key":            {"POST", "/v1/track", `{"userId":"u","event":"E"}`, nil, 401, "MISSING_KEY"},
		"unknown key":       {"POST", "/v1/track", `{"userId":"u","event":"E"}`, []string{"Authorization", "Bearer hw_no"}, 401, "UNKNOWN_KEY"},
		"unknown route":     {"POST", "/v1/trak", `{}`, e.key(), 404, "UNKNOWN_ROUTE"},
		"wrong method":      {"GET", "/v1/track", ``, e.key(), 405, "METHOD_NOT_ALLOWED"},
		"no JSON":           {"POST", "/v1/track", `{"userId":`, e.key(), 400, "BAD_JSON"},
		"empty":             {"POST", "/v1/batch", ``, e.key(), 400, "BAD_JSON"},
		"an array":          {"POST", "/v1/batch", `[]`, e.key(), 400, "NOT_AN_OBJECT"},
		"no batch":          {"POST", "/v1/batch", `{}`, e.key(), 400, "BATCH_MISSING"},
		"lone over 32 KB":   {"POST", "/v1/track", `{"userId":"u","event":"` + long + `"}`, e.key(), 400, "MESSAGE_TOO_LARGE"},
		"batch over 500 KB": {"POST", "/v1/batch", `{"batch":["` + strings.Repeat(long, 16) + `"]}`, e.key(), 400, "BODY_TOO_LARGE"},
		"gzip bomb":         {"POST", "/v1/batch", zipped(strings.Repeat(" ", 50<<20)), e.key(), 400, "BODY_TOO_LARGE"},
		"gzip cut off":      {"POST", "/v1/batch", zipped(`{"batch":[]}`)[:15], e.key(), 400, "BODY_UNREADABLE"},
	} {
		t.Run(name, func(t *testing.T) {
			res, answer := e.send(c.method, c.path, c.body, c.header...)
			require.Equal(t, c.status, res.StatusCode, answer)
			require.Contains(t, answer, `"reason":"`+c.reason+`"`)
			require.NotEmpty(t, res.Header.Get("X-Request-Id"))
		})
	}
}

// In a batch a bad message is kept aside and costs the others nothing.
func TestBadMessageInBatch(t *testing.T) {
	e := newEdge(t)
	res, answer := e.send(http.MethodPost, "/v1/batch",
		`{"batch":[{"type":"track","messageId":"bad","userId":"u"},{"type":"track","messageId":"good","userId":"u","event":"E"}]}`, e.key()...)
	require.Equal(t, http.StatusOK, res.StatusCode, answer)
	require.Nil(t, e.stored("bad"))
	require.NotNil(t, e.stored("good"))
	n, err := event.Quarantine.Count(t.Context(), e.db, store.Query{Workspace: e.made.Workspace.ID})
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

func TestQuota(t *testing.T) {
	e := newEdge(t)
	issued, err := e.access.CreateKey(e.ctx, access.NewKey{Workspace: e.made.Workspace.ID, Name: "slow", Roles: []string{access.Write},
		Source: e.made.Source, Quota: access.Quota{PerSecond: 0.1, Burst: 2}})
	require.NoError(t, err)
	send := func(id string) *http.Response {
		res, _ := e.send(http.MethodPost, "/v1/track", fmt.Sprintf(`{"messageId":%q,"userId":"u","event":"E"}`, id), "Authorization", "Bearer "+issued.Secret)
		return res
	}
	require.Equal(t, http.StatusOK, send("1").StatusCode)
	require.Equal(t, http.StatusOK, send("2").StatusCode)
	res := send("3")
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	require.NotEmpty(t, res.Header.Get("Retry-After"))
	require.Nil(t, e.stored("3"))
}

func TestBrowsers(t *testing.T) {
	e := newEdge(t)
	preflight := func(path, origin string) string {
		res, _ := e.send(http.MethodOptions, path, "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
		return res.Header.Get("Access-Control-Allow-Origin")
	}
	require.Equal(t, "*", preflight("/v1/batch", "https://any.example.com"), "any page may send events")
	require.Equal(t, "https://app.example.com", preflight("/graphql", "https://app.example.com"))
	require.Empty(t, preflight("/graphql", "https://other.example.com"))
}

func TestHealthAndFaults(t *testing.T) {
	e := newEdge(t)
	res, _ := e.send(http.MethodGet, "/healthz", "")
	require.Equal(t, http.StatusOK, res.StatusCode)
	res, _ = e.send(http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusOK, res.StatusCode)
	e.notReady = errors.New("no primary at secret-host")
	res, answer := e.send(http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.NotContains(t, answer, "secret-host")
	res, answer = e.send(http.MethodPost, "/graphql", "{}")
	require.Equal(t, http.StatusInternalServerError, res.StatusCode, "a panic is one request's")
	require.NotContains(t, answer, "a bug")

	e.send(http.MethodPost, "/v1/ana@example.com", "")
	e.send("BREW", "/pot/ana@example.com", "")
	require.Eventually(t, func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		require.NotContains(t, strings.Join(e.seen, "\n"), "ana@", "labels come from a fixed set")
		return slices.Contains(e.seen, "POST /v1/… 404") && slices.Contains(e.seen, "other other 404")
	}, 5*time.Second, 5*time.Millisecond)
}

// everything is the view of whoever may read all there is.
func everything(context.Context) (*core.View, error) {
	v := &core.View{Purpose: access.DefaultPurpose, Data: map[core.Category]core.Decision{}}
	for _, c := range core.Categories {
		v.Data[c] = core.Decision{Effect: core.Allow}
	}
	return v, nil
}

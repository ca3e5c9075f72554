package httpd

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	gosync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
)

const someToken = "0123456789abcdef0123456789abcdef01234567"

// heard is a vendor's port that notes what it was given and answers as it is told.
type heard struct {
	mu      gosync.Mutex
	hook    sync.Webhook
	token   string
	calls   int
	receive func(hook sync.Webhook) (*sync.Reply, error)

	state, code, problem string
	to                   string
	err                  error
}

func (h *heard) Receive(_ context.Context, token string, hook sync.Webhook) (*sync.Reply, error) {
	h.mu.Lock()
	h.calls++
	h.token, h.hook = token, hook
	h.mu.Unlock()
	return h.receive(hook)
}

func (h *heard) Callback(_ context.Context, state, code, problem string) (string, error) {
	h.calls++
	h.state, h.code, h.problem = state, code, problem
	return h.to, h.err
}

func listening(t *testing.T, h *heard) (*httptest.Server, *http.Client) {
	t.Helper()
	s := httptest.NewServer(New(Options{
		Vendors: h, URL: func() string { return "https://cdp.example" }, GraphQL: http.NotFoundHandler(), Clock: core.SystemClock{},
		Ready: func(context.Context) error { return nil }, Observe: func(string, string, int, time.Duration) {}, Logger: slog.New(slog.DiscardHandler),
	}).Handler())
	t.Cleanup(s.Close)
	return s, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func ask(t *testing.T, c *http.Client, method, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	req.Header.Set("X-Signature", "abc")
	res, err := c.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(text)
}

// What a vendor sent reaches the connector to the byte, under the address that it was told.
func TestHookAsItCame(t *testing.T) {
	h := &heard{receive: func(sync.Webhook) (*sync.Reply, error) { return &sync.Reply{Status: 200, Body: []byte("ok")}, nil }}
	s, c := listening(t, h)
	body := "a=1&b=\x00\xff\r\n"
	res, text := ask(t, c, "POST", s.URL+"/hooks/"+someToken+"?x=%20y&bodySHA256=1", strings.NewReader(body))
	require.Equal(t, []any{200, "ok"}, []any{res.StatusCode, text})
	require.Equal(t, someToken, h.token)
	require.Equal(t, "https://cdp.example/hooks/"+someToken+"?x=%20y&bodySHA256=1", h.hook.URL, "as it was signed")
	require.Equal(t, body, string(h.hook.Body))
	require.Equal(t, "POST", h.hook.Method)
	require.Equal(t, "abc", h.hook.Header.Get("X-Signature"))
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
}

// A connector answers its vendor; it does not speak to browsers in our name.
func TestHookAnswers(t *testing.T) {
	h := &heard{}
	s, c := listening(t, h)
	url := s.URL + "/hooks/" + someToken
	for name, test := range map[string]struct {
		reply  *sync.Reply
		err    error
		status int
		has    string
	}{
		"a challenge":      {&sync.Reply{Status: 200, Header: http.Header{"Content-Type": {"text/plain"}, "Set-Cookie": {"a=b"}}, Body: []byte("echo")}, nil, 200, "echo"},
		"created":          {&sync.Reply{Status: 201}, nil, 201, ""},
		"a redirect":       {&sync.Reply{Status: 302, Header: http.Header{"Location": {"https://evil.example"}}}, nil, 200, ""},
		"an error":         {&sync.Reply{Status: 500}, nil, 200, ""},
		"no status at all": {&sync.Reply{Status: -7}, nil, 200, ""},
		"false signature":  {nil, core.Errorf(core.Unauthenticated, "SIGNATURE", "the signature is false"), 401, "SIGNATURE"},
		"an old one":       {nil, core.Errorf(core.Invalid, "STALE", "too old"), 400, "STALE"},
		"nobody":           {nil, core.Errorf(core.NotFound, "WEBHOOK", "nobody listens here"), 404, "WEBHOOK"},
		"it crashes":       {nil, core.Errorf(core.Unavailable, "CONNECTOR", "send it again").After(2 * time.Second), 503, "CONNECTOR"},
	} {
		t.Run(name, func(t *testing.T) {
			h.receive = func(sync.Webhook) (*sync.Reply, error) { return test.reply, test.err }
			res, text := ask(t, c, "POST", url, strings.NewReader("{}"))
			require.Equal(t, test.status, res.StatusCode, text)
			require.Contains(t, text, test.has)
			require.Empty(t, res.Header.Get("Set-Cookie"))
			require.Empty(t, res.Header.Get("Location"))
			if test.err == nil {
				require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
				require.Contains(t, res.Header.Get("Content-Security-Policy"), "sandbox")
			}
			if test.status == 503 {
				require.Equal(t, "2", res.Header.Get("Retry-After"))
			}
		})
	}
}

// What is no webhook never reaches a connector.
func TestNoHook(t *testing.T) {
	h := &heard{receive: func(sync.Webhook) (*sync.Reply, error) { return &sync.Reply{Status: 200}, nil }}
	s, c := listening(t, h)
	res, text := ask(t, c, "POST", s.URL+"/hooks/"+someToken, bytes.NewReader(make([]byte, sync.MaxWebhook+1)))
	require.Equal(t, 400, res.StatusCode)
	require.Contains(t, text, "5242880")
	res, _ = ask(t, c, "DELETE", s.URL+"/hooks/"+someToken, nil)
	require.Equal(t, 405, res.StatusCode)
	require.Equal(t, "GET, POST, PUT", res.Header.Get("Allow"))
	for _, path := range []string{"/hooks/", "/hooks", "/hooks/a/b", "/hookss/" + someToken} {
		res, _ = ask(t, c, "POST", s.URL+path, strings.NewReader("{}"))
		require.Equal(t, 404, res.StatusCode, path)
	}
	require.Zero(t, h.calls)
	res, _ = ask(t, c, "POST", s.URL+"/hooks/"+someToken, bytes.NewReader(make([]byte, sync.MaxWebhook)))
	require.Equal(t, 200, res.StatusCode, "as much as there may be")
	require.Equal(t, 1, h.calls)
}

// One connection whose webhooks pile up keeps no other one waiting, nor its own for ever.
func TestHooksThatPileUp(t *testing.T) {
	h := &heard{}
	var once gosync.Once
	full, goOn := make(chan struct{}), make(chan struct{})
	in := make(chan struct{}, 2*hooksAtOnce)
	h.receive = func(hook sync.Webhook) (*sync.Reply, error) {
		if string(hook.Body) == "slow" {
			in <- struct{}{}
			if len(in) == hooksAtOnce {
				once.Do(func() { close(full) })
			}
			<-goOn
		}
		return &sync.Reply{Status: 200}, nil
	}
	s, c := listening(t, h)
	var all gosync.WaitGroup
	for range hooksAtOnce {
		all.Go(func() {
			res, _ := ask(t, c, "POST", s.URL+"/hooks/"+someToken, strings.NewReader("slow"))
			require.Equal(t, 200, res.StatusCode)
		})
	}
	<-full
	res, text := ask(t, c, "POST", s.URL+"/hooks/"+someToken, strings.NewReader("quick"))
	require.Equal(t, 503, res.StatusCode, text)
	require.Equal(t, "1", res.Header.Get("Retry-After"))
	res, _ = ask(t, c, "POST", s.URL+"/hooks/"+strings.Repeat("f", 40), strings.NewReader("quick"))
	require.Equal(t, 200, res.StatusCode, "another connection")
	close(goOn)
	all.Wait()
	res, _ = ask(t, c, "POST", s.URL+"/hooks/"+someToken, strings.NewReader("quick"))
	require.Equal(t, 200, res.StatusCode)
}

// The way back from a vendor: what came in the address goes to the service and nowhere else.
func TestCallback(t *testing.T) {
	h := &heard{to: "/done"}
	s, c := listening(t, h)
	res, _ := ask(t, c, "GET", s.URL+"/oauth/callback?state=ws_A.x&code=c%26d&scope=y", nil)
	require.Equal(t, 303, res.StatusCode)
	require.Equal(t, "/done", res.Header.Get("Location"))
	require.Equal(t, []string{"ws_A.x", "c&d", ""}, []string{h.state, h.code, h.problem})
	require.Equal(t, "no-referrer", res.Header.Get("Referrer-Policy"))
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))

	h.to = ""
	res, text := ask(t, c, "GET", s.URL+"/oauth/callback?state=ws_A.x&error=access_denied&error_description=%3Cscript%3E", nil)
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "access_denied", h.problem)
	require.NotContains(t, text, "script")
	require.Equal(t, "default-src 'none'", res.Header.Get("Content-Security-Policy"))

	h.err = core.Errorf(core.Invalid, "AUTHORIZATION", "this authorization is unknown, used or too old")
	res, text = ask(t, c, "GET", s.URL+"/oauth/callback?state=ws_A.SECRETSTATE&code=SECRETCODE", nil)
	require.Equal(t, 400, res.StatusCode)
	require.Contains(t, text, "AUTHORIZATION")
	require.NotContains(t, text, "SECRET")
	require.Equal(t, "no-referrer", res.Header.Get("Referrer-Policy"), "of an error too")
	calls := h.calls
	res, _ = ask(t, c, "POST", s.URL+"/oauth/callback?state=x&code=y", nil)
	require.Equal(t, 405, res.StatusCode)
	res, _ = ask(t, c, "GET", s.URL+"/oauth/callback?state=%zz", nil)
	require.Equal(t, 400, res.StatusCode)
	require.Equal(t, calls, h.calls)
}

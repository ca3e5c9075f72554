package httpd

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	gosync "sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/sync"
)

// Vendors takes what vendors send: *sync.Service implements it.
type Vendors interface {
	Receive(ctx context.Context, token string, hook sync.Webhook) (*sync.Reply, error)
	Callback(ctx context.Context, state, code, problem string) (string, error)
}

// hookToken returns the token of a path of a connection's webhooks.
func hookToken(path string) (token string, ok bool) {
	token, ok = strings.CutPrefix("/"+strings.Trim(path, "/"), sync.WebhookPath)
	return token, ok && token != "" && !strings.Contains(token, "/")
}

// callback reports whether a path is that of OAuth's way back.
func callback(path string) bool { return "/"+strings.Trim(path, "/") == sync.CallbackPath }

// hooksAtOnce is how many webhooks of one connection are taken at the same time: what waits for
// a slow connector takes memory.
const hooksAtOnce = 32

// hooksNow counts the webhooks that are being taken, by token.
type hooksNow struct {
	mu gosync.Mutex
	of map[string]int
}

func (h *hooksNow) enter(token string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of[token] >= hooksAtOnce {
		return false
	}
	if h.of == nil {
		h.of = map[string]int{}
	}
	h.of[token]++
	return true
}

func (h *hooksNow) leave(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of[token]--; h.of[token] == 0 {
		delete(h.of, token)
	}
}

// hook answers a vendor: 200 when what came is on disk.
func (s *Server) hook(w http.ResponseWriter, r *http.Request, token string) {
	switch r.Method {
	case http.MethodPost, http.MethodGet, http.MethodPut:
	default:
		w.Header().Set("Allow", "GET, POST, PUT")
		writeError(w, core.Errorf(core.Invalid, "METHOD_NOT_ALLOWED", "use POST"))
		return
	}
	if !s.hooks.enter(token) {
		writeError(w, core.Errorf(core.Unavailable, "BUSY", "as many webhooks of this connection as may be are being taken; send it again").After(time.Second))
		return
	}
	defer s.hooks.leave(token)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, sync.MaxWebhook))
	if err != nil {
		writeError(w, core.Errorf(core.Invalid, "BODY", "a webhook has at most %d bytes", sync.MaxWebhook))
		return
	}
	// Vendors sign the address that they were told.
	address := s.o.URL() + r.URL.RequestURI()
	reply, err := s.o.Vendors.Receive(r.Context(), token, sync.Webhook{Method: r.Method, URL: address, Header: r.Header.Clone(), Body: body})
	if err != nil {
		writeError(w, err)
		return
	}
	h := w.Header()
	for _, name := range []string{"Content-Type"} { // a connector does not speak to browsers in our name
		if v := reply.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cache-Control", "no-store")
	status := reply.Status
	if status < 200 || status > 299 { // a redirect, or an error, is ours to say
		status = http.StatusOK
	}
	w.WriteHeader(status)
	_, _ = w.Write(reply.Body)
}

// callback ends an authorization at a vendor and sends the person on.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		writeError(w, core.Errorf(core.Invalid, "METHOD_NOT_ALLOWED", "use GET"))
		return
	}
	h := w.Header()
	h.Set("Referrer-Policy", "no-referrer") // the address holds a code
	h.Set("Cache-Control", "no-store")
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		writeError(w, core.Errorf(core.Invalid, "QUERY", "the query cannot be read"))
		return
	}
	to, err := s.o.Vendors.Callback(r.Context(), q.Get("state"), q.Get("code"), q.Get("error"))
	if err != nil {
		writeError(w, err)
		return
	}
	if to != "" {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'")
	_, _ = io.WriteString(w, "<!doctype html><meta charset=utf-8><title>Connected</title><p>"+html.EscapeString("The connection is authorised. You can close this page.")+"</p>\n")
}

package httpd

import (
	"bufio"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/sync"
)

// observed gives every request an id, a measurement and a log line, and turns a
// panic into a 500. Neither the log nor the metric holds anything from the URL but
// the name of the route.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := core.NewID(core.PrefixRequest, start)
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		rec := &recorder{ResponseWriter: w}
		ctx := core.WithRequestID(r.Context(), id)
		defer func() {
			if p := recover(); p != nil {
				if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(p)
				}
				s.o.Logger.ErrorContext(ctx, "panic", "requestId", id, "route", route(r.URL.Path), "stack", string(debug.Stack()))
				if rec.status == 0 {
					writeError(rec, core.Errorf(core.Internal, "INTERNAL", "internal error"))
				}
			}
			took := time.Since(start)
			if s.o.Observe != nil {
				s.o.Observe(route(r.URL.Path), method(r.Method), rec.code(), took)
			}
			level := slog.LevelDebug
			if rec.code() >= 500 {
				level = slog.LevelWarn
			}
			s.o.Logger.Log(ctx, level, "request", "requestId", id, "route", route(r.URL.Path),
				"method", method(r.Method), "status", rec.code(), "ms", took.Milliseconds())
		}()
		next.ServeHTTP(rec, r.WithContext(ctx))
	})
}

// route names the route of a path: a fixed set, so that a label or a log line can
// hold nothing that a client made up.
func route(path string) string {
	path = "/" + strings.Trim(path, "/")
	if _, ok := exported(path); ok {
		return exportName
	}
	if _, ok := downloadToken(path); ok {
		return downloadName
	}
	if page, _, ok := personal(path); ok {
		return page + "…"
	}
	if kind, _, ok := letterLink(path); ok {
		return kind + "…"
	}
	if _, ok := policyHash(path); ok {
		return consent.PolicyPath + "…"
	}
	if _, ok := hookToken(path); ok {
		return sync.WebhookPath + "…"
	}
	if _, _, ok := assetPath(path); ok {
		return assetName
	}
	if callback(path) {
		return sync.CallbackPath
	}
	if kind, ok := strings.CutPrefix(path, "/v1/"); ok {
		if _, known := routes[kind]; known {
			return path
		}
		return "/v1/…"
	}
	switch path {
	case "/", "/graphql", "/healthz", "/readyz", "/metrics":
		return path
	}
	return "other"
}

// method is the request's method, from a fixed set.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodHead, http.MethodOptions:
		return m
	}
	return "other"
}

// recorder notes the status that was written.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Flush implements http.Flusher, for server-sent events.
func (r *recorder) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// Hijack implements http.Hijacker, for websockets.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.status = http.StatusSwitchingProtocols
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController find the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone: nobody to tell
}

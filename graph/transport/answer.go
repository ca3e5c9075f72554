package transport

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/graph/engine"
)

// The media types of an answer.
const (
	typeJSON     = "application/json"
	typeResponse = "application/graphql-response+json"
	typeEvents   = "text/event-stream"
)

// accepted are the qualities a client gives to the media types, 0 to 1.
type accepted struct{ json, response, events float64 }

// accepts reads the Accept header. Without one everything but a stream is fine.
func accepts(r *http.Request) accepted {
	header := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(header) == "" {
		return accepted{json: 1}
	}
	var a accepted
	for item := range strings.SplitSeq(header, ",") {
		kind, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		q := 1.0
		if v, err := strconv.ParseFloat(params["q"], 64); err == nil {
			q = v
		}
		switch kind {
		case typeResponse:
			a.response = max(a.response, q)
		case typeEvents:
			a.events = max(a.events, q)
		case typeJSON, "*/*", "application/*":
			a.json = max(a.json, q)
		}
	}
	return a
}

// equalFold compares header tokens.
func equalFold(a, b string) bool { return strings.EqualFold(a, b) }

// run executes an operation for a plain request, or as a stream when the client
// asks for one.
func (s *Server) run(w http.ResponseWriter, r *http.Request, op *engine.Operation) {
	a := accepts(r)
	if r.Method == http.MethodGet && op.Kind != ast.Query {
		w.Header().Set("Allow", "POST")
		s.refuse(w, r, http.StatusMethodNotAllowed, core.Errorf(core.Invalid, "GET_IS_FOR_QUERIES", "use POST for a %s", op.Kind))
		return
	}
	if a.events > 0 && (op.Kind == ast.Subscription || a.json == 0 && a.response == 0) {
		s.events(w, r, op)
		return
	}
	if op.Kind == ast.Subscription {
		s.refuse(w, r, http.StatusNotAcceptable, core.Errorf(core.Invalid, "SUBSCRIPTION_TRANSPORT", "subscribe over a websocket (graphql-transport-ws) or with Accept: text/event-stream"))
		return
	}
	_ = op.Run(r.Context(), func(resp *graphql.Response) error {
		write(w, r, http.StatusOK, resp.Errors, resp.Data, resp.Extensions)
		return nil
	})
}

// answer is a response on the wire. An operation that never began has no data.
type answer struct {
	Errors     gqlerror.List   `json:"errors,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`
	Extensions map[string]any  `json:"extensions,omitempty"`
}

func encode(errs gqlerror.List, data json.RawMessage, ext map[string]any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(answer{errs, data, ext}); err != nil {
		// Only a resolver that wrote something other than JSON gets here.
		return []byte(`{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL","reason":"INTERNAL"}}]}`)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// write answers once. A status of 0 is chosen by the first error and by what the
// client accepts: one that only knows application/json cannot tell a 400 of ours
// from one of a proxy, so it gets 200 for a request that was well formed.
func write(w http.ResponseWriter, r *http.Request, status int, errs gqlerror.List, data json.RawMessage, ext map[string]any) {
	kind := typeJSON
	if a := accepts(r); a.response > 0 && a.response >= a.json {
		kind = typeResponse
	}
	h := w.Header()
	h.Set("Content-Type", kind+"; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept")
	if status == 0 {
		status = statusOf(errs, kind)
	}
	switch status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="headwater"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if ms, ok := errs[0].Extensions["retryAfterMs"].(int64); ok {
			h.Set("Retry-After", strconv.FormatInt((ms+999)/1000, 10))
		}
	}
	w.WriteHeader(status)
	_, _ = w.Write(encode(errs, data, ext))
}

func statusOf(errs gqlerror.List, kind string) int {
	if len(errs) == 0 {
		return http.StatusOK
	}
	switch engine.Code(errs[0]) {
	case core.Unauthenticated:
		return http.StatusUnauthorized
	case core.Forbidden:
		return http.StatusForbidden
	case core.RateLimited:
		return http.StatusTooManyRequests
	case core.Unavailable:
		return http.StatusServiceUnavailable
	case core.Internal:
		return http.StatusInternalServerError
	}
	if kind == typeJSON && !engine.Malformed(errs[0]) {
		return http.StatusOK
	}
	return http.StatusBadRequest
}

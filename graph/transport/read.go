package transport

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/graph/engine"
)

// read decodes the request. A status of 0 leaves it to the error.
func (s *Server) read(w http.ResponseWriter, r *http.Request) (*engine.Request, int, error) {
	if r.Method == http.MethodGet {
		q := r.URL.Query()
		if len(r.URL.RawQuery) > s.Limits.Query*3 {
			return nil, http.StatusRequestURITooLong, core.Errorf(core.TooComplex, "QUERY_TOO_LARGE", "the URL is too long; use POST")
		}
		req, err := engine.FromParts(s.Limits, q.Get("query"), q.Get("operationName"), q.Get("variables"), q.Get("extensions"))
		return req, 0, err
	}
	if !isJSON(r) {
		return nil, http.StatusUnsupportedMediaType, core.Errorf(core.Invalid, "CONTENT_TYPE", "send the request as application/json in UTF-8")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.Limits.Body))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, http.StatusRequestEntityTooLarge, core.Errorf(core.TooComplex, "BODY_TOO_LARGE", "a request may have at most %d bytes; send more events in several requests", s.Limits.Body)
		}
		return nil, http.StatusBadRequest, core.Errorf(core.Invalid, "BAD_JSON", "the body ended before it was complete")
	}
	req, err := engine.Decode(s.Limits, body)
	return req, 0, err
}

// isJSON reports whether the body is declared as JSON in UTF-8.
func isJSON(r *http.Request) bool {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return false
	}
	charset := params["charset"]
	return charset == "" || equalFold(charset, "utf-8") || equalFold(charset, "utf8")
}

package httpd

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
)

// Pages are what people open who have no key: *consent.Service implements it.
type Pages interface {
	PolicyText(ctx context.Context, hash string) (*consent.PolicyText, error)
	Preferences(ctx context.Context, token, language string) (*consent.PreferencePage, error)
	SavePreferences(ctx context.Context, token string, f consent.Form) error
	Unsubscribing(ctx context.Context, token string) (*consent.Unsubscribing, error)
	Unsubscribe(ctx context.Context, token string) error
	Confirming(ctx context.Context, token string) (*consent.Confirming, error)
	ConfirmClicked(ctx context.Context, token string) error
}

// policyHash returns the hash of a path of a policy document.
func policyHash(path string) (hash string, ok bool) {
	hash, ok = strings.CutPrefix("/"+strings.Trim(path, "/"), consent.PolicyPath)
	return hash, ok && hash != "" && !strings.Contains(hash, "/")
}

var policyTypes = map[string]string{
	consent.FormatHTML: "text/html; charset=utf-8", consent.FormatMarkdown: "text/markdown; charset=utf-8", consent.FormatText: "text/plain; charset=utf-8",
}

// policy answers GET /v1/policies/{hash} with the very bytes that have the hash: whoever
// has evidence of a consent can see what was shown. They are for anybody and never
// change. A page is shown in a sandbox: it runs nothing and fetches nothing.
func (s *Server) policy(w http.ResponseWriter, r *http.Request, hash string) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		writeError(w, core.Errorf(core.Invalid, "METHOD_NOT_ALLOWED", "use GET"))
		return
	}
	text, err := s.o.Consent.PolicyText(r.Context(), hash)
	if err == nil && text == nil {
		err = core.Errorf(core.NotFound, "POLICY_DOCUMENT", "no document with this hash was published; a hash is the 64 hexadecimal digits of a SHA-256")
	}
	if err != nil {
		writeError(w, err)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("ETag", `"`+hash+`"`)
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors *")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if r.Header.Get("If-None-Match") == `"`+hash+`"` {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", policyTypes[text.Format])
	_, _ = io.WriteString(w, text.Content) // the client has gone: nobody to tell
}

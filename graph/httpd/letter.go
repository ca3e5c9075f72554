package httpd

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/headwater-cdp/headwater/core/message"
)

// Letters follows the links of messages; *message.Service implements it.
type Letters interface {
	Follow(ctx context.Context, token string, v message.Visit) (url string, err error)
	Opened(ctx context.Context, token string, v message.Visit) error
}

// letterLink splits the path of a link that a message carries.
func letterLink(path string) (kind, token string, ok bool) {
	for _, kind := range []string{message.ClickPath, message.OpenPath} {
		if token, ok := strings.CutPrefix(path, kind); ok && token != "" && !strings.Contains(token, "/") {
			return kind, token, true
		}
	}
	return "", "", false
}

// point is a picture of one transparent point.
var point, _ = base64.StdEncoding.DecodeString("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

// letter answers for the links of messages. The token says where to, so that nobody makes
// this server lead elsewhere.
func (s *Server) letter(w http.ResponseWriter, r *http.Request, kind, token string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer") // the link is a secret
	h.Set("X-Robots-Tag", "noindex, nofollow")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	v := message.Visit{
		Method: r.Method, UserAgent: r.UserAgent(), At: s.o.Clock.Now(),
		Prefetch: strings.Contains(strings.ToLower(r.Header.Get("Sec-Purpose")+r.Header.Get("Purpose")+r.Header.Get("X-Purpose")+r.Header.Get("X-Moz")), "pre"),
	}
	if kind == message.OpenPath {
		_ = s.o.Messages.Opened(r.Context(), token, v) // whoever asks for a picture gets one
		h.Set("Content-Type", "image/gif")
		_, _ = w.Write(point)
		return
	}
	url, err := s.o.Messages.Follow(r.Context(), token, v)
	if err != nil {
		writeError(w, err)
		return
	}
	http.Redirect(w, r, url, http.StatusFound)
}

package httpd

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/privacy"
)

// Downloader opens files by signed tokens; *privacy.Desk implements it.
type Downloader interface {
	Fetch(ctx context.Context, token string) (*privacy.Fetched, error)
}

// downloadName stands for the route in logs and metrics: the token is a secret.
const downloadName = privacy.DownloadPath + "…"

// downloadToken returns the token of a path of a download.
func downloadToken(path string) (token string, ok bool) {
	token, ok = strings.CutPrefix("/"+strings.Trim(path, "/"), privacy.DownloadPath)
	return token, ok && token != "" && !strings.Contains(token, "/")
}

// downloadTypes are the media types of formats.
var downloadTypes = map[string]string{
	privacy.FormatJSON: "application/json", privacy.FormatNDJSON: "application/x-ndjson",
	privacy.FormatHTML: "text/html; charset=utf-8", privacy.FormatCSV: "text/csv; charset=utf-8; header=present",
}

// download answers GET /v1/downloads/{token} with the file that the token is good for.
// Who has the link may fetch it: the token is signed, sealed and expires. A page is sent
// to be stored, and runs nothing if it is opened here.
func (s *Server) download(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		writeError(w, core.Errorf(core.Invalid, "METHOD_NOT_ALLOWED", "use GET"))
		return
	}
	token, _ := downloadToken(r.URL.Path)
	f, err := s.o.Downloads.Fetch(r.Context(), token)
	if err != nil {
		writeError(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", downloadTypes[f.Format])
	h.Set("Content-Length", strconv.FormatInt(f.Bytes, 10))
	h.Set("Content-Disposition", `attachment; filename="`+f.Name+`"`)
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; style-src 'unsafe-inline'")
	out := http.NewResponseController(w)
	buf := make([]byte, 64<<10)
	for {
		n, rerr := f.Read(buf)
		if n > 0 {
			_ = out.SetWriteDeadline(time.Now().Add(slowest))
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
		}
		if errors.Is(rerr, io.EOF) {
			return
		}
		if rerr != nil {
			s.o.Logger.WarnContext(r.Context(), "download broke off", "requestId", core.RequestID(r.Context()), "reason", core.AsError(rerr).Reason)
			panic(http.ErrAbortHandler)
		}
	}
}

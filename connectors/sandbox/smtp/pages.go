package smtp

import (
	"bytes"
	"encoding/base64"
	"html/template"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// last returns the mails that are kept, at most so many, the newest at the end.
func (s *Sink) last() []Mail {
	all := s.Mails()
	return all[max(len(all)-kept, 0):]
}

func (s *Sink) list(w http.ResponseWriter, _ *http.Request) {
	sandbox.WriteJSON(w, http.StatusOK, s.last())
}

var inbox = template.Must(template.New("inbox").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Mails of the sandbox</title>
<style>body{font:15px/1.4 sans-serif;margin:2em}td,th{padding:.2em 1em .2em 0;text-align:left;vertical-align:top}</style>
<h1>Mails of the sandbox</h1>
{{if .Mails}}<table><tr><th>at<th>to<th>subject<th></tr>
{{range .Mails}}<tr><td>{{.At.Format "15:04:05"}}<td>{{range .To}}{{.}} {{end}}<td><a href="{{$.Base}}/messages/{{.N}}">{{or .Subject "(no subject)"}}</a>
<td><a href="{{$.Base}}/messages/{{.N}}/raw">as it came</a></tr>
{{end}}</table>{{else}}<p>Nothing was sent yet.</p>{{end}}
</html>
`))

// pages shows the mails.
func (s *Sink) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		mails := s.last()
		slices.Reverse(mails)
		guard(w, "default-src 'none'; style-src 'unsafe-inline'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = inbox.Execute(w, map[string]any{"Mails": mails, "Base": sandbox.BaseURL(r)}) // who has gone is not told
	})
	mux.HandleFunc("GET /messages/{n}", func(w http.ResponseWriter, r *http.Request) {
		if m, ok := s.find(w, r); ok {
			kind, body := shown(m.Raw)
			guard(w, "sandbox allow-popups; default-src 'none'; img-src * data:; style-src 'unsafe-inline' *; font-src *")
			w.Header().Set("Content-Type", kind+"; charset=utf-8")
			_, _ = w.Write(body)
		}
	})
	mux.HandleFunc("GET /messages/{n}/raw", func(w http.ResponseWriter, r *http.Request) {
		if m, ok := s.find(w, r); ok {
			guard(w, "sandbox; default-src 'none'")
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = w.Write(m.Raw)
		}
	})
	return mux
}

// guard lets nothing of a mail run: it was written by whoever sent it.
func guard(w http.ResponseWriter, policy string) {
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
}

func (s *Sink) find(w http.ResponseWriter, r *http.Request) (Mail, bool) {
	n, err := strconv.Atoi(r.PathValue("n"))
	for _, m := range s.Mails() {
		if err == nil && m.N == n {
			return m, true
		}
	}
	http.NotFound(w, r)
	return Mail{}, false
}

// shown is the best part of a mail that a browser can show: HTML, else text.
func shown(raw []byte) (kind string, body []byte) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return "text/plain", raw
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		if kind != "text/html" {
			kind = "text/plain"
		}
		return kind, decoded(m.Body, m.Header.Get("Content-Transfer-Encoding"))
	}
	kind, body = "text/plain", nil
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextPart()
		if err != nil {
			return kind, body
		}
		switch of, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type")); of {
		case "text/html":
			return of, decoded(p, p.Header.Get("Content-Transfer-Encoding"))
		case "text/plain":
			body = decoded(p, p.Header.Get("Content-Transfer-Encoding"))
		}
	}
}

// decoded is a body without its transfer encoding, as far as it can be read.
func decoded(body io.Reader, encoding string) []byte {
	switch strings.ToLower(encoding) {
	case "quoted-printable": // of a part package multipart has decoded it
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	text, _ := io.ReadAll(body)
	return text
}

package httpd

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/form"
)

// Forms are shown and take what visitors write; *form.Service is one.
type Forms interface {
	Find(ctx context.Context, publicID string) (ws string, f *form.Form, err error)
	Open(ctx context.Context, publicID, known string) (*form.View, error)
	Submit(ctx context.Context, publicID string, in form.Sent) (*form.Taken, error)
}

//go:embed form.html
var formText string

//go:embed form.js
var formScript []byte

var formPages = template.Must(template.New("").Funcs(template.FuncMap{
	"style": func() template.CSS { return template.CSS(personalStyle) },
	"input": func(t form.FieldType) string {
		switch t {
		case form.Email:
			return "email"
		case form.Phone:
			return "tel"
		case form.Date:
			return "date"
		}
		return "text"
	},
}).Parse(formText))

// formPath splits the path of a form: "/f/ws_….frm_…", with ".js" or ".json" after it.
func formPath(path string) (id, kind string, ok bool) {
	id, ok = strings.CutPrefix("/"+strings.Trim(path, "/"), form.Path)
	if !ok || id == "" || strings.Contains(id, "/") {
		return "", "", false
	}
	for _, kind := range []string{".json", ".js"} {
		if rest, ok := strings.CutSuffix(id, kind); ok {
			return rest, kind, true
		}
	}
	return id, "", true
}

// form answers for the pages, the script and the data of forms.
func (s *Server) form(w http.ResponseWriter, r *http.Request, id, kind string) {
	h := w.Header()
	h.Set("Content-Security-Policy", personalPolicy)
	h.Set("Referrer-Policy", "no-referrer") // a link may name its visitor
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if !s.visits.allow(r) {
		h.Set("Retry-After", "10")
		writeError(w, core.Errorf(core.RateLimited, "RATE_LIMITED", "too much came from here; try again in a moment"))
		return
	}
	if kind == ".js" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		h.Set("Content-Type", "text/javascript; charset=utf-8")
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		_, _ = w.Write(formScript)
		return
	}
	_, f, err := s.o.Forms.Find(r.Context(), id)
	if err != nil {
		writeError(w, core.AsError(err))
		return
	}
	h.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); origin != "" && slices.Contains(f.Origins, origin) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Headers", "Content-Type")
		h.Set("Access-Control-Allow-Methods", "GET, POST")
		h.Set("Access-Control-Max-Age", "600")
	} else if origin != "" && r.Method == http.MethodPost && !sameHost(origin, r.Host) {
		writeError(w, core.Errorf(core.Forbidden, "ORIGIN", "pages of this origin may not use the form; add it to the form's origins"))
		return
	}
	switch {
	case r.Method == http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost && kind == "":
		s.submit(w, r, id)
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && kind == ".json":
		s.formData(w, r, id)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		v, err := s.o.Forms.Open(r.Context(), id, r.URL.Query().Get("v"))
		if err != nil {
			writeError(w, core.AsError(err))
			return
		}
		s.showForm(w, http.StatusOK, "form", formPage{D: v, Values: v.Values})
	default:
		h.Set("Allow", "GET, HEAD, POST, OPTIONS")
		writeError(w, core.Errorf(core.Invalid, "METHOD_NOT_ALLOWED", "use GET or POST"))
	}
}

// sameHost reports whether an origin is that of the server's own pages.
func sameHost(origin, host string) bool {
	_, at, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(at, host)
}

// formPage is a form with what was written into it and what is wrong with it, by the
// paths of the fields.
type formPage struct {
	D              *form.View
	Values, Errors map[string]string
}

// formData answers the script with the form as the visitor sees it.
func (s *Server) formData(w http.ResponseWriter, r *http.Request, id string) {
	v, err := s.o.Forms.Open(r.Context(), id, r.URL.Query().Get("v"))
	if err != nil {
		writeError(w, core.AsError(err))
		return
	}
	type field struct {
		Key      string         `json:"key"`
		Label    string         `json:"label"`
		Type     form.FieldType `json:"type"`
		Required bool           `json:"required"`
		Options  []string       `json:"options"`
		Value    string         `json:"value"`
	}
	type box struct {
		Key      string `json:"key"`
		Text     string `json:"text"`
		Required bool   `json:"required"`
	}
	fields, boxes := []field{}, []box{}
	for _, f := range v.Asked.Fields {
		fields = append(fields, field{f.Key, f.Label, f.Type, f.Required, append([]string{}, f.Options...), v.Values[f.Key]})
	}
	for _, c := range v.Asked.Consents {
		boxes = append(boxes, box{c.Key, c.Text, c.Required})
	}
	submit := v.Asked.Submit
	if submit == "" {
		submit = "OK"
	}
	writeForm(w, http.StatusOK, map[string]any{
		"title": v.Asked.Title, "intro": v.Asked.Intro, "submit": submit, "locale": v.Asked.Locale, "fields": fields, "consents": boxes,
		"blocks": append([]string{}, v.Blocks...), "token": v.Token,
	})
}

// submit takes a form as JSON, and answers in JSON, or as a page's form, and answers with
// a page.
func (s *Server) submit(w http.ResponseWriter, r *http.Request, id string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	var in form.Sent
	asJSON := kind == "application/json"
	if asJSON {
		var body struct {
			Values      map[string]string `json:"values"`
			Consents    map[string]bool   `json:"consents"`
			Token       string            `json:"token"`
			ID          string            `json:"id"`
			Known       string            `json:"known"`
			AnonymousID string            `json:"anonymousId"`
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			writeError(w, errForm)
			return
		}
		in = form.Sent{Values: body.Values, Consents: body.Consents, Token: body.Token, ID: body.ID, Known: body.Known, AnonymousID: body.AnonymousID}
	} else {
		if err := r.ParseForm(); err != nil || kind != "application/x-www-form-urlencoded" {
			writeError(w, errForm)
			return
		}
		in = form.Sent{Values: map[string]string{}, Consents: map[string]bool{}, Token: r.PostForm.Get("token"), Known: r.PostForm.Get("known")}
		for key := range r.PostForm {
			if key != "token" && key != "known" && key != "consent" {
				in.Values[key] = r.PostForm.Get(key)
			}
		}
		for _, key := range r.PostForm["consent"] {
			in.Consents[key] = true
		}
	}
	taken, err := s.o.Forms.Submit(r.Context(), id, in)
	switch {
	case err != nil && asJSON:
		s.formFaults(w, err)
	case err != nil:
		s.showAgain(w, r, id, in, err)
	case asJSON:
		writeForm(w, http.StatusOK, map[string]any{"ok": true, "thanks": taken.Thanks, "gatedUrl": taken.GatedURL, "pending": append([]string{}, taken.Pending...)})
	default:
		_, f, err := s.o.Forms.Find(r.Context(), id)
		if err != nil {
			writeError(w, core.AsError(err))
			return
		}
		s.showForm(w, http.StatusOK, "taken", struct{ Locale, Title, Thanks, GatedURL string }{f.Published.Locale, f.Published.Title, taken.Thanks, taken.GatedURL})
	}
}

// faultsIn returns all that an error says is wrong.
func faultsIn(err error) []*core.Error {
	var many form.Faults
	if errors.As(err, &many) {
		return many
	}
	return []*core.Error{core.AsError(err)}
}

func (s *Server) formFaults(w http.ResponseWriter, err error) {
	type fault struct {
		Reason  string   `json:"reason"`
		Message string   `json:"message"`
		Path    []string `json:"path"`
	}
	var list []fault
	status := http.StatusInternalServerError
	for _, e := range faultsIn(err) {
		status = statuses[e.Code]
		list = append(list, fault{e.Reason, e.Message, append([]string{}, e.Path...)})
	}
	writeForm(w, status, map[string]any{"ok": false, "errors": list})
}

// showAgain shows a form with what was written into it, and what is wrong with it.
func (s *Server) showAgain(w http.ResponseWriter, r *http.Request, id string, in form.Sent, err error) {
	page := formPage{Values: in.Values, Errors: map[string]string{}}
	status := http.StatusInternalServerError
	for _, e := range faultsIn(err) {
		status = statuses[e.Code]
		key := strings.Join(e.Path, ".")
		if len(e.Path) != 2 {
			key = ""
		}
		page.Errors[key] = e.Message
	}
	var open error
	if page.D, open = s.o.Forms.Open(r.Context(), id, in.Known); open != nil {
		writeError(w, core.AsError(open))
		return
	}
	s.showForm(w, status, "form", page)
}

func (s *Server) showForm(w http.ResponseWriter, status int, page string, data any) {
	var b bytes.Buffer
	if err := formPages.ExecuteTemplate(&b, page, data); err != nil {
		writeError(w, core.Errorf(core.Internal, "INTERNAL", "internal error").Wrap(err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func writeForm(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// visits bound how much comes from one address. It is kept as a hash under a key that
// this process made and keeps nowhere.
type visits struct {
	key  [32]byte
	seen *lru.Cache[[32]byte, *rate.Limiter]
}

func newVisits() *visits {
	v := &visits{}
	_, _ = rand.Read(v.key[:]) // never fails since Go 1.24
	seen, err := lru.New[[32]byte, *rate.Limiter](20_000)
	if err != nil {
		panic(err) // the size is not positive
	}
	v.seen = seen
	return v
}

// allow takes one request from an address: one a second, sixty at once.
func (v *visits) allow(r *http.Request) bool {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	sum := sha256.Sum256(append(v.key[:], host...))
	l, ok := v.seen.Get(sum)
	if !ok {
		l = rate.NewLimiter(1, 60)
		if had, there, _ := v.seen.PeekOrAdd(sum, l); there {
			l = had
		}
	}
	return l.Allow()
}

package httpd

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
)

// The pages that a person opens by a signed link. They hold no script, no picture and
// nothing from elsewhere, and set no cookie.
//
// That is why they need no token against forged requests: such a token proves that a
// form was fetched by the browser that sends it, where a cookie would otherwise speak
// for the browser. Here nothing speaks for it but the signed token in the URL itself;
// whoever could forge a request with it has the link already.

//go:embed personal.html
var personalText string

//go:embed personal.css
var personalStyle string

var personalPages = template.Must(template.New("").Funcs(template.FuncMap{
	"style":    func() template.CSS { return template.CSS(personalStyle) },
	"datetime": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"id":       func(c consent.Choice) string { return strings.NewReplacer("|", "-", ".", "-").Replace(c.Key()) },
	"policy":   func(d *consent.Document) string { return d.URL() },
}).Parse(personalText))

// personalPolicy lets a page show its own style and send its own form, and no more.
var personalPolicy = func() string {
	sum := sha256.Sum256([]byte(personalStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
}()

// personal splits the path of such a page.
func personal(path string) (page, token string, ok bool) {
	path = "/" + strings.Trim(path, "/")
	for _, page := range []string{consent.PreferencesPath, consent.UnsubscribePath, consent.ConfirmPath} {
		if token, ok := strings.CutPrefix(path, page); ok && token != "" && !strings.Contains(token, "/") {
			return page, token, true
		}
	}
	return "", "", false
}

const maxForm = 64 << 10

// personal answers for both pages: GET and HEAD show and change nothing, so that mail
// scanners that open every link do no harm; POST does what its form says.
func (s *Server) personal(w http.ResponseWriter, r *http.Request, page, token string) {
	h := w.Header()
	h.Set("Content-Security-Policy", personalPolicy)
	h.Set("Referrer-Policy", "no-referrer") // the link is a secret
	h.Set("Cache-Control", "no-store")
	h.Set("X-Robots-Tag", "noindex, nofollow")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Permissions-Policy", "interest-cohort=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Vary", "Accept-Language")
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost {
		h.Set("Allow", "GET, HEAD, POST")
		s.showFault(w, r, http.StatusMethodNotAllowed, faultMethod)
		return
	}
	if !s.clicks.allow(token) {
		h.Set("Retry-After", "10")
		s.showFault(w, r, http.StatusTooManyRequests, faultOften)
		return
	}
	var err error
	switch {
	case page == consent.PreferencesPath && r.Method == http.MethodPost:
		err = s.save(w, r, token)
	case page == consent.PreferencesPath:
		err = s.preferences(w, r, token)
	case page == consent.ConfirmPath:
		err = s.confirm(w, r, token)
	case r.Method == http.MethodPost:
		err = s.unsubscribe(w, r, token)
	default:
		err = s.unsubscribing(w, r, token)
	}
	if err != nil {
		s.fault(w, r, err)
	}
}

func (s *Server) preferences(w http.ResponseWriter, r *http.Request, token string) error {
	lang := language(r)
	p, err := s.o.Consent.Preferences(r.Context(), token, lang.Lang)
	if err != nil {
		return err
	}
	s.show(w, http.StatusOK, "preferences", lang, lang.Title, struct {
		*consent.PreferencePage
		Done string
	}{p, r.URL.Query().Get("done")})
	return nil
}

func (s *Server) save(w http.ResponseWriter, r *http.Request, token string) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return errForm.Wrap(err)
	}
	f := consent.Form{On: r.PostForm["on"], Had: r.PostForm["had"]}
	if lang := spoken(r.PostForm.Get("language")); lang != nil {
		f.Language = lang.Lang // of the page that was shown, which is what was agreed to
	}
	done := "saved"
	switch r.PostForm.Get("action") {
	case "save":
	case "withdraw_all":
		f.WithdrawAll, done = true, "withdrawn"
	default:
		return errForm
	}
	if err := s.o.Consent.SavePreferences(r.Context(), token, f); err != nil {
		return err
	}
	// To go back or to load the page again sends nothing twice.
	w.Header().Set("Location", consent.PreferencesPath+token+"?done="+done)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func (s *Server) unsubscribing(w http.ResponseWriter, r *http.Request, token string) error {
	u, err := s.o.Consent.Unsubscribing(r.Context(), token)
	if err == nil {
		lang := language(r)
		s.show(w, http.StatusOK, "unsubscribe", lang, lang.Leave, u)
	}
	return err
}

// unsubscribe answers a mail program's one click, and the button of the page, which
// sends the same.
func (s *Server) unsubscribe(w http.ResponseWriter, r *http.Request, token string) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	var err error
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "multipart/form-data" {
		err = r.ParseMultipartForm(maxForm)
	} else {
		err = r.ParseForm()
	}
	name, value, _ := strings.Cut(consent.OneClick, "=")
	if err != nil || r.PostForm.Get(name) != value {
		return errForm
	}
	if err := s.o.Consent.Unsubscribe(r.Context(), token); err != nil {
		return err
	}
	return s.unsubscribing(w, r, token)
}

// confirm shows what the link of a message confirms, and on POST confirms it.
func (s *Server) confirm(w http.ResponseWriter, r *http.Request, token string) error {
	if r.Method == http.MethodPost {
		if err := s.o.Consent.ConfirmClicked(r.Context(), token); err != nil {
			return err
		}
	}
	c, err := s.o.Consent.Confirming(r.Context(), token)
	if err == nil {
		lang := language(r)
		s.show(w, http.StatusOK, "confirm", lang, lang.Confirm, c)
	}
	return err
}

var errForm = core.Errorf(core.Invalid, "FORM", "the form cannot be read")

// fault shows what is wrong, in words for people.
func (s *Server) fault(w http.ResponseWriter, r *http.Request, err error) {
	e := core.AsError(err)
	status, text := statuses[e.Code], faultBusy
	switch e.Reason {
	case "TOKEN_EXPIRED", "CONSENT_SUPERSEDED":
		status, text = http.StatusGone, faultExpired
	case "TOKEN_INVALID":
		status, text = http.StatusNotFound, faultInvalid
	case "NOTHING_KEPT":
		text = faultGone
	case "FORM":
		text = faultForm
	case "RATE_LIMITED":
	default:
		s.o.Logger.WarnContext(r.Context(), "page of a person failed", "requestId", core.RequestID(r.Context()), "code", string(e.Code), "reason", e.Reason)
	}
	if (e.Reason == "TOKEN_INVALID" || e.Reason == "TOKEN_EXPIRED") && !s.clicks.guess(r) {
		w.Header().Set("Retry-After", "60")
		status, text = http.StatusTooManyRequests, faultGuesses
	}
	s.showFault(w, r, status, text)
}

func (s *Server) showFault(w http.ResponseWriter, r *http.Request, status int, what string) {
	lang := language(r)
	s.show(w, status, "fault", lang, lang.Title, lang.faults[what])
}

// show writes a page. It is made before anything is sent, so that a mistake in it is an
// error and no half page.
func (s *Server) show(w http.ResponseWriter, status int, page string, lang *words, title string, data any) {
	var b bytes.Buffer
	if err := personalPages.ExecuteTemplate(&b, page, struct {
		W     *words
		Title string
		D     any
	}{lang, title, data}); err != nil {
		s.o.Logger.WarnContext(context.Background(), "page cannot be made", "page", page, "error", err.Error())
		writeError(w, core.Errorf(core.Internal, "INTERNAL", "internal error").Wrap(err))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", lang.Lang)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// clicks bound how often a link is used and how often somebody guesses. A link that
// works is bounded by itself alone: mail providers click for many people from a few
// addresses.
type clicks struct {
	mu             sync.Mutex
	links, guesses *lru.Cache[string, *rate.Limiter]
}

func newClicks() *clicks {
	links, err := lru.New[string, *rate.Limiter](20_000)
	if err != nil {
		panic(err) // the size is not positive
	}
	guesses, err := lru.New[string, *rate.Limiter](20_000)
	if err != nil {
		panic(err)
	}
	return &clicks{links: links, guesses: guesses}
}

// allow takes one use of a link: one a second, thirty at once.
func (c *clicks) allow(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return c.spend(c.links, string(sum[:]), 1, 30)
}

// guess takes one use of a link that does not work, by the address that it came from.
func (c *clicks) guess(r *http.Request) bool {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return c.spend(c.guesses, host, 0.5, 30)
}

func (c *clicks) spend(from *lru.Cache[string, *rate.Limiter], key string, perSecond rate.Limit, burst int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, ok := from.Get(key)
	if !ok {
		l = rate.NewLimiter(perSecond, burst)
		from.Add(key, l)
	}
	return l.Allow()
}

package httpd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

// noted is a log that may be read while it is written.
type noted struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (n *noted) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.Write(p)
}

func (n *noted) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.buf.String()
}

// desk is a server with one person, over the real services.
type desk struct {
	t       *testing.T
	url     string
	ws, ana string
	ctx     context.Context
	consent *consent.Service
	log     noted
	client  *http.Client
}

func newDesk(t *testing.T) *desk {
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "test.db")})
	require.NoError(t, err)
	for _, specs := range [][]*store.Spec{store.Specs(), keyring.Specs(), audit.Specs(), access.Specs(), event.Specs(), profile.Specs(), ingest.Specs(), work.Specs(), consent.Specs()} {
		require.NoError(t, db.Declare(t.Context(), specs...))
	}
	clock := core.SystemClock{}
	master, err := keyring.NewMaster(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, err)
	ring := keyring.New(db, clock, master)
	members := access.New(access.Options{Store: db})
	events, profiles := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: profiles})
	d := &desk{t: t}
	d.consent = consent.NewService(consent.Options{
		Store: db, Clock: clock, People: profiles.ConsentPeople(), Committer: pipeline, Tokens: ring,
		Audit: audit.New(audit.Options{Store: db, Keys: ring}), Name: func(context.Context, string) (string, error) { return "Shop <Ltd>", nil },
	})
	made, err := members.CreateWorkspace(core.WithActor(t.Context(), access.Operator("test")), "test")
	require.NoError(t, err)
	d.ws = made.Workspace.ID
	d.ctx = core.WithActor(t.Context(), &core.Actor{Workspace: d.ws, ID: "key_1"})
	in := event.Input{Type: event.Identify, UserID: "ana@example.com", MessageID: "m1", Timestamp: time.Now().Add(-time.Hour)}
	in.Seal(in.Timestamp)
	out, err := pipeline.Ingest(d.ctx, d.ws, "src_web", []event.Input{in})
	require.NoError(t, err)
	d.ana = out[0].ProfileID
	s := httptest.NewServer(New(Options{
		Access: members, Events: pipeline, GraphQL: http.NotFoundHandler(), Ready: func(context.Context) error { return nil }, Consent: d.consent,
		Clock: clock, Logger: slog.New(slog.NewTextHandler(&d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}).Handler())
	d.url, d.client = s.URL, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	d.consent.URL = s.URL
	t.Cleanup(func() {
		s.Close()
		require.NoError(t, pipeline.Close(context.Background()))
		require.NoError(t, db.Close(context.Background()))
	})
	return d
}

func (d *desk) do(method, url, kind, body string) (*http.Response, string) {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, url, strings.NewReader(body))
	require.NoError(d.t, err)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	return d.answer(req)
}

func (d *desk) answer(req *http.Request) (*http.Response, string) {
	d.t.Helper()
	res, err := d.client.Do(req)
	require.NoError(d.t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(d.t, err)
	require.NoError(d.t, res.Body.Close())
	return res, string(text)
}

const formType = "application/x-www-form-urlencoded"

func (d *desk) allowed(channel string) bool {
	d.t.Helper()
	a, err := d.consent.Decide(d.ctx, d.ws, consent.Question{ProfileID: d.ana, Purpose: consent.Marketing, Channel: channel})
	require.NoError(d.t, err)
	return a.Allowed
}

func (d *desk) lastEntry() string {
	d.t.Helper()
	page, err := d.consent.Ledger(d.ctx, d.ws, d.ana, core.Window{Limit: 1})
	require.NoError(d.t, err)
	return page.Items[0].ID
}

func (d *desk) words() int64 {
	d.t.Helper()
	n, err := d.consent.CountLedger(d.ctx, d.ws, d.ana)
	require.NoError(d.t, err)
	return n
}

func (d *desk) safe(res *http.Response, body string) {
	d.t.Helper()
	h := res.Header
	require.Contains(d.t, h.Get("Content-Security-Policy"), "default-src 'none'; style-src 'sha256-")
	require.Contains(d.t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	require.Equal(d.t, "no-referrer", h.Get("Referrer-Policy"))
	require.Equal(d.t, "no-store", h.Get("Cache-Control"))
	require.Equal(d.t, "nosniff", h.Get("X-Content-Type-Options"))
	require.Empty(d.t, h.Get("Set-Cookie"))
	for _, never := range []string{"<script", "http://", "https://", "<img", "src=", "ana@example.com", d.ana, "Shop <Ltd>"} {
		require.NotContains(d.t, body, never)
	}
}

func TestPreferencePage(t *testing.T) {
	d := newDesk(t)
	link, err := d.consent.PreferencesLink(d.ctx, d.ws, d.ana, nil)
	require.NoError(t, err)
	require.NotContains(t, link.URL, d.ana)
	res, body := d.do(http.MethodGet, link.URL, "", "")
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	d.safe(res, body)
	require.Contains(t, body, `<html lang="en">`)
	require.Contains(t, body, "Shop &lt;Ltd&gt;")
	// Every box has a label and says what holds; the style is the one that the policy allows.
	require.Equal(t, strings.Count(body, `<input type="checkbox"`), strings.Count(body, `<label for="`))
	require.Equal(t, strings.Count(body, "<fieldset>"), strings.Count(body, "<legend>"))
	require.Contains(t, body, `<input type="checkbox" id="marketing-EMAIL" name="on" value="marketing|EMAIL" aria-describedby="marketing-EMAIL-since">`)
	require.Contains(t, body, "<style>"+personalStyle+"</style>")
	require.Zero(t, d.words(), "to look changes nothing")
	for _, method := range []string{http.MethodHead, http.MethodPut, http.MethodDelete} {
		d.do(method, link.URL, "", "action=withdraw_all")
	}
	require.Zero(t, d.words())

	form := url.Values{"action": {"save"}, "on": {"marketing|EMAIL", "analytics|", "security|"}, "had": {"analytics|", "security|"}}
	res, _ = d.do(http.MethodPost, link.URL, formType, form.Encode())
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.True(t, d.allowed(consent.Email))
	require.False(t, d.allowed(consent.SMS))
	res, body = d.do(http.MethodGet, d.url+res.Header.Get("Location"), "", "")
	d.safe(res, body)
	require.Contains(t, body, "Your choices are saved.")
	require.Contains(t, body, `aria-describedby="marketing-EMAIL-since" checked>`)
	require.Contains(t, body, "you agreed on <time")

	res, _ = d.do(http.MethodPost, link.URL, formType, "action=dance")
	require.Equal(t, http.StatusBadRequest, res.StatusCode)
	require.True(t, d.allowed(consent.Email))
	res, _ = d.do(http.MethodPost, link.URL, formType, "action=withdraw_all")
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	require.False(t, d.allowed(consent.Email))

	res, body = d.do(http.MethodGet, link.URL+"x", "", "")
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	d.safe(res, body)
	require.Contains(t, body, "ask the sender for a new one")
	require.NotContains(t, d.log.String(), strings.TrimPrefix(link.URL, d.url+"/p/"))
	require.Contains(t, d.log.String(), "route=/p/…")
	require.NotContains(t, d.log.String(), "level=WARN")
}

func TestExpiredLink(t *testing.T) {
	w := httptest.NewRecorder()
	s := &Server{clicks: newClicks()}
	s.fault(w, httptest.NewRequest(http.MethodGet, "/p/x", nil), core.Errorf(core.Invalid, "TOKEN_EXPIRED", "no"))
	require.Equal(t, http.StatusGone, w.Code)
	require.Contains(t, w.Body.String(), "A newer message from the sender has a new one")
}

func TestOneClickUnsubscribe(t *testing.T) {
	d := newDesk(t)
	agree := func() {
		_, err := d.consent.Record(d.ctx, d.ws, consent.RecordInput{ProfileID: d.ana, Purpose: consent.Marketing, Channel: consent.Email})
		require.NoError(t, err)
	}
	agree()
	l, err := d.consent.UnsubscribeLink(d.ctx, d.ws, d.ana, consent.Marketing, consent.Email)
	require.NoError(t, err)
	require.Equal(t, "List-Unsubscribe=One-Click", l.ListUnsubscribePost)
	link := strings.Trim(l.ListUnsubscribe, "<>")
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut} {
		res, body := d.do(method, link, "", "")
		d.safe(res, body)
	}
	_, body := d.do(http.MethodGet, link, "", "")
	require.Contains(t, body, `<button type="submit">Unsubscribe</button>`)
	res, _ := d.do(http.MethodPost, link, formType, "")
	require.Equal(t, http.StatusBadRequest, res.StatusCode, "a POST without the body of RFC 8058")
	require.True(t, d.allowed(consent.Email))
	require.EqualValues(t, 1, d.words())
	for range 3 {
		res, body = d.do(http.MethodPost, link, formType, consent.OneClick)
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Contains(t, body, "You are unsubscribed")
		d.safe(res, body)
		require.False(t, d.allowed(consent.Email))
		require.EqualValues(t, 2, d.words())
	}
	agree()
	require.True(t, d.allowed(consent.Email))
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	require.NoError(t, m.WriteField("List-Unsubscribe", "One-Click"))
	require.NoError(t, m.Close())
	res, _ = d.do(http.MethodPost, link, m.FormDataContentType(), form.String())
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.False(t, d.allowed(consent.Email))
	ledger, err := d.consent.Ledger(d.ctx, d.ws, d.ana, core.Window{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, "subject", ledger.Items[0].Actor)
	require.Contains(t, ledger.Items[0].Evidence.String(), consent.SurfaceOneClick)

	limited := 0
	for range 40 {
		if res, _ := d.do(http.MethodGet, link, "", ""); res.StatusCode == http.StatusTooManyRequests {
			limited++
		}
	}
	require.NotZero(t, limited)
	other, err := d.consent.UnsubscribeLink(d.ctx, d.ws, d.ana, consent.Marketing, consent.SMS)
	require.NoError(t, err)
	for i := range 50 { // who guesses is slowed; links that work go on
		d.do(http.MethodPost, fmt.Sprintf("%s/u/ws_MADEUP%04d.abc", d.url, i), formType, consent.OneClick)
	}
	res, _ = d.do(http.MethodGet, d.url+"/u/ws_MADEUP0000.xyz", "", "")
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	res, _ = d.do(http.MethodPost, other.URL, formType, consent.OneClick)
	require.Equal(t, http.StatusOK, res.StatusCode)
}

func TestPolicyByHash(t *testing.T) {
	d := newDesk(t)
	const page = "<!DOCTYPE html><title>Privacy</title><script>alert(1)</script>"
	doc, err := d.consent.Publish(d.ctx, d.ws, consent.PublishInput{Kind: consent.PrivacyPolicy, Locale: "en", Title: "Privacy", Format: consent.FormatHTML, Content: page})
	require.NoError(t, err)
	res, body := d.do(http.MethodGet, d.url+doc.URL(), "", "")
	require.Equal(t, http.StatusOK, res.StatusCode)
	sum := sha256.Sum256([]byte(body))
	require.Equal(t, doc.Hash, hex.EncodeToString(sum[:]), "the bytes are those of the hash")
	require.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"))
	require.True(t, strings.HasPrefix(res.Header.Get("Content-Security-Policy"), "sandbox; default-src 'none'"))
	require.Contains(t, res.Header.Get("Cache-Control"), "immutable")
	for path, status := range map[string]int{
		doc.URL() + "0": http.StatusNotFound, "/v1/policies/" + strings.Repeat("0", 64): http.StatusNotFound, "/v1/policies/" + strings.ToUpper(doc.Hash): http.StatusNotFound,
	} {
		res, _ = d.do(http.MethodGet, d.url+path, "", "")
		require.Equal(t, status, res.StatusCode, path)
		require.Empty(t, res.Header.Get("Cache-Control"))
	}
	res, _ = d.do(http.MethodPost, d.url+doc.URL(), "", "")
	require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
	link, err := d.consent.PreferencesLink(d.ctx, d.ws, d.ana, nil)
	require.NoError(t, err)
	_, body = d.do(http.MethodGet, link.URL, "", "")
	require.Contains(t, body, `<a href="`+doc.URL()+`"`)
	res, _ = d.do(http.MethodPost, link.URL, formType, "action=save&on=marketing%7CEMAIL")
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	ledger, err := d.consent.Ledger(d.ctx, d.ws, d.ana, core.Window{Limit: 9})
	require.NoError(t, err)
	require.Contains(t, ledger.Items[0].Evidence.String(), doc.Hash)
	require.NotContains(t, ledger.Items[0].Evidence.String(), consent.WarningNotice)
}

// Whoever ends something is told how much may still arrive, and nobody who has ended nothing.
func TestWhatIsOnItsWay(t *testing.T) {
	d := newDesk(t)
	d.consent.InFlight = func(_ context.Context, ws, profile string) ([]consent.InFlight, error) {
		require.Equal(t, []string{d.ws, d.ana}, []string{ws, profile})
		return make([]consent.InFlight, 2), nil
	}
	const says = "may still arrive: 2."
	l, err := d.consent.PreferencesLink(d.ctx, d.ws, d.ana, nil)
	require.NoError(t, err)
	u, err := d.consent.UnsubscribeLink(d.ctx, d.ws, d.ana, consent.Marketing, consent.Email)
	require.NoError(t, err)
	_, body := d.do(http.MethodGet, l.URL, "", "")
	require.NotContains(t, body, says)
	_, body = d.do(http.MethodGet, u.URL, "", "")
	require.NotContains(t, body, says)
	_, body = d.do(http.MethodPost, u.URL, formType, consent.OneClick)
	require.Contains(t, body, says)
	res, _ := d.do(http.MethodPost, l.URL, formType, "action=withdraw_all")
	_, body = d.do(http.MethodGet, d.url+res.Header.Get("Location"), "", "")
	require.Contains(t, body, says)
}

// A link to confirm shows a page to whoever opens it, scanners too; its button confirms.
func TestConfirmPage(t *testing.T) {
	d := newDesk(t)
	_, err := d.consent.CreatePurpose(d.ctx, d.ws, consent.Purpose{Key: "news", Name: "News & <offers>", LegalBasis: consent.BasisConsent, ConsentRequired: true, DoubleOptIn: true}, consent.Edit{})
	require.NoError(t, err)
	rec, err := d.consent.Record(d.ctx, d.ws, consent.RecordInput{ProfileID: d.ana, Purpose: "news", Status: consent.Granted})
	require.NoError(t, err)
	link := d.url + consent.ConfirmPath + rec.Token
	before := d.words()
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodGet} {
		res, body := d.do(method, link, "", "")
		require.Equal(t, http.StatusOK, res.StatusCode)
		if method == http.MethodGet {
			d.safe(res, body)
			require.Contains(t, body, "News &amp; &lt;offers&gt;")
			require.Contains(t, body, "<form")
		}
	}
	require.Equal(t, before, d.words())
	for range 2 {
		res, body := d.do(http.MethodPost, link, "application/x-www-form-urlencoded", "")
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.NotContains(t, body, "<form")
		require.Equal(t, before+1, d.words())
	}
	res, _ := d.do(http.MethodGet, link[:len(link)-4]+"AAAA", "", "")
	require.Equal(t, http.StatusNotFound, res.StatusCode)
}

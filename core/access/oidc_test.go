package access_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

func (h *house) try(token string) error {
	_, err := h.Admit(context.Background(), access.Call{Secret: token})
	return err
}

func TestBearerTokens(t *testing.T) {
	h := newHouse(t)
	m := h.join(t, "ana", access.NewMember{Roles: []string{access.Admin}})
	require.NoError(t, h.try(h.issuer.token("ana", "ana@example.com", nil)))
	a := core.ActorFrom(h.member(t, "ana"))
	require.Equal(t, m.MemberID, a.ID)
	require.Equal(t, h.ws, a.Workspace)
	require.Equal(t, []string{access.Admin}, a.Roles)
	require.Equal(t, access.DefaultPurpose, a.Purpose)

	other := newIssuer(t, h.clock) // a real one, that the server does not trust
	good := h.issuer.claims("ana", "ana@example.com", nil)
	now := h.clock.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	change := func(c map[string]any) string { return h.issuer.token("ana", "ana@example.com", c) }
	h.issuer.mu.Lock()
	own := h.issuer.signer
	h.issuer.mu.Unlock()
	head, rest, _ := strings.Cut(change(nil), ".")
	for name, c := range map[string]struct{ token, reason string }{
		"no algorithm":             {unsigned(t, good), "BEARER_INVALID"},
		"public key as a secret":   {hmacToken(t, own.key.Public(), own.kid, good), "BEARER_INVALID"},
		"somebody else's key":      {signed(t, signer{rsaKey(t), jose.RS256, own.kid}, good), "BEARER_INVALID"},
		"somebody's key, no kid":   {signed(t, signer{rsaKey(t), jose.RS256, ""}, good), "BEARER_INVALID"},
		"other algorithm than kid": {signed(t, signer{own.key, jose.PS256, own.kid}, good), "BEARER_INVALID"},
		"changed":                  {head + "." + "e30" + rest[3:], "BEARER_INVALID"},
		"cut":                      {change(nil)[:len(change(nil))-4], "BEARER_INVALID"},
		"another issuer":           {other.token("ana", "ana@example.com", nil), "BEARER_ISSUER"},
		"signed by another issuer": {other.token("ana", "ana@example.com", map[string]any{"iss": h.issuer.url}), "BEARER_INVALID"},
		"issuer with a slash":      {change(map[string]any{"iss": h.issuer.url + "/"}), "BEARER_ISSUER"},
		"wrong audience":           {change(map[string]any{"aud": "somebody"}), "BEARER_AUDIENCE"},
		"no audience":              {change(map[string]any{"aud": nil}), "BEARER_AUDIENCE"},
		"expired":                  {change(map[string]any{"exp": at(-2 * time.Minute)}), "BEARER_EXPIRED"},
		"never expires":            {change(map[string]any{"exp": nil}), "BEARER_INVALID"},
		"future":                   {change(map[string]any{"nbf": at(2 * time.Minute)}), "BEARER_NOT_YET_VALID"},
		"nobody":                   {change(map[string]any{"sub": nil}), "BEARER_INVALID"},
		"another person":           {h.issuer.token("ben", "ana@example.com", nil), "NOT_A_MEMBER"},
		"huge":                     {change(map[string]any{"pad": strings.Repeat("x", 20<<10)}), "BEARER_INVALID"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, h.try(c.token), core.Unauthenticated, c.reason)
		})
	}
	require.NoError(t, h.try(change(map[string]any{"exp": at(-30 * time.Second)})), "within the skew")
	require.NoError(t, h.try(change(map[string]any{"nbf": at(30 * time.Second)})), "within the skew")
	require.NoError(t, h.try(change(map[string]any{"aud": []string{"x", audience}})))
	require.NoError(t, h.try(signed(t, signer{own.key, own.alg, ""}, good)), "a token need not name its key")
}

func TestKeysOfIssuersRotate(t *testing.T) {
	h := newHouse(t)
	h.join(t, "ana", access.NewMember{Roles: []string{access.Admin}})
	token := func() string { return h.issuer.token("ana", "ana@example.com", nil) }
	old := token()
	h.clock.Advance(time.Minute)
	h.issuer.rotate("second", jose.ES256, ecKey(t))
	require.NoError(t, h.try(token()), "an unknown key is asked for")
	refused(t, h.try(old), core.Unauthenticated, "BEARER_INVALID") // withdrawn with the reading
	h.clock.Advance(time.Minute)
	h.issuer.rotate("second", jose.ES256, ecKey(t))
	require.NoError(t, h.try(token()), "a new key under an old name")

	// A withdrawn key is believed until the keys are read again, and no longer.
	old = token()
	h.clock.Advance(time.Minute)
	h.issuer.rotate("third", jose.RS256, rsaKey(t))
	require.NoError(t, h.try(old))
	h.clock.Advance(5 * time.Minute)
	refused(t, h.try(old), core.Unauthenticated, "BEARER_INVALID")

	// Two keys of one name: both are tried, and each only with its own algorithm.
	rs, es := rsaKey(t), ecKey(t)
	h.clock.Advance(time.Minute)
	h.issuer.mu.Lock()
	h.issuer.public = []jose.JSONWebKey{
		{Key: rs.Public(), KeyID: "twin", Algorithm: "RS256", Use: "sig"},
		{Key: es.Public(), KeyID: "twin", Algorithm: "ES256", Use: "sig"},
		{Key: rsaKey(t).Public(), KeyID: "sealer", Use: "enc"},
	}
	h.issuer.mu.Unlock()
	claims := h.issuer.claims("ana", "ana@example.com", nil)
	require.NoError(t, h.try(signed(t, signer{rs, jose.RS256, "twin"}, claims)))
	require.NoError(t, h.try(signed(t, signer{es, jose.ES256, "twin"}, claims)))
	refused(t, h.try(signed(t, signer{rsaKey(t), jose.RS256, "twin"}, claims)), core.Unauthenticated, "BEARER_INVALID")
	refused(t, h.try(signed(t, signer{rs, jose.RS384, "twin"}, claims)), core.Unauthenticated, "BEARER_INVALID")

	// Made-up keys do not make the server ask again and again.
	before := h.issuer.asked()
	for range 50 {
		refused(t, h.try(signed(t, signer{es, jose.ES256, "made-up"}, claims)), core.Unauthenticated, "BEARER_INVALID")
	}
	require.LessOrEqual(t, h.issuer.asked()-before, 1)
}

func TestIssuerDown(t *testing.T) {
	h := newHouse(t)
	made, err := h.InviteMember(root, access.NewMember{Workspace: h.ws, Email: "ana@example.com", Roles: []string{access.Admin}})
	require.NoError(t, err)
	token := func() string { return h.issuer.token("ana", "ana@example.com", nil) }
	h.issuer.cut(true)
	refused(t, h.try(token()), core.Unavailable, "ISSUER_UNAVAILABLE")
	refused(t, h.try(token()), core.Unavailable, "ISSUER_UNAVAILABLE") // without asking again
	require.Zero(t, h.issuer.asked())
	h.issuer.cut(false)
	h.clock.Advance(3 * time.Second)
	_, err = h.AcceptInvitation(h.guest(t, "ana"), made.Token)
	require.NoError(t, err)

	// Known keys are good for an hour without the issuer; unknown ones cannot be told
	// from wrong ones.
	h.issuer.cut(true)
	h.clock.Advance(10 * time.Minute)
	require.NoError(t, h.try(token()))
	h.issuer.rotate("second", jose.ES256, ecKey(t))
	h.clock.Advance(time.Minute)
	refused(t, h.try(token()), core.Unavailable, "ISSUER_UNAVAILABLE")
	h.clock.Advance(time.Hour)
	refused(t, h.try(token()), core.Unavailable, "ISSUER_UNAVAILABLE")
	h.issuer.cut(false)
	h.clock.Advance(time.Minute)
	require.NoError(t, h.try(token()))
}

func TestIssuersThatCannotBeTrusted(t *testing.T) {
	for _, url := range []string{"http://issuer.example.com", "issuer", "https://", "https://a.example/?x=1", "ftp://127.0.0.1"} {
		_, err := access.NewOIDC(access.OIDCOptions{Issuers: []string{url}, Audiences: []string{"x"}})
		refused(t, err, core.Invalid, "OIDC_ISSUER")
	}
	_, err := access.NewOIDC(access.OIDCOptions{Issuers: []string{"https://a.example"}})
	refused(t, err, core.Invalid, "OIDC_AUDIENCE")

	// One whose discovery names somebody else, or keys that anybody could change.
	for _, body := range []string{
		`{"issuer":"https://somebody.example","jwks_uri":"https://somebody.example/keys"}`,
		`{"issuer":"ISSUER","jwks_uri":"http://keys.example.com/keys"}`, `{`,
	} {
		h := newHouse(t)
		var server *httptest.Server
		server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.ReplaceAll(body, "ISSUER", server.URL)))
		}))
		bad := &issuer{t: t, clock: h.clock, url: server.URL, signer: signer{rsaKey(t), jose.RS256, "x"}}
		h.trust(t, bad)
		refused(t, h.try(bad.token("ana", "ana@example.com", nil)), core.Unavailable, "ISSUER_UNAVAILABLE")
		server.Close()
	}
}

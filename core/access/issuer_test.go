package access_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/keyring"
)

// issuer is an OpenID issuer on this machine: discovery, keys and signatures are real.
type issuer struct {
	t     testing.TB
	clock core.Clock
	url   string

	mu       sync.Mutex
	public   []jose.JSONWebKey
	signer   signer
	down     bool
	readings int
}

type signer struct {
	key crypto.Signer
	alg jose.SignatureAlgorithm
	kid string
}

func rsaKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return k
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return k
}

func newIssuer(t testing.TB, clock core.Clock) *issuer {
	t.Helper()
	i := &issuer{t: t, clock: clock}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		i.answer(w, map[string]any{
			"issuer": i.url, "jwks_uri": i.url + "/keys", "authorization_endpoint": i.url + "/authorize", "token_endpoint": i.url + "/token",
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256", "ES256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		i.readings++
		set := jose.JSONWebKeySet{Keys: i.public}
		i.mu.Unlock()
		i.answer(w, set)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	i.url = server.URL
	i.rotate("first", jose.RS256, rsaKey(t))
	return i
}

func (i *issuer) answer(w http.ResponseWriter, v any) {
	i.mu.Lock()
	down := i.down
	i.mu.Unlock()
	if down {
		http.Error(w, "out of order", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// rotate replaces all keys by one.
func (i *issuer) rotate(kid string, alg jose.SignatureAlgorithm, key crypto.Signer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.signer = signer{key, alg, kid}
	i.public = []jose.JSONWebKey{{Key: key.Public(), KeyID: kid, Algorithm: string(alg), Use: "sig"}}
}

func (i *issuer) cut(down bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.down = down
}

func (i *issuer) asked() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.readings
}

const audience = "headwater-test"

// claims are those of a good token for somebody, with changes; nil drops a claim.
func (i *issuer) claims(subject, email string, change map[string]any) map[string]any {
	now := i.clock.Now()
	c := map[string]any{
		"iss": i.url, "sub": subject, "aud": audience, "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(),
		"email": email, "email_verified": true, "name": "Name of " + subject,
	}
	maps.Copy(c, change)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// token signs with the issuer's present key.
func (i *issuer) token(subject, email string, change map[string]any) string {
	i.mu.Lock()
	s := i.signer
	i.mu.Unlock()
	return signed(i.t, s, i.claims(subject, email, change))
}

func signed(t testing.TB, s signer, claims any) string {
	t.Helper()
	opt := (&jose.SignerOptions{}).WithType("JWT")
	if s.kid != "" {
		opt = opt.WithHeader("kid", s.kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, opt)
	require.NoError(t, err)
	body, err := json.Marshal(claims)
	require.NoError(t, err)
	jws, err := signer.Sign(body)
	require.NoError(t, err)
	out, err := jws.CompactSerialize()
	require.NoError(t, err)
	return out
}

// hmacToken signs with the public key as if it were a shared secret.
func hmacToken(t testing.TB, public crypto.PublicKey, kid string, claims any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	require.NoError(t, err)
	body, err := json.Marshal(claims)
	require.NoError(t, err)
	jws, err := s.Sign(body)
	require.NoError(t, err)
	out, err := jws.CompactSerialize()
	require.NoError(t, err)
	return out
}

// unsigned is a token with alg "none".
func unsigned(t testing.TB, claims any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	require.NoError(t, err)
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + enc(body) + "."
}

// house is a service with members, who sign in at a real issuer.
type house struct {
	*fixture
	ring   *keyring.Ring
	log    *audit.Log
	issuer *issuer
	alerts []access.Alert
	ws     string
}

func newHouse(t testing.TB) *house {
	t.Helper()
	return houseOn(t, openPath(t, filepath.Join(t.TempDir(), "hw.db")))
}

func houseOn(t testing.TB, s *counting) *house {
	t.Helper()
	master, err := keyring.NewMaster([]byte(strings.Repeat("m", 32)))
	require.NoError(t, err)
	h := &house{}
	h.fixture = serviceOn(t, s, func(f *fixture, o *access.Options) {
		h.ring = keyring.New(s, f.clock, master)
		h.log = audit.New(audit.Options{Store: s, Keys: h.ring, Logger: silent, Runner: f.runner, Gather: time.Millisecond,
			Workspaces: func(context.Context) ([]string, error) { return []string{h.ws}, nil }})
		o.Ring, o.Audit = h.ring, h.log
		o.Alert = func(_ context.Context, a access.Alert) { h.alerts = append(h.alerts, a) }
	})
	h.issuer = newIssuer(t, h.clock)
	h.trust(t, h.issuer)
	h.made, err = h.CreateWorkspace(root, "Shop")
	require.NoError(t, err)
	h.ws = h.made.Workspace.ID
	h.admin = h.as(t, h.made.AdminKey)
	return h
}

func (h *house) trust(t testing.TB, issuers ...*issuer) {
	t.Helper()
	o := access.OIDCOptions{Audiences: []string{"another", audience}, Clock: h.clock, Logger: silent}
	for _, i := range issuers {
		o.Issuers = append(o.Issuers, i.url)
	}
	v, err := access.NewOIDC(o)
	require.NoError(t, err)
	h.SetOIDC(v)
}

// join invites somebody and accepts for them.
func (h *house) join(t testing.TB, name string, n access.NewMember) *access.Member {
	t.Helper()
	n.Email = name + "@example.com"
	if n.Workspace == "" {
		n.Workspace = h.ws
	}
	made, err := h.InviteMember(root, n)
	require.NoError(t, err)
	m, err := h.AcceptInvitation(h.guest(t, name), made.Token)
	require.NoError(t, err)
	return m
}

// guest is the context of a request of somebody who signed in, member or not.
func (h *house) guest(t testing.TB, name string) context.Context {
	t.Helper()
	a, err := h.Admit(t.Context(), access.Call{Secret: h.issuer.token(name, name+"@example.com", nil), Guest: true})
	require.NoError(t, err)
	return core.WithActor(t.Context(), a)
}

// member is the context of a member's request.
func (h *house) member(t testing.TB, name string) context.Context {
	t.Helper()
	a, err := h.Admit(t.Context(), access.Call{Secret: h.issuer.token(name, name+"@example.com", nil), Workspace: h.ws})
	require.NoError(t, err)
	return core.WithActor(t.Context(), a)
}

package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/headwater-cdp/headwater/core"
)

// DefaultSkew is how far the clocks of an issuer and this server may be apart.
const DefaultSkew = time.Minute

// OIDCOptions say whose tokens are believed.
type OIDCOptions struct {
	Issuers   []string // URLs as tokens have them in iss; https, or http on this machine
	Audiences []string // one of which a token must be made for
	Skew      time.Duration
	// Fresh is how long an issuer's keys are used before they are read again; 5 minutes.
	Fresh time.Duration
	// Stale is how long they are used when they cannot be read again; an hour.
	Stale  time.Duration
	Clock  core.Clock
	Client *http.Client // for the issuers; nil means one that gives up after 5 s
	Logger *slog.Logger
}

// OIDC verifies the tokens of the issuers that a server trusts.
type OIDC struct {
	o       OIDCOptions
	issuers map[string]*issuer
}

// Identity is whom an issuer vouches for.
type Identity struct {
	Issuer, Subject string
	Email, Name     string // "" when the token does not say
	EmailVerified   bool
	Expires         time.Time
}

// The errors of bearer tokens. They say nothing of what a token holds.
var (
	errNoIssuer      = core.Errorf(core.Unauthenticated, "BEARER_ISSUER", "this server trusts no issuer of tokens; use a key, or let its operator name an issuer with --oidc-issuer")
	errBearerIssuer  = core.Errorf(core.Unauthenticated, "BEARER_ISSUER", "this server does not trust the issuer of this token")
	errBearer        = core.Errorf(core.Unauthenticated, "BEARER_INVALID", "this token is damaged, or not signed by the issuer's present keys with one of RS, PS, ES or EdDSA; sign in again")
	errBearerExpired = core.Errorf(core.Unauthenticated, "BEARER_EXPIRED", "this token has expired; sign in again")
	errBearerEarly   = core.Errorf(core.Unauthenticated, "BEARER_NOT_YET_VALID", "this token is not valid yet; check the clocks of the issuer and of this server")
	errAudience      = core.Errorf(core.Unauthenticated, "BEARER_AUDIENCE", "this token was made for something else; ask the issuer for one with the audience of this server")
	errIssuerDown    = core.Errorf(core.Unavailable, "ISSUER_UNAVAILABLE", "the issuer of this token cannot be asked for its keys now; try again").After(2 * time.Second)
)

// algorithms are those that a token may be signed with: none that shares a secret, and
// not "none".
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// NewOIDC makes a verifier. Issuers are not asked before their first token comes. The
// error is INVALID: an issuer that is not https, or none of Audiences.
func NewOIDC(o OIDCOptions) (*OIDC, error) {
	if o.Clock == nil {
		o.Clock = core.SystemClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Skew <= 0 {
		o.Skew = DefaultSkew
	}
	if o.Fresh <= 0 {
		o.Fresh = 5 * time.Minute
	}
	if o.Stale <= 0 {
		o.Stale = time.Hour
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: 5 * time.Second}
	}
	client := *o.Client
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) >= 3 || !safe(r.URL) {
			return errors.New("access: an issuer redirects too often, or to somewhere without https")
		}
		return nil
	}
	o.Client = &client
	if len(o.Issuers) > 0 && len(o.Audiences) == 0 {
		return nil, core.Errorf(core.Invalid, "OIDC_AUDIENCE", "name the audience that tokens for this server have (--oidc-audience): without it a token made for anybody would open it")
	}
	v := &OIDC{o: o, issuers: map[string]*issuer{}}
	for _, text := range o.Issuers {
		u, err := url.Parse(text)
		if err != nil || !safe(u) || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return nil, core.Errorf(core.Invalid, "OIDC_ISSUER", "an issuer is an https URL as its tokens have it in iss, without a query")
		}
		v.issuers[text] = newIssuer(text, o)
	}
	return v, nil
}

// safe reports whether nobody on the way can change what comes from a URL.
func safe(u *url.URL) bool {
	switch u.Scheme {
	case "https":
		return u.Host != ""
	case "http":
		ip := net.ParseIP(u.Hostname())
		return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	}
	return false
}

// SetOIDC lets in members with tokens of the issuers that o trusts.
func (s *Service) SetOIDC(o *OIDC) { s.oidc.Store(o) }

func (v *OIDC) trusts(issuer string) bool { return v.issuers[issuer] != nil }

// maxToken is how long a token may be, in bytes.
const maxToken = 16 << 10

// looksLikeToken tells a bearer token from a mistyped key.
func looksLikeToken(s string) bool { return strings.HasPrefix(s, "ey") && strings.Count(s, ".") == 2 }

// Verify returns whom a token stands for. See Admit for its errors.
func (v *OIDC) Verify(ctx context.Context, token string) (*Identity, error) {
	if len(token) > maxToken {
		return nil, errBearer
	}
	// Whose keys to try: nothing of this is believed before the signature is.
	name, err := unverifiedIssuer(token)
	if err != nil {
		return nil, err
	}
	from := v.issuers[name]
	if from == nil {
		return nil, errBearerIssuer
	}
	keys, err := from.ready(ctx)
	if err != nil {
		return nil, err
	}
	// The times and the audience are checked below: with one skew for all times, and
	// against several audiences.
	check := &keysOnce{issuer: from, keys: keys}
	verifier := oidc.NewVerifier(name, check, &oidc.Config{SkipClientIDCheck: true, SkipExpiryCheck: true, SupportedSigningAlgs: algorithms})
	t, err := verifier.Verify(ctx, token)
	switch {
	case check.down != nil:
		return nil, check.down
	case err != nil:
		return nil, errBearer.Wrap(err)
	}
	return v.check(t)
}

func (v *OIDC) check(t *oidc.IDToken) (*Identity, error) {
	var c struct {
		Expiry    *float64 `json:"exp"`
		NotBefore *float64 `json:"nbf"`
		Email     string   `json:"email"`
		Verified  any      `json:"email_verified"`
		Name      string   `json:"name"`
	}
	if err := t.Claims(&c); err != nil {
		return nil, errBearer.Wrap(err)
	}
	now := v.o.Clock.Now()
	switch {
	case t.Subject == "" || len(t.Subject) > 255 || c.Expiry == nil:
		return nil, errBearer
	case !now.Before(t.Expiry.Add(v.o.Skew)):
		return nil, errBearerExpired
	case c.NotBefore != nil && now.Add(v.o.Skew).Before(time.UnixMilli(int64(*c.NotBefore*1000))):
		return nil, errBearerEarly
	case !slices.ContainsFunc(t.Audience, func(a string) bool { return slices.Contains(v.o.Audiences, a) }):
		return nil, errAudience
	}
	// Some issuers write the boolean as text.
	verified := c.Verified == true || c.Verified == "true"
	return &Identity{
		Issuer: t.Issuer, Subject: t.Subject, Email: c.Email, EmailVerified: verified, Name: c.Name, Expires: t.Expiry.Add(v.o.Skew),
	}, nil
}

// unverifiedIssuer reads iss, to know whose keys to try.
func unverifiedIssuer(token string) (string, error) {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return "", errBearer
	}
	var c struct {
		Issuer string `json:"iss"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", errBearer
	}
	return c.Issuer, nil
}

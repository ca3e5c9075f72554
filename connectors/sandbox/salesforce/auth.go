package salesforce

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// The connected app, and a refresh token that somebody was given for it.
const (
	clientID     = "3MVG9sandboxConsumerKey"
	clientSecret = "9F2A7CsandboxConsumerSecret"
	firstRefresh = "5Aep861sandboxRefreshToken"
)

// tokenLife is how long an access token works.
const tokenLife = 2 * time.Hour

// auth is what the connected app knows.
type auth struct {
	tokens  map[string]time.Time // access tokens and their ends
	refresh map[string]bool
	codes   map[string]grant
	rotate  bool
	key     *rsa.PublicKey // of the certificate for JWT bearer
	scopes  string
}

// grant is a code that somebody was given on agreeing.
type grant struct{ redirect, challenge string }

func newAuth() auth {
	return auth{tokens: map[string]time.Time{}, refresh: map[string]bool{firstRefresh: true}, codes: map[string]grant{}, scopes: "api refresh_token id"}
}

// oauthError is the form of the token endpoint's errors.
func oauthError(w http.ResponseWriter, code, description string) {
	sandbox.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": description})
}

// token is the token endpoint, with its four grants.
func (s *server) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		oauthError(w, "invalid_request", "must use HTTP POST with a form")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	form := r.PostForm
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		id, secret = user, pass
	}
	kind := form.Get("grant_type")
	if kind != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		if id != clientID {
			oauthError(w, "invalid_client_id", "client identifier invalid")
			return
		}
		if subtle.ConstantTimeCompare([]byte(secret), []byte(clientSecret)) != 1 {
			oauthError(w, "invalid_client", "invalid client credentials")
			return
		}
	}
	answer := map[string]any{}
	switch kind {
	case "client_credentials":
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		if err := s.auth.assertion(form.Get("assertion"), sandbox.BaseURL(r), s.desk.Clock.Now()); err != nil {
			oauthError(w, "invalid_grant", err.Error())
			return
		}
	case "refresh_token":
		old := form.Get("refresh_token")
		if !s.auth.refresh[old] {
			oauthError(w, "invalid_grant", "expired access/refresh token")
			return
		}
		if s.auth.rotate {
			delete(s.auth.refresh, old)
			answer["refresh_token"] = s.auth.newRefresh()
		}
	case "authorization_code":
		if why := s.auth.redeem(form); why != "" {
			oauthError(w, "invalid_grant", why)
			return
		}
		answer["refresh_token"] = s.auth.newRefresh()
	default:
		oauthError(w, "unsupported_grant_type", "grant type not supported")
		return
	}
	now := s.desk.Clock.Now()
	token := orgID[:15] + "!" + random()
	s.auth.tokens[token] = now.Add(tokenLife)
	answer["access_token"] = token
	answer["token_type"] = "Bearer"
	answer["scope"] = s.auth.scopes
	answer["instance_url"] = sandbox.BaseURL(r)
	answer["id"] = s.identity(r)
	if kind != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		answer["issued_at"] = strconv.FormatInt(now.UnixMilli(), 10) // the vendor writes it as text
		answer["signature"] = base64.StdEncoding.EncodeToString([]byte(random()))
	}
	sandbox.WriteJSON(w, http.StatusOK, answer)
}

func (a *auth) newRefresh() string {
	token := "5Aep861" + random()
	a.refresh[token] = true
	return token
}

// redeem takes a code once; PKCE is checked when the code was asked for with it.
func (a *auth) redeem(form url.Values) string {
	g, ok := a.codes[form.Get("code")]
	delete(a.codes, form.Get("code"))
	switch {
	case !ok:
		return "expired authorization code"
	case g.redirect != form.Get("redirect_uri"):
		return "redirect_uri must match configuration"
	}
	if g.challenge != "" {
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge {
			return "invalid code verifier"
		}
	}
	return ""
}

// assertion checks a JWT: RS256 by the registered certificate, for us, for at most
// three minutes.
func (a *auth) assertion(jwt, audience string, now time.Time) error {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return errors.New("invalid assertion")
	}
	var header struct {
		Alg string `json:"alg"`
	}
	var claims struct {
		Iss string      `json:"iss"`
		Sub string      `json:"sub"`
		Aud string      `json:"aud"`
		Exp json.Number `json:"exp"`
	}
	for part, into := range map[int]any{0: &header, 1: &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[part])
		if err != nil || json.Unmarshal(raw, into) != nil {
			return errors.New("invalid assertion")
		}
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || header.Alg != "RS256" {
		return errors.New("algorithm not supported")
	}
	if claims.Iss != clientID {
		return errors.New("client identifier invalid")
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if a.key == nil || rsa.VerifyPKCS1v15(a.key, crypto.SHA256, sum[:], signature) != nil {
		return errors.New("invalid assertion")
	}
	exp, err := claims.Exp.Int64()
	switch at := time.Unix(exp, 0); {
	case err != nil || !at.After(now):
		return errors.New("assertion expired")
	case at.After(now.Add(5 * time.Minute)):
		return errors.New("assertion expiration too far in the future")
	case claims.Aud != audience && claims.Aud != "https://login.salesforce.com" && claims.Aud != "https://test.salesforce.com":
		return errors.New("audience is invalid")
	case claims.Sub != username:
		return errors.New("user hasn't approved this consumer")
	}
	return nil
}

// authorize is the page where somebody agrees; here everybody does at once.
func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || !back.IsAbs() || q.Get("client_id") != clientID || q.Get("response_type") != "code" {
		oauthError(w, "invalid_request", "client_id, redirect_uri and response_type=code are required")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	code := "aPrx" + random()
	s.auth.codes[code] = grant{redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge")}
	answer := back.Query()
	answer.Set("code", code)
	if state := q.Get("state"); state != "" {
		answer.Set("state", state)
	}
	back.RawQuery = answer.Encode()
	w.Header().Set("Location", back.String())
	w.WriteHeader(http.StatusFound)
}

func (s *server) revoke(w http.ResponseWriter, r *http.Request) {
	token := r.FormValue("token")
	s.mu.Lock()
	defer s.mu.Unlock()
	_, access := s.auth.tokens[token]
	if !access && !s.auth.refresh[token] {
		oauthError(w, "unsupported_token_type", "this token type is not supported")
		return
	}
	delete(s.auth.tokens, token)
	delete(s.auth.refresh, token)
	w.WriteHeader(http.StatusOK)
}

// signedIn lets requests with a living token through.
func (s *server) signedIn(do handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if query := r.URL.Query().Get("oauth_token"); token == "" && query != "" {
			kind, token = "Bearer", query
		}
		sandbox.Hold(w, func(w http.ResponseWriter) {
			s.mu.Lock()
			defer s.mu.Unlock()
			end, ok := s.auth.tokens[token]
			switch {
			case !(strings.EqualFold(kind, "Bearer") || strings.EqualFold(kind, "OAuth")) || !ok || !end.After(s.desk.Clock.Now()):
				expired().write(w)
			case !strings.Contains(" "+s.auth.scopes+" ", " api "):
				failed(http.StatusForbidden, "INSUFFICIENT_ACCESS", "This session is not valid for use with the REST API").write(w)
			default:
				if bad := do(w, r); bad != nil {
					bad.write(w)
				}
			}
		})
	}
}

func (s *server) identity(r *http.Request) string {
	return sandbox.BaseURL(r) + "/id/" + orgID + "/" + userID
}

func (s *server) userInfo(w http.ResponseWriter, r *http.Request) *fault {
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{
		"id": s.identity(r), "user_id": userID, "organization_id": orgID, "username": username,
		"preferred_username": username, "active": true, "user_type": "STANDARD", "asserted_user": true,
	})
	return nil
}

// certificate reads the public key of a PEM certificate or public key.
func certificate(text string) (*rsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("certificate is PEM")
	}
	var key any
	if block.Type == "CERTIFICATE" {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		key = c.PublicKey
	} else {
		var err error
		if key, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return nil, err
		}
	}
	if k, ok := key.(*rsa.PublicKey); ok {
		return k, nil
	}
	return nil, errors.New("certificate has an RSA key")
}

func random() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // it never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

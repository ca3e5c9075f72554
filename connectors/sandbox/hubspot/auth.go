package hubspot

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
)

// The private app's token; the public app, a refresh token that somebody gave it,
// and the key of its developer.
const (
	privateToken = "pat-eu1-5d1b7a3e-sandbox-4c2f-9e8a-private"
	clientID     = "9b1f6c3e-sandbox-4d7a-8c55-clientid"
	clientSecret = "c47a2e90-sandbox-4b1e-a6f3-clientsecret"
	firstRefresh = "eu1-7f3c-sandbox-4e21-9d6b-refreshtoken"
	developerKey = "eu1-d10b-sandbox-47aa-developerkey"
)

// tokenLife is how long an access token works.
const tokenLife = 30 * time.Minute

// defaultScopes are what both apps were granted.
const defaultScopes = "oauth crm.objects.contacts.read crm.objects.contacts.write crm.objects.companies.read crm.objects.companies.write " +
	"crm.objects.deals.read crm.objects.deals.write crm.objects.custom.read crm.objects.custom.write crm.schemas.contacts.read crm.schemas.custom.read " +
	"crm.lists.read crm.lists.write behavioral_events.event_definitions.read_write analytics.behavioral_events.send"

type auth struct {
	tokens  map[string]time.Time
	refresh map[string]bool
	codes   map[string]grant
	scopes  string
}

type grant struct{ redirect, challenge string }

func newAuth() auth {
	return auth{tokens: map[string]time.Time{}, refresh: map[string]bool{firstRefresh: true}, codes: map[string]grant{}, scopes: defaultScopes}
}

func oauthError(w http.ResponseWriter, status, message string) {
	sandbox.WriteJSON(w, http.StatusBadRequest, map[string]string{"status": status, "message": message, "correlationId": correlation()})
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	if kind := r.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/x-www-form-urlencoded") || r.ParseForm() != nil {
		oauthError(w, "BAD_REQUEST", "the token endpoint takes application/x-www-form-urlencoded")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	form := r.PostForm
	if form.Get("client_id") != clientID {
		oauthError(w, "BAD_CLIENT_ID", "missing or unknown client id")
		return
	}
	if subtle.ConstantTimeCompare([]byte(form.Get("client_secret")), []byte(clientSecret)) != 1 {
		oauthError(w, "BAD_CLIENT_SECRET", "missing or invalid client secret")
		return
	}
	refresh := form.Get("refresh_token")
	switch form.Get("grant_type") {
	case "refresh_token":
		if !s.auth.refresh[refresh] {
			oauthError(w, "BAD_REFRESH_TOKEN", "missing or invalid refresh token")
			return
		}
	case "authorization_code":
		g, ok := s.auth.codes[form.Get("code")]
		delete(s.auth.codes, form.Get("code"))
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		switch {
		case !ok:
			oauthError(w, "BAD_AUTH_CODE", "missing or unknown auth code")
			return
		case g.redirect != form.Get("redirect_uri"):
			oauthError(w, "MISMATCH_REDIRECT_URI_AUTH_CODE", "missing or mismatching redirect_uri")
			return
		case g.challenge != "" && base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge:
			oauthError(w, "BAD_CODE_VERIFIER", "missing or mismatching code_verifier")
			return
		}
		refresh = "eu1-" + random()
		s.auth.refresh[refresh] = true
	default:
		oauthError(w, "BAD_GRANT_TYPE", "missing or unknown grant type")
		return
	}
	token := "CK" + random()
	s.auth.tokens[token] = s.desk.Clock.Now().Add(tokenLife)
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{
		"token_type": "bearer", "refresh_token": refresh, "access_token": token, "expires_in": int(tokenLife.Seconds()),
	})
}

// authorize is the page where somebody agrees; here everybody does at once.
func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || !back.IsAbs() || q.Get("client_id") != clientID || q.Get("scope") == "" {
		oauthError(w, "BAD_REQUEST", "client_id, redirect_uri and scope are required")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	code := "eu1-" + random()
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

func (s *server) tokenInfo(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok := s.auth.tokens[r.PathValue("token")]
	if !ok {
		failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "access token not found").write(w)
		return
	}
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{
		"token": r.PathValue("token"), "user": "owner@headwater.example", "hub_domain": "headwater.example", "scopes": strings.Fields(s.auth.scopes),
		"hub_id": json.Number(portal), "app_id": json.Number(appID), "user_id": 48150342, "token_type": "access",
		"expires_in": int(end.Sub(s.desk.Clock.Now()).Seconds()),
	})
}

func (s *server) deleteRefresh(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.auth.refresh, r.PathValue("token"))
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) privateInfo(w http.ResponseWriter, r *http.Request) {
	in, bad := body[struct {
		TokenKey string `json:"tokenKey"`
	}](r)
	if bad != nil || in.TokenKey != privateToken {
		failed(http.StatusNotFound, "OBJECT_NOT_FOUND", "access token not found").write(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sandbox.WriteJSON(w, http.StatusOK, map[string]any{
		"userId": 48150342, "hubId": json.Number(portal), "appId": json.Number(appID), "scopes": strings.Fields(s.auth.scopes),
	})
}

// scopeFor is the scope that a call needs: the kind of call, and the type in its path.
func scopeFor(kind string, r *http.Request) string {
	switch kind {
	case "read", "write":
		name := strings.ToLower(r.PathValue("type"))
		for _, of := range [][4]string{{"contacts", "contact", "0-1", "contacts"}, {"companies", "company", "0-2", "companies"}, {"deals", "deal", "0-3", "deals"}} {
			if name == of[0] || name == of[1] || name == of[2] {
				return "crm.objects." + of[3] + "." + kind
			}
		}
		return "crm.objects.custom." + kind
	case "schema":
		return "crm.schemas.contacts.read"
	case "custom":
		return "crm.schemas.custom.read"
	case "lists.read", "lists.write":
		return "crm." + kind
	case "events":
		return "analytics.behavioral_events.send"
	}
	return "oauth"
}

// signedIn lets requests with a living token and its scope through.
func (s *server) signedIn(kind string, do handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		sandbox.Hold(w, func(w http.ResponseWriter) {
			s.mu.Lock()
			defer s.mu.Unlock()
			end, ok := s.auth.tokens[token]
			if token == privateToken {
				end, ok = s.desk.Clock.Now().Add(time.Hour), true
			}
			switch scope := scopeFor(kind, r); {
			case !strings.EqualFold(scheme, "Bearer") || !ok:
				failed(http.StatusUnauthorized, "INVALID_AUTHENTICATION", "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more details at https://developers.hubspot.com/docs/methods/auth/oauth-overview").write(w)
			case !end.After(s.desk.Clock.Now()):
				expired(end).write(w)
			case !strings.Contains(" "+s.auth.scopes+" ", " "+scope+" "):
				f := failed(http.StatusForbidden, "MISSING_SCOPES", "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: https://developers.hubspot.com/scopes.")
				f.errors = []any{map[string]any{"message": "One or more of the following scopes are required.", "context": map[string][]string{"requiredGranularScopes": {scope}}}}
				f.write(w)
			default:
				if bad := do(w, r); bad != nil {
					bad.write(w)
				}
			}
		})
	}
}

func random() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // it never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b)
}

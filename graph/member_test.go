package graph_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/access"
)

// signIn makes the world trust an issuer on this machine, and returns what makes its
// tokens.
func (w *world) signIn() func(subject, email string) string {
	w.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(w.t, err)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	w.t.Cleanup(server.Close)
	mux.HandleFunc("/.well-known/openid-configuration", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(rw).Encode(map[string]string{"issuer": server.URL, "jwks_uri": server.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(rw http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(rw).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Algorithm: "RS256", Use: "sig"}}})
	})
	v, err := access.NewOIDC(access.OIDCOptions{Issuers: []string{server.URL}, Audiences: []string{"headwater"}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(w.t, err)
	w.services.Access.SetOIDC(v)
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	require.NoError(w.t, err)
	return func(subject, email string) string {
		body, err := json.Marshal(map[string]any{
			"iss": server.URL, "sub": subject, "aud": "headwater", "exp": time.Now().Add(time.Hour).Unix(), "email": email, "email_verified": true,
		})
		require.NoError(w.t, err)
		jws, err := s.Sign(body)
		require.NoError(w.t, err)
		out, err := jws.CompactSerialize()
		require.NoError(w.t, err)
		return out
	}
}

const acceptQuery = `mutation($token: String!) { acceptInvitation(input: {token: $token}) { member { id status email } workspaceId userErrors { code reason path } } }`

// A person is invited, signs in, accepts, works, and is shut out at once, also from
// what they have open.
func TestMembersOverHTTP(t *testing.T) {
	w := newWorld(t)
	token := w.signIn()
	ana := token("ana", "ana@example.com")
	d := w.ask(`mutation { inviteMember(input: {email: "ana@example.com", roles: ["marketer"]}) { token member { id } userErrors { reason } } }`, nil)
	invitation, id := dig(d, "inviteMember", "token").(string), dig(d, "inviteMember", "member", "id").(string)

	// Before: known to nobody, and able to do nothing but to accept.
	a := w.as(ana, `{ viewer { id workspaceId roles member { id } } }`, nil)
	require.Equal(t, "guest", dig(a.Data, "viewer", "id"), string(a.Body))
	require.Equal(t, "UNAUTHENTICATED NOT_A_MEMBER", w.as(ana, `{ profiles { edges { cursor } } }`, nil).code())
	require.Equal(t, "UNAUTHENTICATED NOT_A_MEMBER", w.as(ana, `{ node(id: "`+id+`") { id } }`, nil).code())
	require.Equal(t, "FORBIDDEN SIGN_IN_REQUIRED", w.as(w.admin, acceptQuery, map[string]any{"token": invitation}).code())
	require.Equal(t, "FORBIDDEN INVITATION_EMAIL", w.as(token("eve", "eve@example.com"), acceptQuery, map[string]any{"token": invitation}).code())

	a = w.as(ana, acceptQuery, map[string]any{"token": invitation})
	require.Equal(t, w.ws, dig(a.Data, "acceptInvitation", "workspaceId"), string(a.Body))
	a = w.as(ana, acceptQuery, map[string]any{"token": invitation})
	require.Equal(t, "INVITATION_INVALID", dig(a.Data, "acceptInvitation", "userErrors", 0, "reason"), string(a.Body))

	a = w.as(ana, `{ viewer { id roles purpose member { id email status } } members { edges { cursor } } }`, nil)
	require.Equal(t, "FORBIDDEN ROLE", a.code())
	a = w.as(ana, `{ viewer { id roles purpose reason breakGlass member { id email status } } }`, nil)
	require.Empty(t, a.Errors, string(a.Body))
	require.Equal(t, id, dig(a.Data, "viewer", "id"))
	require.Equal(t, "ana@example.com", dig(a.Data, "viewer", "member", "email"))

	conn, resp, err := (&websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}).DialContext(t.Context(), "ws"+w.http.URL[len("http"):]+"/graphql", nil)
	require.NoError(t, err)
	_ = resp.Body.Close()
	defer conn.Close()
	require.NoError(t, conn.WriteJSON(map[string]any{"type": "connection_init", "payload": map[string]string{"authorization": "Bearer " + ana, "reason": "ticket 1", "workspace": w.ws}}))
	var m struct{ Type string }
	require.NoError(t, conn.ReadJSON(&m))
	require.Equal(t, "connection_ack", m.Type)
	w.ask(`mutation($id: ID!) { suspendMember(input: {id: $id}) { userErrors { reason } } }`, map[string]any{"id": id})
	require.Equal(t, "UNAUTHENTICATED MEMBER_SUSPENDED", w.as(ana, `{ viewer { id } workspace { id } }`, nil).code())
	for err == nil {
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, _, err = conn.ReadMessage()
	}
	require.True(t, websocket.IsCloseError(err, 4403), "%v", err)
}

func TestRequestsSayWhy(t *testing.T) {
	w := newWorld(t)
	body := []byte(`{"query":"{ viewer { reason purpose breakGlass } }"}`)
	send := func(headers ...string) answer {
		return w.send(http.MethodPost, "", "application/json", body, append(headers, "Authorization", "Bearer "+w.admin)...)
	}
	a := send("X-Reason", "ticket 4711")
	require.Equal(t, "ticket 4711", dig(a.Data, "viewer", "reason"), string(a.Body))
	require.Equal(t, false, dig(a.Data, "viewer", "breakGlass"))
	a = send("X-Reason", "break-glass: the site is down")
	require.Equal(t, true, dig(a.Data, "viewer", "breakGlass"), string(a.Body))
	require.Equal(t, "FORBIDDEN BREAK_GLASS", send("X-Reason", "break-glass: x", "Accept", "text/event-stream").code())
	require.Equal(t, "INVALID REASON_TEXT", send("X-Reason", "a\tb").code())
	require.Equal(t, "FORBIDDEN OTHER_WORKSPACE", send("X-Workspace", "ws_0000000000").code())
	w.services.Access.SetPurposes(func(_ context.Context, _, purpose string) (bool, error) { return purpose == "marketing", nil })
	require.Equal(t, "INVALID PURPOSE_UNKNOWN", send("X-Purpose", "profiling").code())
	require.Equal(t, "marketing", dig(send("X-Purpose", "marketing").Data, "viewer", "purpose"))
}

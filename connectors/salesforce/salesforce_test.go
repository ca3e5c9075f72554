package salesforce_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/headwater-cdp/headwater/connectors/salesforce"
	"github.com/headwater-cdp/headwater/connectors/sandbox"
	emulator "github.com/headwater-cdp/headwater/connectors/sandbox/salesforce"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// rig is a connection to an emulator.
type rig struct {
	t    *testing.T
	e    sandbox.Emulator
	url  string
	conn connection
	host *host
}

// connection is all that the connector can do.
type connection interface {
	sdk.Connection
	sdk.Discoverer
	sdk.Puller
	sdk.Upserter
	sdk.Eraser
	sdk.Authorizer
}

// host keeps secrets, or refuses to.
type host struct {
	mu     sync.Mutex
	saved  map[string]string
	refuse error
}

func (h *host) SaveSecret(_ context.Context, property, value string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		return h.refuse
	}
	h.saved[property] = value
	return nil
}

func start(t *testing.T, change ...func(config map[string]any)) *rig {
	t.Helper()
	e := emulator.New()
	srv := httptest.NewServer(sandbox.Mount(e))
	t.Cleanup(srv.Close)
	r := &rig{t: t, e: e, url: srv.URL + "/salesforce", host: &host{saved: map[string]string{}}}
	config := map[string]any{
		"loginUrl": r.url, "grant": "client_credentials", "clientId": e.Credentials["clientId"], "clientSecret": e.Credentials["clientSecret"],
	}
	for _, c := range change {
		c(config)
	}
	r.open(config)
	return r
}

func (r *rig) open(config map[string]any) {
	r.t.Helper()
	raw, err := json.Marshal(config)
	if err != nil {
		r.t.Fatal(err)
	}
	conn, err := salesforce.Connector{}.Open(r.t.Context(), raw, r.host)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	r.conn = conn.(connection)
}

// control uses the emulator's control API.
func (r *rig) control(method, name string, body any) {
	r.t.Helper()
	raw, _ := json.Marshal(body)
	req, err := http.NewRequest(method, r.url+"/_sandbox/"+name, bytes.NewReader(raw))
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s", name, text)
	}
}

func (r *rig) fault(faults ...sandbox.Fault) {
	r.t.Helper()
	if err := r.e.Desk.Faults.Replace(faults...); err != nil {
		r.t.Fatal(err)
	}
}

// pull reads a stream to its end and returns the records and the last cursor.
func (r *rig) pull(stream string, cursor []byte) ([]sdk.Record, []byte, error) {
	var records []sdk.Record
	err := r.conn.Pull(r.t.Context(), sdk.PullRequest{Stream: stream, Cursor: cursor}, func(p sdk.Page) error {
		records, cursor = append(records, p.Records...), p.Cursor
		return nil
	})
	return records, cursor, err
}

func (r *rig) mustPull(stream string, cursor []byte) ([]sdk.Record, []byte) {
	r.t.Helper()
	records, cursor, err := r.pull(stream, cursor)
	if err != nil {
		r.t.Fatal(err)
	}
	return records, cursor
}

func (r *rig) upsert(stream string, items ...sdk.Item) []sdk.Result {
	r.t.Helper()
	results, err := r.conn.Upsert(r.t.Context(), sdk.Batch{Stream: stream, Items: items})
	if err != nil {
		r.t.Fatal(err)
	}
	return results
}

func contact(key string, fields ...string) sdk.Item {
	f := map[string]any{"Headwater_Id__c": key, "LastName": "Doe"}
	for i := 0; i+1 < len(fields); i += 2 {
		f[fields[i]] = fields[i+1]
	}
	return sdk.Item{Key: key, Match: "Headwater_Id__c", Fields: f}
}

// want checks a fault's kind and reason, and that it gives nothing away.
func want(t *testing.T, err error, kind sdk.FaultKind, reason string) *sdk.Fault {
	t.Helper()
	f := sdk.AsFault(err)
	if f == nil || f.Kind != kind || f.Reason != reason {
		t.Fatalf("got %v (%v), want %s %s", err, f, kind, reason)
	}
	for _, leak := range []string{"@", "Consumer", "Bearer", "127.0.0.1"} {
		if strings.Contains(f.Error(), leak) {
			t.Errorf("%q gives away %q", f.Error(), leak)
		}
	}
	return f
}

func TestTheSpecIsWhatTheConnectionCanDo(t *testing.T) {
	spec := salesforce.Connector{}.Spec()
	if !json.Valid(spec.ConfigSchema) {
		t.Error("the schema is not JSON")
	}
	secrets := fmt.Sprint(sdk.SecretPaths(spec.ConfigSchema))
	if want := "[[clientSecret] [privateKey] [refreshToken]]"; secrets != want {
		t.Errorf("secrets are %s, want %s", secrets, want)
	}
}

func TestThreeWaysToSignIn(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(map[string]any){
		"client credentials": func(map[string]any) {},
		"JWT": func(c map[string]any) {
			c["grant"], c["username"] = "jwt_bearer", "integration@headwater.example"
			c["privateKey"] = string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
			delete(c, "clientSecret")
		},
		"refresh": func(c map[string]any) { c["grant"], c["refreshToken"] = "refresh_token", "5Aep861sandboxRefreshToken" },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, change)
			r.control("PUT", "oauth", map[string]any{"certificate": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))})
			if err := r.conn.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAPersonAuthorisesUs(t *testing.T) {
	r := start(t, func(c map[string]any) { c["grant"] = "refresh_token" })
	want(t, r.conn.Check(t.Context()), sdk.FaultUnauthorized, "NOT_AUTHORIZED")
	page, err := r.conn.AuthorizeURL(t.Context(), sdk.AuthorizeRequest{RedirectURL: "http://127.0.0.1/cb", State: "s t", Challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"})
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(page)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil {
		t.Fatal(err)
	}
	if back.Query().Get("state") != "s t" {
		t.Errorf("the state came back as %q", back.Query().Get("state"))
	}
	grant := sdk.Grant{Code: back.Query().Get("code"), RedirectURL: "http://127.0.0.1/cb", Verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
	secrets, err := r.conn.Exchange(t.Context(), grant)
	if err != nil || secrets["refreshToken"] == "" {
		t.Fatalf("%v, %v", secrets, err)
	}
	_, err = r.conn.Exchange(t.Context(), grant)
	want(t, err, sdk.FaultUnauthorized, "INVALID_GRANT")
}

func TestARotatedTokenIsSavedBeforeItMatters(t *testing.T) {
	config := func(c map[string]any) { c["grant"], c["refreshToken"] = "refresh_token", "5Aep861sandboxRefreshToken" }
	r := start(t, config)
	r.control("PUT", "oauth", map[string]any{"rotateRefreshTokens": true})
	r.host.refuse = fmt.Errorf("the store is away")
	if err := r.conn.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.host.refuse = nil
	// The session ends while several calls run: they sign in once, with the token that
	// could not be saved, and it is saved now.
	r.control("POST", "expire", map[string]any{"tokens": true})
	r.e.Desk.Journal.Clear()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, _, err := r.pull("leads", nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	signIns := 0
	for _, q := range r.e.Desk.Journal.List() {
		if strings.HasSuffix(q.Path, "/oauth2/token") {
			signIns++
		}
	}
	if signIns != 1 || r.host.saved["refreshToken"] == "" {
		t.Errorf("signed in %d times, saved %v", signIns, len(r.host.saved))
	}
}

func TestWrongCredentialsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		change       func(map[string]any)
		kind         sdk.FaultKind
		reason, path string
	}{
		"secret": {func(c map[string]any) { c["clientSecret"] = "wrong" }, sdk.FaultInvalidConfig, "WRONG_SECRET", "clientSecret"},
		"client": {func(c map[string]any) { c["clientId"] = "wrong" }, sdk.FaultInvalidConfig, "UNKNOWN_CLIENT", "clientId"},
		"token":  {func(c map[string]any) { c["grant"], c["refreshToken"] = "refresh_token", "x" }, sdk.FaultUnauthorized, "INVALID_GRANT", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, c.change)
			if f := want(t, r.conn.Check(t.Context()), c.kind, c.reason); f.Path != c.path {
				t.Errorf("the path is %q", f.Path)
			}
		})
	}
	r := start(t)
	r.control("PUT", "oauth", map[string]any{"scopes": "id"})
	want(t, r.conn.Check(t.Context()), sdk.FaultUnauthorized, "MISSING_SCOPE")
	for property, value := range map[string]string{"loginUrl": "http://example.com", "grant": "magic", "externalIdField": "a b", "privateKey": "none"} {
		config := map[string]any{"loginUrl": r.url, "grant": "client_credentials", "clientId": "a", "clientSecret": "b"}
		if property == "privateKey" {
			config["grant"], config["username"] = "jwt_bearer", "u"
		}
		config[property] = value
		raw, _ := json.Marshal(config)
		_, err := salesforce.Connector{}.Open(t.Context(), raw, r.host)
		if f := want(t, err, sdk.FaultInvalidConfig, ""); f.Path != property {
			t.Errorf("%s: the path is %q", property, f.Path)
		}
	}
}

func TestAnInstanceElsewhereGetsNoToken(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }))
	defer thief.Close()
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sandbox.WriteJSON(w, 200, map[string]string{"access_token": "t", "instance_url": thief.URL})
	}))
	defer login.Close()
	r := start(t, func(c map[string]any) { c["loginUrl"] = login.URL })
	want(t, r.conn.Check(t.Context()), sdk.FaultInvalidConfig, "FOREIGN_INSTANCE")
}

// query asks the emulator directly, deleted records included.
func (r *rig) query(soql string) string {
	r.t.Helper()
	res, err := http.PostForm(r.url+"/services/oauth2/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {r.e.Credentials["clientId"]}, "client_secret": {r.e.Credentials["clientSecret"]},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&token); err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodGet, r.url+"/services/data/v62.0/queryAll?q="+url.QueryEscape(soql), http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	res, err = http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		r.t.Fatalf("%d %s %v", res.StatusCode, text, err)
	}
	return string(text)
}

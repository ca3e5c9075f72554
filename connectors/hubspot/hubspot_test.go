package hubspot_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/headwater-cdp/headwater/connectors/hubspot"
	"github.com/headwater-cdp/headwater/connectors/sandbox"
	emulator "github.com/headwater-cdp/headwater/connectors/sandbox/hubspot"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// custom is the stream of the emulator's own object.
const custom = "p26487001_subscription"

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
	sdk.Receiver
	sdk.Upserter
	sdk.Lister
	sdk.Forwarder
	sdk.Eraser
	sdk.Authorizer
}

type host struct {
	mu    sync.Mutex
	saved map[string]string
}

func (h *host) SaveSecret(_ context.Context, property, value string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.saved[property] = value
	return nil
}

// start has the limits off: a test that wants them switches them on.
func start(t *testing.T, change ...func(config map[string]any)) *rig {
	t.Helper()
	e := emulator.New()
	e.Desk.Limits.Off(true)
	srv := httptest.NewServer(sandbox.Mount(e))
	t.Cleanup(srv.Close)
	r := &rig{t: t, e: e, url: srv.URL + "/hubspot", host: &host{saved: map[string]string{}}}
	config := map[string]any{
		"baseUrl": r.url, "authorizeUrl": r.url + "/oauth/authorize", "grant": "private_app", "accessToken": e.Credentials["accessToken"],
		"clientSecret": e.Credentials["clientSecret"], "appId": e.Credentials["appId"],
	}
	for _, c := range change {
		c(config)
	}
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := hubspot.Connector{}.Open(t.Context(), raw, r.host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r.conn = conn.(connection)
	return r
}

// oauth makes the configuration one that a person authorises.
func oauth(config map[string]any) {
	config["grant"], config["clientId"], config["refreshToken"] = "oauth", "9b1f6c3e-sandbox-4d7a-8c55-clientid", "eu1-7f3c-sandbox-4e21-9d6b-refreshtoken"
	delete(config, "accessToken")
}

// control uses the emulator's control API and returns its answer.
func (r *rig) control(method, name string, body any) []byte {
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
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s", name, text)
	}
	return text
}

func (r *rig) fault(faults ...sandbox.Fault) {
	r.t.Helper()
	if err := r.e.Desk.Faults.Replace(faults...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) pull(stream string, cursor []byte, fields ...string) ([]sdk.Record, []byte, error) {
	var records []sdk.Record
	err := r.conn.Pull(r.t.Context(), sdk.PullRequest{Stream: stream, Cursor: cursor, Fields: fields}, func(p sdk.Page) error {
		records, cursor = append(records, p.Records...), p.Cursor
		return nil
	})
	return records, cursor, err
}

func (r *rig) mustPull(stream string, cursor []byte, fields ...string) ([]sdk.Record, []byte) {
	r.t.Helper()
	records, cursor, err := r.pull(stream, cursor, fields...)
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

// item is one that is found by its unique property.
func item(key string, fields ...any) sdk.Item {
	f := map[string]any{"headwater_id": key}
	for i := 0; i+1 < len(fields); i += 2 {
		f[fields[i].(string)] = fields[i+1]
	}
	return sdk.Item{Key: key, Match: "headwater_id", Fields: f}
}

// all returns what the account has, by the unique property.
func (r *rig) all(stream string, fields ...string) map[string]sdk.Record {
	r.t.Helper()
	if fields != nil {
		fields = append(fields, "headwater_id")
	}
	records, _ := r.mustPull(stream, nil, fields...)
	out := map[string]sdk.Record{}
	for _, one := range records {
		if !one.Deleted {
			out[fmt.Sprint(one.Fields["headwater_id"])] = one
		}
	}
	return out
}

func outcomes(results []sdk.Result) string {
	var out []string
	for _, r := range results {
		switch {
		case r.Fault != nil && r.Fault.Path != "":
			out = append(out, string(r.Fault.Kind)+"@"+r.Fault.Path)
		case r.Fault != nil:
			out = append(out, string(r.Fault.Kind))
		default:
			out = append(out, string(r.Outcome))
		}
	}
	return strings.Join(out, " ")
}

// want checks a fault's kind and reason, and that it gives nothing away.
func want(t *testing.T, err error, kind sdk.FaultKind, reason string) *sdk.Fault {
	t.Helper()
	f := sdk.AsFault(err)
	if f == nil || f.Kind != kind || f.Reason != reason {
		t.Fatalf("got %v (%+v), want %s %s", err, f, kind, reason)
	}
	for _, leak := range []string{"@", "pat-eu1", "secret-", "127.0.0.1"} {
		if strings.Contains(f.Message, leak) {
			t.Errorf("%q gives away %q", f.Message, leak)
		}
	}
	return f
}

func TestTheSpec(t *testing.T) {
	spec := hubspot.Connector{}.Spec()
	if !json.Valid(spec.ConfigSchema) {
		t.Error("the schema is not JSON")
	}
	if got, want := fmt.Sprint(sdk.SecretPaths(spec.ConfigSchema)), "[[accessToken] [clientSecret] [refreshToken]]"; got != want {
		t.Errorf("secrets are %s, want %s", got, want)
	}
}

func TestBothWaysToSignIn(t *testing.T) {
	if err := start(t).conn.Check(t.Context()); err != nil {
		t.Error(err)
	}
	r := start(t, oauth)
	if err := r.conn.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The token ends while several calls run: they sign in once.
	r.control("POST", "expire", map[string]any{"tokens": true})
	r.e.Desk.Journal.Clear()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, _, err := r.pull("deals", nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	signIns := 0
	for _, q := range r.e.Desk.Journal.List() {
		if q.Path == "/oauth/v1/token" {
			signIns++
		}
	}
	if signIns != 1 {
		t.Errorf("signed in %d times", signIns)
	}
}

func TestAPersonAuthorisesUs(t *testing.T) {
	r := start(t, oauth, func(c map[string]any) { delete(c, "refreshToken") })
	want(t, r.conn.Check(t.Context()), sdk.FaultUnauthorized, "NOT_AUTHORIZED")
	page, err := r.conn.AuthorizeURL(t.Context(), sdk.AuthorizeRequest{RedirectURL: "http://127.0.0.1/cb", State: "s", Challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"})
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
	grant := sdk.Grant{Code: back.Query().Get("code"), RedirectURL: "http://127.0.0.1/cb", Verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
	secrets, err := r.conn.Exchange(t.Context(), grant)
	if err != nil || secrets["refreshToken"] == "" {
		t.Fatalf("%d secrets, %v", len(secrets), err)
	}
	_, err = r.conn.Exchange(t.Context(), grant)
	want(t, err, sdk.FaultUnauthorized, "INVALID_GRANT")
}

func TestWrongCredentialsSayWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		change func(map[string]any)
		kind   sdk.FaultKind
		reason string
	}{
		"token":   {func(c map[string]any) { c["accessToken"] = "wrong" }, sdk.FaultUnauthorized, "INVALID_TOKEN"},
		"refresh": {func(c map[string]any) { oauth(c); c["refreshToken"] = "wrong" }, sdk.FaultUnauthorized, "INVALID_GRANT"},
		"secret":  {func(c map[string]any) { oauth(c); c["clientSecret"] = "wrong" }, sdk.FaultInvalidConfig, "WRONG_SECRET"},
		"client":  {func(c map[string]any) { oauth(c); c["clientId"] = "wrong" }, sdk.FaultInvalidConfig, "UNKNOWN_CLIENT"},
	} {
		t.Run(name, func(t *testing.T) { want(t, start(t, c.change).conn.Check(t.Context()), c.kind, c.reason) })
	}
	r := start(t)
	r.control("PUT", "oauth", map[string]any{"scopes": "oauth crm.schemas.contacts.read"})
	if f := want(t, r.conn.Check(t.Context()), sdk.FaultUnauthorized, "MISSING_SCOPE"); !strings.Contains(f.Message, "crm.objects.contacts.read") {
		t.Errorf("the scope is not named: %s", f.Message)
	}
	for property, value := range map[string]string{"baseUrl": "http://example.com", "grant": "magic", "uniqueProperty": "A b", "authorizeUrl": "x"} {
		config := map[string]any{"baseUrl": r.url, "grant": "private_app", "accessToken": "a", property: value}
		raw, _ := json.Marshal(config)
		_, err := hubspot.Connector{}.Open(t.Context(), raw, r.host)
		if f := want(t, err, sdk.FaultInvalidConfig, ""); f.Path != property {
			t.Errorf("%s: the path is %q", property, f.Path)
		}
	}
}

// api calls the vendor's API as another program would.
func (r *rig) api(method, path string, in any) []byte {
	r.t.Helper()
	raw, _ := json.Marshal(in)
	req, err := http.NewRequest(method, r.url+path, bytes.NewReader(raw))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.e.Credentials["accessToken"])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode/100 != 2 {
		r.t.Fatalf("%s: %d %s", path, res.StatusCode, text)
	}
	return text
}

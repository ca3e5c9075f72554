package graph_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/graph"
)

const (
	jsonType     = "application/json"
	responseType = "application/graphql-response+json"
)

func (w *world) post(body string, headers ...string) answer {
	return w.send(http.MethodPost, "", jsonType, []byte(body), append([]string{"Authorization", "Bearer " + w.admin}, headers...)...)
}

func TestStatuses(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, body, accept string
		status             int
		code               string
	}{
		{"ok", `{"query":"{__typename}"}`, jsonType, 200, ""},
		{"ok, nulls", `{"query":"{__typename}","variables":null,"operationName":null,"extensions":null}`, responseType, 200, ""},
		{"parse, json", `{"query":"{"}`, jsonType, 200, "INVALID GRAPHQL_PARSE_FAILED"},
		{"parse, response", `{"query":"{"}`, responseType, 400, "INVALID GRAPHQL_PARSE_FAILED"},
		{"validation, json", `{"query":"{nothing}"}`, jsonType, 200, "INVALID GRAPHQL_VALIDATION_FAILED"},
		{"validation, response", `{"query":"{nothing}"}`, responseType + ", " + jsonType + ";q=0.9", 400, "INVALID GRAPHQL_VALIDATION_FAILED"},
		{"variables, response", `{"query":"query($id:ID!){node(id:$id){id}}","variables":{"id":null}}`, responseType, 400, "INVALID BAD_VARIABLE"},
		{"no query", `{"qeury":"{__typename}"}`, "", 400, "INVALID QUERY_MISSING"},
		{"empty body", ``, "", 400, "INVALID BAD_JSON"},
		{"not JSON", `{ "not a JSON`, "", 400, "INVALID BAD_JSON"},
		{"not UTF-8", "{\"query\":\"{__typename}#\xff\"}", "", 400, "INVALID BAD_JSON"},
		{"wrong type", `{"query":{}}`, "", 400, "INVALID BAD_REQUEST"},
		{"variables a list", `{"query":"{__typename}","variables":[1]}`, "", 400, "INVALID BAD_REQUEST"},
		{"batch", `[{"query":"{__typename}"}]`, "", 400, "INVALID BATCH_REFUSED"},
		{"unknown operation", `{"query":"query a{__typename} query b{__typename}","operationName":"c"}`, responseType, 400, "INVALID OPERATION_NOT_FOUND"},
		{"too complex", `{"query":"{profiles(first:200){edges{node{events(first:200){edges{node{id}}}}}}}"}`, responseType, 400, "TOO_COMPLEX COST_EXCEEDED"},
		{"subscription", `{"query":"subscription{jobChanged(id:\"job_1\"){id}}"}`, "", 406, "INVALID SUBSCRIPTION_TRANSPORT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.post(c.body, "Accept", c.accept)
			require.Equal(t, c.status, a.Status, string(a.Body))
			require.Equal(t, c.code, a.code())
			if c.code != "" {
				require.NotContains(t, string(a.Body), `"data"`)
				require.NotEmpty(t, a.Errors[0].Extensions.RequestID)
			}
			want := jsonType
			if strings.HasPrefix(c.accept, responseType) {
				want = responseType
			}
			require.Equal(t, want+"; charset=utf-8", a.Header.Get("Content-Type"))
		})
	}
}

func TestWhoMayAsk(t *testing.T) {
	w := newWorld(t)
	body := []byte(`{"query":"{viewer{name roles workspaceId}}"}`)
	ask := func(headers ...string) answer { return w.send(http.MethodPost, "", jsonType, body, headers...) }
	a := ask()
	require.Equal(t, 401, a.Status)
	require.Equal(t, "UNAUTHENTICATED MISSING_KEY", a.code())
	require.Contains(t, a.Header.Get("WWW-Authenticate"), "Bearer")
	require.Equal(t, "UNAUTHENTICATED UNKNOWN_KEY", ask("Authorization", "Bearer hw_a_nonsense").code())
	require.Equal(t, "UNAUTHENTICATED MISSING_KEY", ask("Authorization", "Basic "+w.admin).code())
	a = ask("Authorization", "bearer "+w.analyst)
	require.Equal(t, []any{"analyst"}, dig(a.Data, "viewer", "roles"))
	require.Equal(t, w.ws, dig(a.Data, "viewer", "workspaceId"))
}

func TestGet(t *testing.T) {
	w := newWorld(t)
	get := func(q url.Values, headers ...string) answer {
		return w.send(http.MethodGet, "?"+q.Encode(), "", nil, append(headers, "Authorization", "Bearer "+w.admin)...)
	}
	a := get(url.Values{"query": {"query($n:String!){__type(name:$n){name}}"}, "variables": {`{"n":"Profile"}`}})
	require.Equal(t, "Profile", dig(a.Data, "__type", "name"), string(a.Body))
	a = get(url.Values{"query": {"mutation{cancelJob(input:{id:\"x\"}){userErrors{reason}}}"}})
	require.Equal(t, 405, a.Status)
	require.Equal(t, "POST", a.Header.Get("Allow"))
	require.Equal(t, 400, get(url.Values{}).Status)
	require.Equal(t, 400, get(url.Values{"query": {"{__typename}"}, "variables": {"[]"}}).Status)
	require.Equal(t, 405, w.send(http.MethodPut, "", jsonType, nil).Status)
	require.Equal(t, 415, w.send(http.MethodPost, "", "text/plain", []byte(`{"query":"{__typename}"}`), "Authorization", "Bearer "+w.admin).Status)
}

func TestCrossSiteRequestsNeedAPreflight(t *testing.T) {
	w := newWorld(t)
	get := "?query=%7B__typename%7D"
	a := w.send(http.MethodGet, get, "", nil, "Origin", "https://evil.example")
	require.Equal(t, 403, a.Status)
	require.Equal(t, "FORBIDDEN CSRF_HEADER_REQUIRED", a.code())
	a = w.send(http.MethodPost, "", "text/plain", []byte(`{"query":"{__typename}"}`), "Sec-Fetch-Site", "cross-site")
	require.Equal(t, "FORBIDDEN CSRF_HEADER_REQUIRED", a.code())
	// With a header that needs a preflight only the key is missing.
	require.Equal(t, 401, w.send(http.MethodGet, get, "", nil, "Origin", "https://evil.example", "X-Headwater-CSRF", "1").Status)
	require.Equal(t, 401, w.send(http.MethodPost, "", jsonType, []byte(`{"query":"{__typename}"}`), "Origin", "https://a.example").Status)
	require.Equal(t, 200, w.send(http.MethodGet, get, "", nil, "Origin", "https://a.example", "Authorization", "Bearer "+w.admin).Status)
}

func TestPersistedQueries(t *testing.T) {
	w := newWorld(t)
	const q = `{viewer{workspaceId}}`
	sum := sha256.Sum256([]byte(q))
	hash := hex.EncodeToString(sum[:])
	ext := `"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + hash + `"}}`
	a := w.post(`{` + ext + `}`)
	require.Equal(t, "PersistedQueryNotFound", a.Errors[0].Message)
	require.Equal(t, "NOT_FOUND PERSISTED_QUERY_NOT_FOUND", a.code())
	require.Equal(t, "INVALID PERSISTED_QUERY_MISMATCH", w.post(`{"query":"{__typename}",`+ext+`}`).code())
	require.Empty(t, w.post(`{"query":"`+q+`",`+ext+`}`).Errors)
	require.Equal(t, w.ws, dig(w.post(`{`+ext+`}`).Data, "viewer", "workspaceId"))
	got := w.send(http.MethodGet, "?extensions="+url.QueryEscape(`{"persistedQuery":{"version":1,"sha256Hash":"`+hash+`"}}`), "", nil, "Authorization", "Bearer "+w.admin)
	require.Equal(t, w.ws, dig(got.Data, "viewer", "workspaceId"))
}

func TestTrustedDocuments(t *testing.T) {
	const q = `{viewer{workspaceId}}`
	sum := sha256.Sum256([]byte(q))
	hash := hex.EncodeToString(sum[:])
	file := filepath.Join(t.TempDir(), "documents.json")
	text, err := json.Marshal(map[string]string{"sha256:" + hash: q})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	trusted, err := graph.ReadTrusted(file)
	require.NoError(t, err)
	w := newWorld(t, func(o *graph.Options) { o.Trusted = trusted })
	require.Equal(t, w.ws, dig(w.post(`{"extensions":{"persistedQuery":{"sha256Hash":"`+hash+`"}}}`).Data, "viewer", "workspaceId"))
	require.Equal(t, w.ws, dig(w.post(`{"query":"`+q+`"}`).Data, "viewer", "workspaceId"))
	a := w.post(`{"query":"{__typename}"}`)
	require.Equal(t, 403, a.Status)
	require.Equal(t, "FORBIDDEN UNTRUSTED_DOCUMENT", a.code())

	require.NoError(t, os.WriteFile(file, []byte(`{"`+hash+`":"{__typename}"}`), 0o600))
	_, err = graph.ReadTrusted(file)
	require.ErrorContains(t, err, "not the SHA-256")
	_, err = graph.ReadTrusted(file + ".missing")
	require.Error(t, err)
}

func TestPlayground(t *testing.T) {
	w := newWorld(t)
	resp, err := w.http.Client().Get(w.http.URL + "/")
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
}

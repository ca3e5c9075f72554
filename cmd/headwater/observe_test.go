package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Traces reach from the request to the commit, metrics count what happened, logs
// tell of it, and none of them holds anything about the person.
func TestObservability(t *testing.T) {
	var mu sync.Mutex
	var spans bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&spans, r.Body)
	}))
	defer collector.Close()

	dir := t.TempDir()
	keys := newWorkspace(t, dir, "seen")
	s := serve(t, "--data", dir, "--otlp-endpoint", collector.URL, "--log-level", "DEBUG", "--log-format", "json")
	body := batchBody(
		`{"type":"identify","messageId":"m-1","userId":"canary-user","traits":{"email":"canary@example.com","plan":"canary-plan"}}`,
		`{"type":"track","messageId":"m-2","userId":"canary-user"}`)
	status, answer, err := post(s.url+"/v1/batch", keys.WriteKey, body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, answer)
	var data struct{ Profile struct{ ID string } }
	query(t, s.url, keys.AdminKey, `{profile(identifier:{namespace:"email",value:"canary@example.com"}){id}}`, nil, &data)
	require.NotEmpty(t, data.Profile.ID)

	req, err := http.NewRequest(http.MethodGet, s.url+"/metrics", nil)
	require.NoError(t, err)
	_, metrics, err := do(req)
	require.NoError(t, err)
	require.Contains(t, metrics, `headwater_events_total{status="ACCEPTED"} 1`)
	require.Contains(t, metrics, `headwater_events_total{status="QUARANTINED"} 1`)
	require.Contains(t, metrics, `headwater_http_request_seconds_count{method="POST",route="/v1/batch",status="200"} 1`)
	require.Contains(t, metrics, `headwater_graphql_operation_seconds_count{kind="query"`)
	require.Contains(t, metrics, `headwater_build_info`)

	require.Zero(t, s.stop(), s.stderr())
	mu.Lock()
	defer mu.Unlock()
	for _, name := range []string{"POST /v1/batch", "ingest", "ingest.unit", "ingest.commit"} {
		require.Contains(t, spans.String(), name)
	}
	require.Contains(t, s.stderr(), `"route":"/v1/batch"`)
	for where, text := range map[string]string{"traces": spans.String(), "metrics": metrics, "logs": s.stderr()} {
		require.NotContains(t, text, "canary", where)
		require.NotContains(t, text, keys.WriteKey, where)
		require.NotContains(t, text, keys.AdminKey, where)
	}
}

package httpd

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/privacy"
)

// drawer has one file, under one token.
type drawer struct{ token, text string }

func (d drawer) Fetch(_ context.Context, token string) (*privacy.Fetched, error) {
	if token != d.token {
		return nil, core.Errorf(core.Invalid, "TOKEN_INVALID", "no")
	}
	return &privacy.Fetched{Format: privacy.FormatHTML, Name: "dsr_1.html", Bytes: int64(len(d.text)), Reader: io.NopCloser(strings.NewReader(d.text))}, nil
}

func TestDownload(t *testing.T) {
	s := &Server{o: Options{Downloads: drawer{"ws_1.abc-_", strings.Repeat("<p>", 50_000)}}}
	get := func(method, path string) *http.Response {
		w := httptest.NewRecorder()
		s.download(w, httptest.NewRequest(method, path, nil))
		return w.Result()
	}
	res := get(http.MethodGet, "/v1/downloads/ws_1.abc-_")
	require.Equal(t, http.StatusOK, res.StatusCode)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Len(t, body, 150_000)
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
	require.Contains(t, res.Header.Get("Content-Security-Policy"), "sandbox")
	require.Equal(t, `attachment; filename="dsr_1.html"`, res.Header.Get("Content-Disposition"))
	require.Equal(t, http.StatusBadRequest, get(http.MethodGet, "/v1/downloads/ws_1.other").StatusCode)
	require.NotEqual(t, http.StatusOK, get(http.MethodPost, "/v1/downloads/ws_1.abc-_").StatusCode)
	require.Equal(t, "/v1/downloads/…", route("/v1/downloads/ws_1.abc-_"))
	require.Equal(t, "/v1/…", route("/v1/downloads/a/b"))
}

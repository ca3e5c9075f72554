package graphiql

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func get(t *testing.T, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w
}

func TestPageIsWholeAndOffline(t *testing.T) {
	page := get(t, "/")
	require.Equal(t, 200, page.Code)
	require.Contains(t, page.Header().Get("Content-Type"), "text/html")
	refs := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(page.Body.String(), -1)
	require.GreaterOrEqual(t, len(refs), 7)
	for _, ref := range refs {
		if strings.HasPrefix(ref[1], "data:") {
			continue
		}
		require.True(t, strings.HasPrefix(ref[1], "/graphiql/"), ref[1])
		f := get(t, ref[1])
		require.Equal(t, 200, f.Code, ref[1])
		require.NotEmpty(t, f.Body.Bytes(), ref[1])
		require.NotContains(t, f.Header().Get("Content-Security-Policy"), "http")
		require.Regexp(t, "text/(javascript|css)", f.Header().Get("Content-Type"), ref[1])
	}
}

func TestOtherRequests(t *testing.T) {
	require.Equal(t, 404, get(t, "/graphiql/../graphiql.go").Code)
	require.Equal(t, 404, get(t, "/nothing").Code)
	etag := get(t, "/").Header().Get("ETag")
	require.Equal(t, 304, get(t, "/", "If-None-Match", etag).Code)
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	require.Equal(t, 405, w.Code)
}

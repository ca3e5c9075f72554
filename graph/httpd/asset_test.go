package httpd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/graph/httpd"
)

const pixel = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"

// assetServer serves the assets of a workspace, and returns the secrets of an admin and
// of an analyst.
func assetServer(t *testing.T) (url, ws, admin, analyst string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: t.TempDir() + "/headwater.db"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	specs := append(store.Specs(), access.Specs()...)
	require.NoError(t, db.Declare(t.Context(), append(specs, library.Specs()...)...))
	a := access.New(access.Options{Store: db})
	op := core.WithActor(t.Context(), access.Operator("test"))
	made, err := a.CreateWorkspace(op, "Test")
	require.NoError(t, err)
	key, err := a.CreateKey(op, access.NewKey{Workspace: made.Workspace.ID, Name: "analyst", Roles: []string{access.Analyst}})
	require.NoError(t, err)
	s := httpd.New(httpd.Options{
		Access: a, Assets: library.New(library.Options{Store: db, Access: a}), GraphQL: http.NotFoundHandler(),
		Ready: func(context.Context) error { return nil }, Clock: core.SystemClock{}, Logger: slog.New(slog.DiscardHandler),
	})
	h := httptest.NewServer(s.Handler())
	t.Cleanup(h.Close)
	return h.URL, made.Workspace.ID, made.AdminKey, key.Secret
}

func send(t *testing.T, method, url, key string, body io.Reader, headers ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, got
}

func TestAssetsOverHTTP(t *testing.T) {
	url, ws, admin, analyst := assetServer(t)
	res, body := send(t, "POST", url+"/assets?name=Logo.svg&tags=a,b", admin, strings.NewReader(pixel), "Content-Type", "text/html")
	require.Equal(t, http.StatusCreated, res.StatusCode, "%s", body)
	var up struct {
		ID, Hash, Path, Type string
		Version, Size        int
	}
	require.NoError(t, json.Unmarshal(body, &up))
	require.Equal(t, "image/png", up.Type)
	require.Equal(t, "/assets/"+ws+"/"+up.Hash, up.Path)
	require.Equal(t, len(pixel), up.Size)

	res, body = send(t, "GET", url+up.Path, "", nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, pixel, string(body))
	for name, want := range map[string]string{
		"Content-Type": "image/png", "X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable", "Etag": `"` + up.Hash + `"`,
	} {
		require.Equal(t, want, res.Header.Get(name), name)
	}
	require.Contains(t, res.Header.Get("Content-Security-Policy"), "sandbox; default-src 'none'")
	res, body = send(t, "GET", url+up.Path, "", nil, "If-None-Match", `"`+up.Hash+`"`)
	require.Equal(t, http.StatusNotModified, res.StatusCode)
	require.Empty(t, body)
	res, body = send(t, "HEAD", url+up.Path, "", nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Empty(t, body)

	for _, c := range []struct {
		method, path, key string
		body              io.Reader
		status            int
		reason            string
	}{
		{"POST", "/assets?name=x", "", strings.NewReader(pixel), 401, "MISSING_KEY"},
		{"POST", "/assets?name=x", analyst, strings.NewReader(pixel), 403, "ROLE"},
		{"POST", "/assets?name=x.png", admin, strings.NewReader("<svg xmlns='http://www.w3.org/2000/svg'/>"), 400, "ASSET_TYPE"},
		{"POST", "/assets?name=x.png", admin, bytes.NewReader(append([]byte(pixel), make([]byte, library.MaxAsset)...)), 400, "ASSET_SIZE"},
		{"POST", "/assets?name=", admin, strings.NewReader(pixel), 400, "NAME"},
		{"POST", "/assets?id=ast_none", admin, strings.NewReader(pixel), 404, "ASSET"},
		{"PUT", "/assets", admin, nil, 405, "METHOD_NOT_ALLOWED"},
		{"DELETE", up.Path, admin, nil, 405, "METHOD_NOT_ALLOWED"},
		{"GET", "/assets/ws_OTHER00001/" + up.Hash, admin, nil, 404, "ASSET"},
		{"GET", "/assets/" + ws + "/../x", admin, nil, 404, "ASSET"},
	} {
		res, body := send(t, c.method, url+c.path, c.key, c.body)
		require.Equal(t, c.status, res.StatusCode, "%s %s: %s", c.method, c.path, body)
		require.Contains(t, string(body), `"`+c.reason+`"`, c.path)
	}
}

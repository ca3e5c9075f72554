package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/connectors/httpapi"
	"github.com/headwater-cdp/headwater/plugins/sdk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func client(t *testing.T, base string) *httpapi.Client {
	c, err := httpapi.New("Vendor", base, func(r *http.Request) { r.Header.Set("Authorization", "secret") })
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestTheCredentialGoesNowhereElse(t *testing.T) {
	stolen := make(chan string, 1)
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen <- r.Header.Get("Authorization") }))
	defer thief.Close()
	vendor := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusFound))
	defer vendor.Close()
	c := client(t, vendor.URL+"/v1")
	_, err := c.Do(t.Context(), httpapi.Call{Method: "GET", Path: "/x"})
	assert.Equal(t, "REDIRECTED", sdk.AsFault(err).Reason)
	assert.Empty(t, stolen)

	for _, link := range []string{thief.URL + "/v1/x", "//elsewhere.example/v1/x", "https://u:p@" + vendor.Listener.Addr().String() + "/v1/x", vendor.URL + "/v2/x", vendor.URL + "/v1/../v2", vendor.URL + "/v11/x"} {
		_, _, err := c.Beneath(link)
		assert.Equal(t, "FOREIGN_LINK", sdk.AsFault(err).Reason, link)
	}
	for _, link := range []string{vendor.URL + "/v1/things?page=2", "/v1/things?page=2"} {
		path, query, err := c.Beneath(link)
		require.NoError(t, err)
		assert.Equal(t, "/things", path)
		assert.Equal(t, "2", query.Get("page"))
	}
}

func TestAnAddressMustBeSafe(t *testing.T) {
	for _, base := range []string{"", "ftp://x", "http://api.example.com", "https://u:p@x", "https://x?y=1", "::"} {
		_, err := httpapi.New("V", base, nil)
		require.Error(t, err, base)
		assert.Equal(t, "baseUrl", sdk.AsFault(err).Path)
	}
}

func TestWhatNobodyKnowsIsToldApart(t *testing.T) {
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cut.Close()
	for once, kind := range map[bool]sdk.FaultKind{true: sdk.FaultUnknownOutcome, false: sdk.FaultRetry} {
		_, err := client(t, cut.URL).Do(t.Context(), httpapi.Call{Method: "POST", Path: "/x", Once: once})
		assert.Equal(t, kind, sdk.AsFault(err).Kind)
	}
	// What was never sent did not happen.
	gone := httptest.NewServer(nil)
	gone.Close()
	_, err := client(t, gone.URL).Do(t.Context(), httpapi.Call{Method: "POST", Path: "/x", Once: true})
	assert.Equal(t, sdk.FaultRetry, sdk.AsFault(err).Kind)

	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer slow.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = client(t, slow.URL).Do(ctx, httpapi.Call{Method: "POST", Path: "/x", Once: true})
	assert.Equal(t, sdk.FaultUnknownOutcome, sdk.AsFault(err).Kind)
	_, err = client(t, slow.URL).Do(ctx, httpapi.Call{Method: "GET", Path: "/x"})
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"7": 7 * time.Second, "": time.Minute, "-1": time.Minute, "soon": time.Minute, now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
	} {
		assert.Equal(t, want, httpapi.RetryAfter(http.Header{"Retry-After": {text}}, now, time.Minute), text)
	}
}

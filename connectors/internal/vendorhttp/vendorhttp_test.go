package vendorhttp_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/headwater-cdp/headwater/connectors/internal/vendorhttp"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

func kind(err error) sdk.FaultKind {
	var f *sdk.Fault
	if !errors.As(err, &f) {
		return ""
	}
	return f.Kind
}

func TestNoCredentialLeavesForAnotherHost(t *testing.T) {
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the other host was called") }))
	defer thief.Close()
	srv := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	c, err := vendorhttp.New("Vendor", "url", srv.URL+"/api")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), vendorhttp.Call{Method: "GET", Path: "/x", Header: http.Header{"Authorization": {"Bearer s"}}}); kind(err) != sdk.FaultInvalidConfig {
		t.Errorf("a redirect is %v", err)
	}
	for _, link := range []string{thief.URL + "/api/x", "//" + strings.TrimPrefix(thief.URL, "http://") + "/api", srv.URL + "/other", "https://user@x/api", "x", "ftp://x/api", "/\\evil.example", ""} {
		if path, err := c.Path(link); err == nil {
			t.Errorf("followed %q to %q", link, path)
		}
	}
	for link, want := range map[string]string{srv.URL + "/api/next?a=1": "/next?a=1", "/query/01g-2000": "/query/01g-2000"} {
		if path, err := c.Path(link); err != nil || path != want {
			t.Errorf("%s is %q, %v; want %q", link, path, err, want)
		}
	}
}

func TestAnAddressThatIsNone(t *testing.T) {
	for _, base := range []string{"", "example.com", "http://example.com", "https://u:p@example.com", "https://example.com?x=1", "file:///etc"} {
		if _, err := vendorhttp.New("Vendor", "url", base); kind(err) != sdk.FaultInvalidConfig {
			t.Errorf("%q: %v", base, err)
		}
	}
}

func TestALostAnswerToAWriteIsUnknown(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/lost":
			panic(http.ErrAbortHandler)
		case "/cut":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"a":`)
		case "/500":
			w.WriteHeader(http.StatusInternalServerError)
		case "/503":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	c, err := vendorhttp.New("Vendor", "url", srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	call := func(path string, writes bool) error {
		a, err := c.Do(t.Context(), vendorhttp.Call{Method: "POST", Path: path, Writes: writes})
		switch {
		case err != nil:
			return err
		case !a.OK():
			defer a.Close()
			return a.Failed()
		}
		return a.JSON(&struct{}{})
	}
	for path, want := range map[string][2]sdk.FaultKind{
		"/lost": {sdk.FaultUnknownOutcome, sdk.FaultRetry},
		"/cut":  {sdk.FaultUnknownOutcome, sdk.FaultRetry},
		"/500":  {sdk.FaultUnknownOutcome, sdk.FaultRetry},
		"/503":  {sdk.FaultRetry, sdk.FaultRetry},
	} {
		if got := [2]sdk.FaultKind{kind(call(path, true)), kind(call(path, false))}; got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	var f *sdk.Fault
	if errors.As(call("/503", true), &f); f.After != 7*time.Second {
		t.Errorf("come back after %s", f.After)
	}
	srv.Close()
	c.Close()
	// Nothing was sent: the write did not happen.
	if got := kind(call("/lost", true)); got != sdk.FaultRetry {
		t.Errorf("unreachable is %v", got)
	}
}

func TestAnAddressOfThisMachineIsRefusedWhereTheHostSaysSo(t *testing.T) {
	t.Setenv(sdk.PrivateVariable, "0")
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }))
	defer srv.Close()
	c, err := vendorhttp.New("Vendor", "url", srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Do(t.Context(), vendorhttp.Call{Method: "POST", Path: "/", Writes: true})
	if f := sdk.AsFault(err); f.Reason != "PRIVATE_ADDRESS" {
		t.Errorf("got %v", err)
	}
}

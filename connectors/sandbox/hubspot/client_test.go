package hubspot_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/connectors/sandbox/hubspot"
	"github.com/headwater-cdp/headwater/connectors/sandbox/sandboxtest"
)

// The vendor's own client finds the emulator at /hubspot, as `headwater sandbox`
// serves it.
func TestTheVendorsClientIsContent(t *testing.T) {
	e := hubspot.New()
	srv := httptest.NewServer(sandbox.Mount(e))
	defer srv.Close()
	credentials, err := json.Marshal(e.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	sandboxtest.Node(t, "@hubspot/api-client", "testdata/client.cjs", srv.URL+"/hubspot", string(credentials))
}

package salesforce_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	"github.com/headwater-cdp/headwater/connectors/sandbox/salesforce"
	"github.com/headwater-cdp/headwater/connectors/sandbox/sandboxtest"
)

// jsforce is the SDK that most programs in JavaScript use. It finds the emulator at
// /salesforce, as `headwater sandbox` serves it.
func TestJSForceIsContent(t *testing.T) {
	e := salesforce.New()
	srv := httptest.NewServer(sandbox.Mount(e))
	defer srv.Close()
	credentials, err := json.Marshal(e.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	sandboxtest.Node(t, "jsforce", "testdata/jsforce.cjs", srv.URL+"/salesforce", string(credentials))
}

package twilio_test

import (
	"testing"

	"github.com/headwater-cdp/headwater/connectors/sandbox/sandboxtest"
	"github.com/headwater-cdp/headwater/connectors/sandbox/twilio"
)

// The vendor's own package finds nothing strange.
func TestTheVendorsPackageIsContent(t *testing.T) {
	c := start(t)
	sandboxtest.Node(t, "twilio", "testdata/sdk.cjs", c.url, twilio.AccountSID, twilio.AuthToken, twilio.Number, twilio.VerifySID)
}

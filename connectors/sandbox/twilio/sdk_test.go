package twilio_test

import (
	"testing"

	"github.com/headwater-cdp/headwater/connectors/sandbox/spectest"
	"github.com/headwater-cdp/headwater/connectors/sandbox/twilio"
	"github.com/stretchr/testify/assert"
)

// The vendor's own package finds nothing strange.
func TestTheVendorsPackageIsContent(t *testing.T) {
	c := start(t)
	out := spectest.Script(t, "twilio", "testdata/sdk.cjs", c.url, twilio.AccountSID, twilio.AuthToken, twilio.Number, twilio.VerifySID)
	t.Log(out)
	assert.Contains(t, out, "twilio is content")
}

package klaviyo_test

import (
	"testing"

	"github.com/headwater-cdp/headwater/connectors/sandbox/klaviyo"
	"github.com/headwater-cdp/headwater/connectors/sandbox/sandboxtest"
)

// The vendor's own package finds nothing strange.
func TestTheVendorsPackageIsContent(t *testing.T) {
	c := start(t)
	c.emulator.Desk.Limits.Off(true)
	sandboxtest.Node(t, "klaviyo-api", "testdata/sdk.cjs", c.url, klaviyo.Key)
}

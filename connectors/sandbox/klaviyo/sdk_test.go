package klaviyo_test

import (
	"testing"

	"github.com/headwater-cdp/headwater/connectors/sandbox/klaviyo"
	"github.com/headwater-cdp/headwater/connectors/sandbox/spectest"
	"github.com/stretchr/testify/assert"
)

// The vendor's own package finds nothing strange.
func TestTheVendorsPackageIsContent(t *testing.T) {
	c := start(t)
	c.emulator.Desk.Limits.Off(true)
	out := spectest.Script(t, "klaviyo-api", "testdata/sdk.cjs", c.url, klaviyo.Key)
	t.Log(out)
	assert.Contains(t, out, "klaviyo-api is content")
}

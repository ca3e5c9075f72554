package klaviyo_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/connectors/sandbox"
	vendor "github.com/headwater-cdp/headwater/connectors/sandbox/klaviyo"
	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// BenchmarkPush reports profiles a second against an emulator without limits.
func BenchmarkPush(b *testing.B) {
	e := vendor.New()
	e.Desk.Limits.Off(true)
	r := to(b, e, sandbox.Serve(e))
	items := make([]sdk.Item, 5000)
	for i := range items {
		items[i] = person(fmt.Sprintf("p%d@example.com", i), "first_name", "P", "properties.points", i, "location.city", "Turin")
	}
	b.ResetTimer()
	for range b.N {
		_, err := r.Connection.(sdk.Upserter).Upsert(context.Background(), sdk.Batch{Stream: "profiles", Bulk: true, Items: items})
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N*len(items))/b.Elapsed().Seconds(), "profiles/s")
}

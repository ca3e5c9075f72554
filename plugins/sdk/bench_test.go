package sdk

import (
	"slices"
	"testing"
	"time"
)

func benchmarkUpsert(b *testing.B, u Upserter) {
	batch := Batch{Stream: "contacts", Items: []Item{{
		Key: "k", Match: "email", Fields: map[string]any{"email": "anna@example.org", "city": "Köln", "visits": 12},
	}}}
	took := make([]time.Duration, 0, b.N)
	for b.Loop() {
		at := time.Now()
		if _, err := u.Upsert(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(at))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "µs-median")
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, "µs-p99")
}

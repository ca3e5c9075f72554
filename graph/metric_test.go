package graph_test

import "testing"

// TestGoldenMetrics runs the queries of testdata/golden/metrics: see TestGolden.
func TestGoldenMetrics(t *testing.T) {
	w := newWorld(t)
	w.ingest(
		map[string]any{"type": "TRACK", "userId": "ana", "event": "Trip Booked", "timestamp": "2026-03-01T10:00:00Z", "properties": map[string]any{"nights": 3, "board": "half", "total": 100, "currency": "EUR"}},
		map[string]any{"type": "TRACK", "userId": "bo", "event": "Trip Booked", "timestamp": "2026-03-02T10:00:00Z", "properties": map[string]any{"nights": 2, "board": "full", "total": 50.5, "currency": "USD"}},
		map[string]any{"type": "TRACK", "userId": "bo", "event": "Trip Booked", "timestamp": "2026-03-02T11:00:00Z", "properties": map[string]any{"nights": 1, "board": "full"}},
		map[string]any{"type": "TRACK", "userId": "bo", "event": "Trip Booked", "timestamp": "2026-02-02T11:00:00Z", "properties": map[string]any{"nights": 4}},
		map[string]any{"type": "TRACK", "userId": "bo", "event": "Order Completed", "timestamp": "2026-03-02T11:00:00Z", "properties": map[string]any{"total": 4}},
	)
	golden(t, w, "testdata/golden/metrics", map[string]any{})
}

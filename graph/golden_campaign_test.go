package graph_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph"
)

// withCampaigns gives a world's services campaigns over an outbox; nothing runs by itself.
func withCampaigns(t *testing.T, o *graph.Options) {
	t.Helper()
	withShop(t, o)
	withOutbox(t, o, false)
	s := &o.Services
	db := s.Store.(store.Store)
	require.NoError(t, db.Declare(t.Context(), campaign.Specs()...))
	s.Sendouts = campaign.New(campaign.Options{
		Store: db, Clock: s.Clock, Profiles: s.Profiles, Segments: s.Segments, Consent: s.Consent, Messages: s.Outbox, Hours: s.Predicts, Access: s.Access,
		Audit: access.Recorder(s.Audit), Runner: work.New(work.Options{Store: db, Poll: 20 * time.Millisecond}),
	})
}

// TestGoldenCampaigns runs the queries of testdata/golden/campaigns: see TestGolden. Nothing is
// queued while they run.
func TestGoldenCampaigns(t *testing.T) {
	w := newWorld(t, func(o *graph.Options) { withCampaigns(t, o) })
	golden(t, w, "testdata/golden/campaigns", fixture(w))
}

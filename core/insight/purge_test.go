package insight

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func TestWhatNoMetricCountsIsPurged(t *testing.T) {
	r := newRig(t)
	running, stop := context.WithCancel(context.WithoutCancel(r.ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = r.runner.Run(running)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	r.counted()
	for _, who := range []string{"ana", "bo", "cy"} {
		r.track(who, "Seen", "2026-06-03T10:00:00Z", `{"plan":"pro"}`)
	}
	metric := func(name string, value Value) *Metric {
		m, _, err := r.Create(r.ctx, rigWS, name, seen(name, "Seen", value), name, false)
		require.NoError(t, err)
		return m
	}
	m, away := metric("seen", Events), metric("seers", Distinct)
	fresh := metric("new_seen", First)
	r.counted()
	kept := func(id string) int {
		n := 0
		for _, c := range []*store.Spec{rollups.Spec, crowds.Spec, cells.Spec, firsts.Spec} {
			n += r.documents(c, id)
		}
		return n
	}
	ids := func(name string) string {
		c, err := r.fresh(r.ctx, rigWS)
		require.NoError(t, err)
		return c.metrics[name].numerator.id
	}
	before, awayID, freshID := ids("seen"), ids("seers"), ids("new_seen")
	had := kept(freshID)
	require.GreaterOrEqual(t, had, 5, "rollups, a cell, and the firsts of three")

	// One is replaced, one is replaced and back within the week, one is put away.
	_, _, err := r.Update(r.ctx, rigWS, "seen", m.V, func(d *Definition) { d.Dimensions = nil }, false)
	require.NoError(t, err)
	f, _, err := r.Update(r.ctx, rigWS, "new_seen", fresh.V, func(d *Definition) { d.Dimensions = nil }, false)
	require.NoError(t, err)
	_, _, err = r.Archive(r.ctx, rigWS, "seers", away.V, true, false)
	require.NoError(t, err)
	r.counted()
	after := ids("seen")
	require.NotEqual(t, before, after)
	purge := func() PurgeResult {
		j, err := r.Jobs.Start(r.ctx, PurgeKind, rigWS, struct{}{}, "")
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			r.Jobs.Wake()
			j, err = r.Jobs.Get(r.ctx, rigWS, j.JobID())
			require.NoError(t, err)
			return j.Status.Final()
		}, 60*time.Second, 5*time.Millisecond)
		require.Equal(t, work.Succeeded, j.Status, "%+v", j.Error)
		var out PurgeResult
		require.NoError(t, j.DecodeResult(&out))
		return out
	}
	require.Zero(t, purge(), "it is noted, and left for a week")
	r.clock.Advance(6 * 24 * time.Hour)
	require.Zero(t, purge())
	require.Positive(t, kept(before))
	_, _, err = r.Update(r.ctx, rigWS, "new_seen", f.V, func(d *Definition) { d.Dimensions = seen("", "", "").Dimensions }, false)
	require.NoError(t, err)
	require.Equal(t, freshID, ids("new_seen"))
	require.Zero(t, purge())
	r.clock.Advance(25 * time.Hour)
	out := purge()
	require.Equal(t, int64(1), out.Measures)
	require.Positive(t, out.Documents)
	require.Zero(t, kept(before))
	require.Positive(t, kept(after))
	require.Positive(t, kept(awayID), "what is put away is not replaced")
	require.Equal(t, had, kept(freshID))
	r.counted()
	require.Equal(t, []string{"2026-06-01T00 3"}, shown(r.ask("seen", nil)))
	require.Equal(t, []string{"2026-06-01T00 3"}, shown(r.ask("new_seen", nil)))
	require.Zero(t, purge())
	for range 2 { // which processes do many times a day
		require.NoError(t, r.purgeDaily(r.ctx, rigWS))
	}
	n, err := r.Jobs.Count(r.ctx, rigWS, work.Filter{Kind: PurgeKind})
	require.NoError(t, err)
	require.NoError(t, rigOver(t, r.db, r.clock).purgeDaily(r.ctx, rigWS))
	again, err := r.Jobs.Count(r.ctx, rigWS, work.Filter{Kind: PurgeKind})
	require.NoError(t, err)
	require.Equal(t, n, again, "one a day, whichever process begins it")
	report, err := r.Refold(r.ctx, rigWS, false, nil)
	require.NoError(t, err)
	require.Zero(t, report.Differences, "%v", report.Sample)
}

// documents counts what is kept of a measure in a collection.
func (r *rig) documents(spec *store.Spec, measure string) int {
	r.t.Helper()
	snap, err := r.db.Snapshot(r.ctx)
	require.NoError(r.t, err)
	defer func() { require.NoError(r.t, snap.Close()) }()
	n := 0
	require.NoError(r.t, eachOf(r.ctx, snap, spec, rigWS, func(raw bson.Raw) error {
		if strings.Contains(string(raw), rigWS+"/"+measure+"/") {
			n++
		}
		return nil
	}))
	return n
}

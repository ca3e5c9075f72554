package insight

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func seen(title, name string, value Value) Definition {
	return Definition{Title: title, Unit: Count, Numerator: Measure{Value: value, Event: name}, Dimensions: []Dimension{{Key: "plan", Paths: []string{"properties.plan"}}}}
}

// A definition comes while several writers of two processes send: whatever was folded by
// which of them, each event counts once.
func TestADefinitionThatComesAmidIngestCountsEveryEventOnce(t *testing.T) {
	r := newRig(t)
	other := rigOver(t, r.db, r.clock)
	r.counted()
	const writers, each = 4, 60
	var wg sync.WaitGroup
	started := make(chan struct{}, writers)
	for w := range writers {
		p := []*rig{r, other}[w%2]
		wg.Go(func() {
			for i := range each {
				in := event.DecodeMessage(fmt.Appendf(nil, `{"type":"track","userId":"u%d","event":"Seen","timestamp":"2026-06-0%dT10:00:00Z","properties":{"plan":"p%d"}}`, (w*each+i)%37, 1+i%9, i%3),
					event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprintf("w%d-%d", w, i)})
				if _, err := p.pipeline.Ingest(r.ctx, rigWS, "src_web", []event.Input{in, in}); err != nil { // the second is a repetition
					t.Error(err)
				}
				if i == each/4 {
					started <- struct{}{}
				}
			}
		})
	}
	<-started
	_, _, err := r.Create(r.ctx, rigWS, "seen", seen("Seen", "Seen", Events), "k", false)
	require.NoError(t, err)
	_, _, err = other.Create(r.ctx, rigWS, "new_seen", seen("New", "Seen", First), "k", false)
	require.NoError(t, err)
	r.counted()
	other.counted() // a second one beside it changes nothing
	wg.Wait()
	require.Equal(t, []string{fmt.Sprint("2026-06-01T00 ", writers*each)}, shown(r.ask("seen", nil)))
	require.Equal(t, []string{"2026-06-01T00 37"}, shown(r.ask("new_seen", nil)))
	report, err := r.Refold(r.ctx, rigWS, false, nil)
	require.NoError(t, err)
	require.Zero(t, report.Differences, "%v", report.Sample)
}

// killing fails every commit after some: a process that dies.
type killing struct {
	store.Store
	left int
}

func (k *killing) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	if k.left--; k.left < 0 {
		return "", fmt.Errorf("killed")
	}
	return k.Store.Commit(ctx, b)
}

func TestABackfillThatWasKilledIsRunAgain(t *testing.T) {
	r := newRig(t)
	for i := range 450 { // more cells than one batch corrects
		r.track(fmt.Sprintf("u%d", i%7), "Seen", "2026-06-03T10:00:00Z", fmt.Sprintf(`{"plan":"plan %d"}`, i))
	}
	_, _, err := r.Create(r.ctx, rigWS, "seen", seen("Seen", "Seen", Events), "k", false)
	require.NoError(t, err)
	o := r.Options
	o.Jobs, o.Store = nil, &killing{r.db, 1}
	_, err = NewService(o).Refold(r.ctx, rigWS, true, nil)
	require.ErrorContains(t, err, "killed")
	require.Equal(t, []string{"2026-06-01T00 INCOMPLETE [PAST]"}, shown(r.ask("seen", nil)))
	r.counted()
	require.Equal(t, []string{"2026-06-01T00 450"}, shown(r.ask("seen", nil)))
}

func TestARebuildPutsRightWhatIsWrong(t *testing.T) {
	r := newRig(t)
	r.counted()
	r.track("ana", "Order Completed", "2026-06-03T10:00:00Z", `{"total":5,"currency":"EUR"}`)
	right := r.canon()
	c, err := r.set(r.ctx, rigWS)
	require.NoError(t, err)
	id := c.metrics["orders"].numerator.id
	s := newSums()
	s.add(hourOf(at("2026-06-03T10:00:00Z")), "", nil)
	require.NoError(t, work.Commit(r.ctx, r.db, s.ops(rigWS, place{id, cellOf([]string{"", "", "src_web"})}, "x")...))
	require.Equal(t, []string{"2026-06-01T00 2"}, shown(r.ask("orders", nil)))
	report, err := r.Refold(r.ctx, rigWS, false, nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, report.Differences, "%v", report.Sample)
	r.counted()
	require.Equal(t, []string{"2026-06-01T00 1"}, shown(r.ask("orders", nil)))
	require.Equal(t, right, r.canon())
}

// What was deleted stays counted, and a rebuild does not take it for a mistake.
func TestDeletedEventsStayCounted(t *testing.T) {
	r := newRig(t)
	r.counted()
	r.track("bo", "Order Completed", "2026-06-02T10:00:00Z", `{"total":7,"currency":"EUR"}`)
	r.track("ana", "Order Completed", "2026-06-03T10:00:00Z", `{"total":5,"currency":"EUR"}`)
	list, err := event.Events.Find(r.ctx, r.db, store.Query{Workspace: rigWS}, 0)
	require.NoError(t, err)
	for _, e := range list {
		if e.UserID != "ana" {
			continue
		}
		ops, err := r.Deleted(r.ctx, rigWS, e)
		require.NoError(t, err)
		require.NoError(t, work.Commit(r.ctx, r.db, append(ops, event.Events.Delete(e))...))
	}
	for range 2 {
		require.Equal(t, []string{"2026-06-01T00 12"}, shown(r.ask("revenue", nil)))
		require.Equal(t, []string{"2026-06-01T00 2"}, shown(r.ask("new_customers", nil)))
		require.Equal(t, []string{"2026-06-01T00 2"}, shown(r.ask("buyers", nil)))
		require.Zero(t, r.counted().Differences)
	}
}

func TestChangesOfDefinitions(t *testing.T) {
	r := newRig(t)
	r.counted()
	r.track("ana", "Seen", "2026-06-03T10:00:00Z", `{"plan":"pro"}`)
	m, _, err := r.Create(r.ctx, rigWS, "seen", seen("Seen", "Seen", Events), "k", false)
	require.NoError(t, err)
	again, _, err := r.Create(r.ctx, rigWS, "seen", seen("Seen", "Seen", Events), "k", false)
	require.NoError(t, err)
	require.Equal(t, m.V, again.V, "the same key")
	_, _, err = r.Create(r.ctx, rigWS, "seen", seen("Seen", "Seen", Events), "other", false)
	require.Equal(t, "METRIC_TAKEN", reason(err))
	_, _, err = r.Create(r.ctx, rigWS, "orders", seen("Seen", "Seen", Events), "k", false)
	require.Equal(t, "METRIC_TAKEN", reason(err), "a built-in one")
	r.counted()
	require.Equal(t, []string{"2026-06-01T00 1"}, shown(r.ask("seen", nil)))

	_, _, err = r.Archive(r.ctx, rigWS, "seen", m.V, true, false)
	require.NoError(t, err)
	r.track("ana", "Seen", "2026-06-04T10:00:00Z", `{"plan":"pro"}`)
	_, _, err = r.Archive(r.ctx, rigWS, "seen", m.V+1, false, false)
	require.NoError(t, err)
	require.Equal(t, []string{"2026-06-01T00 INCOMPLETE [PAST]"}, shown(r.ask("seen", nil)), "what it missed is not counted yet")
	r.counted()
	require.Equal(t, []string{"2026-06-01T00 2"}, shown(r.ask("seen", nil)))

	// A built-in one becomes the workspace's own.
	_, _, err = r.Update(r.ctx, rigWS, "revenue", 0, func(d *Definition) { d.Currency = "ron" }, false)
	require.NoError(t, err)
	require.Equal(t, "RON", r.ask("revenue", nil).Currency)
	_, _, err = r.Update(r.ctx, rigWS, "ltv", 0, func(d *Definition) { d.Numerator = Measure{Value: Other, Metric: "ltv_cac"} }, false)
	require.Equal(t, "METRIC_CYCLE", reason(err))
	require.Equal(t, []string{"numerator", "metric"}, core.AsError(err).Path)
}

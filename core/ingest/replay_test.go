package ingest_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// aside puts an event without a name aside and returns the item.
func (h *house) aside(t *testing.T) *event.QuarantineItem {
	t.Helper()
	require.Equal(t, event.Quarantined, h.one(t, message(`{"type":"track","messageId":"bad","userId":"ana"}`)).Status)
	page, err := h.events.Quarantined(t.Context(), ws, event.QuarantineFilter{}, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	return page.Items[0]
}

func (h *house) item(t *testing.T, id string) *event.QuarantineItem {
	t.Helper()
	q, err := h.events.QuarantineItem(t.Context(), ws, id)
	require.NoError(t, err)
	return q
}

func TestReplayOfWhatIsStillBadKeepsItAside(t *testing.T) {
	h := open(t)
	q := h.aside(t)
	r, err := h.Replay(t.Context(), ws, []string{q.QuarantineID(), "qua_unknown", q.QuarantineID()})
	require.NoError(t, err)
	require.Equal(t, []event.Status{event.Quarantined, event.Rejected, event.Quarantined}, statuses(r))
	require.Equal(t, core.NotFound, r[1].Err.Code)
	q = h.item(t, q.QuarantineID())
	require.Equal(t, event.QuarantineOpen, q.Status)
	require.EqualValues(t, 1, q.Attempts)
}

func TestReplayOfACorrectionMakesItAnEventOnce(t *testing.T) {
	h := open(t)
	q := h.aside(t)
	c, err := h.events.Correct(t.Context(), ws, event.Correction{ID: q.QuarantineID(), Raw: []byte(`{"type":"track","messageId":"bad","userId":"ana","event":"Viewed"}`)})
	require.NoError(t, err)
	require.Nil(t, c.Err)
	var wg sync.WaitGroup
	results := make([]event.Result, 8)
	for i := range results {
		wg.Go(func() {
			r, err := h.Replay(t.Context(), ws, []string{q.QuarantineID()})
			if err == nil {
				results[i] = r[0]
			}
		})
	}
	wg.Wait()
	accepted := 0
	for _, r := range results {
		if r.Status == event.Accepted {
			accepted++
			continue
		}
		require.Equal(t, event.Rejected, r.Status)
		require.Equal(t, "ALREADY_REPLAYED", r.Err.Reason)
	}
	require.Equal(t, 1, accepted)
	q = h.item(t, q.QuarantineID())
	require.Equal(t, event.QuarantineReplayed, q.Status)
	require.Equal(t, event.ID(ws, "bad"), q.EventID)
	e, err := event.Events.Get(t.Context(), h.db, event.Key(ws, "bad"))
	require.NoError(t, err)
	require.Equal(t, src, e.Source)
	h.consistent(t)
}

func TestADiscardedItemIsNotReplayed(t *testing.T) {
	h := open(t)
	q := h.aside(t)
	_, err := h.events.Discard(t.Context(), ws, []string{q.QuarantineID()})
	require.NoError(t, err)
	r, err := h.Replay(t.Context(), ws, []string{q.QuarantineID()})
	require.NoError(t, err)
	require.Equal(t, event.Rejected, r[0].Status)
	require.Equal(t, "ALREADY_DISCARDED", r[0].Err.Reason)
}

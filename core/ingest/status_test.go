package ingest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

func TestAcceptedEventIsStoredWithItsProfile(t *testing.T) {
	h := open(t)
	r := h.one(t, message(`{"type":"identify","messageId":"m1","userId":"ana","traits":{"email":"Ana@Example.com"}}`))
	require.Equal(t, event.Accepted, r.Status)
	require.Equal(t, event.ID(ws, "m1"), r.EventID)
	p, err := h.profiles.ByIdentifier(t.Context(), ws, event.Identifier{Namespace: "email", Value: "ana@example.com"})
	require.NoError(t, err)
	require.NotNil(t, p)
	require.Equal(t, p.ProfileID(), r.ProfileID)
	e, err := event.Events.Get(t.Context(), h.db, event.Key(ws, "m1"))
	require.NoError(t, err)
	require.Equal(t, src, e.Source)
	require.Equal(t, p.ProfileID(), e.Part)
	h.consistent(t)
}

func TestTheSameMessageIsOneEvent(t *testing.T) {
	h := open(t)
	first := h.one(t, track("m1", "ana", "Viewed"))
	again := h.one(t, track("m1", "ana", "Viewed"))
	require.Equal(t, event.Duplicate, again.Status)
	require.Equal(t, first.EventID, again.EventID)
	other := h.one(t, track("m1", "ana", "Bought"))
	require.Equal(t, event.Rejected, other.Status)
	require.Equal(t, "MESSAGE_ID_REUSED", other.Err.Reason)
	require.Equal(t, core.Conflict, other.Err.Code)
	require.Empty(t, other.EventID)
	require.EqualValues(t, 1, h.count(t))
}

func TestRepetitionsInsideOneUnit(t *testing.T) {
	h := open(t)
	r, err := h.Ingest(t.Context(), ws, src, []event.Input{
		track("m1", "ana", "Viewed"), track("m1", "ana", "Viewed"), track("m1", "ana", "Bought"), track("m2", "ana", "Bought"),
	})
	require.NoError(t, err)
	require.Equal(t, []event.Status{event.Accepted, event.Duplicate, event.Rejected, event.Accepted}, statuses(r))
	require.EqualValues(t, 2, h.count(t))
	h.consistent(t)
}

func TestTheSameMessageIDInAnotherWorkspaceIsAnotherEvent(t *testing.T) {
	h := open(t)
	h.one(t, track("m1", "ana", "Viewed"))
	r, err := h.Ingest(t.Context(), "ws_2", src, []event.Input{track("m1", "ana", "Bought")})
	require.NoError(t, err)
	require.Equal(t, event.Accepted, r[0].Status)
}

func TestBadEventsCostTheirNeighboursNothing(t *testing.T) {
	h := open(t)
	r, err := h.Ingest(t.Context(), ws, src, []event.Input{
		track("m1", "ana", "Viewed"),
		message(`{"type":"track","messageId":"m2","userId":"ana"}`),
		message(`{"type":"track","mess`),
		message(`{"type":"track","messageId":"m4","userId":"undefined","event":"Viewed"}`),
		message(`{"type":"track","messageId":"m4","userId":"undefined","event":"Viewed"}`),
		message(`{"type":"track","messageId":"m5","userId":"ana","event":"Viewed","timestamp":"2999-01-01T00:00:00Z"}`),
		track("m6", "bob", "Viewed"),
	})
	require.NoError(t, err)
	require.Equal(t, []event.Status{
		event.Accepted, event.Quarantined, event.Quarantined, event.Quarantined, event.Quarantined, event.Quarantined, event.Accepted,
	}, statuses(r))
	for i, reason := range map[int]string{1: event.ReasonEventMissing, 2: event.ReasonBadJSON, 3: "NO_IDENTIFIER", 4: "NO_IDENTIFIER", 5: event.ReasonFuture} {
		require.Equal(t, reason, r[i].Err.Reason)
	}
	open, err := h.events.CountQuarantined(t.Context(), ws, event.QuarantineFilter{})
	require.NoError(t, err)
	require.EqualValues(t, 4, open, "each payload is kept once")
	require.EqualValues(t, 2, h.count(t))
	h.consistent(t)
}

func TestABadEventSentAgainIsKeptOnce(t *testing.T) {
	h := open(t)
	for range 3 {
		r := h.one(t, message(`{"type":"track","messageId":"m2","userId":"ana"}`))
		require.Equal(t, event.Quarantined, r.Status)
	}
	open, err := h.events.CountQuarantined(t.Context(), ws, event.QuarantineFilter{})
	require.NoError(t, err)
	require.EqualValues(t, 1, open)
}

func TestThePlanKeepsEventsAside(t *testing.T) {
	h := open(t)
	_, err := h.events.SetPlan(t.Context(), ws, event.PlanUpdate{
		Unplanned: event.Allow,
		Rules:     []event.PlanRule{{Event: "Bought", Action: event.QuarantineEvent, Schema: `{"type":"object","required":["total"]}`}},
	})
	require.NoError(t, err)
	r := h.one(t, track("m1", "ana", "Bought"))
	require.Equal(t, event.Quarantined, r.Status)
	require.Equal(t, event.ReasonPlanViolation, r.Err.Reason)
	require.Equal(t, event.Accepted, h.one(t, track("m2", "ana", "Viewed")).Status)
}

func TestEventsOfOnePersonKeepTheirOrder(t *testing.T) {
	h := open(t)
	var inputs []event.Input
	at := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	for range 50 {
		n := len(inputs)
		// The names differ, and are only linked by others in the same call.
		inputs = append(inputs,
			message(`{"type":"track","messageId":"a%d","anonymousId":"device","event":"Viewed","timestamp":%q}`, n, at),
			message(`{"type":"identify","messageId":"b%d","userId":"ana","anonymousId":"device","timestamp":%q}`, n, at),
			message(`{"type":"track","messageId":"c%d","userId":"ana","event":"Bought","timestamp":%q}`, n, at),
		)
	}
	r, err := h.Ingest(t.Context(), ws, src, inputs)
	require.NoError(t, err)
	last := int64(0)
	for i := range r {
		e, err := event.Events.Get(t.Context(), h.db, store.Key(ws, r[i].EventID))
		require.NoError(t, err)
		require.Greater(t, e.Seq, last)
		last = e.Seq
	}
	h.consistent(t)
}

func (h *house) count(t *testing.T) int64 {
	t.Helper()
	n, err := event.Events.Count(t.Context(), h.db, store.Query{Workspace: ws})
	require.NoError(t, err)
	return n
}

func statuses(results []event.Result) []event.Status {
	out := make([]event.Status, len(results))
	for i, r := range results {
		out[i] = r.Status
	}
	return out
}

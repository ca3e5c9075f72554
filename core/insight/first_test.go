package insight

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// asTold compares what is kept with what a rebuild makes of nothing.
func (r *rig) asTold() {
	r.t.Helper()
	report, err := r.Refold(r.ctx, rigWS, false, nil)
	require.NoError(r.t, err)
	require.Zero(r.t, report.Differences, "%v", report.Sample)
	live := r.canon()
	r.forget()
	r.counted()
	require.Equal(r.t, live, r.canon())
}

// A history that comes newest first counts a first order when it happened, in its cell.
func TestAFirstIsTheFirstThatHappened(t *testing.T) {
	r := newRig(t)
	r.counted()
	for i, at := range []string{"2026-06-20T10:00:00Z", "2026-05-10T10:00:00Z", "2026-04-05T10:00:00Z", "2026-05-01T10:00:00Z"} {
		r.track("ana", "Order Completed", at, `{"total":5,"currency":"EUR","channel":"`+[]string{"mail", "web", "shop", "web"}[i]+`"}`)
		r.clock.Advance(time.Minute)
	}
	r.track("bo", "Order Completed", "2026-06-01T10:00:00Z", `{"total":5,"currency":"EUR","channel":"mail"}`)
	ask := func(by ...string) []string {
		return shown(r.ask("new_customers", func(q *Question) { q.From, q.Grain, q.By = at("2026-04-01T00:00:00Z"), Month, by }))
	}
	for range 2 {
		require.Equal(t, []string{"2026-04-01T00 1", "2026-05-01T00 0", "2026-06-01T00 1"}, ask())
		require.Equal(t, []string{"2026-04-01T00 shop 1", "2026-06-01T00 mail 1"}, ask("channel"))
		r.asTold()
	}
}

// Of a person who was two, the earlier first gives way to one that happened before both.
func TestTheFirstOfMergedPeopleMoves(t *testing.T) {
	r := newRig(t)
	r.counted()
	order := func(who, at string) {
		r.send(`{"type":"track",%s,"event":"Order Completed","timestamp":%q,"properties":{"total":5,"currency":"EUR"}}`, who, at)
		r.clock.Advance(time.Minute)
	}
	order(`"anonymousId":"a1"`, "2026-05-02T10:00:00Z")
	order(`"userId":"u1"`, "2026-06-02T10:00:00Z")
	order(`"anonymousId":"a2"`, "2026-06-02T11:00:00Z")
	for _, n := range []string{"1", "2", "3"} {
		r.send(`{"type":"identify","anonymousId":%q,"userId":%q,"timestamp":"2026-06-05T11:00:00Z"}`, "a"+n, "u"+n)
		r.clock.Advance(time.Minute)
	}
	order(`"userId":"u1"`, "2026-05-20T10:00:00Z") // later than the first
	order(`"userId":"u1"`, "2026-04-20T10:00:00Z")
	order(`"userId":"u2"`, "2026-04-21T10:00:00Z")
	order(`"userId":"u3"`, "2026-06-21T10:00:00Z")
	order(`"anonymousId":"a3"`, "2026-05-21T10:00:00Z")
	for range 2 {
		a := r.ask("new_customers", func(q *Question) { q.From, q.Grain = at("2026-04-01T00:00:00Z"), Month })
		require.Equal(t, []string{"2026-04-01T00 2", "2026-05-01T00 1", "2026-06-01T00 1"}, shown(a))
		r.asTold()
	}
}

// ordered is a workspace in which ana has ordered once, in June.
func ordered(t *testing.T) (*rig, *event.Event) {
	t.Helper()
	r := newRig(t)
	r.counted()
	r.track("ana", "Order Completed", "2026-06-20T10:00:00Z", `{"total":5,"currency":"EUR"}`)
	list, err := event.Events.Find(r.ctx, r.db, store.Query{Workspace: rigWS}, 0)
	require.NoError(t, err)
	require.Len(t, list, 1)
	return r, list[0]
}

// deletes deletes an event; something may happen before the commit.
func (r *rig) deletes(e *event.Event, meanwhile func()) error {
	r.t.Helper()
	ops, err := r.Deleted(r.ctx, rigWS, e)
	require.NoError(r.t, err)
	meanwhile()
	return work.Commit(r.ctx, r.db, append(ops, event.Events.Delete(e))...)
}

// A first that was deleted stays counted, whatever is told later.
func TestADeletedFirstDoesNotMove(t *testing.T) {
	r, first := ordered(t)
	require.NoError(t, r.deletes(first, func() {}))
	r.track("ana", "Order Completed", "2026-05-20T10:00:00Z", `{"total":5,"currency":"EUR"}`)
	r.firstsAre("2026-05-01T00 0", "2026-06-01T00 1")
}

// An earlier event that comes while a first is deleted is the first: the deletion finds that
// out, and keeps nothing of what does not count any more.
func TestAFirstThatMovesWhileItIsDeleted(t *testing.T) {
	r, first := ordered(t)
	require.ErrorIs(t, r.deletes(first, func() { r.track("ana", "Order Completed", "2026-05-20T10:00:00Z", `{"total":5,"currency":"EUR"}`) }), store.ErrConflict)
	require.NoError(t, r.deletes(first, func() {}))
	r.firstsAre("2026-05-01T00 1", "2026-06-01T00 0")
}

// firstsAre holds the new customers of May and June, as they are and as a rebuild has them, to what they must be.
func (r *rig) firstsAre(want ...string) {
	r.t.Helper()
	for range 2 {
		a := r.ask("new_customers", func(q *Question) { q.From, q.Grain = at("2026-05-01T00:00:00Z"), Month })
		require.Equal(r.t, want, shown(a))
		require.Zero(r.t, r.counted().Differences)
	}
}

// A part of a week is compared with the same days of another.
func TestWeeksAreComparedWithWeeksAsLong(t *testing.T) {
	r := newRig(t)
	r.counted()
	for day := at("2026-04-20T10:00:00Z"); day.Before(at("2026-07-01T00:00:00Z")); day = day.AddDate(0, 0, 1) {
		r.track("ana", "Order Completed", day.Format(time.RFC3339), `{"total":5,"currency":"EUR"}`)
	}
	a := r.ask("orders", func(q *Question) { q.From, q.Grain, q.Compare = at("2026-06-04T00:00:00Z"), Week, true })
	require.Equal(t, []string{"2026-06-04T00 4 (4)", "2026-06-08T00 7 (7)", "2026-06-15T00 7 (7)", "2026-06-22T00 7 (7)", "2026-06-29T00 2 (2)"}, shown(a))
}

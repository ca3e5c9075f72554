package event_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// aside keeps inputs aside as the pipeline would.
func aside(t *testing.T, f *fixture, source string, ins ...event.Input) int {
	t.Helper()
	var list []event.Aside
	for i := range ins {
		require.NotNil(t, ins[i].Err)
		list = append(list, event.Aside{Source: source, Input: &ins[i]})
	}
	ops, err := f.QuarantineOps(t.Context(), ws, list, f.clock.Now())
	require.NoError(t, err)
	if len(ops) > 0 {
		require.NoError(t, f.commit(t, ops...))
	}
	return len(ops)
}

func itemOf(t *testing.T, f *fixture, filter event.QuarantineFilter) *event.QuarantineItem {
	t.Helper()
	page, err := f.Quarantined(t.Context(), ws, filter, core.Window{Limit: 10})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	return page.Items[0]
}

const nameless = `{"userId":"u1","anonymousId":"a1","context":{"traits":{"email":" Ana@Example.com "}},"properties":{"a":1}}`

func TestQuarantineKeepsAPayloadOnce(t *testing.T) {
	f := open(t)
	in := event.DecodeMessage([]byte(nameless), event.Defaults{Type: event.Track, ReceivedAt: receipt})
	assert.Equal(t, 1, aside(t, f, "src_1", in, in), "twice in one unit")
	assert.Equal(t, 0, aside(t, f, "src_1", in), "sent again")
	assert.Equal(t, 1, aside(t, f, "src_2", in), "from elsewhere it is another")
	assert.ErrorIs(t, f.commit(t, event.QuarantineOp(ws, "src_1", &in, receipt)), store.ErrConflict)

	q := itemOf(t, f, event.QuarantineFilter{Source: "src_1"})
	assert.Equal(t, nameless, string(q.Raw))
	assert.Equal(t, core.Invalid, q.Code)
	assert.Equal(t, event.ReasonEventMissing, q.Reason)
	assert.Equal(t, []string{"event"}, q.Path)
	assert.Equal(t, event.QuarantineOpen, q.Status)
	assert.ElementsMatch(t, []string{"userId/u1", "anonymousId/a1", "email/ana@example.com"}, q.IDs)
	found, err := event.Quarantine.Find(t.Context(), f.db, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("ids", "email/ana@example.com")}}, 0)
	require.NoError(t, err)
	assert.Len(t, found, 2, "erasure finds it")
}

func TestWhateverIsSentCanBeKept(t *testing.T) {
	f := open(t)
	for i, raw := range []string{"", "\x00\xff", `{"type":"track"`, `{"type":"identify","userId":"u","traits":{"\ud800\u0000":1}}`, `[]`} {
		in := decode(raw)
		require.NotNil(t, in.Err)
		assert.Equal(t, 1, aside(t, f, fmt.Sprint("src_", i), in), raw)
	}
	b, err := event.DecodeBatch([]byte("{\"batch\":[{\"type\":\"identify\",\"userId\":\"u\",\"traits\":{\"\xff\":{\"\xfe\":1}}}]}"), receipt)
	require.Nil(t, err)
	assert.Equal(t, 1, aside(t, f, "src_x", b.Inputs...))
}

func TestQuarantineFilters(t *testing.T) {
	f := open(t)
	for i := range 5 {
		in := event.DecodeMessage(fmt.Appendf(nil, `{"userId":"u%d"}`, i), event.Defaults{ReceivedAt: receipt.Add(time.Duration(i) * time.Hour)})
		aside(t, f, "src_1", in)
	}
	bad := decode(`{"type":"track","userId":"u"}`)
	aside(t, f, "src_2", bad)
	count := func(filter event.QuarantineFilter) int64 {
		n, err := f.CountQuarantined(t.Context(), ws, filter)
		require.NoError(t, err)
		return n
	}
	assert.EqualValues(t, 6, count(event.QuarantineFilter{}))
	assert.EqualValues(t, 5, count(event.QuarantineFilter{Source: "src_1"}))
	assert.EqualValues(t, 1, count(event.QuarantineFilter{Reason: event.ReasonEventMissing}))
	assert.EqualValues(t, 0, count(event.QuarantineFilter{Status: event.QuarantineReplayed}))
	from, to := receipt.Add(time.Hour), receipt.Add(3*time.Hour)
	assert.EqualValues(t, 2, count(event.QuarantineFilter{From: &from, To: &to}))
	page, err := f.Quarantined(t.Context(), ws, event.QuarantineFilter{Source: "src_1"}, core.Window{Limit: 2})
	require.NoError(t, err)
	assert.True(t, page.HasNext)
	assert.True(t, page.Items[0].ReceivedAt.After(page.Items[1].ReceivedAt), "the latest first")
	_, err = f.CountQuarantined(t.Context(), ws, event.QuarantineFilter{Status: "ODD"})
	assert.Equal(t, "STATUS", reason(t, err))
	_, err = f.CountQuarantined(t.Context(), ws, event.QuarantineFilter{Reason: "x", Source: "y"})
	assert.Equal(t, "FILTER", reason(t, err))
}

func TestCorrectAndReplay(t *testing.T) {
	f := open(t)
	body := `{"sentAt":"2026-11-21T09:00:00Z","context":{"lib":"go"},"batch":[{"type":"track","userId":"u","timestamp":"2026-11-21T08:59:50Z"}]}`
	b, fault := event.DecodeBatch([]byte(body), receipt)
	require.Nil(t, fault)
	aside(t, f, "src_1", b.Inputs...)
	q := itemOf(t, f, event.QuarantineFilter{})
	assert.NotNil(t, ptr(q.Replay(f.clock.Now())).Err, "nothing has changed yet")

	fix := func(raw string, dry bool) event.Corrected {
		out, err := f.Correct(t.Context(), ws, event.Correction{ID: q.QuarantineID(), Raw: []byte(raw), DryRun: dry})
		require.NoError(t, err)
		return out
	}
	assert.Equal(t, event.ReasonTypeMissing, fix(`{"userId":"u","event":"x"}`, false).Err.Reason)
	const good = `{"type":"track","event":"x","userId":"u","timestamp":"2026-11-21T08:59:50Z"}`
	assert.Nil(t, fix(good, true).Err)
	assert.Equal(t, event.QuarantineOpen, itemOf(t, f, event.QuarantineFilter{}).Status, "a dry run changes nothing")
	f.clock.Advance(time.Hour)
	out := fix(good, false)
	require.Nil(t, out.Err)
	assert.EqualValues(t, 2, out.Item.V)

	q = itemOf(t, f, event.QuarantineFilter{Status: event.QuarantineCorrected})
	in, again := q.Replay(f.clock.Now()), q.Replay(f.clock.Now())
	require.Nil(t, in.Err)
	assert.Equal(t, receipt.Add(-10*time.Second), in.Timestamp, "as at its receipt")
	assert.JSONEq(t, `{"lib":"go"}`, jsonOf(t, in.Context))
	assert.Equal(t, in.MessageID, again.MessageID, "two replays are one event")

	require.NoError(t, f.commit(t, q.FailedOp(context.Background(), core.Errorf(core.Invalid, "AGAIN", "again"), f.clock.Now())))
	q, err := f.QuarantineItem(t.Context(), ws, q.QuarantineID())
	require.NoError(t, err)
	assert.EqualValues(t, 1, q.Attempts)
	assert.Equal(t, "AGAIN", q.Reason)
	op := q.ReplayedOp(context.Background(), "evt_1", f.clock.Now())
	require.NoError(t, f.commit(t, op))
	require.ErrorIs(t, f.commit(t, op), store.ErrConflict, "not twice")
	q = itemOf(t, f, event.QuarantineFilter{Status: event.QuarantineReplayed})
	assert.Equal(t, "evt_1", q.EventID)
	_, err = f.Correct(t.Context(), ws, event.Correction{ID: q.QuarantineID(), Raw: []byte(good)})
	assert.Equal(t, "ALREADY_REPLAYED", reason(t, err))
}

func TestARouteIsRemembered(t *testing.T) {
	f := open(t)
	aside(t, f, "src_1", event.DecodeMessage([]byte(nameless), event.Defaults{Type: event.Track, ReceivedAt: receipt, GPC: true}))
	out, err := f.Correct(t.Context(), ws, event.Correction{ID: itemOf(t, f, event.QuarantineFilter{}).QuarantineID(), Raw: []byte(`{"event":"x","userId":"u"}`)})
	require.NoError(t, err)
	require.Nil(t, out.Err)
	in := out.Item.Replay(f.clock.Now())
	assert.Equal(t, event.Track, in.Type)
	assert.True(t, in.GPC())
}

func TestACorrectionMustKeepToThePlan(t *testing.T) {
	f := open(t)
	setPlan(t, f, event.QuarantineEvent)
	in := decode(`{"type":"track","event":"Odd","userId":"u"}`)
	v, fault := f.Check(t.Context(), ws, &in)
	require.Nil(t, fault)
	in.Err = v.Err()
	aside(t, f, "src_1", in)
	q := itemOf(t, f, event.QuarantineFilter{Reason: event.ReasonUnplanned})
	out, err := f.Correct(t.Context(), ws, event.Correction{ID: q.QuarantineID(), Raw: q.Raw})
	require.NoError(t, err)
	assert.Equal(t, event.ReasonUnplanned, out.Err.Reason)
	_, err = f.Correct(t.Context(), ws, event.Correction{ID: "qua_none", Raw: q.Raw})
	assert.Equal(t, core.NotFound, core.CodeOf(err))
	_, err = f.Correct(t.Context(), ws, event.Correction{ID: q.QuarantineID(), Raw: nil})
	assert.Equal(t, "CORRECTION", reason(t, err))
	_, err = f.Correct(t.Context(), ws, event.Correction{ID: q.QuarantineID(), Raw: q.Raw, ExpectedVersion: ptr(int64(9))})
	assert.Equal(t, "VERSION_CONFLICT", reason(t, err))
}

func TestDiscard(t *testing.T) {
	f := open(t)
	var ids []string
	for i := range 120 {
		in := decode(fmt.Sprintf(`{"userId":"u%d"}`, i))
		aside(t, f, "src_1", in)
		ids = append(ids, store.Rest(event.QuarantineKey(ws, "src_1", in.Raw)))
	}
	n, err := f.Discard(t.Context(), ws, append(ids, ids[0], "qua_none"))
	require.NoError(t, err)
	assert.Equal(t, 120, n)
	n, err = f.Discard(t.Context(), ws, ids)
	require.NoError(t, err)
	assert.Zero(t, n)
	q, err := f.QuarantineItem(t.Context(), ws, ids[0])
	require.NoError(t, err)
	assert.Equal(t, event.QuarantineDiscarded, q.Status)
	assert.Empty(t, q.Raw)
	assert.Empty(t, q.IDs)
	assert.Zero(t, aside(t, f, "src_1", decode(`{"userId":"u0"}`)), "it does not come back")
	_, err = f.Discard(t.Context(), ws, make([]string, event.MaxDiscard+1))
	assert.Equal(t, "TOO_MANY", reason(t, err))
}

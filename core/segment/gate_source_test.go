package segment

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// TestConditionsLookAtWhatWasCollectedForThePurpose has one person's income and order from
// a source that collects for support, and another's from one that collects for all.
func TestConditionsLookAtWhatWasCollectedForThePurpose(t *testing.T) {
	o := guardedOffice(t)
	src, err := event.NewSource(o.ws, event.SourceInput{Name: "Desk", Purposes: []string{"support"}}, time.Now())
	require.NoError(t, err)
	src.ID = store.Key(o.ws, "src_desk")
	_, err = o.db.Commit(o.ctx, store.Batch{ID: "bat_source", Ops: []store.Op{event.Sources.Insert(src)}})
	require.NoError(t, err)
	from := func(source, user string) string {
		results, err := o.pipeline.Ingest(o.ctx, o.ws, source, []event.Input{
			event.DecodeMessage([]byte(`{"type":"identify","userId":"`+user+`","traits":{"income":70000,"timezone":"Asia/Tokyo","home":{"city":"Cluj"}}}`), event.Defaults{ReceivedAt: time.Now(), MessageID: user + "1"}),
			event.DecodeMessage([]byte(`{"type":"track","event":"Order Completed","userId":"`+user+`","properties":{"total":90}}`), event.Defaults{ReceivedAt: time.Now(), MessageID: user + "2"}),
		})
		require.NoError(t, err)
		return results[0].ProfileID
	}
	ana, ben := from("src_desk", "ana"), from("src_web", "ben")
	const order = `{"event":{"name":"Order Completed","where":[{"path":"total","gt":50}],"window":{"allTime":true}}}`
	o.create("keeps the ledger for everybody", order)
	for _, where := range []string{
		`{"trait":{"path":"income","gte":50000}}`, `{"trait":{"path":"home","exists":true}}`, `{"trait":{"path":"home.city","eq":"Cluj"}}`, order,
		`{"aggregate":{"event":{"name":"Order Completed"},"fn":"SUM","path":"total","value":{"gt":50}}}`,
	} {
		asks := func(ctx context.Context, want ...string) {
			t.Helper()
			in := o.tree(where)
			page, err := o.People(ctx, o.ws, PeopleInput{Where: in}, core.Window{Limit: 10})
			require.NoError(t, err)
			var got []string
			for _, p := range page.Items {
				got = append(got, p.ProfileID())
			}
			require.ElementsMatch(t, want, got, where)
			n, err := o.CountPeople(ctx, o.ws, PeopleInput{Where: in})
			require.NoError(t, err)
			require.Equal(t, int64(len(want)), n, where)
			p, err := o.Preview(ctx, o.ws, PreviewInput{Where: in})
			require.NoError(t, err)
			require.Equal(t, int64(len(want)), p.Count.Value, where)
			require.ElementsMatch(t, want, p.Sample, where)
		}
		asks(heard(o.as("operations", nil)), ben)
		asks(heard(o.as("support", nil)), ana, ben)
		asks(heard(o.as("compliance", nil)), ana, ben)
		asks(o.ctx, ana, ben)

		seg := o.create("by "+where, where)
		e, err := o.Explain(heard(o.as("operations", nil)), o.ws, seg.SegmentID(), ana)
		require.NoError(t, err)
		require.False(t, e.Member, "as far as may be seen")
		require.True(t, e.Stored)
		require.NotContains(t, e.Root.Decided, "70000")
		e, err = o.Explain(heard(o.as("operations", nil)), o.ws, seg.SegmentID(), ben)
		require.NoError(t, err)
		require.True(t, e.Member)
	}
}

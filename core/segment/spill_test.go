package segment

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Five thousand events of one person: the behaviour stays small, and answers are
// those of all of them.
func TestSpill(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	r := newRig(t)
	r.live("seg_many", `{"event":{"name":"Order","count":{"gte":5000},"window":{"last":"P365D"}}}`)
	r.live("seg_sum", `{"aggregate":{"event":{"name":"Order"},"fn":"SUM","path":"total","value":{"eq":5000}}}`)
	var ana string
	for from := 0; from < 5000; from += 250 {
		var messages []string
		for i := from; i < from+250; i++ {
			messages = append(messages, r.message("ana", "Order", time.Duration((i*7919)%5000)*time.Hour, `{"total":1}`))
		}
		ana = r.send(messages...)[0]
	}
	require.True(t, r.in("seg_many", ana))
	require.True(t, r.in("seg_sum", ana))
	n, err := Months.Count(t.Context(), r.store, store.Query{Workspace: rigWS})
	require.NoError(t, err)
	require.Greater(t, n, int64(3))
	raw, err := Behaviours.Encode(r.behaviour(ana))
	require.NoError(t, err)
	require.Less(t, len(raw), 64<<10)
	r.consistent()

	// A merge and an unmerge leave the months where they are.
	bob := r.track("bob", "Order", time.Hour, `{"total":1}`)
	m, err := r.people.Merge(t.Context(), rigWS, profile.MergeInput{WinnerID: bob, LoserID: ana, Reason: "test"})
	require.NoError(t, err)
	require.True(t, r.in("seg_many", bob))
	r.consistent()
	_, err = r.people.Unmerge(t.Context(), rigWS, profile.UnmergeInput{MergeID: m.Merge.MergeID()})
	require.NoError(t, err)
	require.False(t, r.in("seg_many", bob))
	require.True(t, r.in("seg_many", ana))
	r.consistent()

	// What no window reaches is deleted.
	r.clock.Advance(300 * day)
	r.sweepAll()
	require.False(t, r.in("seg_many", ana))
	r.track("ana", "Order", 0, `{"total":1}`)
	fewer, err := Months.Count(t.Context(), r.store, store.Query{Workspace: rigWS})
	require.NoError(t, err)
	require.Less(t, fewer, n)
	r.consistent()

	// A definition that asks for more folds everything anew.
	require.NotEmpty(t, r.finish(r.build("seg_more", `{"event":{"name":"Order","count":{"gte":5001},"window":{"last":"P900D"}}}`)))
	require.True(t, r.in("seg_more", ana))
	require.False(t, r.in("seg_more", bob))
	r.consistent()
	require.NotEmpty(t, fmt.Sprint(n))
}

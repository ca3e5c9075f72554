package segment

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/profile"
)

// What follows was found by TestTruth.

// Whoever has been in a segment longer than the profile that goes on is asked about
// with the earlier time at once, not with that of the merge.
func TestMergeKeepsWhenOneEntered(t *testing.T) {
	r := newRig(t)
	r.define("seg_list", whereRecent, Live, func(d *Segment) { d.Kind, d.Where = Static, "" })
	r.live("seg_lately", `{"list":{"id":"seg_list","entered":{"last":"P30D"}}}`)
	r.live("seg_longer", `{"list":{"id":"seg_list","entered":{"ago":{"from":"P1Y","to":"P30D"}}}}`)
	ana, bob, eve := r.identify("ana", `{}`), r.identify("bob", `{}`), r.identify("eve", `{}`)
	r.system(bob, NameListJoined, "segmentId", "seg_list")
	r.clock.Advance(40 * day)
	r.sweepAll()
	r.system(eve, NameListJoined, "segmentId", "seg_list")
	for _, winner := range []string{ana, eve} { // one who was not in, one who was for a shorter time
		_, err := r.people.Merge(t.Context(), rigWS, profile.MergeInput{WinnerID: winner, LoserID: bob, Reason: "test"})
		require.NoError(t, err)
		require.False(t, r.in("seg_lately", winner))
		require.True(t, r.in("seg_longer", winner))
		bob = winner
	}
	r.consistent()
}

// A new profile enters what is true of everybody when it comes, and what asks for
// that time is told of it.
func TestNewProfilesEnterNow(t *testing.T) {
	r := newRig(t)
	r.live("seg_a", `{"not":{"event":{"name":"Order"}}}`)
	r.live("seg_b", `{"segment":{"id":"seg_a","entered":{"last":"P10D"}}}`)
	r.live("seg_c", `{"not":{"segment":{"id":"seg_a","entered":{"last":"P10D"}}}}`)
	r.live("seg_d", `{"segment":{"id":"seg_c"}}`)
	ana := r.identify("ana", `{}`)
	require.True(t, r.in("seg_b", ana))
	require.False(t, r.in("seg_c", ana))
	require.False(t, r.in("seg_d", ana))
	r.clock.Advance(10*day - time.Millisecond)
	r.sweepAll()
	require.False(t, r.in("seg_c", ana))
	r.clock.Advance(time.Millisecond)
	r.sweepAll()
	require.False(t, r.in("seg_b", ana))
	require.True(t, r.in("seg_d", ana))
	r.consistent()
}

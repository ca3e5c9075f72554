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

// What a definition that is being built says of the time before is told as its own
// doing too where its ledger is that of a finished segment, and where what happens
// touches it by way of another segment only.
func TestBuildingIsNeverAnEvent(t *testing.T) {
	r := newRig(t)
	r.live("seg_a", whereRecent)
	r.live("seg_z", `{"event":{"name":"Visit"}}`)
	ana := r.track("ana", "Order", 0, `{}`)
	r.clock.Advance(time.Second)
	r.define("seg_b", whereRecent, Building)
	r.define("seg_c", `{"or":[{"segment":{"id":"seg_z"}},{"event":{"name":"Order","window":{"last":"P90D"}}}]}`, Building)
	r.track("ana", "Visit", 0, `{}`)
	require.Equal(t, []string{"ENTERED DEFINITION"}, r.news("seg_c", ana))
	bob := r.track("bob", "Order", 0, `{}`)
	r.clock.Advance(time.Second)
	r.define("seg_d", whereRecent, Building)
	r.track("bob", "Order", 0, `{}`)
	require.Equal(t, []string{"ENTERED DEFINITION"}, r.news("seg_d", bob))
	r.consistent()
}

// While a new definition is built, the passing of time is not asked about it for
// those whom the backfill has not reached: it may lack their events.
func TestTimeDoesNotBuild(t *testing.T) {
	r := newRig(t)
	r.live("seg_a", whereRecent)
	ana := r.track("ana", "Order", 0, `{}`)
	r.track("ana", "Visit", 0, `{}`)
	r.clock.Advance(time.Second)
	job := r.build("seg_a", `{"event":{"name":"Visit","window":{"last":"P30D"}}}`)
	r.clock.Advance(7 * day)
	r.sweepAll()
	require.Equal(t, []string{"ENTERED EVENT"}, r.news("seg_a", ana))
	r.finish(job)
	require.True(t, r.in("seg_a", ana))
	require.Equal(t, []string{"ENTERED EVENT"}, r.news("seg_a", ana))
	r.clock.Advance(23 * day)
	r.sweepAll()
	require.Equal(t, []string{"ENTERED EVENT", "LEFT TIME"}, r.news("seg_a", ana))
	r.consistent()
}

// Who is put out by a new definition and taken in again by what happens in the same
// commit has never left.
func TestStayingKeepsWhenOneEntered(t *testing.T) {
	r := newRig(t)
	r.live("seg_a", whereRecent)
	r.live("seg_b", `{"segment":{"id":"seg_a","entered":{"last":"P1D"}}}`)
	ana := r.track("ana", "Order", 0, `{}`)
	r.clock.Advance(2 * day)
	r.sweepAll()
	require.False(t, r.in("seg_b", ana))
	r.define("seg_a", `{"event":{"name":"Visit"}}`, Building)
	r.track("ana", "Visit", 0, `{}`)
	require.True(t, r.in("seg_a", ana))
	require.Equal(t, []string{"ENTERED EVENT"}, r.news("seg_a", ana))
	since, _ := r.behaviour(ana).Member("seg_a")
	require.Equal(t, rigStart, since)
	require.False(t, r.in("seg_b", ana))
	require.Equal(t, []string{"ENTERED EVENT", "LEFT TIME"}, r.news("seg_b", ana))
	r.consistent()
}

// A check does not take for a fault what follows from a definition that somebody has
// not been asked about yet.
func TestCheckWaitsForTheBackfill(t *testing.T) {
	r := newRig(t)
	r.live("seg_a", `{"event":{"name":"Visit"}}`)
	ana := r.track("ana", "Order", 0, `{}`)
	r.clock.Advance(time.Second)
	r.define("seg_b", `{"and":[{"segment":{"id":"seg_a"}},{"event":{"name":"Order"}}]}`, Building)
	r.track("ana", "Order", 0, `{}`)
	r.clock.Advance(time.Second)
	job := r.build("seg_a", whereRecent)
	r.consistent()
	diffs, err := r.Rebuild(t.Context(), rigWS)
	require.NoError(t, err)
	require.Empty(t, diffs)
	r.finish(job)
	require.True(t, r.in("seg_b", ana))
	r.consistent()
}

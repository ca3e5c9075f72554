package segment

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// many publishes live segments, seg_0000 and so on.
func (r *rig) many(n int, where func(i int) string) {
	r.t.Helper()
	for from := 0; from < n; from += 500 {
		_, err := r.publish(r.t.Context(), rigWS, func(rev int64) ([]store.Op, error) {
			var out []store.Op
			for i := from; i < min(n, from+500); i++ {
				out = append(out, Segments.Insert(&Segment{
					Meta: store.Meta{ID: store.Key(rigWS, fmt.Sprintf("seg_%04d", i))}, Kind: Dynamic, Status: Live, Version: 1, Since: rev,
					Where: where(i), WhereVersion: condition.Version,
				}))
			}
			return out, nil
		})
		require.NoError(r.t, err)
	}
}

func (r *rig) sweepUntilDone() { r.t.Helper(); r.sweepAll() }

// Whoever is new enters what one commit holds, and the rest by and by.
func TestNewPersonInVeryManySegments(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	r := newRig(t)
	r.many(700, func(i int) string { return fmt.Sprintf(`{"not":{"trait":{"path":"n%d","exists":true}}}`, i) })
	ana := r.identify("ana", `{"x":1}`)
	r.sweepUntilDone()
	require.Len(t, r.behaviour(ana).Members, 700)
	r.consistent()
}

// Two people in more segments than one commit holds become one.
func TestMergeOfTwoInVeryManySegments(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	for _, n := range []int{120, 260, 700} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := newRig(t)
			r.many(n, func(i int) string { return fmt.Sprintf(`{"trait":{"path":"n","gte":%d}}`, i) })
			bob := r.identify("bob", `{"n":1000}`)
			r.sweepUntilDone()
			r.clock.Advance(time.Hour)
			ana := r.identify("ana", `{"n":1000}`)
			r.sweepUntilDone()
			require.Len(t, r.behaviour(ana).Members, n)
			_, err := r.people.Merge(t.Context(), rigWS, profile.MergeInput{WinnerID: ana, LoserID: bob, Reason: "test"})
			require.NoError(t, err)
			r.sweepUntilDone()
			require.Len(t, r.behaviour(ana).Members, n)
			require.Nil(t, r.behaviour(bob))
			for i := range n {
				require.EqualValues(t, 1, r.size(fmt.Sprintf("seg_%04d", i)))
			}
			r.consistent()
		})
	}
}

// One event makes one of four, who are all in many segments.
func TestEventMergesSeveral(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	for _, n := range []int{35, 90, 340} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := newRig(t)
			r.many(n, func(i int) string { return fmt.Sprintf(`{"trait":{"path":"n","gte":%d}}`, i) })
			a := r.send(`{"type":"identify","anonymousId":"anon1","traits":{"n":1000}}`)[0]
			b := r.send(`{"type":"identify","anonymousId":"anon2","traits":{"n":1000,"email":"a@example.com"}}`)[0]
			c := r.send(`{"type":"identify","anonymousId":"anon3","traits":{"n":1000,"phone":"+40722123456"}}`)[0]
			d := r.send(`{"type":"identify","userId":"u1","traits":{"n":1000}}`)[0]
			r.sweepUntilDone()
			t.Log(a, b, c, d)
			got := r.send(`{"type":"identify","userId":"u1","anonymousId":"anon1","traits":{"email":"a@example.com","phone":"+40722123456"}}`)
			t.Log(got)
			r.sweepUntilDone()
			require.EqualValues(t, 1, r.size("seg_0000"))
			require.Len(t, r.behaviour(got[0]).Members, n)
			r.consistent()
		})
	}
}

// Entries that go to a month which no window reaches are neither stored nor missed.
func TestSpillWhatIsForgottenAtOnce(t *testing.T) {
	r := newRig(t)
	r.clock.Advance(time.Date(2026, 4, 2, 10, 0, 0, 0, time.UTC).Sub(r.clock.Now()))
	r.live("seg_busy", `{"event":{"name":"Page","count":{"gte":3000},"window":{"last":"P1D"}}}`)
	for from := 0; from < 2500; from += 250 {
		var messages []string
		for i := range 250 {
			ago := 35*time.Hour - time.Duration(from+i)*time.Second*20
			messages = append(messages, r.message("ana", "Page", ago, `{}`))
		}
		r.send(messages...)
	}
	r.consistent()
}

// Events are taken while definitions are published all the time.
func TestEventsWhileDefinitionsArePublished(t *testing.T) {
	r := newRig(t)
	other := rigOver(t, r.store, r.clock)
	r.many(300, func(i int) string { return fmt.Sprintf(`{"event":{"name":"E%d","window":{"last":"P7D"}}}`, i) })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var published, sent atomic.Int64
	for p := range 2 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				other.define(fmt.Sprintf("seg_x%d_%d", p, i), fmt.Sprintf(`{"trait":{"path":"t%d","eq":1}}`, i), Live)
				published.Add(1)
			}
		})
	}
	var slowest time.Duration
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			at := time.Now()
			r.send(r.message(fmt.Sprintf("u%d", i%50), fmt.Sprintf("E%d", i%300), 0, `{}`))
			sent.Add(1)
			slowest = max(slowest, time.Since(at))
		}
	})
	wg.Wait()
	t.Log("published", published.Load(), "sent", sent.Load(), "slowest", slowest)
}

// What cannot be read of one person holds nobody else up.
func TestSweepGoesOnPastAPersonItCannotRead(t *testing.T) {
	r := newRig(t)
	r.live("seg_recent", whereRecent)
	ids := r.crowd(40, time.Hour)
	b := r.behaviour(ids[39])
	b.Parts[0].Ledgers[0].packed = []byte{200, 1, 2}
	b.Parts[0].Ledgers[0].ledger = nil
	require.NoError(t, r.commit(t.Context(), []store.Op{Behaviours.Replace(b)}))
	r.clock.Advance(8 * day)
	for range 3 {
		for shard := range int64(sweepShards) {
			_, err := r.sweepShard(t.Context(), rigWS, shard, func(ops []store.Op) error { return r.commit(t.Context(), ops) })
			t.Log(err)
		}
	}
	require.EqualValues(t, 1, r.size("seg_recent"))
}

// What was said last about a person and a list holds, though the clock of the
// process that said it is behind.
func TestListWordsOfClocksThatDiffer(t *testing.T) {
	r := newRig(t)
	behind := rigOver(t, r.store, core.NewVirtualClock(rigStart.Add(-5*time.Second)))
	r.define("seg_list", `{"trait":{"path":"n","gte":1}}`, Live, func(d *Segment) { d.Kind, d.Where = Static, "" })
	ana := r.identify("ana", `{"x":1}`)
	for i, p := range []*rig{r, behind, r, behind, behind, behind} {
		change, status, in := p.AddToList, ListAdded, true
		if i%2 == 1 {
			change, status, in = p.RemoveFromList, ListRemoved, false
		}
		out, err := change(t.Context(), rigWS, "seg_list", []ListItem{{ProfileID: ana}})
		require.NoError(t, err)
		require.Equal(t, status, out[0].Status)
		require.Equal(t, in, r.in("seg_list", ana), "%d", i)
	}
	r.consistent()
}

func TestUnitOfNewPeopleInSegmentsTrueOfNobody(t *testing.T) {
	if testing.Short() {
		t.Skip("much of the same, and nothing at once")
	}
	r := newRig(t)
	r.many(20, func(i int) string { return fmt.Sprintf(`{"not":{"trait":{"path":"n%d","exists":true}}}`, i) })
	at := time.Now()
	ids := r.crowd(600, time.Hour)
	t.Log(time.Since(at))
	require.EqualValues(t, 600, r.size("seg_0000"))
	_ = ids
	r.consistent()
}

// A merge that is taken back before the sweep has ended what it left.
func TestUnmergeBeforeTheSweep(t *testing.T) {
	r := newRig(t)
	r.many(260, func(i int) string {
		if i < 30 {
			return fmt.Sprintf(`{"not":{"trait":{"path":"n%d","exists":true}}}`, i)
		}
		return fmt.Sprintf(`{"trait":{"path":"n","gte":%d}}`, i)
	})
	bob, ana := r.identify("bob", `{"n":1000}`), r.identify("ana", `{"n":100}`)
	r.sweepUntilDone()
	m, err := r.people.Merge(t.Context(), rigWS, profile.MergeInput{WinnerID: ana, LoserID: bob, Reason: "test"})
	require.NoError(t, err)
	require.NotEmpty(t, r.behaviour(bob).Members)
	_, err = r.people.Unmerge(t.Context(), rigWS, profile.UnmergeInput{MergeID: m.Merge.MergeID()})
	require.NoError(t, err)
	r.sweepUntilDone()
	require.Len(t, r.behaviour(bob).Members, 260)
	require.Len(t, r.behaviour(ana).Members, 101)
	r.consistent()
}

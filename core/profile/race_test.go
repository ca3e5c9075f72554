package profile

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
)

// TestUnitsThatRaceOnThePeople runs several services, as several processes would,
// over one store and few people, beside merges and unmerges by hand.
func TestUnitsThatRaceOnThePeople(t *testing.T) {
	base := newFixture(t)
	const workers, units, people = 4, 40, 3
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			f := *base
			f.s = NewService(f.db, f.clock)
			r := rand.New(rand.NewPCG(uint64(w), 7))
			for i := range units {
				var inputs []*event.Input
				for j := range 1 + r.IntN(3) {
					who := r.IntN(people)
					in := f.in(event.Identify, msg(fmt.Sprintf("w%d-%d-%d", w, i, j)), anon(fmt.Sprintf("a%d.%d", who, r.IntN(4))), minute(r.IntN(1000)),
						traits(bson.D{{Key: fmt.Sprintf("t%d", r.IntN(3)), Value: int64(i)}, {Key: "email", Value: fmt.Sprintf("p%d.%d@x.io", who, r.IntN(2))}}))
					if r.IntN(3) == 0 {
						in.UserID = fmt.Sprintf("u%d", who)
					}
					if r.IntN(20) == 0 {
						in.UserID = fmt.Sprintf("u%d", r.IntN(people))
					}
					inputs = append(inputs, in)
				}
				f.send(inputs...)
			}
		})
	}
	wg.Go(func() {
		f := *base
		f.s = NewService(f.db, f.clock)
		r := rand.New(rand.NewPCG(9, 9))
		for range 25 {
			all := f.profiles()
			if len(all) < 2 {
				continue
			}
			a, b := all[r.IntN(len(all))], all[r.IntN(len(all))]
			out, err := f.s.Merge(f.ctx, ws, MergeInput{WinnerID: a.ProfileID(), LoserID: b.ProfileID(), Reason: "same"})
			if err != nil {
				require.Contains(t, []string{"SAME_PROFILE"}, reason(err))
				continue
			}
			if r.IntN(2) == 0 {
				_, err = f.s.Unmerge(f.ctx, ws, UnmergeInput{MergeID: out.Merge.MergeID()})
				require.NoError(t, err)
			}
		}
	})
	wg.Wait()
	base.exact()
	events, err := event.Events.Count(base.ctx, base.db, everything(ws))
	require.NoError(t, err)
	var counted int64
	for _, p := range base.profiles() {
		counted += p.Events
	}
	require.Equal(t, events, counted, "every event is in one profile")
}

func TestUnmergeSucceedsUnderContinuousLoad(t *testing.T) {
	base := newFixture(t)
	ana, ben := base.two()
	var inputs []*event.Input
	for i := range 3000 {
		inputs = append(inputs, base.in(event.Track, user([]string{"ana", "ben"}[i%2])))
	}
	for len(inputs) > 0 {
		base.send(inputs[:500]...)
		inputs = inputs[500:]
	}
	m := base.merge(ana, ben)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	sent := make([]int, 2)
	for w, who := range []string{"ana", "ben"} {
		wg.Go(func() {
			f := *base
			f.s = NewService(f.db, f.clock)
			for ctx.Err() == nil {
				sent[w]++
				n := 4000 + sent[w]
				if n%2 == 0 {
					n = -n // late
				}
				f.send(f.in(event.Track, user(who), msg(fmt.Sprint(who, sent[w])), minute(n)))
			}
		})
	}
	for base.must(UserID, "ana").Events < 3100 {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	out, err := base.s.Unmerge(base.ctx, ws, UnmergeInput{MergeID: m.MergeID()})
	took := time.Since(start)
	stop()
	wg.Wait()
	t.Logf("unmerged after %s beside %d events", took, sent[0]+sent[1])
	require.NoError(t, err)
	require.Len(t, out.Profiles, 2)
	require.NotEqual(t, base.must(UserID, "ana").ID, base.must(UserID, "ben").ID)
	base.exact()
	total, err := event.Events.Count(base.ctx, base.db, everything(ws))
	require.NoError(t, err)
	require.EqualValues(t, 3004+sent[0]+sent[1], total)
}

// TestUnmergeCatchesUp drives the attempts by hand: late events come between the
// first reading and the second, which reads only them.
func TestUnmergeCatchesUp(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	m := f.merge(ana, ben)
	r, err := f.s.rules(f.ctx, ws)
	require.NoError(t, err)
	first, err := f.s.part(f.ctx, f.s.newUnit(ws, r), m, nil)
	require.NoError(t, err)
	for i := range 200 { // deeper than one reading of a part's latest
		f.send(f.in(event.Identify, user("ana"), minute(-i), consentSaid("ads", i%2 == 0)))
	}
	f.send(f.in(event.Identify, user("ben"), email("new@x.io"), minute(-900)))
	u := f.s.newUnit(ws, r)
	second, err := f.s.part(f.ctx, u, m, first)
	require.NoError(t, err)
	require.Same(t, first, second, "it goes on from the first reading")
	var out UnmergeResult
	require.NoError(t, u.separate(m, second, "", &out))
	require.NoError(t, f.s.commit(f.ctx, u))
	f.exact()
}

// TestTwoProcessesMeetANewPersonAtOnce has both units read that nobody is there.
func TestTwoProcessesMeetANewPersonAtOnce(t *testing.T) {
	f := newFixture(t)
	a, b := f.in(event.Identify, user("u"), anon("a")), f.in(event.Identify, user("u"), anon("b"))
	one, err := f.s.Begin(f.ctx, ws, []*event.Input{a})
	require.NoError(t, err)
	two, err := f.s.Begin(f.ctx, ws, []*event.Input{b})
	require.NoError(t, err)
	for _, x := range []struct {
		u  *Unit
		in *event.Input
	}{{one, a}, {two, b}} {
		e, err := x.u.Apply(x.in, "src_web", f.clock.Now())
		require.NoError(t, err)
		x.u.events = append(x.u.events, e)
	}
	require.NoError(t, f.s.commit(f.ctx, one))
	require.Error(t, f.s.commit(f.ctx, two))
	f.send(b)
	require.Len(t, f.profiles(), 1)
	f.exact()
}

func TestStaleMemoryOfOtherProcessesIsPutRight(t *testing.T) {
	f := newFixture(t)
	ana, ben := f.two()
	other := *f
	other.s = NewService(f.db, f.clock)
	require.NotNil(t, other.must(UserID, "ben")) // remembers ben's part
	m := f.merge(ana, ben)
	require.Equal(t, ana.ID, other.must(UserID, "ben").ID)
	require.Equal(t, ana.ProfileID(), other.owner(other.send(other.in(event.Track, user("ben")))[0]))
	f.unmerge(m)
	require.Equal(t, ben.ID, other.must(UserID, "ben").ID)
	other.send(other.in(event.Track, user("ben"), msg("again")))
	f.exact()
}

func TestUnmergeOfLongHistories(t *testing.T) {
	if testing.Short() {
		t.Skip("20,000 events")
	}
	f := newFixture(t)
	ana, ben := f.two()
	for from := 0; from < 10000; from += 250 {
		var inputs []*event.Input
		for range 250 {
			inputs = append(inputs, f.in(event.Identify, user("ana"), email("ana@x.io")), f.in(event.Track, user("ben")))
		}
		f.send(inputs...)
	}
	m := f.merge(ana, ben)
	start := time.Now()
	f.unmerge(m)
	t.Logf("unmerged two profiles of 10,000 events in %s", time.Since(start))
	require.EqualValues(t, 10002, f.must(UserID, "ana").Events+f.must(UserID, "ben").Events-10002)
	f.exact()
}

func TestAUnitWaitsForAProfileThatIsHeldAndNoLonger(t *testing.T) {
	f := newFixture(t)
	p := f.send(f.in(event.Page, user("u")))[0].Part
	require.NoError(t, f.s.hold(f.ctx, ws, []string{p, "nonsense"}))
	require.False(t, f.must(UserID, "u").HeldUntil.IsZero())
	f.exact()
	start := time.Now()
	f.send(f.in(event.Page, user("u"))) // the virtual clock stands still: it waits its longest
	require.Greater(t, time.Since(start), holdFor/2)
	require.True(t, f.must(UserID, "u").HeldUntil.IsZero(), "the next write takes the hold away")
	require.NoError(t, f.s.hold(f.ctx, ws, []string{p}))
	f.clock.Advance(holdFor)
	start = time.Now()
	f.send(f.in(event.Page, user("u")))
	require.Less(t, time.Since(start), holdFor)
}

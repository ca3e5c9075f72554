package sync_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	stdsync "sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/core/sync"
	"github.com/headwater-cdp/headwater/core/work"
)

// Random changes on both sides, a vendor that fails, repeats and rewrites what it is sent,
// processes that die at any moment, two at a time: in the end both sides agree, everybody is
// there once on each, and nothing goes to and fro any more.
func TestRandom(t *testing.T) {
	t.Parallel()
	for _, authority := range []sync.Authority{sync.RemoteWins, sync.LocalWins, sync.LatestWins} {
		t.Run(string(authority), func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			randomWorld(t, authority, rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

const people = 12

func randomWorld(t *testing.T, authority sync.Authority, rnd *rand.Rand) {
	inner := openStore(t)
	v := newVendor()
	v.norm = func(field string, val any) any {
		if s, ok := val.(string); ok && field == "city" {
			return strings.ToUpper(s) // vendors have ideas of their own
		}
		return val
	}
	var chance atomic.Int64
	var mu stdsync.Mutex
	roll := func(n int64) bool {
		mu.Lock()
		defer mu.Unlock()
		return rnd.Int64N(100) < n
	}
	v.upsert = func(b sync.Batch) ([]sync.Result, error) {
		bad := chance.Load()
		if roll(bad) { // nothing was written
			return nil, &sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromVendor, After: time.Millisecond}
		}
		if roll(bad) { // it was, and nobody heard
			for _, it := range b.Items {
				v.write(b.Stream, it)
			}
			return nil, &sync.Fault{Kind: sync.FaultUnknownOutcome, Origin: sync.FromVendor}
		}
		return nil, nil
	}
	calm := rigOver(t, inner, v) // changes what is here, and never dies
	conn := calm.connection()
	y := calm.twoWay(conn, func(y *sync.Sync) { y.Conflict, y.Every = authority, time.Hour })
	calm.end()

	chance.Store(15)
	live := idleRig(t, inner, v) // only writes, and never dies
	for round := range 4 {
		// Two processes over stores that fail; one of them dies in the middle.
		var rigs []*rig
		var stores []*faultstore.Store
		for i := range 2 {
			fs := faultstore.New(inner)
			if i == 0 {
				fs.Use(faultstore.Random(uint64(round), faultstore.Rates{Error: 0.01, LostReply: 0.01, CrashBefore: 0.004, CrashAfter: 0.004}))
			}
			rigs, stores = append(rigs, rigOver(t, fs, v)), append(stores, fs)
		}
		live.takeOver(y)
		for range 12 {
			mu.Lock()
			who, what, side := rnd.IntN(people), rnd.IntN(2), rnd.IntN(3)
			value := fmt.Sprintf("%d-%d", round, rnd.IntN(4))
			mu.Unlock()
			email := fmt.Sprintf("p%d@shop.example", who)
			field := []string{"name", "city"}[what]
			if side == 0 {
				live.identifyAs(email, map[string]any{"email": email, field: value})
			} else if id, _ := v.find("contacts", "email", email); id != "" {
				v.set("contacts", id, map[string]any{field: value})
			} else if side == 1 {
				v.set("contacts", fmt.Sprintf("x%d", who), map[string]any{"email": email, field: value})
			}
			if roll(40) {
				_ = live.soonQuietly(y)
			}
			time.Sleep(time.Duration(rnd.IntN(8)) * time.Millisecond)
		}
		if roll(50) {
			stores[0].Crash()
		}
		for i, r := range rigs {
			r.end()
			stores[i].Crash()
		}
	}
	chance.Store(0)
	last := rigOver(t, inner, v)
	last.takeOver(y)
	last.settled(y)
	for range 3 {
		last.run(y)
	}
	before, events := v.items, last.count(t)
	run := last.run(y)
	require.Equal(t, sync.RunSucceeded, run.Status, js(run.Fault))
	require.Equal(t, before, v.items, "nothing goes there any more")
	require.Equal(t, events, last.count(t), "nothing comes here any more")
	n, err := last.CountDeadLetters(last.ctx, ws, y.SyncID())
	require.NoError(t, err)
	require.Zero(t, n)
	seen := map[any]bool{}
	for id, r := range v.records["contacts"] {
		email := r.fields["email"]
		require.False(t, seen[email], "%v is there twice", email)
		seen[email] = true
		p := last.person("email", email.(string))
		require.NotNil(t, p, email)
		for _, f := range []string{"name", "city"} {
			want := ""
			if r.fields[f] != nil {
				want = js(r.fields[f])
			}
			here := last.trait(p, f)
			if f == "city" { // ours may be as it was said here
				want, here = strings.ToUpper(want), strings.ToUpper(here)
			}
			if want != here {
				links, _ := sync.Links.Find(last.ctx, inner, store.Query{Workspace: ws}, 0)
				for _, l := range links {
					if l.Remote == id || l.Local == p.ProfileID() {
						t.Logf("link %+v", l)
					}
				}
				t.Logf("row %+v; trait %+v %v", r, p.TraitAt(f), p.Parts)
				page, _ := last.people.Timeline(last.ctx, p, profile.TimelineFilter{}, core.Window{Limit: 12})
				for _, e := range page.Items {
					t.Logf("event %s %s %s %s", e.Timestamp.Format("05.000"), e.CommittedAt.Format("05.000"), e.Source, e.Traits)
				}
			}
			require.Equal(t, want, here, "%s of %s (%s)", f, email, id)
		}
	}
	for who := range people {
		email := fmt.Sprintf("p%d@shop.example", who)
		require.Equal(t, last.person("email", email) != nil, seen[email], email)
	}
}

// takeOver is the end of the lease of whoever died with a sync.
func (r *rig) takeOver(y *sync.Sync) {
	r.t.Helper()
	require.Eventually(r.t, func() bool {
		t, err := work.Find(r.ctx, r.store, ws, "sync.run", y.SyncID())
		return err == nil && t != nil && work.Commit(r.ctx, r.store, work.Move(t, time.Now())) == nil
	}, 5*time.Second, time.Millisecond)
}

func (r *rig) soonQuietly(y *sync.Sync) error {
	_, err := r.RunSync(r.ctx, ws, y.SyncID())
	return err
}

func (r *rig) count(t *testing.T) int64 {
	n, err := event.Events.Count(r.ctx, r.store, store.Query{Workspace: ws})
	require.NoError(t, err)
	return n
}

// identifyAs writes traits here of somebody who is known by an address alone.
func (r *rig) identifyAs(email string, traits map[string]any) { r.identify("user-"+email, traits) }

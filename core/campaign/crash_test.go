package campaign_test

import (
	"fmt"
	stdsync "sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
)

// ofRun tells whether a batch is one of a campaign's run.
func ofRun(b *store.Batch) bool {
	for _, op := range b.Ops {
		if op.Spec.Name == campaign.Runs.Spec.Name && op.Kind != store.OpCheck {
			return true
		}
	}
	return false
}

// Whatever commit of the run the process dies in, before it or after: another one carries it
// through, to everybody once.
func TestCrashAtEachCommit(t *testing.T) {
	const people = 310 // two batches
	for _, kind := range []faultstore.Kind{faultstore.CrashBefore, faultstore.CrashAfter} {
		for at := 1; at <= 6; at++ { // begin, two of freezing, two of sending, the end
			t.Run(fmt.Sprint(kind, at), func(t *testing.T) {
				t.Parallel()
				db := faultstore.New(openStore(t))
				clock := core.NewVirtualClock(start)
				p := newPostman()
				h := houseOver(t, db, p, clock)
				ids := h.persons(0, people, nil)
				id := h.schedule(h.draft([]string{h.list("All", ids...)}))
				var mu stdsync.Mutex
				n := 0
				db.Use(func(c faultstore.Call) faultstore.Fault {
					if c.Op != faultstore.Commit || !ofRun(c.Batch) {
						return faultstore.Fault{}
					}
					mu.Lock()
					defer mu.Unlock()
					if n++; n == at {
						return faultstore.Fault{Kind: kind}
					}
					return faultstore.Fault{}
				})
				h.start()
				crashed := false
				until(t, clock, 20*time.Millisecond, func() bool {
					select {
					case <-db.Crashed():
						crashed = true
					default:
					}
					return crashed
				})
				h.end()
				db.Use(func(faultstore.Call) faultstore.Fault { return faultstore.Fault{} })
				db.Reopen()
				clock.Advance(time.Minute) // the dead one's lease is over
				other := houseOver(t, db, p, clock)
				other.start()
				until(t, clock, 20*time.Millisecond, func() bool { return other.is(id, campaign.Done) })
				require.Len(t, other.queued(id), people)
				r := other.run(id)
				require.EqualValues(t, people, r.People)
				require.EqualValues(t, people, r.Queued["a"])
				left, err := campaign.Targets.Count(other.ctx, db, prefixOf(id))
				require.NoError(t, err)
				require.Zero(t, left)
			})
		}
	}
}

// With replies that are lost and a store that fails now and then, two processes do it
// together: everybody once.
func TestTwoProcessesOverAnUnreliableStore(t *testing.T) {
	const people = 1500
	db := faultstore.New(openStore(t))
	p := newPostman()
	clock := core.SystemClock{}
	h := houseOver(t, db, p, clock)
	ids := h.persons(0, people, nil)
	id := h.schedule(h.draft([]string{h.list("All", ids...)}))
	random := faultstore.Random(7, faultstore.Rates{Error: 0.1, LostReply: 0.1})
	db.Use(func(c faultstore.Call) faultstore.Fault {
		if c.Op == faultstore.Commit && ofRun(c.Batch) {
			return random(c)
		}
		return faultstore.Fault{}
	})
	h.start()
	other := houseOver(t, db, p, clock)
	other.start()
	for end := time.Now().Add(20 * time.Second); !h.is(id, campaign.Done); time.Sleep(5 * time.Millisecond) {
		require.True(t, time.Now().Before(end))
	}
	require.Len(t, h.queued(id), people)
	require.EqualValues(t, people, h.run(id).Queued["a"])
}

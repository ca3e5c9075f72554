package ingest_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/faultstore"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

// crowd writes random messages about few people whose names get linked: tracks by
// device, identifies that link device, user and address, aliases, traits.
type crowd struct {
	rand   *rand.Rand
	people int
	name   string
	n      int
}

func (c *crowd) next() event.Input {
	c.n++
	id := fmt.Sprintf("%s-%d", c.name, c.n)
	person, device := c.rand.IntN(c.people), c.rand.IntN(3)
	at := time.Now().Add(-time.Duration(c.rand.IntN(1e6)) * time.Millisecond).UTC().Format(time.RFC3339Nano)
	switch c.rand.IntN(10) {
	case 0, 1:
		return message(`{"type":"identify","messageId":%q,"userId":"u%d","anonymousId":"d%d-%d","timestamp":%q,"traits":{"email":"p%d@example.com","step":%d,"address":{"city":"c%d"}}}`,
			id, person, person, device, at, person, c.n, c.rand.IntN(5))
	case 2:
		return message(`{"type":"alias","messageId":%q,"userId":"u%d","previousId":"d%d-%d","timestamp":%q}`, id, person, person, device, at)
	case 3:
		return message(`{"type":"identify","messageId":%q,"anonymousId":"d%d-%d","timestamp":%q,"traits":{"email":"p%d@example.com","plan":"p%d"}}`,
			id, person, device, at, person, c.rand.IntN(4))
	case 4, 5, 6:
		return message(`{"type":"track","messageId":%q,"anonymousId":"d%d-%d","event":"Viewed","timestamp":%q}`, id, person, device, at)
	}
	return message(`{"type":"track","messageId":%q,"userId":"u%d","event":"Bought","timestamp":%q,"properties":{"total":%d}}`, id, person, at, c.n)
}

// storm sends batches from several clients at once, each batch again until it is
// taken, and returns the ids of acknowledged events.
func storm(t *testing.T, clients, batches, people int, name string, houses ...*house) map[string]bool {
	t.Helper()
	var mu sync.Mutex
	acked := map[string]bool{}
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() {
			c := crowd{rand: rand.New(rand.NewPCG(uint64(n), 3)), people: people, name: fmt.Sprintf("%s%d", name, n)}
			for b := range batches {
				inputs := make([]event.Input, 1+c.rand.IntN(40))
				for i := range inputs {
					inputs[i] = c.next()
				}
				for try := 0; ; try++ {
					r, err := houses[(n+b)%len(houses)].Ingest(context.Background(), ws, src, inputs)
					mu.Lock()
					for _, r := range r {
						if r.Status == event.Accepted || r.Status == event.Duplicate {
							acked[r.EventID] = true
						}
					}
					mu.Unlock()
					if err == nil {
						break
					}
					if core.CodeOf(err) != core.Unavailable && core.CodeOf(err) != core.RateLimited || try == 100 {
						t.Errorf("ingest: %v", err)
						return
					}
					time.Sleep(5 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	return acked
}

// whole checks that each acknowledged event is in the log, that the log holds
// nothing else, and that the profiles are its fold.
func (h *house) whole(t *testing.T, acked map[string]bool) {
	t.Helper()
	seen := map[string]bool{}
	h.eachEvent(t, func(e *event.Event) {
		if e.Type != event.System {
			seen[store.Rest(e.ID)] = true
		}
	})
	require.Equal(t, acked, seen)
	h.consistent(t)
}

func (h *house) eachEvent(t *testing.T, f func(*event.Event)) {
	t.Helper()
	err := event.Events.Each(context.Background(), h.db, store.Query{Workspace: ws}, func(e *event.Event) error {
		f(e)
		return nil
	})
	require.NoError(t, err)
}

func TestManyClientsOverTheSamePeople(t *testing.T) {
	h := open(t)
	acked := storm(t, 8, 25, 50, "m", h)
	require.NotEmpty(t, acked)
	h.whole(t, acked)
}

func TestTwoPipelinesOverTheSamePeople(t *testing.T) {
	a := open(t)
	b := over(t, a.db) // as another process: it shares nothing but the store
	acked := storm(t, 6, 15, 20, "m", a, b)
	a.whole(t, acked)
	b.consistent(t)
}

// TestManyClientsOverFaults runs the same storm over a store that refuses, loses
// replies and loses power, with all that it had not synced.
func TestManyClientsOverFaults(t *testing.T) {
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	faults := faultstore.New(db)
	h := over(t, faults)
	random := faultstore.Random(7, faultstore.Rates{Error: 0.05, LostReply: 0.05, ReadError: 0.01, Delay: 2 * time.Millisecond})
	faults.Use(func(c faultstore.Call) faultstore.Fault {
		switch {
		case c.Op == faultstore.Commit && c.N%20 == 7:
			return faultstore.Fault{Kind: faultstore.CrashAfter}
		case c.Op == faultstore.Commit && c.N%20 == 17:
			return faultstore.Fault{Kind: faultstore.CrashBefore}
		}
		return random(c)
	})
	var crashes atomic.Int32
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-faults.Crashed():
				crashes.Add(1)
				time.Sleep(20 * time.Millisecond)
				faults.Reopen()
			case <-stop:
				return
			}
		}
	})
	acked := storm(t, 8, 12, 50, "m", h)
	close(stop)
	wg.Wait()
	faults.Use(faultstore.Script())
	faults.Reopen()
	require.Positive(t, crashes.Load())
	h.whole(t, acked)
}

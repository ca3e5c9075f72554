package benchmark

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Base is an open store with the services that the benches use directly.
type Base struct {
	Store     store.Store
	Events    *event.Service
	Profiles  *profile.Service
	Workspace string
	Source    string // src_… of the events
}

// seedOps is how many documents one commit of Seed makes at most.
const seedOps = 960

// Life returns what has happened to a person of the streams, as messages of the
// tracking protocol: the first identifies the person, and all lives are as long.
type Life func(person int) [][]byte

// identified is the life of somebody who was identified and no more.
func identified(n int) [][]byte { return [][]byte{person(n)} }

// Seed stores the people from … to-1 of the streams, each with a profile of about
// 1.2 KB, its identifiers, and the event that made it. It goes the way of the
// pipeline without its queue and its look for repetitions, because the ids are new.
func Seed(ctx context.Context, b Base, from, to int) error {
	_, err := SeedLives(ctx, b, from, to, identified)
	return err
}

// SeedLives is Seed with more than one event for each person. It returns the ids of
// the profiles, in the order of the people.
func SeedLives(ctx context.Context, b Base, from, to int, life Life) ([]string, error) {
	ids := make([]string, max(to-from, 0))
	unit := seedOps / (4 + len(life(from))) // the profile, two identifiers, a word
	var next atomic.Int64
	next.Store(int64(from))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range 4 { // commits made at once share a sync
		wg.Go(func() {
			for ctx.Err() == nil {
				n := int(next.Add(int64(unit))) - unit
				if n >= to {
					return
				}
				if err := seed(ctx, b, n, ids[n-from:min(n+unit, to)-from], life); err != nil {
					cancel(fmt.Errorf("seed people %d to %d: %w", n, n+unit, err))
				}
			}
		})
	}
	wg.Wait()
	return ids, context.Cause(ctx)
}

// seed makes the people from … on, one for each id, which it fills in.
func seed(ctx context.Context, b Base, from int, ids []string, life Life) error {
	at := time.Now().Add(-24 * time.Hour)
	var inputs []*event.Input
	var of []int // the person of each input
	for i := range ids {
		for k, message := range life(from + i) {
			typ := event.Track
			if k == 0 {
				typ = event.Identify
			}
			in := event.DecodeMessage(message, event.Defaults{Type: typ, ReceivedAt: at})
			if in.Err != nil {
				return in.Err
			}
			inputs, of = append(inputs, &in), append(of, i)
		}
	}
	u, err := b.Profiles.Begin(ctx, b.Workspace, inputs)
	if err != nil {
		return err
	}
	ops := make([]store.Op, 0, 4*len(inputs))
	for i, in := range inputs {
		e, err := u.Apply(in, b.Source, at)
		if err != nil {
			return err
		}
		ids[of[i]] = e.Part
		ops = append(ops, event.Events.Insert(e))
	}
	ops = append(ops, u.Ops()...)
	_, err = b.Store.Commit(ctx, store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: ops})
	return err
}

// person returns the identify message of a person: a stored profile of about
// 1.2 KB comes of it.
func person(n int) []byte {
	return fmt.Appendf(nil, `{"messageId":"seed-%d","userId":%q,"traits":{`+
		`"firstName":"Ana","lastName":"Popescu %d","plan":"plus","language":"ro","birthday":"1990-04-%02d",`+
		`"address":{"city":"Cluj-Napoca","postalCode":"40%04d"},"visits":%d}}`,
		n, UserID(n), n, 1+n%28, n%10_000, n%90)
}

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

// seedUnit is how many people one commit of Seed makes: each is four documents.
const seedUnit = 240

// Seed stores the people from … to-1 of the streams, each with a profile of about
// 1.2 KB, its identifiers, and the event that made it. It goes the way of the
// pipeline without its queue and its look for repetitions, because the ids are new.
func Seed(ctx context.Context, b Base, from, to int) error {
	var next atomic.Int64
	next.Store(int64(from))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range 4 { // commits made at once share a sync
		wg.Go(func() {
			for ctx.Err() == nil {
				n := int(next.Add(seedUnit)) - seedUnit
				if n >= to {
					return
				}
				if err := seed(ctx, b, n, min(n+seedUnit, to)); err != nil {
					cancel(fmt.Errorf("seed people %d to %d: %w", n, n+seedUnit, err))
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func seed(ctx context.Context, b Base, from, to int) error {
	at := time.Now().Add(-24 * time.Hour)
	inputs := make([]*event.Input, 0, to-from)
	for i := from; i < to; i++ {
		in := event.DecodeMessage(person(i), event.Defaults{Type: event.Identify, ReceivedAt: at})
		if in.Err != nil {
			return in.Err
		}
		inputs = append(inputs, &in)
	}
	u, err := b.Profiles.Begin(ctx, b.Workspace, inputs)
	if err != nil {
		return err
	}
	ops := make([]store.Op, 0, 4*len(inputs))
	for _, in := range inputs {
		e, err := u.Apply(in, b.Source, at)
		if err != nil {
			return err
		}
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

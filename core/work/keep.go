package work

import (
	"context"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// keep watches over the leases of this process: every second (four times in the
// shortest lease, if that is less) it finds out which were taken away, and renews
// those that have used up a third of their time.
func (r *Runner) keep(ctx context.Context) {
	var renewals sync.WaitGroup
	defer renewals.Wait()
	tick := time.Second
	for _, k := range r.kinds {
		tick = min(tick, k.Lease/4)
	}
	for r.opt.Clock.Sleep(ctx, tick) == nil {
		now := r.opt.Clock.Now()
		var old []*Lease
		r.mu.Lock()
		for _, l := range r.held {
			if now.Sub(l.since) >= tick || now.Before(l.since) {
				old = append(old, l)
			}
		}
		r.mu.Unlock()
		if len(old) > 0 {
			r.tend(ctx, old, &renewals)
		}
	}
}

func (r *Runner) tend(ctx context.Context, leases []*Lease, renewals *sync.WaitGroup) {
	ids := make([]string, len(leases))
	for i, l := range leases {
		ids[i] = l.id
	}
	gctx, cancel := context.WithTimeout(ctx, store.MaxTime)
	docs, err := Tasks.GetMany(gctx, r.opt.Store, ids)
	cancel()
	for i, l := range leases {
		if !l.mu.TryLock() {
			continue // it is writing, and finds out by itself
		}
		if err == nil && !l.over && !l.mine(docs[i]) {
			l.lose()
		}
		left := l.task.LeaseUntil.Sub(r.opt.Clock.Now())
		if err != nil && left <= 0 && !l.over {
			l.lose() // the store cannot be asked, and another may hold it by now
		}
		renew := !l.over && left < l.duration*2/3
		l.mu.Unlock()
		if renew {
			renewals.Go(func() { _ = l.renew(ctx) }) // tried again in a second
		}
	}
}

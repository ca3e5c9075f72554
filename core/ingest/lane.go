package ingest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// item is one event on its way.
type item struct {
	call      *call
	index     int // in the call
	workspace string
	source    string
	in        *event.Input
	at        time.Time             // when it was received
	size      int                   // roughly what it holds, in bytes
	line      int64                 // in the file that it comes from; 0: none
	bad       *core.Error           // why it cannot be applied, found out while trying
	replay    *event.QuarantineItem // where it comes from, when it was kept aside before
	over      *core.Error           // why that is no longer to be replayed
}

// weigh returns roughly what the input costs in memory, in bytes.
func weigh(in *event.Input) int {
	return 256 + len(in.Raw) + len(in.Properties) + len(in.Traits) + len(in.Context)
}

// call is one call of Ingest: its items report to it, and the last one ends it.
type call struct {
	ctx     context.Context // for traces only: a caller that leaves does not undo a commit
	results []event.Result
	left    atomic.Int32
	mu      sync.Mutex
	err     error // of the first item that has no result
	done    chan struct{}
}

func newCall(ctx context.Context, n int) *call {
	c := &call{ctx: context.WithoutCancel(ctx), results: make([]event.Result, n), done: make(chan struct{})}
	c.left.Store(int32(n))
	return c
}

// finish gives the item its result, or the error that leaves it without.
func (p *Pipeline) finish(it *item, r event.Result, err error) {
	p.gate.leave(1, int64(it.size))
	c := it.call
	if err != nil {
		c.mu.Lock()
		if c.err == nil {
			c.err = err
		}
		c.mu.Unlock()
	} else {
		c.results[it.index] = r
	}
	if c.left.Add(-1) == 0 {
		close(c.done)
	}
}

// lane is a queue with one worker. The gate bounds all queues together.
type lane struct {
	wake  chan struct{} // holds one token when there may be something to do
	mu    sync.Mutex
	queue []*item

	// The worker's own.
	perEvent float64 // operations that an event costs of late
	careful  int     // how many units still look for repetitions beforehand
}

func (l *lane) push(items []*item) {
	l.mu.Lock()
	l.queue = append(l.queue, items...)
	l.mu.Unlock()
	l.poke()
}

func (l *lane) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queue)
}

// take removes the first items of one workspace that fit into a unit.
func (l *lane) take(limit int) []*item {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, size := 0, 0
	for n < len(l.queue) && n < limit && l.queue[n].workspace == l.queue[0].workspace {
		// A third of the batch for events leaves room for the people they change.
		if size += l.queue[n].size; n > 0 && size > store.MaxBytes/3 {
			break
		}
		n++
	}
	items := l.queue[:n:n]
	l.queue = l.queue[n:]
	return items
}

// limit is how many events are likely to fit into a batch's operations.
func (l *lane) limit(most int) int {
	if l.perEvent <= 1 {
		return most
	}
	return min(most, int(store.MaxOps*9/10/l.perEvent))
}

// learn keeps a running mean of what an event costs.
func (l *lane) learn(events, ops int) {
	if events > 0 {
		l.perEvent += (float64(ops)/float64(events) - l.perEvent) / 8
	}
}

// run is the worker of a lane. An idle lane begins at once; one that was busy a
// moment ago waits a little for a small unit to grow, because then others are
// likely to come, and a unit costs the same sync whatever its size.
func (p *Pipeline) run(l *lane) {
	var last time.Time // when the latest unit ended
	for {
		n := l.length()
		if n == 0 {
			if p.gate.drained() {
				return
			}
			<-l.wake
			continue
		}
		limit := l.limit(p.MaxUnit)
		if n < limit/4 && time.Since(last) < p.MaxWait {
			p.gather(l, limit/4)
		}
		p.work(l, l.take(limit))
		last = time.Now()
		if p.gate.drained() {
			p.pokeAll()
		}
	}
}

// gather waits until enough items are queued, MaxWait at most.
func (p *Pipeline) gather(l *lane, enough int) {
	t := time.NewTimer(p.MaxWait)
	defer t.Stop()
	for l.length() < enough {
		select {
		case <-l.wake:
		case <-t.C:
			return
		}
	}
}

func (p *Pipeline) pokeAll() {
	for _, l := range p.lanes {
		l.poke()
	}
}

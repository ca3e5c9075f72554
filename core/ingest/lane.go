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
	erased    *core.Error           // why it is dropped: it names somebody who was erased after it happened
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

// run is the worker of a lane. It takes what is there and never waits for more:
// what comes during a commit makes the next unit larger by itself, and an event
// that comes alone is not delayed.
func (p *Pipeline) run(l *lane) {
	for {
		if items := l.take(l.limit(p.MaxUnit)); len(items) > 0 {
			p.work(l, items)
			continue
		}
		if p.gate.drained() {
			p.pokeAll()
			return
		}
		<-l.wake
	}
}

func (p *Pipeline) pokeAll() {
	for _, l := range p.lanes {
		l.poke()
	}
}

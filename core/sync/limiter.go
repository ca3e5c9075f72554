package sync

import (
	"context"
	stdsync "sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// limiter paces the calls of one connection in this process by what the vendor says of its
// limits: it spreads what remains over the time until it is renewed once less than a
// quarter is left, and waits when nothing is. It knows nothing of other processes, but
// what remains counts their calls too.
type limiter struct {
	clock core.Clock

	mu    stdsync.Mutex
	free  time.Time     // no call before
	slots int           // calls at the same time: the connection's queue
	held  int           // of them
	freed chan struct{} // closed when one is given back
}

// callsAtOnce is how many calls of one connection run at the same time, where the connector
// says nothing, and maxCalls how many whatever it says.
const (
	callsAtOnce = 4
	maxCalls    = 64
)

// limiter returns that of a connection, with as many places as its connector has now.
func (s *Service) limiter(c *Connection) *limiter {
	slots := callsAtOnce
	if spec := s.Connector(c.Connector); spec != nil && spec.Limits.Concurrency > 0 {
		slots = min(spec.Limits.Concurrency, maxCalls)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limiters[c.ID]
	if l == nil {
		l = &limiter{clock: s.Clock, freed: make(chan struct{})}
		s.limiters[c.ID] = l
	}
	l.mu.Lock()
	l.slots = slots
	l.mu.Unlock()
	return l
}

// hint takes what the vendor said.
func (l *limiter) hint(h RateHint) {
	if h.Limit <= 0 {
		return
	}
	reset := h.Reset
	if reset <= 0 {
		reset = h.Window
	}
	if reset <= 0 || h.Remaining > h.Limit/4 {
		return
	}
	pause := min(reset, time.Minute)
	if h.Remaining > 0 {
		pause = min(reset/time.Duration(h.Remaining), pause)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.clock.Now().Add(pause); at.After(l.free) {
		l.free = at
	}
}

// wait takes a place in the connection's queue; done gives it back.
func (l *limiter) wait(ctx context.Context) (done func(), err error) {
	l.mu.Lock()
	for l.held >= l.slots {
		freed := l.freed
		l.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		l.mu.Lock()
	}
	l.held++
	d := l.free.Sub(l.clock.Now())
	l.mu.Unlock()
	done = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.held--
		close(l.freed)
		l.freed = make(chan struct{})
	}
	if d > 0 {
		if err := l.clock.Sleep(ctx, d); err != nil {
			done()
			return nil, err
		}
	}
	return done, nil
}

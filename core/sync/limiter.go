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
	slots chan struct{} // calls at the same time: the connection's queue

	mu   stdsync.Mutex
	free time.Time // no call before
}

// callsAtOnce is how many calls of one connection run at the same time, where the connector
// says nothing.
const callsAtOnce = 4

func (s *Service) limiter(key string) *limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.limiters[key]
	if l == nil {
		l = &limiter{clock: s.Clock, slots: make(chan struct{}, callsAtOnce)}
		s.limiters[key] = l
	}
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
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	done = func() { <-l.slots }
	l.mu.Lock()
	d := l.free.Sub(l.clock.Now())
	l.mu.Unlock()
	if d > 0 {
		if err := l.clock.Sleep(ctx, d); err != nil {
			done()
			return nil, err
		}
	}
	return done, nil
}

package pluginhost

import (
	"bytes"
	"context"
	"math/rand/v2"
	stdsync "sync"
	"time"

	"github.com/headwater-cdp/headwater/core/sync"
)

// connection keeps one process running for a connection, or says why none does.
type connection struct {
	h   *Host
	key string

	mu      stdsync.Mutex
	want    sync.Dial
	cur     *process
	busy    chan struct{} // closed when the start that is under way is over; nil when none is
	crashes int           // in a row, with no healthy time between
	next    time.Time     // no start before
	last    *sync.Fault   // why the last one ended, or did not start
	dropped bool
}

// redial takes what the connection is now. Whatever was wrong with an earlier configuration
// is forgotten with it.
func (c *connection) redial(d sync.Dial) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.Version != c.want.Version || d.Connector != c.want.Connector || !bytes.Equal(d.Config, c.want.Config) {
		c.crashes, c.next, c.last = 0, time.Time{}, nil
	}
	c.want, c.dropped = d, false
}

// changed hears what is installed now, by digest. A connector that is another one starts at
// once, because what was wrong may have been set right; one that was removed ends.
func (c *connection) changed(before, now map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was, had := before[c.want.Connector]
	is, has := now[c.want.Connector]
	if was != is || had != has {
		c.crashes, c.next = 0, time.Time{}
	}
	if p := c.cur; p != nil && had && !has && c.h.ctx.Err() == nil {
		c.cur = nil
		c.h.work.Go(func() { p.drain(c.h.limits.Drain) })
	}
}

// acquire returns a process that runs what is wanted, with a call counted on it, and
// starts one when it must. The fault says how long to wait.
func (c *connection) acquire(ctx context.Context) (*process, *sync.Fault) {
	for {
		p, wait, f := c.look()
		if p != nil || f != nil {
			return p, f
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, &sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromHost, Reason: "STARTING", Message: "the connector's process is being started; try again", After: time.Second}
		case <-c.h.ctx.Done():
			return nil, hostFault("CLOSED", "the host of connectors is ending")
		}
	}
}

func (c *connection) look() (p *process, wait <-chan struct{}, f *sync.Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.h.ctx.Err() != nil:
		return nil, nil, hostFault("CLOSED", "the host of connectors is ending")
	case c.dropped:
		return nil, nil, &sync.Fault{Kind: sync.FaultRetry, Origin: sync.FromHost, Reason: "DROPPED", Message: "the connection was ended; dial it again"}
	}
	now := time.Now()
	if c.cur != nil && c.cur.alive() && c.fits() {
		if c.busy == nil && !now.Before(c.next) && c.h.newer(c.cur) {
			c.begin() // calls go to the old process until the new one takes them
		}
		if c.cur.enter() {
			return c.cur, nil, nil
		}
	}
	if c.busy == nil {
		if now.Before(c.next) {
			return nil, nil, c.waiting(now)
		}
		c.begin()
	}
	return nil, c.busy, nil
}

// fits reports whether the running process has the configuration that is wanted.
func (c *connection) fits() bool {
	d := c.cur.dial
	return d.Version == c.want.Version && d.Connector == c.want.Connector && bytes.Equal(d.Config, c.want.Config)
}

// begin starts a process beside whatever runs.
func (c *connection) begin() {
	busy, d := make(chan struct{}), c.want
	c.busy = busy
	c.h.work.Go(func() {
		defer close(busy)
		p, f := c.h.startProcess(d, c.wait, c.ended)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.busy = nil
		if f != nil {
			c.h.hooks.Started(label(f))
			c.failed(f)
			return
		}
		c.h.hooks.Started("RUNNING")
		old := c.cur
		c.cur, c.last = p, nil
		if old != nil {
			c.h.work.Go(func() { old.drain(c.h.limits.Drain) })
		}
		if c.dropped || c.h.ctx.Err() != nil {
			c.cur = nil
			c.h.work.Go(func() { p.drain(0) })
		}
		if !p.alive() { // it ended before it was the current one
			c.cur = nil
			c.failed(p.fault())
		}
	})
}

// ended hears that a process ends; only the current one's end matters.
func (c *connection) ended(p *process, why *sync.Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cur != p {
		return
	}
	c.cur = nil
	if why == nil {
		return
	}
	if time.Since(p.began) >= c.h.limits.Healthy {
		c.crashes = 0
	}
	c.failed(why)
}

// failed reckons when the next start may be.
func (c *connection) failed(why *sync.Fault) {
	l := c.h.limits
	c.crashes++
	wait := l.BackoffMax
	if c.crashes < 30 {
		wait = min(l.BackoffMax, l.BackoffMin<<(c.crashes-1))
	}
	// Between 80 and 120 in the hundred, so that not all come back at once.
	wait = time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64()))
	c.next, c.last = time.Now().Add(wait), why
}

// wait is how long a start must wait now, and a moment at least.
func (c *connection) wait() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(time.Until(c.next), 100*time.Millisecond)
}

// waiting is the fault of a call that comes before the next start may be.
func (c *connection) waiting(now time.Time) *sync.Fault {
	f := *c.last
	f.After = c.next.Sub(now)
	if f.Kind == sync.FaultCrashed && c.crashes >= c.h.limits.Loop {
		f.Kind = sync.FaultCrashLoop
	}
	return &f
}

// state tells how the connection's process is.
func (c *connection) state() sync.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cur != nil && c.cur.alive() {
		if time.Since(c.cur.began) >= c.h.limits.Healthy {
			c.crashes = 0
		}
		// An upgrade that does not start leaves the old process at work, and says so.
		return sync.Process{State: sync.ProcessRunning, Restarts: c.crashes, Fault: c.last}
	}
	s := sync.Process{State: sync.ProcessStopped, Restarts: c.crashes, Fault: c.last}
	switch {
	case c.last == nil:
	case c.crashes >= c.h.limits.Loop && c.last.Kind == sync.FaultCrashed:
		s.State, s.Next = sync.ProcessCrashLoop, c.next
	default:
		s.State, s.Next = sync.ProcessWaiting, c.next
	}
	return s
}

// drop ends the process when its calls are over.
func (c *connection) drop(limit time.Duration) {
	c.mu.Lock()
	c.dropped = true
	p := c.cur
	c.cur = nil
	c.mu.Unlock()
	if p != nil {
		p.drain(limit)
		<-p.gone
	}
}

package sandbox

import (
	"sync"
	"time"
)

// Clock is the wall clock, moved on or stopped as a test likes. The zero value is
// ready to use.
type Clock struct {
	mu     sync.Mutex
	ahead  time.Duration
	frozen time.Time // zero: it runs
}

// Now is the emulator's time, in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if !c.frozen.IsZero() {
		return c.frozen
	}
	return time.Now().Add(c.ahead).UTC()
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
	if !c.frozen.IsZero() {
		c.frozen = c.frozen.Add(d)
	}
}

// Freeze stops the clock, or lets it run again from where it would be.
func (c *Clock) Freeze(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !on:
		c.frozen = time.Time{}
	case c.frozen.IsZero():
		c.frozen = c.now()
	}
}

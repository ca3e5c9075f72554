package sandbox

import (
	"sync/atomic"
	"time"
)

// Clock is the wall clock, moved on by as much as a test likes. The zero value is
// ready to use.
type Clock struct{ ahead atomic.Int64 }

// Now is the emulator's time, in UTC.
func (c *Clock) Now() time.Time {
	return time.Now().Add(time.Duration(c.ahead.Load())).UTC()
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

package sandbox

import (
	"sync"
	"time"
)

// Window is one of a vendor's limits: so many requests in so much time.
type Window struct {
	// Name tells the windows of a limiter apart.
	Name string
	// Limit is how many requests pass in one window.
	Limit int
	// Every is the window's length.
	Every time.Duration
	// Zone is where a window of a day begins at midnight; nil is UTC.
	Zone *time.Location
	// Rolling windows look back from each request; others begin at round times and
	// forget all at their end.
	Rolling bool
}

// Verdict is what the limiter says to one request.
type Verdict struct {
	// Spent names the window that is full, or is empty when the request may pass.
	Spent string
	// Retry is how long until Spent has room again.
	Retry time.Duration
	// States are the windows in their order, after this request.
	States []State
}

// State is how full one window is.
type State struct {
	Window
	// Remaining is how many requests still pass.
	Remaining int
	// Reset is how long until the window has room for more.
	Reset time.Duration
}

// Limiter counts requests against windows, per key (an account, a token, a path).
// It may be used by several goroutines.
type Limiter struct {
	mu      sync.Mutex
	off     bool
	windows []Window
	counts  map[string][]count
}

// count is the use of one window by one key: begun and used for a fixed window,
// the times of the requests for a rolling one.
type count struct {
	begun time.Time
	used  int
	times []time.Time
}

// NewLimiter returns a limiter with these windows. Without any it lets all pass.
func NewLimiter(windows ...Window) *Limiter {
	return &Limiter{windows: windows, counts: map[string][]count{}}
}

// Off switches the limits off, or on again.
func (l *Limiter) Off(off bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.off = off
}

// IsOff tells whether the limits are switched off.
func (l *Limiter) IsOff() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.off
}

// Set changes the limit of a window. It answers false when there is no such window.
func (l *Limiter) Set(window string, limit int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.windows {
		if l.windows[i].Name == window {
			l.windows[i].Limit = limit
			return true
		}
	}
	return false
}

// Take counts a request of key at now. A request that finds a window full is
// counted in none.
func (l *Limiter) Take(key string, now time.Time) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := l.counts[key]
	if len(counts) != len(l.windows) {
		counts = make([]count, len(l.windows))
		l.counts[key] = counts
	}
	var v Verdict
	for i, w := range l.windows {
		counts[i].move(w, now)
		if !l.off && v.Spent == "" && counts[i].taken(w) >= w.Limit {
			v.Spent, v.Retry = w.Name, counts[i].reset(w, now)
		}
	}
	for i, w := range l.windows {
		if v.Spent == "" {
			counts[i].add(w, now)
		}
		left := max(w.Limit-counts[i].taken(w), 0)
		if l.off {
			left = w.Limit
		}
		v.States = append(v.States, State{Window: w, Remaining: left, Reset: counts[i].reset(w, now)})
	}
	return v
}

// Spend fills a window for a key, as if all its requests had been made.
func (l *Limiter) Spend(key, window string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := l.counts[key]
	if len(counts) != len(l.windows) {
		counts = make([]count, len(l.windows))
		l.counts[key] = counts
	}
	for i, w := range l.windows {
		if w.Name != window {
			continue
		}
		counts[i].move(w, now)
		for counts[i].taken(w) < w.Limit {
			counts[i].add(w, now)
		}
	}
}

// Forget empties every window.
func (l *Limiter) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.counts)
}

// move lets go of what has left the window.
func (c *count) move(w Window, now time.Time) {
	if w.Rolling {
		old := 0
		for old < len(c.times) && now.Sub(c.times[old]) >= w.Every {
			old++
		}
		c.times = c.times[old:]
		return
	}
	begun := now.Truncate(w.Every)
	if w.Zone != nil {
		year, month, day := now.In(w.Zone).Date()
		begun = time.Date(year, month, day, 0, 0, 0, 0, w.Zone)
	}
	if !begun.Equal(c.begun) {
		c.begun, c.used = begun, 0
	}
}

func (c *count) taken(w Window) int {
	if w.Rolling {
		return len(c.times)
	}
	return c.used
}

func (c *count) add(w Window, now time.Time) {
	if w.Rolling {
		c.times = append(c.times, now)
		return
	}
	c.used++
}

func (c *count) reset(w Window, now time.Time) time.Duration {
	if !w.Rolling {
		return c.begun.Add(w.Every).Sub(now)
	}
	if len(c.times) == 0 {
		return 0
	}
	return c.times[0].Add(w.Every).Sub(now)
}

package sqlite

import (
	"context"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// pollEvery is how often commits of other processes are looked for, while anybody
// waits for changes.
const pollEvery = 50 * time.Millisecond

// watchers wakes the streams that wait.
type watchers struct {
	s       *Store
	mu      sync.Mutex
	wake    chan struct{} // closed at a commit, and replaced
	waiting int
	polling bool
	closed  bool
	done    chan struct{}
	pollers sync.WaitGroup
}

func (w *watchers) init(s *Store) {
	w.s, w.wake, w.done = s, make(chan struct{}), make(chan struct{})
}

// committed wakes the streams of this process.
func (s *Store) committed() { s.watch.ring() }

func (w *watchers) ring() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting > 0 {
		close(w.wake)
		w.wake = make(chan struct{})
	}
}

// arm returns a channel that closes at the next commit. Take it before looking for
// changes, so that none slips through between.
func (w *watchers) arm() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting++
	if !w.polling && !w.closed {
		w.polling = true
		w.pollers.Add(1)
		go w.poll()
	}
	return w.wake
}

func (w *watchers) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting--
}

// poll rings when another process committed, until nobody waits any more.
func (w *watchers) poll() {
	defer w.pollers.Done()
	c, err := w.s.openReader()
	if err == nil {
		defer c.close()
	}
	var last int64
	for idle := 0; ; {
		select {
		case <-w.done:
			return
		case <-time.After(pollEvery):
		}
		if err != nil {
			if c, err = w.s.openReader(); err == nil {
				defer c.close()
			}
		}
		if err == nil {
			if v, _, e := c.integer("PRAGMA data_version"); e != nil || v != last {
				last = v
				w.ring()
			}
		} else {
			w.ring() // let the streams see for themselves
		}
		w.mu.Lock()
		if idle++; w.waiting > 0 {
			idle = 0
		}
		if idle > 20 {
			w.polling = false
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
	}
}

func (w *watchers) close() {
	w.mu.Lock()
	w.closed = true
	close(w.done)
	w.mu.Unlock()
	w.pollers.Wait()
}

// Now implements store.Watcher.
func (s *Store) Now(ctx context.Context) (store.Token, error) {
	var p place
	err := s.pool.with(ctx, func(c *conn) (err error) {
		p, err = newest(c)
		return err
	})
	return p.token(), translate("now", err)
}

package smtp

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// idleFor is how long a session waits for another message.
	idleFor = 30 * time.Second
	// sureFor is how long one is taken for alive without a question.
	sureFor = 2 * time.Second
)

// pool keeps sessions for further messages, so many at the same time.
type pool struct {
	dialer *dialer
	each   int           // messages over one session
	places chan struct{} // one taken for each session at work

	mu      sync.Mutex
	idle    []*session
	closed  bool
	leaving sync.WaitGroup
}

func newPool(d *dialer, size, each int) *pool {
	return &pool{dialer: d, each: each, places: make(chan struct{}, size)}
}

// send hands a message over, through a session that waits or a new one. An error is a
// *failure, or the context's.
func (p *pool) send(ctx context.Context, l *letter, fits func(*session) error) error {
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		s, old, err := p.take(ctx)
		if err != nil {
			return err
		}
		if err = fits(s); err != nil {
			p.put(s)
			return err
		}
		err = s.send(ctx, l)
		if err == nil {
			p.put(s)
			return nil
		}
		var f *failure
		answered := errors.As(err, &f) && f.code != 0
		if answered && f.code != 421 { // 421 ends the session
			p.put(s)
			return err
		}
		s.conn.Close()
		if !old || f == nil || f.at != stageMail || ctx.Err() != nil {
			return err
		}
		// The server gave the session up while it waited; nothing was begun.
	}
}

// take returns a session and whether it was used before.
func (p *pool) take(ctx context.Context) (s *session, old bool, err error) {
	for {
		p.mu.Lock()
		if n := len(p.idle); n > 0 {
			s, p.idle = p.idle[n-1], p.idle[:n-1]
		}
		p.mu.Unlock()
		if s == nil {
			s, err = p.dialer.dial(ctx)
			return s, false, err
		}
		s.idle.Stop()
		if time.Since(s.since) < sureFor || s.alive(ctx) {
			return s, true, nil
		}
		s.conn.Close()
		s = nil
	}
}

// put keeps a session for the next message.
func (p *pool) put(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || s.used >= p.each {
		p.leaving.Go(s.leave)
		return
	}
	s.since = time.Now()
	s.idle = time.AfterFunc(idleFor, func() {
		if p.drop(s) {
			s.leave()
		}
	})
	p.idle = append(p.idle, s)
}

// drop takes a session out; false when somebody has it.
func (p *pool) drop(s *session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.idle {
		if p.idle[i] == s {
			p.idle = append(p.idle[:i], p.idle[i+1:]...)
			return true
		}
	}
	return false
}

// close ends the sessions that wait. Those at work end with their message.
func (p *pool) close() {
	p.mu.Lock()
	all := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, s := range all {
		s.idle.Stop()
		p.leaving.Go(s.leave)
	}
	p.leaving.Wait()
}

package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// The bounds of a Hub, in changes.
const (
	hubRing  = 16 << 10 // the latest changes, for subscribers that join
	hubQueue = 256      // what waits for one subscriber
)

// Filter says which changes a subscriber hears of: those of the documents of one
// collection with one of the Keys, or, without keys, whose key has the Prefix.
type Filter struct {
	Spec   *Spec
	Keys   []string
	Prefix string
}

func (f Filter) matches(c Change) bool {
	if c.Collection != f.Spec.Name {
		return false
	}
	if len(f.Keys) > 0 {
		return slices.Contains(f.Keys, c.Key)
	}
	return strings.HasPrefix(c.Key, f.Prefix)
}

// Hub fans the changes of a store out to many subscribers over one watch for the
// whole process. A change costs a look-up by its key, however many listen to other
// keys; a subscriber that is slow or joins late reads the log by itself until it
// has caught up, so that nobody waits for it and nothing is kept for it but a short
// queue.
type Hub struct {
	s      Watcher
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	ring   []Change // of the latest changes; place n%hubRing holds number n
	seq    int64    // number of the latest change; the first is 1
	latest Token    // of the latest change; "" before the first word from the store
	places map[Token]int64
	keyed  map[string]map[*subscriber]struct{} // by collection and key
	broad  map[*subscriber]struct{}            // those without keys
}

// NewHub starts following the store. Close ends it.
func NewHub(ctx context.Context, s Watcher) *Hub {
	ctx, cancel := context.WithCancel(ctx)
	h := &Hub{
		s: s, cancel: cancel, done: make(chan struct{}),
		ring: make([]Change, hubRing), places: map[Token]int64{},
		keyed: map[string]map[*subscriber]struct{}{}, broad: map[*subscriber]struct{}{},
	}
	go func() {
		defer close(h.done)
		h.follow(ctx)
	}()
	return h
}

// Close stops following. Subscribers hear nothing more; their own contexts end them.
func (h *Hub) Close() error {
	h.cancel()
	<-h.done
	return nil
}

// Now returns a token to subscribe from: of the latest change that the hub has
// heard of. What a read made after the call sees may be told again, but nothing
// that it does not see is missed. Unlike the store's own Now it costs no round
// trip, and a subscriber that begins there joins at once.
func (h *Hub) Now(ctx context.Context) (Token, error) {
	h.mu.Lock()
	latest := h.latest
	h.mu.Unlock()
	if latest != "" {
		return latest, nil
	}
	return h.s.Now(ctx)
}

// Subscribe tells of every change after the token that a filter matches, once each
// and in order, as Watch does. The stream must be closed.
func (h *Hub) Subscribe(ctx context.Context, after Token, filters ...Filter) (Stream, error) {
	s := &subscriber{hub: h, filters: filters, last: after, wake: make(chan struct{}, 1)}
	if h.attach(s, after) {
		return s, nil
	}
	return s, s.readAlone(ctx)
}

// follow broadcasts the store's changes until ctx ends, joining again after faults.
func (h *Hub) follow(ctx context.Context) {
	var at Token
	for ctx.Err() == nil {
		if err := h.tail(ctx, &at); errors.Is(err, ErrTokenExpired) {
			at = ""
			h.lose()
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (h *Hub) tail(ctx context.Context, at *Token) error {
	if *at == "" {
		now, err := h.s.Now(ctx)
		if err != nil {
			return err
		}
		*at = now
		h.mu.Lock()
		h.places[now], h.latest = h.seq, now // who was up to date then is so now
		h.mu.Unlock()
	}
	stream, err := h.s.Watch(ctx, *at)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	for {
		c, err := stream.Next(ctx)
		if err != nil {
			return err
		}
		h.broadcast(c)
		*at = c.Token
	}
}

func (h *Hub) broadcast(c Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seq++
	old := &h.ring[h.seq%hubRing]
	if h.places[old.Token] <= h.seq-hubRing {
		delete(h.places, old.Token)
	}
	*old = c
	h.places[c.Token], h.latest = h.seq, c.Token
	for s := range h.keyed[c.Collection+"\x00"+c.Key] {
		s.offer(c)
	}
	for s := range h.broad {
		if s.wants(c) {
			s.offer(c)
		}
	}
}

// lose sends every subscriber to read by itself: the hub may have missed changes.
func (h *Hub) lose() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.places)
	h.latest = ""
	h.each(func(s *subscriber) { s.overflow() })
}

func (h *Hub) each(f func(*subscriber)) {
	for _, set := range h.keyed {
		for s := range set {
			f(s)
		}
	}
	for s := range h.broad {
		f(s)
	}
}

// attach puts the subscriber on the hub's changes from a token on, when the hub
// still has all of them.
func (h *Hub) attach(s *subscriber, after Token) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	n, ok := h.places[after]
	if !ok || n < h.seq-hubRing+1 && n != h.seq {
		return false
	}
	s.lost = false
	for i := n + 1; i <= h.seq; i++ {
		if c := h.ring[i%hubRing]; s.wants(c) {
			s.offer(c)
		}
	}
	s.enter(true)
	return true
}

// subscriber is one listener: on the hub, or (alone is set) reading the log.
type subscriber struct {
	hub     *Hub
	filters []Filter
	alone   Stream
	last    Token // of the latest change that Next looked at while alone, or returned
	wake    chan struct{}

	// Guarded by hub.mu.
	queue []Change
	lost  bool // changes after the queue were not offered
}

func (s *subscriber) wants(c Change) bool {
	return slices.ContainsFunc(s.filters, func(f Filter) bool { return f.matches(c) })
}

// enter registers (or, with false, forgets) the subscriber. The caller holds mu.
func (s *subscriber) enter(in bool) {
	h := s.hub
	for _, f := range s.filters {
		if len(f.Keys) == 0 {
			if in {
				h.broad[s] = struct{}{}
			} else {
				delete(h.broad, s)
			}
			continue
		}
		for _, key := range f.Keys {
			name := f.Spec.Name + "\x00" + key
			if in {
				if h.keyed[name] == nil {
					h.keyed[name] = map[*subscriber]struct{}{}
				}
				h.keyed[name][s] = struct{}{}
			} else if delete(h.keyed[name], s); len(h.keyed[name]) == 0 {
				delete(h.keyed, name)
			}
		}
	}
}

// offer queues a change. The caller holds mu.
func (s *subscriber) offer(c Change) {
	n := len(s.queue)
	switch {
	case s.lost:
		return
	case n > 0 && s.queue[n-1].Token == c.Token: // two filters match it
		return
	case n >= hubQueue:
		s.overflow()
		return
	}
	s.queue = append(s.queue, c)
	s.poke()
}

func (s *subscriber) overflow() {
	s.lost = true
	s.poke()
}

func (s *subscriber) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next implements Stream.
func (s *subscriber) Next(ctx context.Context) (Change, error) {
	for {
		if s.alone != nil {
			c, err := s.alone.Next(ctx)
			if err != nil {
				return Change{}, err
			}
			s.last = c.Token
			if s.hub.attach(s, c.Token) {
				err := s.alone.Close()
				if s.alone = nil; err != nil {
					return Change{}, err
				}
			}
			if s.wants(c) {
				return c, nil
			}
			continue
		}
		c, found, lost := s.take()
		if found {
			s.last = c.Token
			return c, nil
		}
		if lost {
			if err := s.readAlone(ctx); err != nil {
				return Change{}, err
			}
			continue
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Change{}, ctx.Err()
		}
	}
}

func (s *subscriber) take() (c Change, found, lost bool) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if len(s.queue) == 0 {
		s.queue = nil // lets go of what the queue grew to
		return c, false, s.lost
	}
	c = s.queue[0]
	s.queue = s.queue[1:]
	return c, true, false
}

// readAlone leaves the hub and reads the log after the last change seen.
func (s *subscriber) readAlone(ctx context.Context) error {
	s.forget()
	var specs []*Spec
	for _, f := range s.filters {
		if !slices.Contains(specs, f.Spec) {
			specs = append(specs, f.Spec)
		}
	}
	stream, err := s.hub.s.Watch(ctx, s.last, specs...)
	if err != nil {
		return err
	}
	s.alone = stream
	return nil
}

func (s *subscriber) forget() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.enter(false)
}

// Close implements Stream.
func (s *subscriber) Close() error {
	s.forget()
	if s.alone != nil {
		return s.alone.Close()
	}
	return nil
}

package faultstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// Store wraps a store and breaks it as its plan says. It implements store.Store.
type Store struct {
	inner store.Store
	plan  atomic.Pointer[Plan]
	calls [2]atomic.Int64 // commits, reads

	// life is held for reading while a batch is handed to the inner store, so that
	// a crash comes before it or after it, never between.
	life    sync.RWMutex
	down    bool
	up      context.Context // ends with the crash
	end     context.CancelFunc
	crashed chan struct{}
}

var _ store.Store = (*Store)(nil)

// New wraps a store. Without a plan nothing goes wrong.
func New(inner store.Store) *Store {
	s := &Store{inner: inner, crashed: make(chan struct{}, 1)}
	s.up, s.end = context.WithCancel(context.Background())
	s.Use(func(Call) Fault { return Fault{} })
	return s
}

// Use makes p the plan of the calls from now on.
func (s *Store) Use(p Plan) { s.plan.Store(&p) }

// Crash takes the store down. Batches whose Commit has not returned are dropped.
func (s *Store) Crash() {
	s.life.Lock()
	defer s.life.Unlock()
	s.crash()
}

func (s *Store) crash() {
	if s.down {
		return
	}
	s.down = true
	s.end()
	select {
	case s.crashed <- struct{}{}:
	default:
	}
}

// Crashed delivers once for every crash.
func (s *Store) Crashed() <-chan struct{} { return s.crashed }

// Reopen brings the store up again.
func (s *Store) Reopen() {
	s.life.Lock()
	defer s.life.Unlock()
	if s.down {
		s.down = false
		s.up, s.end = context.WithCancel(context.Background())
	}
}

func unavailable(what string) error {
	return fmt.Errorf("%w: faultstore: %s", store.ErrUnavailable, what)
}

// ask returns what the plan says of a call.
func (s *Store) ask(op string, b *store.Batch) Fault {
	n := &s.calls[0]
	if op != Commit {
		n = &s.calls[1]
	}
	return (*s.plan.Load())(Call{N: int(n.Add(1)), Op: op, Batch: b})
}

// alive returns the context that ends with the next crash.
func (s *Store) alive() (context.Context, error) {
	s.life.RLock()
	defer s.life.RUnlock()
	if s.down {
		return nil, unavailable("the store is down")
	}
	return s.up, nil
}

// Commit implements store.Writer.
func (s *Store) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	up, err := s.alive()
	if err != nil {
		return "", err
	}
	f := s.ask(Commit, &b)
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-up.Done():
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	switch f.Kind {
	case Error:
		return "", unavailable("error before the commit")
	case CrashBefore, CrashAfter:
		return s.last(ctx, up, b, f.Kind)
	}
	s.life.RLock()
	defer s.life.RUnlock()
	if up.Err() != nil {
		return "", unavailable("crashed before the batch was synced")
	}
	token, err := s.inner.Commit(ctx, b)
	if err == nil && f.Kind == LostReply {
		return "", unavailable("the reply is lost")
	}
	return token, err
}

// last is the commit that takes the store down. Nobody else is between the two.
func (s *Store) last(ctx, up context.Context, b store.Batch, k Kind) (store.Token, error) {
	s.life.Lock()
	defer s.life.Unlock()
	if up.Err() != nil {
		return "", unavailable("crashed before the batch was synced")
	}
	if k == CrashAfter {
		if token, err := s.inner.Commit(ctx, b); err != nil {
			return token, err
		}
	}
	s.crash()
	return "", unavailable("crashed")
}

// read runs f unless the plan or a crash is against it.
func (s *Store) read(f func(up context.Context) error) error {
	up, err := s.alive()
	if err != nil {
		return err
	}
	if s.ask(Read, nil).Kind == Error {
		return unavailable("error on reading")
	}
	if err := f(up); err != nil {
		return err
	}
	if up.Err() != nil {
		return unavailable("crashed while reading")
	}
	return nil
}

// Get implements store.Reader.
func (s *Store) Get(ctx context.Context, spec *store.Spec, ids []string) (out []bson.Raw, err error) {
	err = s.read(func(context.Context) (err error) {
		out, err = s.inner.Get(ctx, spec, ids)
		return err
	})
	return out, err
}

// Scan implements store.Reader.
func (s *Store) Scan(ctx context.Context, plan store.Plan) (out []bson.Raw, err error) {
	err = s.read(func(context.Context) (err error) {
		out, err = s.inner.Scan(ctx, plan)
		return err
	})
	return out, err
}

// Count implements store.Reader.
func (s *Store) Count(ctx context.Context, plan store.Plan) (n int64, err error) {
	err = s.read(func(context.Context) (err error) {
		n, err = s.inner.Count(ctx, plan)
		return err
	})
	return n, err
}

// Now implements store.Watcher.
func (s *Store) Now(ctx context.Context) (t store.Token, err error) {
	err = s.read(func(context.Context) (err error) {
		t, err = s.inner.Now(ctx)
		return err
	})
	return t, err
}

// Watch implements store.Watcher.
func (s *Store) Watch(ctx context.Context, after store.Token, collections ...*store.Spec) (store.Stream, error) {
	var st *stream
	err := s.read(func(up context.Context) error {
		inner, err := s.inner.Watch(ctx, after, collections...)
		st = &stream{inner, up}
		return err
	})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// stream ends with the crash.
type stream struct {
	store.Stream
	up context.Context
}

// Next implements store.Stream.
func (s *stream) Next(ctx context.Context) (store.Change, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.up, cancel)()
	c, err := s.Stream.Next(ctx)
	if s.up.Err() != nil {
		return store.Change{}, unavailable("crashed while watching")
	}
	return c, err
}

// Declare implements store.Store.
func (s *Store) Declare(ctx context.Context, specs ...*store.Spec) error {
	return s.read(func(context.Context) error { return s.inner.Declare(ctx, specs...) })
}

// Snapshot implements store.Store.
func (s *Store) Snapshot(ctx context.Context) (store.Snapshot, error) {
	var snap *snapshot
	err := s.read(func(up context.Context) error {
		inner, err := s.inner.Snapshot(ctx)
		snap = &snapshot{inner, up}
		return err
	})
	if err != nil {
		return nil, err
	}
	return snap, nil
}

// snapshot ends with the crash.
type snapshot struct {
	store.Snapshot
	up context.Context
}

// Each implements store.Snapshot.
func (s *snapshot) Each(ctx context.Context, spec *store.Spec, f func(bson.Raw) error) error {
	return s.Snapshot.Each(ctx, spec, func(doc bson.Raw) error {
		if s.up.Err() != nil {
			return unavailable("crashed while reading a snapshot")
		}
		return f(doc)
	})
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(func(context.Context) error { return s.inner.Ping(ctx) })
}

// Close implements store.Store. It closes the inner store, up or down.
func (s *Store) Close(ctx context.Context) error {
	s.Crash()
	return s.inner.Close(ctx)
}

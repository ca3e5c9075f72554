package mongo

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/bare"
)

// Store is the MongoDB engine. It is safe for concurrent use.
type Store struct {
	client  *driver.Client
	db      *driver.Database
	batches *driver.Collection
	clock   core.Clock
	log     *slog.Logger
	sharded bool
	bulk    atomic.Bool   // one bulkWrite across collections (8.0 and later)
	seen    atomic.Uint64 // the latest cluster time that this process was told

	bare     *bare.Permit // see Options.WithoutTransactions
	bareLock sync.Mutex
	bareLast bson.Timestamp

	life context.Context // ends when the store closes, and the streams with it
	end  context.CancelFunc

	mu     sync.Mutex
	closed bool
	busy   sync.WaitGroup
	specs  map[string]*store.Spec
}

var _ store.Store = (*Store)(nil)

// errClosed is what a closed store answers.
var errClosed = fmt.Errorf("%w: mongo: the store is closed", store.ErrUnavailable)

// Ping asks the primary whether it answers.
func (s *Store) Ping(ctx context.Context) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	return translate(ctx, "ping", s.client.Ping(ctx, readpref.Primary()))
}

// Close lets commits in flight end, ends the streams and disconnects. It waits no
// longer than ctx.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.end()
	idle := make(chan struct{})
	go func() {
		s.busy.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
	}
	return translate(ctx, "close", s.client.Disconnect(ctx))
}

// enter counts an operation in, so that Close waits for it.
func (s *Store) enter() (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	s.busy.Add(1)
	return s.busy.Done, nil
}

// session starts a session that reads no earlier than anything this process was
// told before, so that a read finds this process's commits even right after
// another member became primary, and on every shard.
func (s *Store) session() (*driver.Session, error) {
	sess, err := s.client.StartSession(options.Session().SetCausalConsistency(true))
	if err != nil {
		return nil, err
	}
	if n := s.seen.Load(); n != 0 {
		ts := bson.Timestamp{T: uint32(n >> 32), I: uint32(n)}
		if err := sess.AdvanceOperationTime(&ts); err != nil {
			return nil, err
		}
	}
	return sess, nil
}

// read runs f in such a session and remembers how far it read.
func (s *Store) read(ctx context.Context, op string, f func(context.Context) error) error {
	_, err := s.readAt(ctx, op, f)
	return err
}

// readAt is read that also returns the cluster time that f read at.
func (s *Store) readAt(ctx context.Context, op string, f func(context.Context) error) (bson.Timestamp, error) {
	leave, err := s.enter()
	if err != nil {
		return bson.Timestamp{}, err
	}
	defer leave()
	sess, err := s.session()
	if err != nil {
		return bson.Timestamp{}, translate(ctx, op, err)
	}
	defer sess.EndSession(context.WithoutCancel(ctx))
	if err := f(driver.NewSessionContext(ctx, sess)); err != nil {
		return bson.Timestamp{}, translate(ctx, op, err)
	}
	return s.observe(sess), nil
}

// observe remembers the cluster time that a session reached, and returns it.
func (s *Store) observe(sess *driver.Session) bson.Timestamp {
	ts := sess.OperationTime()
	if ts == nil {
		return bson.Timestamp{}
	}
	n := uint64(ts.T)<<32 | uint64(ts.I)
	for {
		old := s.seen.Load()
		if n <= old || s.seen.CompareAndSwap(old, n) {
			return *ts
		}
	}
}

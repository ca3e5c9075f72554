package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/headwater-cdp/headwater/core/store"
)

// Now implements store.Watcher. The time of a read at a majority is the latest
// commit that such a read can see; the member's own latest time would be too late,
// for it may know of commits that no majority has yet.
func (s *Store) Now(ctx context.Context) (store.Token, error) {
	ts, err := s.readAt(ctx, "now", func(ctx context.Context) error {
		err := s.batches.FindOne(ctx, bson.D{}, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
		if errors.Is(err, driver.ErrNoDocuments) {
			return nil
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return after(ts), nil
}

// Watch implements store.Watcher with a change stream on the database. Watching
// all collections means those declared before the call.
func (s *Store) Watch(ctx context.Context, token store.Token, collections ...*store.Spec) (store.Stream, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	from, err := clusterTime(token)
	if err != nil {
		return nil, err
	}
	r := &reader{after: token, watched: map[string]bool{}, left: -1, sharded: s.sharded}
	if s.sharded && token == after(from) {
		r.after = before(token)
	}
	names := []string{}
	for _, spec := range s.chosen(collections) {
		names = append(names, spec.Name)
		r.watched[spec.Name] = true
	}
	slices.Sort(names)
	cs, err := s.db.Watch(ctx, pipeline(names), options.ChangeStream().SetStartAtOperationTime(&from))
	if err != nil {
		return nil, translate(ctx, "watch", err)
	}
	st := &stream{changes: make(chan store.Change), done: make(chan struct{})}
	var life context.Context
	life, st.stop = context.WithCancel(s.life)
	go st.run(life, cs, r)
	return st, nil
}

func (s *Store) chosen(specs []*store.Spec) []*store.Spec {
	if len(specs) > 0 {
		return specs
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, spec := range s.specs {
		specs = append(specs, spec)
	}
	return specs
}

// stream hands on the changes that its goroutine reads. The driver's stream is
// dead once a context ends under it; a caller's context may end at any Next and
// the next one goes on, so the two must not be one.
type stream struct {
	changes chan store.Change
	done    chan struct{} // closed when the goroutine ended
	err     error         // why; to be read after done
	stop    context.CancelFunc
}

func (st *stream) run(ctx context.Context, cs *driver.ChangeStream, r *reader) {
	defer close(st.done)
	defer func() { _ = cs.Close(context.WithoutCancel(ctx)) }()
	for {
		// TryNext asks the server once, which answers within a second: a timeout in the
		// connection string then bounds each question, not the life of the stream.
		if !cs.TryNext(ctx) {
			if err := cs.Err(); err != nil || ctx.Err() != nil {
				st.err = ended(ctx, err)
				return
			}
			if cs.ID() == 0 {
				st.err = fmt.Errorf("%w: mongo: watch: the server closed the stream", store.ErrUnavailable)
				return
			}
			continue
		}
		var e event
		if err := cs.Decode(&e); err != nil {
			st.err = fmt.Errorf("mongo: watch: a change that cannot be read")
			return
		}
		c, ok := r.read(&e)
		if !ok {
			continue
		}
		select {
		case st.changes <- c:
		case <-ctx.Done():
			st.err = errClosed
			return
		}
	}
}

func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errClosed
	}
	return translate(ctx, "watch", err)
}

// Next implements store.Stream.
func (st *stream) Next(ctx context.Context) (store.Change, error) {
	if err := ctx.Err(); err != nil {
		return store.Change{}, err
	}
	select {
	case c := <-st.changes:
		return c, nil
	case <-st.done:
		return store.Change{}, st.err
	case <-ctx.Done():
		return store.Change{}, ctx.Err()
	}
}

// Close implements store.Stream.
func (st *stream) Close() error {
	st.stop()
	<-st.done
	return nil
}

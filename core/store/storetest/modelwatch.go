package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// modelStream is a place in the model's log.
type modelStream struct {
	m    *Model
	at   int
	only []*store.Spec
}

// Watch implements store.Watcher.
func (m *Model) Watch(_ context.Context, after store.Token, collections ...*store.Spec) (store.Stream, error) {
	n, err := strconv.Atoi(string(after))
	if err != nil {
		return nil, store.ErrBadCursor
	}
	return &modelStream{m, n, collections}, nil
}

// Next implements store.Stream.
func (s *modelStream) Next(ctx context.Context) (store.Change, error) {
	for {
		unlock, err := s.m.lock(ctx)
		if err != nil {
			return store.Change{}, err
		}
		if s.at < s.m.gone || s.at > len(s.m.log) {
			unlock()
			return store.Change{}, store.ErrTokenExpired
		}
		for s.at < len(s.m.log) {
			c := s.m.log[s.at]
			s.at++
			wanted := func(spec *store.Spec) bool { return spec.Name == c.Collection }
			if len(s.only) == 0 || slices.ContainsFunc(s.only, wanted) {
				c.Token = token(s.at)
				unlock()
				return c, nil
			}
		}
		wake := s.m.wake
		unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return store.Change{}, ctx.Err()
		}
	}
}

// Close implements store.Stream.
func (s *modelStream) Close() error { return nil }

// modelSnapshot is a copy of the maps; the documents are never changed in place.
type modelSnapshot map[string]map[string]bson.Raw

// Snapshot implements store.Store.
func (m *Model) Snapshot(ctx context.Context) (store.Snapshot, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return modelSnapshot(maps.Clone(m.docs)), nil
}

// Each implements store.Snapshot.
func (s modelSnapshot) Each(ctx context.Context, spec *store.Spec, f func(bson.Raw) error) error {
	docs, ok := s[spec.Name]
	if !ok {
		return fmt.Errorf("collection %s is not declared", spec.Name)
	}
	for _, id := range slices.Sorted(maps.Keys(docs)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f(docs[id]); err != nil {
			return err
		}
	}
	return nil
}

// Close implements store.Snapshot.
func (s modelSnapshot) Close() error { return nil }

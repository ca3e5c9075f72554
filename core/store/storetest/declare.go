package storetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

var declareCases = []testCase{
	{"declare may be called again", func(t *testing.T, s store.Store) {
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, N: ptr(int64(1))})
		require.NoError(t, s.Declare(t.Context(), All()...))
		require.Equal(t, []string{"a"}, find(t, s, Things, where(store.Eq("n", 1))))
	}},
	{"declare may be called by many at once", func(t *testing.T, s store.Store) {
		var specs []*store.Spec
		for i := range 4 {
			specs = append(specs, &store.Spec{Name: fmt.Sprint("storetest_new", i), Indexes: []store.Index{store.On("n"), store.On("tags[]", "n"), store.On("in.rank", "-n")}})
		}
		together(t, 8, func(int) error { return s.Declare(t.Context(), specs...) })
		for _, spec := range specs {
			c := &store.Collection[Doc]{Spec: spec}
			insert(t, s, c, &Doc{Meta: store.Meta{ID: "ws/a"}, N: ptr(int64(1)), Tags: []string{"x"}})
			require.Equal(t, []string{"a"}, find(t, s, c, where(store.Eq("tags", "x"))))
		}
	}},
	{"an index can be added to a filled collection", func(t *testing.T, s store.Store) {
		old := store.Declare[Doc](store.Spec{Name: "storetest_grown", Indexes: []store.Index{store.On("name")}})
		require.NoError(t, s.Declare(t.Context(), old.Spec))
		var docs []*Doc
		for i := range 1300 {
			docs = append(docs, &Doc{Meta: store.Meta{ID: fmt.Sprintf("ws/%04d", i)}, Name: ptr("x"), N: ptr(int64(i)), Tags: []string{fmt.Sprint(i % 10)}})
		}
		docs[7].N, docs[8].Name = nil, nil
		insert(t, s, old, docs...)
		grown := store.Declare[Doc](store.Spec{Name: "storetest_grown", Indexes: []store.Index{
			store.On("name"), store.On("-n"), store.On("tags[]", "n"), store.On("name", "n"), store.On("n", "name")}})
		require.NoError(t, s.Declare(t.Context(), grown.Spec))
		require.Len(t, find(t, s, grown, sorted(store.Query{}, "-n")), 1299)
		require.Len(t, find(t, s, grown, sorted(store.Query{}, "name", "n")), 1298)
		require.Len(t, find(t, s, grown, where(store.Eq("tags", "3"), store.Gte("n", 0))), 130)
		require.Len(t, find(t, s, grown, where(store.Eq("tags", "7"), store.Gte("n", 0))), 129)
		require.Equal(t, []string{"0042"}, find(t, s, grown, where(store.Eq("n", 42))))
		commit(t, s, grown.Delete(get(t, s, grown, "ws/0042")))
		require.Empty(t, find(t, s, grown, where(store.Eq("n", 42))))
		require.Len(t, find(t, s, grown, where(store.Eq("tags", "2"), store.Gte("n", 0))), 129)
	}},
	{"writers go on while an index is added", func(t *testing.T, s store.Store) {
		old := store.Declare[Doc](store.Spec{Name: "storetest_busy"})
		require.NoError(t, s.Declare(t.Context(), old.Spec))
		var docs []*Doc
		for i := range 2000 {
			docs = append(docs, &Doc{Meta: store.Meta{ID: fmt.Sprintf("ws/old%04d", i)}, N: ptr(int64(1)), Tags: []string{"x"}})
		}
		insert(t, s, old, docs...)
		ctx, cancel := context.WithCancel(context.Background())
		written, done := 0, make(chan struct{})
		go func() {
			defer close(done)
			for ; ctx.Err() == nil; written++ {
				d := &Doc{Meta: store.Meta{ID: fmt.Sprintf("ws/new%05d", written)}, N: ptr(int64(1)), Tags: []string{"x"}}
				if _, err := s.Commit(context.Background(), batch(old.Insert(d))); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		grown := store.Declare[Doc](store.Spec{Name: "storetest_busy", Indexes: []store.Index{store.On("n"), store.On("tags[]")}})
		err := s.Declare(t.Context(), grown.Spec)
		cancel()
		<-done
		require.NoError(t, err)
		require.Len(t, find(t, s, grown, where(store.Eq("n", 1))), 2000+written)
		require.Len(t, find(t, s, grown, where(store.Eq("tags", "x"))), 2000+written)
	}},
}

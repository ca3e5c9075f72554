package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

var batchCases = []testCase{
	{"a batch is applied all or nothing", func(t *testing.T, s store.Store) {
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, N: ptr(int64(1)), Tags: []string{"x"}}, doc("ws/b"), doc("ws/c"))
		insert(t, s, Others, doc("ws/a"))
		before, err := s.Now(t.Context())
		require.NoError(t, err)
		a, b, c := get(t, s, Things, "ws/a"), get(t, s, Things, "ws/b"), get(t, s, Things, "ws/c")
		a.N, a.Tags = ptr(int64(2)), []string{"y"}
		gone := doc("ws/gone")
		gone.V = 3
		for _, last := range []store.Op{Things.Insert(c), Things.Replace(gone), Things.Delete(gone), Things.Check(gone), Others.Absent("ws/a")} {
			refused(t, s, Things.Insert(doc("ws/new")), Things.Replace(a), Things.Delete(b),
				store.AddTo("ws", "hits", 1, map[string]int64{"n": 1}), Others.Insert(doc("ws/new")), last)
		}
		require.Equal(t, []string{"a", "b", "c"}, find(t, s, Things, store.Query{}))
		require.Equal(t, []string{"a"}, find(t, s, Things, where(store.Eq("n", 1))))
		require.Equal(t, []string{"a"}, find(t, s, Things, where(store.Eq("tags", "x"))))
		require.Empty(t, find(t, s, Things, where(store.Eq("tags", "y"))))
		require.Equal(t, []string{"a"}, find(t, s, Others, store.Query{}))
		sums, err := store.Sum(t.Context(), s, "ws", "hits")
		require.NoError(t, err)
		require.Empty(t, sums)
		after, err := s.Now(t.Context())
		require.NoError(t, err)
		insert(t, s, Others, doc("ws/end"))
		require.Equal(t, []string{"ws/end"}, changedUntil(t, s, before, "ws/end"), "a refused batch left a change")
		require.Equal(t, []string{"ws/end"}, changedUntil(t, s, after, "ws/end"))
	}},
	{"a batch may write several collections and workspaces", func(t *testing.T, s store.Store) {
		commit(t, s, Things.Insert(doc("ws/a")), Others.Insert(doc("ws/a")), Things.Insert(doc("ws2/a")), Globals.Insert(doc("g")))
		require.NotNil(t, get(t, s, Things, "ws/a"))
		require.NotNil(t, get(t, s, Others, "ws/a"))
		require.NotNil(t, get(t, s, Things, "ws2/a"))
		require.NotNil(t, get(t, s, Globals, "g"))
	}},
	{"a conflict names the document, its error text does not", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/secret@example.com"))
		c := refused(t, s, Others.Insert(doc("ws/fine")), Things.Insert(doc("ws/secret@example.com")))
		require.Equal(t, "ws/secret@example.com", c.ID)
		require.Equal(t, Things.Spec.Name, c.Collection)
		require.NotContains(t, c.Error(), "secret")
	}},
	{"a repeated batch id succeeds without effect", func(t *testing.T, s store.Store) {
		b := batch(Things.Insert(doc("ws/a")), store.AddTo("ws", "hits", 0, map[string]int64{"n": 5}))
		_, err := s.Commit(t.Context(), b)
		require.NoError(t, err)
		before, err := s.Now(t.Context())
		require.NoError(t, err)
		_, err = s.Commit(t.Context(), b)
		require.NoError(t, err)
		commit(t, s, Things.Delete(get(t, s, Things, "ws/a")))
		_, err = s.Commit(t.Context(), b)
		require.NoError(t, err, "the conditions hold again, the batch must not be applied")
		require.Nil(t, get(t, s, Things, "ws/a"))
		sums, err := store.Sum(t.Context(), s, "ws", "hits")
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"n": 5}, sums)
		insert(t, s, Things, doc("ws/end"))
		require.Equal(t, []string{"ws/a", "ws/end"}, changedUntil(t, s, before, "ws/end"))
	}},
	{"a repeated batch of checks succeeds", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/a"))
		b := batch(Things.Check(get(t, s, Things, "ws/a")), Things.Absent("ws/b"))
		_, err := s.Commit(t.Context(), b)
		require.NoError(t, err)
		commit(t, s, Things.Replace(get(t, s, Things, "ws/a")), Things.Insert(doc("ws/b")))
		_, err = s.Commit(t.Context(), b)
		require.NoError(t, err)
	}},
	{"the id of a refused batch may be used again", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/a"))
		b := batch(Things.Insert(doc("ws/a")))
		_, err := s.Commit(t.Context(), b)
		require.ErrorIs(t, err, store.ErrConflict)
		commit(t, s, Things.Delete(get(t, s, Things, "ws/a")))
		_, err = s.Commit(t.Context(), b)
		require.NoError(t, err)
		require.NotNil(t, get(t, s, Things, "ws/a"))
	}},
	{"a batch at its limits is taken, beyond them refused", func(t *testing.T, s store.Store) {
		var ops []store.Op
		for i := range store.MaxOps {
			ops = append(ops, Things.Insert(&Doc{Meta: store.Meta{ID: fmt.Sprintf("ws/%04d", i)}, Text: strings.Repeat("x", 3<<10)}))
		}
		commit(t, s, ops...)
		require.Len(t, find(t, s, Things, store.Query{}), store.MaxOps)
		_, err := s.Commit(t.Context(), batch(append(ops[:store.MaxOps:store.MaxOps], Things.Insert(doc("ws/more")))...))
		require.ErrorIs(t, err, store.ErrTooLarge)
		big := &Doc{Meta: store.Meta{ID: "ws/big"}, Text: strings.Repeat("x", store.MaxBytes)}
		_, err = s.Commit(t.Context(), batch(Things.Insert(doc("ws/more")), Things.Insert(big)))
		require.ErrorIs(t, err, store.ErrTooLarge)
		require.Nil(t, get(t, s, Things, "ws/more"))
		big.Text = strings.Repeat("x", store.MaxBytes-1024)
		insert(t, s, Things, big)
		require.Equal(t, big.Text, get(t, s, Things, "ws/big").Text)
	}},
	{"a batch that makes no sense is refused", func(t *testing.T, s store.Store) {
		for name, b := range map[string]store.Batch{
			"without an id":          {Ops: []store.Op{Things.Insert(doc("ws/a"))}},
			"without a key":          batch(Things.Insert(doc(""))),
			"without a workspace":    batch(Things.Insert(doc("a"))),
			"twice the same key":     batch(Things.Insert(doc("ws/a")), Things.Absent("ws/a")),
			"an add beside a write":  batch(Things.Insert(doc("ws/a")), Things.Add("ws/a", map[string]int64{"n": 1})),
			"a key unlike its _id":   batch(store.Op{Kind: store.OpInsert, Spec: Things.Spec, ID: "ws/b", Doc: Things.Insert(doc("ws/a")).Doc}),
			"an unknown operation":   batch(store.Op{Kind: 99, Spec: Things.Spec, ID: "ws/a"}),
			"a document that is not": batch(store.Op{Kind: store.OpInsert, Spec: Things.Spec, ID: "ws/a", Doc: []byte("garbage")}),
		} {
			_, err := s.Commit(t.Context(), b)
			require.Error(t, err, name)
			require.False(t, errors.Is(err, store.ErrConflict), name)
			require.Nil(t, get(t, s, Things, "ws/a"), name)
		}
	}},
	{"a refused batch does not touch those beside it", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/taken"))
		const n = 64
		errs := make(chan error, n)
		for i := range n {
			go func() {
				ops := []store.Op{Things.Insert(doc(fmt.Sprintf("ws/%02d", i)))}
				if i%3 == 0 {
					ops = append(ops, Things.Absent("ws/taken"))
				}
				_, err := s.Commit(t.Context(), batch(ops...))
				if (i%3 == 0) != errors.Is(err, store.ErrConflict) {
					errs <- fmt.Errorf("batch %d: %w", i, err)
					return
				}
				errs <- nil
			}()
		}
		for range n {
			require.NoError(t, <-errs)
		}
		var want []string
		for i := range n {
			if i%3 != 0 {
				want = append(want, fmt.Sprintf("%02d", i))
			}
		}
		require.Equal(t, append(want, "taken"), find(t, s, Things, store.Query{}))
	}},
}

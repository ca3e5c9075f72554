package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

var addCases = []testCase{
	{"add makes its document", func(t *testing.T, s store.Store) {
		commit(t, s, Things.Add("ws/a", map[string]int64{"n": 3, "in.sum": -2}))
		d := get(t, s, Things, "ws/a")
		require.Equal(t, &Doc{Meta: store.Meta{ID: "ws/a", V: 1}, N: ptr(int64(3)), In: &Inner{Sum: -2}}, d)
	}},
	{"add adds, keeps the rest and counts the version up", func(t *testing.T, s store.Store) {
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, N: ptr(int64(3)), Text: "kept", In: &Inner{Rank: ptr(int64(1))}})
		commit(t, s, Things.Add("ws/a", map[string]int64{"n": 4, "in.sum": 5}))
		want := &Doc{Meta: store.Meta{ID: "ws/a", V: 2}, N: ptr(int64(7)), Text: "kept", In: &Inner{Rank: ptr(int64(1)), Sum: 5}}
		require.Equal(t, want, get(t, s, Things, "ws/a"))
		commit(t, s, Things.Add("ws/a", map[string]int64{"n": -7}))
		require.Equal(t, int64(0), *get(t, s, Things, "ws/a").N)
	}},
	{"add makes deep documents and writes int64", func(t *testing.T, s store.Store) {
		for range 2 {
			commit(t, s, Things.Add("ws/a", map[string]int64{"deep.er.x": 1, "deep.y": 2}))
		}
		raws, err := s.Get(t.Context(), Things.Spec, []string{"ws/a"})
		require.NoError(t, err)
		x := raws[0].Lookup("deep", "er", "x")
		require.Equal(t, bson.TypeInt64, x.Type)
		require.Equal(t, int64(2), x.Int64())
		require.Equal(t, int64(4), raws[0].Lookup("deep", "y").Int64())
	}},
	{"adds may repeat in a batch", func(t *testing.T, s store.Store) {
		one := Things.Add("ws/a", map[string]int64{"n": 1})
		commit(t, s, one, one, one)
		require.Equal(t, int64(3), *get(t, s, Things, "ws/a").N)
	}},
	{"add keeps indexes true", func(t *testing.T, s store.Store) {
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, N: ptr(int64(1)), Tags: []string{"x"}}, doc("ws/b"))
		commit(t, s, Things.Add("ws/a", map[string]int64{"n": 10}), Things.Add("ws/b", map[string]int64{"n": 5}))
		require.Equal(t, []string{"b", "a"}, find(t, s, Things, where(store.Gt("n", 1))))
		require.Equal(t, []string{"a"}, find(t, s, Things, where(store.Eq("tags", "x"), store.Eq("n", 11))))
		require.Empty(t, find(t, s, Things, where(store.Eq("n", 1))))
	}},
	{"add never conflicts but moves the version for others", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/a"))
		stale := get(t, s, Things, "ws/a")
		commit(t, s, Things.Add("ws/a", map[string]int64{"n": 1}))
		refused(t, s, Things.Replace(stale))
		refused(t, s, Things.Check(stale), Things.Add("ws/b", map[string]int64{"n": 1}))
		require.Nil(t, get(t, s, Things, "ws/b"))
	}},
	{"add to what is no number is refused whole", func(t *testing.T, s store.Store) {
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, Text: "words"})
		for _, path := range []string{"text", "text.n"} {
			_, err := s.Commit(t.Context(), batch(Things.Insert(doc("ws/b")), Things.Add("ws/a", map[string]int64{path: 1})))
			require.Error(t, err)
			require.False(t, errors.Is(err, store.ErrConflict))
		}
		require.Nil(t, get(t, s, Things, "ws/b"))
		require.EqualValues(t, 1, get(t, s, Things, "ws/a").V)
	}},
	{"concurrent adds all count", func(t *testing.T, s store.Store) {
		var wg sync.WaitGroup
		errs := make(chan error, 16)
		for g := range 16 {
			wg.Go(func() {
				for range 20 {
					if _, err := s.Commit(t.Context(), batch(Things.Add("ws/sum", map[string]int64{"n": int64(g)}))); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		close(errs)
		require.NoError(t, <-errs)
		d := get(t, s, Things, "ws/sum")
		require.Equal(t, int64(20*15*16/2), *d.N)
		require.EqualValues(t, 320, d.V)
	}},
	{"counters are summed over their lanes", func(t *testing.T, s store.Store) {
		for lane := range 200 {
			commit(t, s, store.AddTo("ws", "hits", lane, map[string]int64{"all": 1, fmt.Sprintf("mod%d", lane%3): 2}))
		}
		commit(t, s, store.AddTo("ws2", "hits", 0, map[string]int64{"all": 1000}))
		sums, err := store.Sum(t.Context(), s, "ws", "hits")
		require.NoError(t, err)
		require.Equal(t, map[string]int64{"all": 200, "mod0": 134, "mod1": 134, "mod2": 132}, sums)
		docs, err := store.Counters.Find(t.Context(), s, store.Query{Workspace: "ws"}, 0)
		require.NoError(t, err)
		require.Len(t, docs, store.Lanes)
	}},
}

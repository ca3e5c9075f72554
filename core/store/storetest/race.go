package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

var raceCases = []testCase{
	{"of many who claim a value one gets it", func(t *testing.T, s store.Store) {
		var won atomic.Int64
		var winner atomic.Value
		together(t, 32, func(i int) error {
			owner := fmt.Sprint("owner", i)
			_, err := s.Commit(t.Context(), batch(store.Claim("ws", "email", "a@b.c", owner)))
			if err == nil {
				won.Add(1)
				winner.Store(owner)
			} else if !errors.Is(err, store.ErrConflict) {
				return err
			}
			return nil
		})
		require.EqualValues(t, 1, won.Load())
		d, err := store.Claims.Get(t.Context(), s, "ws/email/a@b.c")
		require.NoError(t, err)
		require.Equal(t, winner.Load(), d.Owner)
	}},
	{"two batches that check what the other writes do not both succeed", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/x"), doc("ws/y"))
		for range 30 {
			x, y := get(t, s, Things, "ws/x"), get(t, s, Things, "ws/y")
			n := both(t, s, []store.Op{Things.Check(x), Things.Replace(y)}, []store.Op{Things.Check(y), Things.Replace(x)})
			require.LessOrEqual(t, n, 1, "write skew")
		}
	}},
	{"two batches that each demand the other's absence do not both succeed", func(t *testing.T, s store.Store) {
		for i := range 30 {
			a, b := fmt.Sprintf("ws/a%d", i), fmt.Sprintf("ws/b%d", i)
			n := both(t, s, []store.Op{Things.Absent(a), Things.Insert(doc(b))}, []store.Op{Things.Absent(b), Things.Insert(doc(a))})
			require.LessOrEqual(t, n, 1, "write skew")
			n = both(t, s, []store.Op{Things.Absent(a + "'"), Others.Insert(doc(a))}, []store.Op{Things.Insert(doc(a + "'")), Others.Absent(a)})
			require.LessOrEqual(t, n, 1, "write skew between collections")
		}
	}},
	{"conditional increments lose nothing", func(t *testing.T, s store.Store) {
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, N: ptr(int64(0))})
		together(t, 8, func(int) error {
			for done := 0; done < 15; {
				d, err := Things.Get(t.Context(), s, "ws/a")
				if err != nil {
					return err
				}
				*d.N++
				_, err = s.Commit(t.Context(), batch(Things.Replace(d)))
				if err == nil {
					done++
				} else if !errors.Is(err, store.ErrConflict) {
					return err
				}
			}
			return nil
		})
		d := get(t, s, Things, "ws/a")
		require.Equal(t, int64(120), *d.N)
		require.EqualValues(t, 121, d.V)
	}},
	{"a batch committed by many at once has its effect once", func(t *testing.T, s store.Store) {
		b := batch(Things.Add("ws/a", map[string]int64{"n": 1}), Things.Insert(doc("ws/b")))
		together(t, 16, func(int) error {
			_, err := s.Commit(t.Context(), b)
			return err
		})
		require.Equal(t, int64(1), *get(t, s, Things, "ws/a").N)
	}},
	{"a commit that returned is seen by every read after it", func(t *testing.T, s store.Store) {
		together(t, 8, func(g int) error {
			for i := range 15 {
				d := &Doc{Meta: store.Meta{ID: fmt.Sprintf("ws/%d-%d", g, i)}, N: ptr(int64(g*100 + i))}
				if _, err := s.Commit(t.Context(), batch(Things.Insert(d))); err != nil {
					return err
				}
				got, err := Things.Get(t.Context(), s, d.ID)
				if err != nil || got == nil {
					return fmt.Errorf("get of %s after its commit: %v %w", d.ID, got, err)
				}
				found, err := Things.Find(t.Context(), s, store.Query{Workspace: "ws", Where: []store.Cond{store.Eq("n", *d.N)}}, 0)
				if err != nil || len(found) != 1 {
					return fmt.Errorf("scan of %s after its commit: %v %w", d.ID, found, err)
				}
			}
			return nil
		})
	}},
}

// together runs f n times at once.
func together(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
}

// both commits two batches at once and returns how many succeeded; the other must
// have met a conflict.
func both(t *testing.T, s store.Store, a, b []store.Op) int {
	t.Helper()
	var won atomic.Int64
	together(t, 2, func(i int) error {
		_, err := s.Commit(t.Context(), batch([][]store.Op{a, b}[i]...))
		if err == nil {
			won.Add(1)
		} else if !errors.Is(err, store.ErrConflict) {
			return err
		}
		return nil
	})
	return int(won.Load())
}

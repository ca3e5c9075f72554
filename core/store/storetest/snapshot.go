package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

var snapshotCases = []testCase{
	{"a snapshot holds every document in the order of keys", func(t *testing.T, s store.Store) {
		keys := []string{"ws/b", "ws10/a", "ws/a", "ws1/z", "ws-/a", "w/x", "ws/a/b", "ws1/é"}
		for _, k := range keys {
			insert(t, s, Things, doc(k))
		}
		insert(t, s, Globals, doc("b"), doc("ws/a"), doc("a"))
		snap := snapshot(t, s)
		require.Equal(t, []string{"w/x", "ws-/a", "ws/a", "ws/a/b", "ws/b", "ws1/z", "ws1/é", "ws10/a"}, snapshotKeys(t, snap, Things.Spec))
		require.Equal(t, []string{"a", "b", "ws/a"}, snapshotKeys(t, snap, Globals.Spec))
		require.Empty(t, snapshotKeys(t, snap, Others.Spec))
	}},
	{"a snapshot stands still while writes go on", func(t *testing.T, s store.Store) {
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, Text: "old"}, doc("ws/b"))
		snap := snapshot(t, s)
		a := get(t, s, Things, "ws/a")
		a.Text = "new"
		commit(t, s, Things.Replace(a), Things.Delete(get(t, s, Things, "ws/b")), Things.Insert(doc("ws/c")), Others.Insert(doc("ws/o")), Things.Insert(doc("new/c")))
		require.Equal(t, []string{"ws/a", "ws/b"}, snapshotKeys(t, snap, Things.Spec))
		require.Empty(t, snapshotKeys(t, snap, Others.Spec))
		require.NoError(t, snap.Each(t.Context(), Things.Spec, func(raw bson.Raw) error {
			require.NotEqual(t, "new", raw.Lookup("text").String())
			return nil
		}))
	}},
	{"a snapshot is of one moment across collections", func(t *testing.T, s store.Store) {
		// Every batch moves one from Things to Others; the sum is always the same.
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, N: ptr(int64(1000))})
		insert(t, s, Others, &Doc{Meta: store.Meta{ID: "ws/a"}, N: ptr(int64(0))})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				_, _ = s.Commit(ctx, batch(Things.Add("ws/a", map[string]int64{"n": -1}), Others.Add("ws/a", map[string]int64{"n": 1})))
			}
		}()
		defer func() { cancel(); <-done }()
		for range 10 {
			snap := snapshot(t, s)
			var sum int64
			for _, spec := range []*store.Spec{Things.Spec, Others.Spec} {
				require.NoError(t, snap.Each(t.Context(), spec, func(raw bson.Raw) error {
					sum += raw.Lookup("n").Int64()
					return nil
				}))
			}
			require.EqualValues(t, 1000, sum)
		}
	}},
	{"a snapshot passes on the caller's error", func(t *testing.T, s store.Store) {
		for i := range 10 {
			insert(t, s, Things, doc(fmt.Sprint("ws/", i)))
		}
		snap := snapshot(t, s)
		stop, n := errors.New("stop"), 0
		require.ErrorIs(t, snap.Each(t.Context(), Things.Spec, func(bson.Raw) error {
			if n++; n == 3 {
				return stop
			}
			return nil
		}), stop)
		require.Equal(t, 3, n)
		require.Len(t, snapshotKeys(t, snap, Things.Spec), 10)
	}},
}

func snapshot(t testing.TB, s store.Store) store.Snapshot {
	t.Helper()
	snap, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = snap.Close() })
	return snap
}

func snapshotKeys(t testing.TB, snap store.Snapshot, spec *store.Spec) []string {
	t.Helper()
	var out []string
	require.NoError(t, snap.Each(t.Context(), spec, func(raw bson.Raw) error {
		out = append(out, raw.Lookup("_id").StringValue())
		return nil
	}))
	return out
}

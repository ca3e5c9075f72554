package storetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

var keyCases = []testCase{
	{"keys order by their bytes, both ways", func(t *testing.T, s store.Store) {
		for _, k := range []string{"b", "a/2", "a", "a/10", "a.", "B", "é", "a/1"} {
			insert(t, s, Things, doc(store.Key("ws", k)))
		}
		want := []string{"B", "a", "a.", "a/1", "a/10", "a/2", "b", "é"}
		require.Equal(t, want, find(t, s, Things, store.Query{}))
		require.Equal(t, want, find(t, s, Things, sorted(store.Query{}, "_id")))
		require.Equal(t, []string{"é", "b", "a/2", "a/10", "a/1", "a.", "a", "B"}, find(t, s, Things, sorted(store.Query{}, "-_id")))
	}},
	{"a key prefix comes after the workspace", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/a"), doc("ws/a/1"), doc("ws/a/2"), doc("ws/ab"), doc("ws2/a/3"))
		require.Equal(t, []string{"a/1", "a/2"}, find(t, s, Things, where(store.Prefix("_id", "a/"))))
		require.Equal(t, []string{"a/2", "a/1"}, find(t, s, Things, sorted(where(store.Prefix("_id", "a/")), "-_id")))
		require.Equal(t, []string{"a", "a/1", "a/2", "ab"}, find(t, s, Things, where(store.Prefix("_id", ""))))
	}},
	{"key ranges hold whole keys", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/a"), doc("ws/b"), doc("ws/c"), doc("ws2/a"), doc("v/z"))
		require.Equal(t, []string{"b"}, find(t, s, Things, where(store.Eq("_id", "ws/b"))))
		require.Equal(t, []string{"b", "c"}, find(t, s, Things, where(store.Gt("_id", "ws/a"))))
		require.Equal(t, []string{"a", "b"}, find(t, s, Things, where(store.Gte("_id", "ws/a"), store.Lt("_id", "ws/c"))))
		require.Equal(t, []string{"a", "b", "c"}, find(t, s, Things, where(store.Gt("_id", "v/z"))))
		require.Empty(t, find(t, s, Things, where(store.Lte("_id", "v/z"))))
		require.Empty(t, find(t, s, Things, where(store.Gte("_id", "ws2/a"))))
		require.Equal(t, []string{"a", "b", "c"}, find(t, s, Things, where(store.Lt("_id", "ws2/a"))))
		require.Empty(t, find(t, s, Things, where(store.Eq("_id", "ws2/a"))), "a key of another workspace")
	}},
	{"a global collection has no workspaces", func(t *testing.T, s store.Store) {
		insert(t, s, Globals, &Doc{Meta: store.Meta{ID: "b"}, Name: ptr("x")}, &Doc{Meta: store.Meta{ID: "ws/a"}, Name: ptr("x")}, doc("c"))
		keys := func(q store.Query) []string {
			docs, err := Globals.Find(t.Context(), s, q, 0)
			require.NoError(t, err)
			return keysOf(docs)
		}
		require.Equal(t, []string{"b", "c", "ws/a"}, keys(store.Query{}))
		require.Equal(t, []string{"b", "ws/a"}, keys(where(store.Eq("name", "x"))))
		require.Equal(t, []string{"ws/a"}, keys(where(store.Prefix("_id", "ws/"))))
		require.Equal(t, []string{"c", "ws/a"}, keys(where(store.Gt("_id", "b"))))
		require.NotNil(t, get(t, s, Globals, "ws/a"))
	}},
}

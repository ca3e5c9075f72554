package storetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// tagged stores documents with elements around and within the range ["b", "d").
func tagged(t *testing.T, s store.Store) {
	t.Helper()
	insert(t, s, Things,
		&Doc{Meta: store.Meta{ID: "ws/1"}, Tags: []string{"b", "b", "c", "bb"}},
		&Doc{Meta: store.Meta{ID: "ws/2"}, Tags: []string{"a", "d"}}, // around it, none within
		&Doc{Meta: store.Meta{ID: "ws/3"}, Tags: []string{"z", "c", "a"}},
		&Doc{Meta: store.Meta{ID: "ws/4"}, Tags: []string{"d"}},
		&Doc{Meta: store.Meta{ID: "ws/5"}, Tags: []string{"b"}, N: ptr(int64(1))},
		&Doc{Meta: store.Meta{ID: "ws/6"}, Tags: []string{"", "B", "aé"}},
		&Doc{Meta: store.Meta{ID: "ws/7"}, Tags: []string{}},
		&Doc{Meta: store.Meta{ID: "ws/8"}, Name: ptr("b")},
		&Doc{Meta: store.Meta{ID: "ws2/1"}, Tags: []string{"b", "c"}},
		&Doc{Meta: store.Meta{ID: "ws/a/b"}, Tags: []string{"c\U0001F600"}})
}

var elementCases = []testCase{
	{"a range over elements finds each document with one in it once", func(t *testing.T, s store.Store) {
		tagged(t, s)
		within := where(store.Gte("tags", "b"), store.Lt("tags", "d"))
		require.Equal(t, []string{"1", "3", "5", "a/b"}, find(t, s, Things, within))
		require.Equal(t, []string{"a/b", "5", "3", "1"}, find(t, s, Things, sorted(within, "-_id")))
		require.Equal(t, []string{"1", "3", "5", "a/b"}, find(t, s, Things, sorted(within, "_id")))
		within.Workspace = "ws2"
		require.Equal(t, []string{"ws2/1"}, find(t, s, Things, within))
		within.Workspace = "nobody"
		require.Empty(t, find(t, s, Things, within))
	}},
	{"a range over elements takes its ends as asked", func(t *testing.T, s store.Store) {
		tagged(t, s)
		require.Equal(t, []string{"1", "3", "a/b"}, find(t, s, Things, where(store.Gt("tags", "b"), store.Lt("tags", "d"))))
		require.Equal(t, []string{"1", "2", "3", "4", "5", "a/b"}, find(t, s, Things, where(store.Gte("tags", "b"), store.Lte("tags", "d"))))
		require.Equal(t, []string{"1"}, find(t, s, Things, where(store.Gt("tags", "b"), store.Lt("tags", "c"))))
		require.Empty(t, find(t, s, Things, where(store.Gt("tags", "c"), store.Lt("tags", "b"))))
		require.Empty(t, find(t, s, Things, where(store.Gt("tags", "b"), store.Lte("tags", "b"))))
	}},
	{"a range over elements may have one end", func(t *testing.T, s store.Store) {
		tagged(t, s)
		require.Equal(t, []string{"3"}, find(t, s, Things, where(store.Gt("tags", "d"))))
		require.Equal(t, []string{"4", "3", "2"}, find(t, s, Things, sorted(where(store.Gte("tags", "d")), "-_id")))
		require.Equal(t, []string{"6"}, find(t, s, Things, where(store.Lt("tags", "a"))))
		require.Equal(t, []string{"2", "3", "6"}, find(t, s, Things, where(store.Lte("tags", "aé"))))
		require.Equal(t, []string{"ws2/1"}, find(t, s, Things, store.Query{Workspace: "ws2", Where: []store.Cond{store.Gte("tags", "a")}}))
	}},
	{"a prefix finds documents by the beginning of an element", func(t *testing.T, s store.Store) {
		tagged(t, s)
		require.Equal(t, []string{"1", "5"}, find(t, s, Things, where(store.Prefix("tags", "b"))))
		require.Equal(t, []string{"1"}, find(t, s, Things, where(store.Prefix("tags", "bb"))))
		require.Equal(t, []string{"a/b", "3", "1"}, find(t, s, Things, sorted(where(store.Prefix("tags", "c")), "-_id")))
		require.Equal(t, []string{"1", "2", "3", "4", "5", "6", "a/b"}, find(t, s, Things, where(store.Prefix("tags", ""))))
	}},
	{"a range over elements has no other order and no other condition", func(t *testing.T, s store.Store) {
		ranged := where(store.Gte("tags", "b"))
		ranged.Workspace = "ws"
		for _, q := range []store.Query{
			sorted(ranged, "tags"), sorted(ranged, "-tags"), sorted(ranged, "n"), sorted(ranged, "_id", "n"),
			{Workspace: "ws", Where: append(ranged.Where, store.Eq("n", 1))},
			{Workspace: "ws", Where: append(ranged.Where, store.Eq("tags", "c"))},
			{Workspace: "ws", Where: append(ranged.Where, store.Gt("_id", "ws/1"))},
			{Workspace: "ws", Order: []string{"tags"}},
		} {
			_, err := Things.Find(t.Context(), s, q, 0)
			require.ErrorIs(t, err, store.ErrNoIndex, "%v", q)
		}
	}},
	{"a range over elements follows its documents", func(t *testing.T, s store.Store) {
		tagged(t, s)
		within := where(store.Gte("tags", "b"), store.Lt("tags", "d"))
		d, e := get(t, s, Things, "ws/1"), get(t, s, Things, "ws/4")
		d.Tags, e.Tags = []string{"a"}, append(e.Tags, "c")
		commit(t, s, Things.Replace(d), Things.Replace(e), Things.Delete(get(t, s, Things, "ws/5")))
		require.Equal(t, []string{"3", "4", "a/b"}, find(t, s, Things, within))
	}},
	{"a range over elements is walked in pages and with a limit", func(t *testing.T, s store.Store) {
		var docs []*Doc
		for i := range 600 {
			docs = append(docs, &Doc{Meta: store.Meta{ID: fmt.Sprintf("ws/%04d", i*7%600)}, Tags: []string{fmt.Sprint("t", i%5), "t9", fmt.Sprint("t", i%3), "u"}})
		}
		insert(t, s, Things, docs...)
		q := store.Query{Workspace: "ws", Where: []store.Cond{store.Gte("tags", "t"), store.Lt("tags", "tz")}}
		some, err := Things.Find(t.Context(), s, q, 3)
		require.NoError(t, err)
		require.Equal(t, []string{"0000", "0001", "0002"}, ids(some))
		var walked []*Doc
		require.NoError(t, Things.Each(t.Context(), s, q, func(d *Doc) error {
			walked = append(walked, d)
			return nil
		}))
		require.Equal(t, find(t, s, Things, q), ids(walked))
		require.Len(t, walked, 600)
	}},
	{"a cursor of a range over elements serves the list by key", func(t *testing.T, s store.Store) {
		tagged(t, s)
		q := store.Query{Workspace: "ws", Where: []store.Cond{store.Gt("tags", "a"), store.Lt("tags", "z")}}
		page, err := Things.Page(t.Context(), s, q, core.Window{Limit: 3})
		require.NoError(t, err)
		require.Equal(t, []string{"1", "2", "3"}, ids(page.Items))
		require.True(t, page.HasNext)
		byKey, err := Things.Page(t.Context(), s, store.Query{Workspace: "ws"}, core.Window{Limit: 2, After: page.Cursors[2]})
		require.NoError(t, err)
		require.Equal(t, []string{"4", "5"}, ids(byKey.Items))
		_, err = Things.Page(t.Context(), s, store.Query{Workspace: "ws", Order: []string{"n"}}, core.Window{Limit: 2, After: page.Cursors[1]})
		require.ErrorIs(t, err, store.ErrBadCursor)
	}},
}

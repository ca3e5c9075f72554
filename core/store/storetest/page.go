package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// crowd stores n documents full of ties.
func crowd(t *testing.T, s store.Store, n int) {
	t.Helper()
	var docs []*Doc
	for i := range n {
		d := &Doc{Meta: store.Meta{ID: fmt.Sprintf("ws/%03d", i*7919%n)}, Name: ptr(fmt.Sprint("n", i%3)), N: ptr(int64(i % 5)),
			Flag: ptr(i%2 == 0), At: ptr(time.UnixMilli(int64(i % 4)).UTC()), Tags: []string{"all", fmt.Sprint(i % 2)}}
		if i%11 == 0 {
			d.N = nil
		}
		docs = append(docs, d, &Doc{Meta: store.Meta{ID: fmt.Sprintf("ws2/%03d", i)}, Name: ptr("n1"), N: ptr(int64(i))})
	}
	insert(t, s, Things, docs...)
}

// lists are queries whose pages are walked.
var lists = []store.Query{
	{Workspace: "ws"},
	{Workspace: "ws", Order: []string{"-_id"}},
	{Workspace: "ws", Where: []store.Cond{store.Prefix("_id", "0")}},
	{Workspace: "ws", Order: []string{"name", "-n"}},
	{Workspace: "ws", Order: []string{"-name", "n"}},
	{Workspace: "ws", Where: []store.Cond{store.Eq("name", "n1")}},
	{Workspace: "ws", Where: []store.Cond{store.Eq("name", "n1")}, Order: []string{"-n"}},
	{Workspace: "ws", Where: []store.Cond{store.Eq("name", "n1"), store.Gt("n", 1)}, Order: []string{"n"}},
	{Workspace: "ws", Where: []store.Cond{store.Gte("n", 1), store.Lt("n", 4)}},
	{Workspace: "ws", Where: []store.Cond{store.Eq("flag", true)}},
	{Workspace: "ws", Where: []store.Cond{store.Eq("flag", true)}, Order: []string{"-at", "-n"}},
	{Workspace: "ws", Order: []string{"-at"}},
	{Workspace: "ws", Where: []store.Cond{store.Eq("tags", "1")}},
	{Workspace: "ws", Where: []store.Cond{store.Eq("tags", "all")}, Order: []string{"-n"}},
	{Workspace: "ws", Where: []store.Cond{store.Eq("tags", "all"), store.Lte("n", 3)}, Order: []string{"n"}},
	{Workspace: "ws", Where: []store.Cond{store.Gte("tags", "1"), store.Lt("tags", "all")}},
	{Workspace: "ws", Where: []store.Cond{store.Gt("tags", "0"), store.Lte("tags", "all")}, Order: []string{"-_id"}},
	{Workspace: "ws", Where: []store.Cond{store.Prefix("tags", "1")}, Order: []string{"_id"}},
}

var pageCases = []testCase{
	{"pages forward and backward make up the list", func(t *testing.T, s store.Store) {
		crowd(t, s, 60)
		for i, q := range lists {
			all, err := Things.Find(t.Context(), s, q, 0)
			require.NoError(t, err)
			require.NotEmpty(t, all)
			for _, size := range []int{1, 4, 7, len(all), len(all) + 1} {
				require.Equal(t, ids(all), forward(t, s, q, size), "list %d by %d", i, size)
				require.Equal(t, ids(all), backward(t, s, q, size), "list %d backward by %d", i, size)
			}
		}
	}},
	{"after and before together cut a window", func(t *testing.T, s store.Store) {
		crowd(t, s, 60)
		for _, q := range lists {
			all, err := Things.Page(t.Context(), s, q, core.Window{Limit: 200})
			require.NoError(t, err)
			n := len(all.Items)
			for _, cut := range [][2]int{{0, n - 1}, {n / 3, 2 * n / 3}, {n / 2, n/2 + 1}, {n / 2, n / 2}} {
				w := core.Window{Limit: 200, After: all.Cursors[cut[0]], Before: all.Cursors[cut[1]]}
				want := ids(all.Items[min(cut[0]+1, cut[1]):cut[1]])
				page, err := Things.Page(t.Context(), s, q, w)
				require.NoError(t, err)
				require.Equal(t, want, ids(page.Items))
				require.True(t, page.HasPrev)
				w.Backward = true
				page, err = Things.Page(t.Context(), s, q, w)
				require.NoError(t, err)
				require.Equal(t, want, ids(page.Items))
				require.True(t, page.HasNext)
			}
		}
	}},
	{"a cursor goes on from its place when the list has changed", func(t *testing.T, s store.Store) {
		for _, n := range []int64{10, 20, 30, 40} {
			insert(t, s, Things, &Doc{Meta: store.Meta{ID: fmt.Sprint("ws/", n)}, N: ptr(n)})
		}
		q := store.Query{Workspace: "ws", Order: []string{"n"}}
		page, err := Things.Page(t.Context(), s, q, core.Window{Limit: 2})
		require.NoError(t, err)
		require.True(t, page.HasNext)
		require.False(t, page.HasPrev)
		commit(t, s, Things.Delete(get(t, s, Things, "ws/20")), Things.Insert(&Doc{Meta: store.Meta{ID: "ws/5"}, N: ptr(int64(5))}),
			Things.Insert(&Doc{Meta: store.Meta{ID: "ws/25"}, N: ptr(int64(25))}))
		page, err = Things.Page(t.Context(), s, q, core.Window{Limit: 5, After: page.Cursors[1]})
		require.NoError(t, err)
		require.Equal(t, []string{"25", "30", "40"}, ids(page.Items))
		require.False(t, page.HasNext)
		require.True(t, page.HasPrev)
	}},
	{"a cursor of another list is refused", func(t *testing.T, s store.Store) {
		crowd(t, s, 10)
		byKey, err := Things.Page(t.Context(), s, lists[0], core.Window{Limit: 1})
		require.NoError(t, err)
		byName, err := Things.Page(t.Context(), s, lists[3], core.Window{Limit: 1})
		require.NoError(t, err)
		for _, cursor := range []string{byName.Cursors[0], "garbage", "%%%", "AAAA"} {
			_, err = Things.Page(t.Context(), s, lists[0], core.Window{Limit: 1, After: cursor})
			require.ErrorIs(t, err, store.ErrBadCursor)
			_, err = Things.Page(t.Context(), s, lists[0], core.Window{Limit: 1, Before: cursor, Backward: true})
			require.ErrorIs(t, err, store.ErrBadCursor)
		}
		_, err = Things.Page(t.Context(), s, lists[3], core.Window{Limit: 1, After: byKey.Cursors[0]})
		require.ErrorIs(t, err, store.ErrBadCursor)
		byTime, err := Things.Page(t.Context(), s, store.Query{Workspace: "ws", Order: []string{"-at"}}, core.Window{Limit: 1})
		require.NoError(t, err)
		_, err = Things.Page(t.Context(), s, store.Query{Workspace: "ws", Order: []string{"n"}}, core.Window{Limit: 1, After: byTime.Cursors[0]})
		require.ErrorIs(t, err, store.ErrBadCursor, "as many values, but of another field")
	}},
	{"an empty list has no pages around it", func(t *testing.T, s store.Store) {
		page, err := Things.Page(t.Context(), s, store.Query{Workspace: "ws"}, core.Window{Limit: 3})
		require.NoError(t, err)
		require.Empty(t, page.Items)
		require.False(t, page.HasNext || page.HasPrev)
	}},
}

func forward(t *testing.T, s store.Store, q store.Query, size int) []string {
	t.Helper()
	out, w := []string{}, core.Window{Limit: size}
	for {
		page, err := Things.Page(t.Context(), s, q, w)
		require.NoError(t, err)
		require.Len(t, page.Cursors, len(page.Items))
		require.Equal(t, w.After != "", page.HasPrev)
		out = append(out, ids(page.Items)...)
		if !page.HasNext {
			return out
		}
		require.Len(t, page.Items, size)
		w.After = page.Cursors[size-1]
	}
}

func backward(t *testing.T, s store.Store, q store.Query, size int) []string {
	t.Helper()
	out, w := []string{}, core.Window{Limit: size, Backward: true}
	for {
		page, err := Things.Page(t.Context(), s, q, w)
		require.NoError(t, err)
		require.Equal(t, w.Before != "", page.HasNext)
		out = append(ids(page.Items), out...)
		if !page.HasPrev {
			return out
		}
		require.Len(t, page.Items, size)
		w.Before = page.Cursors[0]
	}
}

package audit

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
)

// SmallIndex makes eras and ages of few entries for a test, so that there are some.
func SmallIndex(t testing.TB, era, age int64) {
	t.Helper()
	before, beforeAge := eras.entries, ages.entries
	eras.entries, ages.entries = era, age
	t.Cleanup(func() { eras.entries, ages.entries = before, beforeAge })
}

// IndexOf returns how many runs the tail, the eras and the ages of a log have, and the
// first block that one of them knows of.
func IndexOf(t testing.TB, r store.Reader, ws string) (counts [3]int, first int64) {
	t.Helper()
	docs, err := runs.Find(context.Background(), r, store.Query{Workspace: ws}, 0)
	require.NoError(t, err)
	first = 1 << 40
	for _, d := range docs {
		var n, begin int64
		kind := 0
		switch store.Rest(d.ID)[:2] {
		case "t/":
			n, err = tailFirst(d)
			begin = n - n%eras.entries
		case "1/":
			kind = 1
			n, err = eras.numberOf(d.ID)
			begin = n * eras.entries
		default:
			kind = 2
			n, err = ages.numberOf(d.ID)
			begin = n * ages.entries
		}
		require.NoError(t, err)
		counts[kind]++
		for _, m := range d.marks() {
			first = min(first, begin+int64(m&placeMask))
		}
	}
	return counts, first
}

// MakeEarlier makes a log what an earlier version of this package has written: blocks name
// those whom they are about, and there are no runs.
func MakeEarlier(t testing.TB, db store.Store, ws string) {
	t.Helper()
	list, err := blocks.Find(t.Context(), db, store.Query{Workspace: ws}, 0)
	require.NoError(t, err)
	var ops []store.Op
	for _, b := range list {
		bodies, err := b.bodiesOf()
		require.NoError(t, err)
		for _, raw := range bodies {
			e, _, err := parseBody(raw)
			require.NoError(t, err)
			once(&b.Requests, e.RequestID)
			for _, s := range append(e.Subjects, e.Identifiers...) {
				once(&b.Subjects, s)
			}
		}
		ops = append(ops, blocks.Replace(b))
	}
	docs, err := runs.Find(t.Context(), db, store.Query{Workspace: ws}, 0)
	require.NoError(t, err)
	for _, d := range docs {
		ops = append(ops, runs.Delete(d))
	}
	for len(ops) > 0 {
		n := min(len(ops), store.MaxOps)
		_, err = db.Commit(t.Context(), store.Batch{ID: ops[0].ID, Ops: ops[:n]})
		require.NoError(t, err)
		ops = ops[n:]
	}
}

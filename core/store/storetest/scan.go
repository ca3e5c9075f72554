package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// people stores a few documents with ties and gaps.
func people(t *testing.T, s store.Store) {
	t.Helper()
	at := func(ms int64) *time.Time { return ptr(time.UnixMilli(ms).UTC()) }
	insert(t, s, Things,
		&Doc{Meta: store.Meta{ID: "ws/a"}, Name: ptr("Ada"), N: ptr(int64(5)), Flag: ptr(true), At: at(1000)},
		&Doc{Meta: store.Meta{ID: "ws/b"}, Name: ptr("Bob"), N: ptr(int64(-7)), Flag: ptr(false), At: at(999)},
		&Doc{Meta: store.Meta{ID: "ws/c"}, Name: ptr("Ada"), N: ptr(int64(9)), Flag: ptr(true), At: at(-5)},
		&Doc{Meta: store.Meta{ID: "ws/d"}, Name: ptr("Ada"), N: ptr(int64(5)), Flag: ptr(true), At: at(1000)},
		&Doc{Meta: store.Meta{ID: "ws/e"}, Name: ptr("Adam")},
		&Doc{Meta: store.Meta{ID: "ws/f"}, N: ptr(int64(5))},
		&Doc{Meta: store.Meta{ID: "ws/g"}},
	)
}

// sorted is where with an order.
func sorted(q store.Query, order ...string) store.Query {
	q.Order = order
	return q
}

var scanCases = []testCase{
	{"equality finds equal values, ties by key", func(t *testing.T, s store.Store) {
		people(t, s)
		require.Equal(t, []string{"a", "c", "d"}, find(t, s, Things, where(store.Eq("name", "Ada"))))
		require.Equal(t, []string{"a", "d", "f"}, find(t, s, Things, where(store.Eq("n", 5))))
		require.Equal(t, []string{"a", "d"}, find(t, s, Things, where(store.Eq("name", "Ada"), store.Eq("n", 5))))
		require.Empty(t, find(t, s, Things, where(store.Eq("name", "Eve"))))
	}},
	{"ranges take their ends as asked", func(t *testing.T, s store.Store) {
		people(t, s)
		require.Equal(t, []string{"c"}, find(t, s, Things, where(store.Gt("n", 5))))
		require.Equal(t, []string{"a", "d", "f", "c"}, find(t, s, Things, where(store.Gte("n", 5))))
		require.Equal(t, []string{"b"}, find(t, s, Things, where(store.Lt("n", 5))))
		require.Equal(t, []string{"b", "a", "d", "f"}, find(t, s, Things, where(store.Lte("n", 5))))
		require.Equal(t, []string{"a", "d", "f"}, find(t, s, Things, where(store.Gt("n", -7), store.Lt("n", 9))))
		require.Equal(t, []string{"c", "a", "d"}, find(t, s, Things, where(store.Eq("name", "Ada"), store.Gte("n", 5))))
		require.Equal(t, []string{"a", "d"}, find(t, s, Things, where(store.Eq("name", "Ada"), store.Lt("n", 9))))
		require.Empty(t, find(t, s, Things, where(store.Gt("n", 5), store.Lt("n", 5))))
	}},
	{"times and booleans order and match", func(t *testing.T, s store.Store) {
		people(t, s)
		at := time.UnixMilli(999).UTC()
		require.Equal(t, []string{"a", "d", "b"}, find(t, s, Things, where(store.Gte("at", at))))
		require.Equal(t, []string{"a", "d", "b"}, find(t, s, Things, where(store.Gt("at", at.Add(-time.Microsecond)), store.Lt("at", at.Add(time.Second)))))
		require.Equal(t, []string{"c"}, find(t, s, Things, where(store.Lt("at", time.UnixMilli(0)))))
		require.Equal(t, []string{"c", "a", "d"}, find(t, s, Things, where(store.Eq("flag", true))))
		require.Equal(t, []string{"b"}, find(t, s, Things, where(store.Eq("flag", false))))
	}},
	{"a prefix finds strings that begin with it", func(t *testing.T, s store.Store) {
		people(t, s)
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/x"}, Name: ptr("Ad\U0001F600")}, &Doc{Meta: store.Meta{ID: "ws/y"}, Name: ptr("ada")})
		require.Equal(t, []string{"a", "c", "d", "e", "x"}, find(t, s, Things, where(store.Prefix("name", "Ad"))))
		require.Equal(t, []string{"e"}, find(t, s, Things, where(store.Prefix("name", "Adam"))))
		require.Equal(t, []string{"b"}, find(t, s, Things, where(store.Prefix("name", "B"))))
	}},
	{"an index is walked in its order and in reverse", func(t *testing.T, s store.Store) {
		people(t, s)
		require.Equal(t, []string{"c", "a", "d"}, find(t, s, Things, sorted(where(store.Eq("name", "Ada")), "-n")))
		require.Equal(t, []string{"d", "a", "c"}, find(t, s, Things, sorted(where(store.Eq("name", "Ada")), "n")))
		require.Equal(t, []string{"a", "d", "b", "c"}, find(t, s, Things, sorted(store.Query{}, "-at")))
		require.Equal(t, []string{"c", "b", "d", "a"}, find(t, s, Things, sorted(store.Query{}, "at")))
		require.Equal(t, []string{"c", "a", "d", "b"}, find(t, s, Things, sorted(store.Query{}, "name", "-n")))
		require.Equal(t, []string{"b", "d", "a", "c"}, find(t, s, Things, sorted(store.Query{}, "-name", "n")))
		require.Equal(t, []string{"e", "d", "c", "a"}, find(t, s, Things, sorted(where(store.Prefix("name", "A")), "-name")))
	}},
	{"strings order by their bytes", func(t *testing.T, s store.Store) {
		names := []string{"", " ", "A", "B", "Z", "a", "aa", "b", "z", "é", "\uffff", "\U0001F600"}
		for i, n := range names {
			insert(t, s, Things, &Doc{Meta: store.Meta{ID: fmt.Sprintf("ws/%02d", len(names)-i)}, Name: &n})
		}
		docs, err := Things.Find(t.Context(), s, store.Query{Workspace: "ws", Order: []string{"name"}}, 0)
		require.NoError(t, err)
		var got []string
		for _, d := range docs {
			got = append(got, *d.Name)
		}
		require.Equal(t, names, got)
	}},
	{"a document that lacks a field is not in the index", func(t *testing.T, s store.Store) {
		people(t, s)
		require.Equal(t, []string{"b", "a", "d", "f", "c"}, find(t, s, Things, sorted(store.Query{}, "n")))
		require.Equal(t, []string{"a", "c", "d", "e", "b"}, find(t, s, Things, sorted(store.Query{}, "name")))
		require.Equal(t, []string{"c", "a", "d", "b"}, find(t, s, Things, sorted(store.Query{}, "name", "-n")), "name without n")
		require.Len(t, find(t, s, Things, store.Query{}), 7, "by key all are found")
	}},
	{"null and values of other types are missing", func(t *testing.T, s store.Store) {
		for i, v := range []any{nil, 1.5, bson.D{{Key: "x", Value: 1}}, bson.A{}, bson.Binary{Data: []byte("x")}, int32(4)} {
			id := fmt.Sprintf("ws/%d", i)
			raw, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "_v", Value: int64(1)}, {Key: "n", Value: v}})
			require.NoError(t, err)
			commit(t, s, store.Op{Kind: store.OpInsert, Spec: Others.Spec, ID: id, Doc: raw}, Things.Absent(id))
			commit(t, s, store.Op{Kind: store.OpInsert, Spec: Things.Spec, ID: id, Doc: raw})
		}
		plan, err := store.PlanQuery(Things.Spec, store.Query{Workspace: "ws", Order: []string{"n"}})
		require.NoError(t, err)
		raws, err := s.Scan(t.Context(), plan)
		require.NoError(t, err)
		require.Len(t, raws, 1)
		require.Equal(t, "ws/5", raws[0].Lookup("_id").StringValue(), "an int32 counts as int64")
	}},
	{"a field in a document is found by its path", func(t *testing.T, s store.Store) {
		for i := range int64(4) {
			insert(t, s, Things, &Doc{Meta: store.Meta{ID: fmt.Sprintf("ws/%d", i)}, In: &Inner{Rank: ptr(3 - i)}})
		}
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/none"}, In: &Inner{Sum: 1}})
		require.Equal(t, []string{"3", "2", "1", "0"}, find(t, s, Things, sorted(store.Query{}, "in.rank")))
		require.Equal(t, []string{"1"}, find(t, s, Things, where(store.Eq("in.rank", 2))))
	}},
	{"a multi-valued field finds a document under each element once", func(t *testing.T, s store.Store) {
		insert(t, s, Things,
			&Doc{Meta: store.Meta{ID: "ws/a"}, Tags: []string{"x", "y", "x"}, N: ptr(int64(1))},
			&Doc{Meta: store.Meta{ID: "ws/b"}, Tags: []string{"y"}, N: ptr(int64(2))},
			&Doc{Meta: store.Meta{ID: "ws/c"}, Tags: []string{"y", ""}, N: ptr(int64(2))},
			&Doc{Meta: store.Meta{ID: "ws/d"}, Tags: []string{"y"}},
			&Doc{Meta: store.Meta{ID: "ws/e"}, Tags: []string{}, N: ptr(int64(3))},
			&Doc{Meta: store.Meta{ID: "ws/f"}, N: ptr(int64(3))},
			&Doc{Meta: store.Meta{ID: "ws2/a"}, Tags: []string{"y"}, N: ptr(int64(1))})
		require.Equal(t, []string{"a"}, find(t, s, Things, where(store.Eq("tags", "x"))))
		require.Equal(t, []string{"a", "b", "c", "d"}, find(t, s, Things, where(store.Eq("tags", "y"))))
		require.Equal(t, []string{"c"}, find(t, s, Things, where(store.Eq("tags", ""))))
		require.Equal(t, []string{"b", "c", "a"}, find(t, s, Things, sorted(where(store.Eq("tags", "y")), "-n")))
		require.Equal(t, []string{"a", "c", "b"}, find(t, s, Things, sorted(where(store.Eq("tags", "y")), "n")))
		require.Equal(t, []string{"b", "c"}, find(t, s, Things, where(store.Eq("tags", "y"), store.Gt("n", 1))))
		require.Equal(t, []string{"a"}, find(t, s, Things, where(store.Eq("tags", "y"), store.Eq("n", 1))))
	}},
	{"a multi-valued field follows its document", func(t *testing.T, s store.Store) {
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, Tags: []string{"x", "y"}, N: ptr(int64(1))})
		d := get(t, s, Things, "ws/a")
		d.Tags = []string{"y", "z"}
		commit(t, s, Things.Replace(d))
		require.Empty(t, find(t, s, Things, where(store.Eq("tags", "x"))))
		require.Equal(t, []string{"a"}, find(t, s, Things, where(store.Eq("tags", "z"))))
		d = get(t, s, Things, "ws/a")
		d.N = ptr(int64(2))
		commit(t, s, Things.Replace(d))
		require.Equal(t, []string{"a"}, find(t, s, Things, where(store.Eq("tags", "y"), store.Eq("n", 2))))
		require.Empty(t, find(t, s, Things, where(store.Eq("tags", "y"), store.Eq("n", 1))))
		commit(t, s, Things.Delete(get(t, s, Things, "ws/a")))
		require.Empty(t, find(t, s, Things, where(store.Eq("tags", "y"))))
	}},
	{"indexes follow replace and delete", func(t *testing.T, s store.Store) {
		people(t, s)
		d := get(t, s, Things, "ws/a")
		d.Name, d.N = ptr("Zoe"), nil
		commit(t, s, Things.Replace(d), Things.Delete(get(t, s, Things, "ws/d")))
		require.Equal(t, []string{"c"}, find(t, s, Things, where(store.Eq("name", "Ada"))))
		require.Equal(t, []string{"a"}, find(t, s, Things, where(store.Eq("name", "Zoe"))))
		require.Equal(t, []string{"f"}, find(t, s, Things, where(store.Eq("n", 5))))
		require.Equal(t, []string{"a", "b", "c"}, find(t, s, Things, sorted(store.Query{}, "-at")))
	}},
	{"a scan stays in its workspace", func(t *testing.T, s store.Store) {
		for _, ws := range []string{"ws", "ws1", "ws10", "w", "ws-", "ws.", "WS"} {
			insert(t, s, Things, &Doc{Meta: store.Meta{ID: store.Key(ws, "a")}, N: ptr(int64(1)), Tags: []string{"x"}})
		}
		for _, q := range []store.Query{{}, where(store.Eq("n", 1)), sorted(store.Query{}, "n"), where(store.Eq("tags", "x")), where(store.Prefix("_id", ""))} {
			require.Equal(t, []string{"a"}, find(t, s, Things, q))
			q.Workspace = "ws1"
			require.Equal(t, []string{"ws1/a"}, find(t, s, Things, q))
			q.Workspace = "nobody"
			require.Empty(t, find(t, s, Things, q))
		}
	}},
	{"a limit cuts, none does not", func(t *testing.T, s store.Store) {
		var docs []*Doc
		for i := range 1200 {
			docs = append(docs, &Doc{Meta: store.Meta{ID: fmt.Sprintf("ws/%04d", i)}, N: ptr(int64(i % 3))})
		}
		insert(t, s, Things, docs...)
		require.Len(t, find(t, s, Things, where(store.Eq("n", 1))), 400)
		require.Len(t, find(t, s, Things, store.Query{}), 1200)
		some, err := Things.Find(t.Context(), s, store.Query{Workspace: "ws", Where: []store.Cond{store.Eq("n", 1)}}, 7)
		require.NoError(t, err)
		require.Equal(t, []string{"0001", "0004", "0007", "0010", "0013", "0016", "0019"}, ids(some))
		var walked int
		require.NoError(t, Things.Each(t.Context(), s, store.Query{Workspace: "ws", Order: []string{"n"}}, func(*Doc) error {
			walked++
			return nil
		}))
		require.Equal(t, 1200, walked)
	}},
}

package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

type thing struct {
	store.Meta `bson:",inline"`
	N          int64    `bson:"n"`
	Tags       []string `bson:"tags"`
}

func openHere(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Path: path})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return s
}

func putThings(t *testing.T, s *Store, c *store.Collection[thing], from, to int) {
	t.Helper()
	var ops []store.Op
	for i := from; i < to; i++ {
		ops = append(ops, c.Insert(&thing{Meta: store.Meta{ID: fmt.Sprintf("ws/%05d", i)}, N: int64(i % 10), Tags: []string{"x"}}))
	}
	_, err := s.Commit(context.Background(), store.Batch{ID: fmt.Sprint("put", from), Ops: ops})
	require.NoError(t, err)
}

// The file says which columns there are, and every process follows it: one that
// knows nothing of an index fills it all the same.
func TestOlderProcessFillsNewIndexes(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "hw.db")
	before := store.Declare[thing](store.Spec{Name: "things"})
	after := store.Declare[thing](store.Spec{Name: "things", Indexes: []store.Index{store.On("n"), store.On("tags[]", "n")}})
	older, newer := openHere(t, path), openHere(t, path)
	require.NoError(t, older.Declare(ctx, before.Spec))
	putThings(t, older, before, 0, 900)
	require.NoError(t, newer.Declare(ctx, after.Spec))
	putThings(t, older, before, 900, 1800)
	d, err := before.Get(ctx, older, "ws/00003")
	require.NoError(t, err)
	d.N = 77
	_, err = older.Commit(ctx, store.Batch{ID: "replace", Ops: []store.Op{before.Replace(d)}})
	require.NoError(t, err)
	for q, want := range map[store.Cond]int64{store.Eq("n", 3): 179, store.Eq("n", 77): 1, store.Eq("n", 4): 180} {
		n, err := after.Count(ctx, newer, store.Query{Workspace: "ws", Where: []store.Cond{q}})
		require.NoError(t, err)
		require.Equal(t, want, n)
		n, err = after.Count(ctx, newer, store.Query{Workspace: "ws", Where: []store.Cond{store.Eq("tags", "x"), q}})
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}

// A build that was broken off goes on where it stood, in another process.
func TestBuildGoesOnAfterARestart(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "hw.db")
	before := store.Declare[thing](store.Spec{Name: "things"})
	after := store.Declare[thing](store.Spec{Name: "things", Indexes: []store.Index{store.On("n"), store.On("tags[]", "-n")}})
	s := openHere(t, path)
	require.NoError(t, s.Declare(ctx, before.Spec))
	for i := 0; i < 3000; i += 1000 {
		putThings(t, s, before, i, i+1000)
	}
	require.NoError(t, s.exclusive(ctx, func(c *conn) error { return declare(c, after.Spec) }))
	for _, ix := range after.Spec.Indexes {
		require.NoError(t, s.exclusive(ctx, func(c *conn) error {
			done, err := buildSlice(c, "things", definition(ix))
			require.False(t, done)
			return err
		}))
	}
	require.False(t, s.declared(after.Spec))
	require.NoError(t, s.Close(ctx))

	s = openHere(t, path)
	require.False(t, s.declared(after.Spec))
	require.NoError(t, s.Declare(ctx, after.Spec))
	require.True(t, s.declared(after.Spec))
	for _, q := range []store.Query{{Where: []store.Cond{store.Gte("n", 0)}}, {Where: []store.Cond{store.Eq("tags", "x")}}} {
		q.Workspace = "ws"
		n, err := after.Count(ctx, s, q)
		require.NoError(t, err)
		require.EqualValues(t, 3000, n)
	}
}

func TestDocumentsOfOtherMakersAreBroughtInOrder(t *testing.T) {
	encode := func(d bson.D) bson.Raw {
		raw, err := bson.Marshal(d)
		require.NoError(t, err)
		return raw
	}
	id, v, n := bson.E{Key: "_id", Value: "ws/a"}, bson.E{Key: "_v", Value: int64(3)}, bson.E{Key: "n", Value: int32(1)}
	want := encode(bson.D{id, v, n})
	for _, d := range []bson.D{{id, v, n}, {n, v, id}, {v, id, n}, {id, n, {Key: "_v", Value: int32(3)}}} {
		version, body, err := strip(encode(d), "ws/a")
		require.NoError(t, err)
		require.Equal(t, want, join("ws/", "a", version, body))
		require.Equal(t, encode(bson.D{n}), unstripped(body))
	}
	for _, d := range []bson.D{{}, {id, n}, {v, n}, {v, id, id}, {{Key: "_id", Value: "ws/b"}, v}, {id, {Key: "_v", Value: "3"}}} {
		_, _, err := strip(encode(d), "ws/a")
		require.Error(t, err, "%v", d)
	}
	for _, raw := range []bson.Raw{nil, {0}, want[:len(want)-1], append(want[:len(want):len(want)], 0)} {
		_, _, err := strip(raw, "ws/a")
		require.Error(t, err)
	}
}

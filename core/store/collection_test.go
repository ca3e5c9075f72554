package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/storetest"
)

type bad struct {
	store.Meta `bson:",inline"`
	C          chan int
}

func TestDeclareWantsADocument(t *testing.T) {
	require.Panics(t, func() { store.Declare[struct{ N int }](store.Spec{Name: "x"}) })
}

func TestAnEncodingErrorRefusesTheBatch(t *testing.T) {
	c := store.Declare[bad](store.Spec{Name: "bad"})
	op := c.Insert(&bad{Meta: store.Meta{ID: "ws/a"}, C: make(chan int)})
	require.Error(t, op.Err)
	require.ErrorIs(t, store.Batch{ID: "b", Ops: []store.Op{op}}.Validate(), op.Err)
}

func TestPutInsertsOnceThenReplaces(t *testing.T) {
	d := &storetest.Doc{Meta: store.Meta{ID: "ws/a"}}
	require.Equal(t, store.OpInsert, storetest.Things.Put(d).Kind)
	d.V = 4
	op := storetest.Things.Put(d)
	require.Equal(t, store.OpReplace, op.Kind)
	require.EqualValues(t, 4, op.V)
	require.EqualValues(t, 5, op.Doc.Lookup("_v").Int64())
	require.EqualValues(t, 4, d.V, "the caller's document stays as it is")
}

func TestFieldValues(t *testing.T) {
	at := time.UnixMilli(12345).UTC()
	raw, err := bson.Marshal(bson.D{
		{Key: "s", Value: "x"}, {Key: "i", Value: int32(3)}, {Key: "l", Value: int64(4)}, {Key: "b", Value: true}, {Key: "t", Value: at},
		{Key: "f", Value: 1.5}, {Key: "n", Value: nil}, {Key: "in", Value: bson.D{{Key: "x", Value: "deep"}}},
		{Key: "a", Value: bson.A{"p", "q", "p", 1.5, int64(2)}},
	})
	require.NoError(t, err)
	for path, want := range map[string]any{"s": "x", "i": int64(3), "l": int64(4), "b": true, "t": at, "in.x": "deep", "f": nil, "n": nil, "in": nil, "a": nil, "no": nil, "s.x": nil} {
		got, ok := store.FieldValue(raw, path)
		require.Equal(t, want != nil, ok, path)
		require.Equal(t, want, got, path)
	}
	require.Equal(t, []any{"p", "q", int64(2)}, store.FieldValues(raw, "a"))
	require.Empty(t, store.FieldValues(raw, "s"))
}

// FuzzCursor: whatever a client sends as a cursor is a page or ErrBadCursor.
func FuzzCursor(f *testing.F) {
	s := storetest.NewModel()
	ctx := f.Context()
	if err := s.Declare(ctx, storetest.All()...); err != nil {
		f.Fatal(err)
	}
	name, n, at := "x", int64(3), time.UnixMilli(99).UTC()
	d := &storetest.Doc{Meta: store.Meta{ID: "ws/a"}, Name: &name, N: &n, At: &at}
	if _, err := s.Commit(ctx, store.Batch{ID: "b", Ops: []store.Op{storetest.Things.Insert(d)}}); err != nil {
		f.Fatal(err)
	}
	lists := []store.Query{{Workspace: "ws"}, {Workspace: "ws", Order: []string{"name", "-n"}}, {Workspace: "ws", Order: []string{"-at"}}}
	for i, q := range lists {
		page, err := storetest.Things.Page(ctx, s, q, core.Window{Limit: 1})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(page.Cursors[0], i)
	}
	f.Add("", 0)
	f.Add("AAAA", 1)
	f.Add("DQAAAAJrAAIAAABhAAA", 0)
	f.Fuzz(func(t *testing.T, cursor string, list int) {
		q := lists[uint(list)%uint(len(lists))]
		for _, w := range []core.Window{{Limit: 2, After: cursor}, {Limit: 2, Before: cursor, Backward: true}} {
			if _, err := storetest.Things.Page(t.Context(), s, q, w); err != nil {
				require.ErrorIs(t, err, store.ErrBadCursor)
			}
		}
	})
}

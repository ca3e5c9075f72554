package wiretest

import (
	"context"
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/storetest"
)

// watched gives a store without change streams the model's: what it commits is
// committed to the model as well, which tells of it.
type watched struct {
	store.Store
	model *storetest.Model
}

func (w *watched) Declare(ctx context.Context, specs ...*store.Spec) error {
	if err := w.model.Declare(ctx, specs...); err != nil {
		return err
	}
	return w.Store.Declare(ctx, specs...)
}

func (w *watched) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	if _, err := w.Store.Commit(ctx, b); err != nil {
		return "", err
	}
	return w.model.Commit(ctx, b)
}

func (w *watched) Now(ctx context.Context) (store.Token, error) { return w.model.Now(ctx) }

func (w *watched) Watch(ctx context.Context, after store.Token, specs ...*store.Spec) (store.Stream, error) {
	return w.model.Watch(ctx, after, specs...)
}

// TestEquivalent drives the engine over FerretDB and the model of the port with
// the same random batches and queries.
func TestEquivalent(t *testing.T) {
	// A round takes seconds where the model takes microseconds.
	require.NoError(t, flag.Set("rapid.checks", "50"))
	open := factory(serve(t))
	storetest.Equivalent(t,
		func(*testing.T) store.Store { return storetest.NewModel() },
		func(t *testing.T) store.Store { return &watched{open(t), storetest.NewModel()} },
		func(p store.Plan) bool { return p.ByElement() && p.Low != nil && p.High != nil }) // see noElement
}

// TestBytes is the case "documents come back byte for byte" without infinities.
func TestBytes(t *testing.T) {
	s := factory(serve(t))(t)
	require.NoError(t, s.Declare(t.Context(), storetest.All()...))
	for i, rest := range []bson.D{
		{},
		{{Key: "n", Value: int64(1)}, {Key: "a", Value: bson.A{}}, {Key: "d", Value: bson.D{}}},
		{{Key: "z", Value: int32(1)}, {Key: "a", Value: 1.5}, {Key: "null", Value: nil}},
		{{Key: "bin", Value: bson.Binary{Subtype: 4, Data: []byte{0, 1, 2}}}, {Key: "oid", Value: bson.NewObjectID()}},
		{{Key: "_idx", Value: "x"}, {Key: "_", Value: true}, {Key: "e", Value: ""}, {Key: "deep", Value: bson.D{{Key: "_id", Value: "in"}, {Key: "_v", Value: int64(9)}, {Key: "_w", Value: "mine"}}}},
		{{Key: "arr", Value: bson.A{"x", int64(1), bson.D{{Key: "k", Value: bson.A{nil, "…"}}}}}},
	} {
		id := store.Key("ws", string(rune('a'+i)))
		raw, err := bson.Marshal(append(bson.D{{Key: "_id", Value: id}, {Key: "_v", Value: int64(1)}}, rest...))
		require.NoError(t, err)
		b := store.Batch{ID: id, Ops: []store.Op{{Kind: store.OpInsert, Spec: storetest.Others.Spec, ID: id, Doc: raw}}}
		_, err = s.Commit(t.Context(), b)
		require.NoError(t, err)
		got, err := s.Get(t.Context(), storetest.Others.Spec, []string{id})
		require.NoError(t, err)
		require.Equal(t, bson.Raw(raw), got[0])
	}
}

// TestARepeatedBatch is the case "a repeated batch id succeeds without effect"
// without the stream that it ends with.
func TestARepeatedBatch(t *testing.T) {
	s := factory(serve(t))(t)
	require.NoError(t, s.Declare(t.Context(), storetest.All()...))
	b := store.Batch{ID: "once", Ops: []store.Op{
		storetest.Things.Insert(&storetest.Doc{Meta: store.Meta{ID: "ws/a"}}),
		store.AddTo("ws", "hits", 0, map[string]int64{"n": 5}),
	}}
	first, err := s.Commit(t.Context(), b)
	require.NoError(t, err)
	again, err := s.Commit(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, first, again)
	d, err := storetest.Things.Get(t.Context(), s, "ws/a")
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), store.Batch{ID: "gone", Ops: []store.Op{storetest.Things.Delete(d)}})
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), b)
	require.NoError(t, err, "the conditions hold again, the batch must not be applied")
	d, err = storetest.Things.Get(t.Context(), s, "ws/a")
	require.NoError(t, err)
	require.Nil(t, d)
	sums, err := store.Sum(t.Context(), s, "ws", "hits")
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"n": 5}, sums)
}

package storetest

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

var commitCases = []testCase{
	{"insert stores the document at version 1", func(t *testing.T, s store.Store) {
		d := &Doc{Meta: store.Meta{ID: "ws/a"}, Name: ptr("Ada"), N: ptr(int64(-3)), Flag: ptr(false),
			At: ptr(time.UnixMilli(1700000000123).UTC()), Tags: []string{"x", "y"}, In: &Inner{Rank: ptr(int64(7))}, Text: "héllo"}
		commit(t, s, Things.Insert(d))
		require.Zero(t, d.V, "the caller's document changed")
		d.V = 1
		require.Equal(t, d, get(t, s, Things, "ws/a"))
	}},
	{"insert conflicts with a document that exists", func(t *testing.T, s store.Store) {
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, Text: "first"})
		c := refused(t, s, Things.Insert(&Doc{Meta: store.Meta{ID: "ws/a"}, Text: "second"}))
		require.Equal(t, &store.ConflictError{Collection: Things.Spec.Name, ID: "ws/a", Kind: store.OpInsert}, c)
		require.Equal(t, "first", get(t, s, Things, "ws/a").Text)
	}},
	{"insert after delete begins at version 1 again", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/a"))
		commit(t, s, Things.Replace(get(t, s, Things, "ws/a")))
		commit(t, s, Things.Delete(get(t, s, Things, "ws/a")))
		insert(t, s, Things, doc("ws/a"))
		require.EqualValues(t, 1, get(t, s, Things, "ws/a").V)
	}},
	{"insert keeps the version that the document holds", func(t *testing.T, s store.Store) {
		// A restore brings documents back at their versions.
		d := doc("ws/a")
		d.V = 41
		raw, err := Things.Encode(d)
		require.NoError(t, err)
		commit(t, s, store.Op{Kind: store.OpInsert, Spec: Things.Spec, ID: "ws/a", Doc: raw})
		got := get(t, s, Things, "ws/a")
		require.EqualValues(t, 41, got.V)
		commit(t, s, Things.Replace(got))
		require.EqualValues(t, 42, get(t, s, Things, "ws/a").V)
	}},
	{"replace stores over the version read", func(t *testing.T, s store.Store) {
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, Text: "one"})
		for v := range int64(5) {
			d := get(t, s, Things, "ws/a")
			require.Equal(t, v+1, d.V)
			d.Text += "+"
			commit(t, s, Things.Replace(d))
		}
		d := get(t, s, Things, "ws/a")
		require.Equal(t, "one+++++", d.Text)
		require.EqualValues(t, 6, d.V)
	}},
	{"replace conflicts when the version moved", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/a"))
		stale := get(t, s, Things, "ws/a")
		commit(t, s, Things.Replace(get(t, s, Things, "ws/a")))
		c := refused(t, s, Things.Replace(stale))
		require.Equal(t, &store.ConflictError{Collection: Things.Spec.Name, ID: "ws/a", Kind: store.OpReplace}, c)
		require.EqualValues(t, 2, get(t, s, Things, "ws/a").V)
	}},
	{"replace conflicts when the document is missing", func(t *testing.T, s store.Store) {
		d := doc("ws/a")
		d.V = 1
		refused(t, s, Things.Replace(d))
		require.Nil(t, get(t, s, Things, "ws/a"))
	}},
	{"delete removes the version read", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/a"), doc("ws/b"))
		commit(t, s, Things.Delete(get(t, s, Things, "ws/a")))
		require.Nil(t, get(t, s, Things, "ws/a"))
		require.NotNil(t, get(t, s, Things, "ws/b"))
	}},
	{"delete conflicts when the version moved or the document is missing", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/a"))
		stale := get(t, s, Things, "ws/a")
		commit(t, s, Things.Replace(stale))
		c := refused(t, s, Things.Delete(stale))
		require.Equal(t, store.OpDelete, c.Kind)
		require.NotNil(t, get(t, s, Things, "ws/a"))
		missing := doc("ws/none")
		missing.V = 1
		require.Equal(t, "ws/none", refused(t, s, Things.Delete(missing)).ID)
	}},
	{"check demands the version and changes nothing", func(t *testing.T, s store.Store) {
		insert(t, s, Things, &Doc{Meta: store.Meta{ID: "ws/a"}, Text: "kept"})
		d := get(t, s, Things, "ws/a")
		commit(t, s, Things.Check(d), Things.Insert(doc("ws/b")))
		require.Equal(t, d, get(t, s, Things, "ws/a"))
		commit(t, s, Things.Replace(d))
		c := refused(t, s, Things.Check(d), Things.Insert(doc("ws/c")))
		require.Equal(t, &store.ConflictError{Collection: Things.Spec.Name, ID: "ws/a", Kind: store.OpCheck}, c)
		require.Nil(t, get(t, s, Things, "ws/c"))
		missing := doc("ws/none")
		missing.V = 1
		require.Equal(t, "ws/none", refused(t, s, Things.Check(missing)).ID)
	}},
	{"absent demands that there is no document and leaves none", func(t *testing.T, s store.Store) {
		commit(t, s, Things.Absent("ws/a"), Things.Insert(doc("ws/b")))
		require.Nil(t, get(t, s, Things, "ws/a"))
		require.Equal(t, []string{"b"}, find(t, s, Things, store.Query{}))
		c := refused(t, s, Things.Insert(doc("ws/c")), Things.Absent("ws/b"))
		require.Equal(t, &store.ConflictError{Collection: Things.Spec.Name, ID: "ws/b", Kind: store.OpAbsent}, c)
		require.Nil(t, get(t, s, Things, "ws/c"))
		insert(t, s, Things, doc("ws/a"))
	}},
	{"documents come back byte for byte", func(t *testing.T, s store.Store) {
		oid := bson.NewObjectID()
		for i, rest := range []bson.D{
			{},
			{{Key: "n", Value: int64(1)}, {Key: "a", Value: bson.A{}}, {Key: "d", Value: bson.D{}}},
			{{Key: "z", Value: int32(1)}, {Key: "a", Value: 1.5}, {Key: "nan", Value: math.Inf(1)}, {Key: "null", Value: nil}},
			{{Key: "bin", Value: bson.Binary{Subtype: 4, Data: []byte{0, 1, 2}}}, {Key: "oid", Value: oid}},
			{{Key: "_idx", Value: "x"}, {Key: "_", Value: true}, {Key: "e", Value: ""}, {Key: "deep", Value: bson.D{{Key: "_id", Value: "in"}, {Key: "_v", Value: int64(9)}}}},
			{{Key: "arr", Value: bson.A{"x", int64(1), bson.D{{Key: "k", Value: bson.A{nil, "…"}}}}}, {Key: "sz", Value: string(make([]byte, 70000))}},
		} {
			id := store.Key("ws", string(rune('a'+i)))
			raw, err := bson.Marshal(append(bson.D{{Key: "_id", Value: id}, {Key: "_v", Value: int64(1)}}, rest...))
			require.NoError(t, err)
			commit(t, s, store.Op{Kind: store.OpInsert, Spec: Others.Spec, ID: id, Doc: raw})
			got, err := s.Get(t.Context(), Others.Spec, []string{id})
			require.NoError(t, err)
			require.Equal(t, bson.Raw(raw), got[0])
		}
	}},
	{"get answers in the order asked, nil where nothing is", func(t *testing.T, s store.Store) {
		insert(t, s, Things, doc("ws/a"), doc("ws/b"), doc("ws2/a"))
		docs, err := Things.GetMany(t.Context(), s, []string{"ws/b", "ws/none", "ws2/a", "no/a", "ws/a", "ws/b"})
		require.NoError(t, err)
		require.Len(t, docs, 6)
		require.Equal(t, []string{"ws/b", "", "ws2/a", "", "ws/a", "ws/b"}, keysOf(docs))
		none, err := s.Get(t.Context(), Things.Spec, nil)
		require.NoError(t, err)
		require.Empty(t, none)
		odd, err := s.Get(t.Context(), Things.Spec, []string{"", "ws", "ws/"})
		require.NoError(t, err)
		require.Equal(t, []bson.Raw{nil, nil, nil}, odd)
	}},
	{"get takes many keys", func(t *testing.T, s store.Store) {
		var docs []*Doc
		var keys []string
		for i := range 2500 {
			d := doc(store.Key("ws", string(rune(0x4e00+i))))
			docs, keys = append(docs, d), append(keys, d.ID)
		}
		insert(t, s, Things, docs...)
		got, err := Things.GetMany(t.Context(), s, keys)
		require.NoError(t, err)
		require.Equal(t, keys, keysOf(got))
	}},
	{"keys may hold any text", func(t *testing.T, s store.Store) {
		for _, rest := range []string{"email/a@b.c", "a b", "ü/ö", "'\"`;--", "$a.b", "%_*", "\U0001F600", "a\nb", "[x]{y}"} {
			insert(t, s, Things, doc(store.Key("ws", rest)))
			require.NotNil(t, get(t, s, Things, store.Key("ws", rest)), "%q", rest)
		}
	}},
	{"a context that ended has no effect", func(t *testing.T, s store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Commit(ctx, batch(Things.Insert(doc("ws/a"))))
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, get(t, s, Things, "ws/a"))
		_, err = s.Get(ctx, Things.Spec, []string{"ws/a"})
		require.ErrorIs(t, err, context.Canceled)
	}},
	{"a closed store is unavailable", func(t *testing.T, s store.Store) {
		require.NoError(t, s.Ping(t.Context()))
		require.NoError(t, s.Close(t.Context()))
		require.NoError(t, s.Close(t.Context()))
		_, err := s.Commit(t.Context(), batch(Things.Insert(doc("ws/a"))))
		require.ErrorIs(t, err, store.ErrUnavailable)
		_, err = s.Get(t.Context(), Things.Spec, []string{"ws/a"})
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.ErrorIs(t, s.Ping(t.Context()), store.ErrUnavailable)
	}},
	{"a collection that was not declared is refused", func(t *testing.T, s store.Store) {
		strange := store.Declare[Doc](store.Spec{Name: "storetest_strange"})
		_, err := s.Commit(t.Context(), batch(strange.Insert(doc("ws/a"))))
		require.Error(t, err)
		require.False(t, errors.Is(err, store.ErrConflict))
	}},
}

func keysOf(docs []*Doc) []string {
	out := make([]string, len(docs))
	for i, d := range docs {
		if d != nil {
			out[i] = d.ID
		}
	}
	return out
}

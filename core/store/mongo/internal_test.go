package mongo

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

func TestSealAndUnseal(t *testing.T) {
	spec := &store.Spec{Name: "people"}
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: "ws/1"}, {Key: "_v", Value: int64(1)}, {Key: "deep", Value: bson.D{{Key: "_w", Value: "mine"}}}})
	require.NoError(t, err)
	sealed := seal(spec, "ws/1", doc)
	require.NoError(t, sealed.Validate())
	require.Equal(t, "ws", sealed.Lookup("_w").StringValue())
	back, err := unseal(sealed)
	require.NoError(t, err)
	require.Equal(t, bson.Raw(doc), back, "byte for byte")
	require.Equal(t, bson.Raw(doc), seal(&store.Spec{Global: true}, "1", doc))
}

func FuzzUnseal(f *testing.F) {
	doc, err := bson.Marshal(bson.D{{Key: "_id", Value: "ws/1"}, {Key: "_w", Value: "ws"}, {Key: "_c", Value: int64(3)}, {Key: "x", Value: bson.A{1}}})
	require.NoError(f, err)
	f.Add(doc)
	f.Add([]byte{5, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if bson.Raw(b).Validate() != nil {
			return
		}
		out, err := unseal(b)
		require.NoError(t, err)
		require.NoError(t, out.Validate())
		for _, hidden := range []string{workspaceField, checkField, absentField} {
			_, err := out.LookupErr(hidden)
			require.Error(t, err)
		}
	})
}

func TestTokensSortLikeTheStream(t *testing.T) {
	at, later := bson.Timestamp{T: 0x10, I: 0xffffffff}, bson.Timestamp{T: 0x11}
	tokens := []store.Token{inside(at, "82AB"), inside(at, "82AB00"), inside(at, "82B0"), after(at), inside(later, "8200"), after(later)}
	for i, token := range tokens {
		if i > 0 {
			require.Greater(t, token, tokens[i-1])
		}
		ts, err := clusterTime(token)
		require.NoError(t, err)
		if i < 4 {
			require.Equal(t, at, ts)
		} else {
			require.Equal(t, later, ts)
		}
	}
}

// A reader that begins in the middle of a transaction, or outside of one, tells
// what it can.
func TestReaderWithoutTheBatch(t *testing.T) {
	r := &reader{watched: map[string]bool{"people": true}, left: -1}
	e := &event{Type: "update", Time: bson.Timestamp{T: 9, I: 1}, Version: 4}
	e.NS.Coll, e.Key.ID, e.ID.Data = "people", "ws/1", "82"
	c, ok := r.read(e)
	require.True(t, ok)
	require.Equal(t, inside(e.Time, "82"), c.Token)
	require.EqualValues(t, 9, c.At.Unix(), "the commit's second by the server")
	c, _ = r.read(e)
	require.Equal(t, inside(e.Time, "82"), c.Token, "no count to come to an end")
}

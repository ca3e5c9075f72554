package mongo_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

func TestSenselessOperationsNeverReachTheServer(t *testing.T) {
	srv, s := start(t)
	strange := store.Declare[person](store.Spec{Name: "strange"})
	for name, op := range map[string]store.Op{
		"undeclared":         strange.Insert(named("ws/1", "", 0)),
		"unknown":            {Kind: 99, Spec: people.Spec, ID: "ws/1"},
		"another key":        {Kind: store.OpInsert, Spec: people.Spec, ID: "ws/1", Doc: people.Insert(named("ws/2", "", 0)).Doc},
		"no document":        {Kind: store.OpReplace, Spec: people.Spec, ID: "ws/1", Doc: []byte("garbage")},
		"the engine's field": {Kind: store.OpInsert, Spec: people.Spec, ID: "ws/1", Doc: withField(t, people.Insert(named("ws/1", "", 0)).Doc, "_w")},
		"without version":    {Kind: store.OpInsert, Spec: people.Spec, ID: "ws/1", Doc: raw(t, "_id", "ws/1")},
	} {
		_, err := s.Commit(t.Context(), store.Batch{ID: "b", Ops: []store.Op{op}})
		require.Error(t, err, name)
		require.NotErrorIs(t, err, store.ErrConflict, name)
		require.NotContains(t, err.Error(), "ws/", "keys may hold personal values")
	}
	require.Empty(t, srv.Commands())
}

func withField(t *testing.T, doc bson.Raw, name string) bson.Raw {
	t.Helper()
	var d bson.D
	require.NoError(t, bson.Unmarshal(doc, &d))
	b, err := bson.Marshal(append(d, bson.E{Key: name, Value: "x"}))
	require.NoError(t, err)
	return b
}

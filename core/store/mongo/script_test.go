package mongo_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/scripted"
)

type person struct {
	store.Meta `bson:",inline"`
	Name       string   `bson:"name"`
	Age        int64    `bson:"age"`
	Tags       []string `bson:"tags,omitempty"`
}

var (
	people = store.Declare[person](store.Spec{Name: "people", Indexes: []store.Index{
		store.On("name", "-age"), store.On("tags[]", "age"), store.On("words[]"),
	}})
	pets  = store.Declare[person](store.Spec{Name: "pets"})
	rooms = store.Declare[person](store.Spec{Name: "rooms", Global: true, Indexes: []store.Index{store.On("name")}})
)

// start opens a store on a scripted server and forgets how it was opened.
func start(t *testing.T, configure ...func(*scripted.Server)) (*scripted.Server, *mongo.Store) {
	t.Helper()
	srv := scripted.New(t)
	for _, f := range configure {
		f(srv)
	}
	s, err := mongo.Open(t.Context(), mongo.Options{URI: srv.URI("shop")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	require.NoError(t, s.Declare(t.Context(), people.Spec, pets.Spec, rooms.Spec))
	srv.Reset()
	return srv, s
}

func named(id, name string, v int64) *person {
	return &person{Meta: store.Meta{ID: id, V: v}, Name: name}
}

// text is the canonical form of a part of a command, for comparing.
func text(t *testing.T, cmd bson.Raw, path ...string) string {
	t.Helper()
	v, err := cmd.LookupErr(path...)
	require.NoError(t, err, "%v in %s", path, cmd)
	b, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v}}, false, false)
	require.NoError(t, err)
	return string(b[len(`{"v":`) : len(b)-1])
}

func has(cmd bson.Raw, path ...string) bool {
	_, err := cmd.LookupErr(path...)
	return err == nil
}

func insertOp(c *store.Collection[person], id string) store.Op { return c.Insert(named(id, "n", 0)) }

func fields(t *testing.T, doc bson.Raw) []string {
	t.Helper()
	elems, err := doc.Elements()
	require.NoError(t, err)
	var names []string
	for _, e := range elems {
		names = append(names, e.Key())
	}
	return names
}

func raw(t *testing.T, key string, v any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(bson.D{{Key: key, Value: v}})
	require.NoError(t, err)
	return b
}

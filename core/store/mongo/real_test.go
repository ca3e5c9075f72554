package mongo_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo"
	"github.com/headwater-cdp/headwater/core/store/storetest"
)

const realVar = "HEADWATER_TEST_MONGO_URI"

var realDatabases atomic.Int64

// onDatabase returns the connection string for another database of the same
// server. Credentials stay those of the database that the string named.
func onDatabase(uri, database string) string {
	scheme, rest, _ := strings.Cut(uri, "://")
	rest, query, _ := strings.Cut(rest, "?")
	at := strings.LastIndexByte(rest, '@')
	hosts, old, _ := strings.Cut(rest[at+1:], "/")
	values, _ := url.ParseQuery(query)
	if at >= 0 && !values.Has("authSource") {
		if old == "" {
			old = "admin"
		}
		values.Set("authSource", old)
	}
	return scheme + "://" + rest[:at+1] + hosts + "/" + database + "?" + values.Encode()
}

// realURI returns the connection string of a fresh database of the server under
// test, which is dropped with the test.
func realURI(t *testing.T) string {
	t.Helper()
	base := os.Getenv(realVar)
	if base == "" {
		t.Skip("no MongoDB: set " + realVar + " to run this against a replica set")
	}
	name := fmt.Sprintf("headwater_test_%d_%d", time.Now().UnixNano(), realDatabases.Add(1))
	uri := onDatabase(base, name)
	t.Cleanup(func() {
		c, err := driver.Connect(options.Client().ApplyURI(uri))
		require.NoError(t, err)
		require.NoError(t, c.Database(name).Drop(context.Background()))
		require.NoError(t, c.Disconnect(context.Background()))
	})
	return uri
}

func openReal(t *testing.T, o mongo.Options) *mongo.Store {
	t.Helper()
	s, err := mongo.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
	return s
}

func onReal(t *testing.T) store.Store { return openReal(t, mongo.Options{URI: realURI(t)}) }

func TestRealConformance(t *testing.T) {
	realURI(t)
	storetest.Run(t, onReal)
}

func TestRealEquivalent(t *testing.T) {
	c, err := driver.Connect(options.Client().ApplyURI(realURI(t)))
	require.NoError(t, err)
	defer c.Disconnect(context.Background())
	var hello struct {
		Wire int32 `bson:"maxWireVersion"`
	}
	require.NoError(t, c.Database("admin").RunCommand(t.Context(), bson.D{{Key: "hello", Value: 1}}).Decode(&hello))
	if hello.Wire < 25 {
		t.Skip("before 8.0 the changes of one commit come by collection, not in the order of its operations")
	}
	storetest.Equivalent(t, func(*testing.T) store.Store { return storetest.NewModel() }, onReal)
}

// TestRealTokens is about what the engine assumes of the server's times.
func TestRealTokens(t *testing.T) {
	uri := realURI(t)
	clock := core.NewVirtualClock(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))
	writer, watcher := openReal(t, mongo.Options{URI: uri, Clock: clock}), openReal(t, mongo.Options{URI: uri})
	for _, s := range []*mongo.Store{writer, watcher} {
		require.NoError(t, s.Declare(t.Context(), people.Spec, pets.Spec))
	}
	from, err := watcher.Now(t.Context())
	require.NoError(t, err)
	b := store.Batch{ID: "b", Ops: []store.Op{insertOp(people, "ws/1"), people.Absent("ws/2"), insertOp(pets, "ws/1")}}
	token, err := writer.Commit(t.Context(), b)
	require.NoError(t, err)
	require.Greater(t, token, from)
	st := watch(t, watcher, from)
	first, last := next(t, st), next(t, st)
	require.Greater(t, last.Token, first.Token)
	require.Equal(t, token, last.Token, "a commit's token is that of its last change")
	require.Equal(t, clock.Now(), first.At, "by the clock of the committing store")

	again, err := watcher.Commit(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, token, again, "found by its id")
}

func TestOnDatabase(t *testing.T) {
	for uri, want := range map[string]string{
		"mongodb://h:1,i:2":                        "mongodb://h:1,i:2/x?",
		"mongodb://h/db?replicaSet=rs0":            "mongodb://h/x?replicaSet=rs0",
		"mongodb://u:p@h":                          "mongodb://u:p@h/x?authSource=admin",
		"mongodb://u:p@h/db":                       "mongodb://u:p@h/x?authSource=db",
		"mongodb+srv://u:p@h/db?authSource=%24ext": "mongodb+srv://u:p@h/x?authSource=%24ext",
	} {
		require.Equal(t, want, onDatabase(uri, "x"))
	}
}

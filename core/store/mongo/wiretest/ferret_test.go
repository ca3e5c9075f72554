package wiretest

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/FerretDB/FerretDB/ferretdb"
	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/bare"
	"github.com/headwater-cdp/headwater/core/store/storetest"
)

// serve starts FerretDB for the length of a test and returns its address.
func serve(t *testing.T) string {
	t.Helper()
	f, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.DiscardHandler),
		Handler:   "sqlite",
		SQLiteURL: "file:" + t.TempDir() + "/?_pragma=synchronous(off)",
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = f.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return strings.TrimSuffix(f.MongoDBURI(), "/")
}

var databases atomic.Int64

// factory opens a store on a database of its own.
func factory(uri string) storetest.Factory {
	return func(t *testing.T) store.Store {
		o := mongo.Options{URI: fmt.Sprintf("%s/test%d", uri, databases.Add(1))}
		s, err := mongo.Open(t.Context(), o.WithoutTransactions(bare.Permit{PlainIndexes: true}))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close(context.Background())) })
		return s
	}
}

func TestConformance(t *testing.T) {
	storetest.RunExcept(t, factory(serve(t)), exceptions)
}

// TestAStandaloneIsRefused meets a real server that is no replica set without the
// permit.
func TestAStandaloneIsRefused(t *testing.T) {
	_, err := mongo.Open(t.Context(), mongo.Options{URI: serve(t) + "/test"})
	require.ErrorContains(t, err, "rs.initiate()")
}

package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

type hubDoc struct {
	store.Meta `bson:",inline"`
	N          int `bson:"n"`
}

var hubDocs = store.Declare[hubDoc](store.Spec{Name: "hub_docs"})

func hubStore(t *testing.T) store.Store {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) }) // after the store is closed
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "hub.db")})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	require.NoError(t, db.Declare(t.Context(), hubDocs.Spec))
	return db
}

// bump makes a document or raises its version by one.
func bump(t *testing.T, db store.Store, key string) {
	t.Helper()
	d, err := hubDocs.Get(t.Context(), db, key)
	require.NoError(t, err)
	if d == nil {
		d = &hubDoc{Meta: store.Meta{ID: key}}
	}
	d.N++
	_, err = db.Commit(t.Context(), store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: []store.Op{hubDocs.Put(d)}})
	require.NoError(t, err)
}

// Subscribers that join at any moment, from any earlier token, fast or slow, hear
// of every version of their documents once and in order.
func TestHubNoGapNoDuplicate(t *testing.T) {
	db := hubStore(t)
	hub := store.NewHub(t.Context(), db)
	defer hub.Close()
	keys := make([]string, 8)
	for i := range keys {
		keys[i] = fmt.Sprintf("ws_1/doc-%d", i)
	}
	const rounds = 480
	type listener struct {
		from   int64 // version of its key at its token
		key    string
		filter store.Filter
		token  store.Token
		slow   bool
	}
	var wg sync.WaitGroup
	versions := map[string]int64{}
	listen := func(l listener) {
		wg.Go(func() {
			stream, err := hub.Subscribe(t.Context(), l.token, l.filter)
			if !assertNoError(t, err) {
				return
			}
			defer stream.Close()
			next := l.from
			for next < rounds/int64(len(keys)) {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				c, err := stream.Next(ctx)
				cancel()
				if !assertNoError(t, err) {
					return
				}
				if c.Key != l.key { // a prefix hears of more than it counts
					continue
				}
				if next++; c.Version != next {
					t.Errorf("%s: got version %d, want %d", l.key, c.Version, next)
					return
				}
				if l.slow {
					time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
				}
			}
		})
	}
	var tokens []listener
	for i := range rounds {
		key := keys[i%len(keys)]
		if i%7 == 0 {
			now, err := db.Now(t.Context())
			require.NoError(t, err)
			l := listener{from: versions[key], key: key, token: now, filter: store.Filter{Spec: hubDocs.Spec, Keys: []string{key}}, slow: i%2 == 0}
			if i%3 == 0 {
				l.filter = store.Filter{Spec: hubDocs.Spec, Prefix: "ws_1/"}
			}
			tokens = append(tokens, l)
		}
		if len(tokens) > 0 && i%11 == 0 { // joins late, from an old token
			n := rand.IntN(len(tokens))
			listen(tokens[n])
		}
		bump(t, db, key)
		versions[key]++
	}
	wg.Wait()
}

// A subscriber that does not read costs a short queue, and misses nothing when it
// comes back.
func TestHubSlowSubscriber(t *testing.T) {
	db := hubStore(t)
	hub := store.NewHub(t.Context(), db)
	defer hub.Close()
	token, err := hub.Now(t.Context())
	require.NoError(t, err)
	stream, err := hub.Subscribe(t.Context(), token, store.Filter{Spec: hubDocs.Spec, Keys: []string{"ws_1/a"}})
	require.NoError(t, err)
	defer stream.Close()
	const n = 700 // more than a queue holds
	for range n {
		bump(t, db, "ws_1/a")
	}
	for want := int64(1); want <= n; want++ {
		c, err := stream.Next(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, c.Version)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = stream.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded, "nothing twice")
}

// Closing the hub or the context ends everything that they began.
func TestHubEnds(t *testing.T) {
	db := hubStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	hub := store.NewHub(ctx, db)
	now, err := db.Now(t.Context())
	require.NoError(t, err)
	stream, err := hub.Subscribe(ctx, now, store.Filter{Spec: hubDocs.Spec})
	require.NoError(t, err)
	cancel()
	_, err = stream.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, stream.Close())
	require.NoError(t, hub.Close())
}

func assertNoError(t *testing.T, err error) bool {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

package mongo_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/scripted"
)

// told is an event as the server would project it.
type told struct {
	ts      uint32
	n       int // the place in the transaction
	txn     int64
	typ     string
	coll    string
	id      string
	version any
	extra   bson.D
}

func (e told) doc() bson.D {
	d := bson.D{
		{Key: "_id", Value: bson.D{{Key: "_data", Value: fmt.Sprintf("82%08X%04X", e.ts, e.n)}}},
		{Key: "operationType", Value: e.typ},
		{Key: "ns", Value: bson.D{{Key: "coll", Value: e.coll}}},
		{Key: "documentKey", Value: bson.D{{Key: "_id", Value: e.id}}},
		{Key: "clusterTime", Value: bson.Timestamp{T: e.ts, I: 1}},
		{Key: "wallTime", Value: time.Unix(int64(e.ts), 0)},
	}
	if e.txn > 0 {
		d = append(d, bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: "s"}}}, bson.E{Key: "txnNumber", Value: e.txn})
	}
	if e.version != nil {
		d = append(d, bson.E{Key: "version", Value: e.version})
	}
	return append(d, e.extra...)
}

var commitClock = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// twoCommits are two transactions: the first inserts into two collections and
// checks an absence, the second replaces and deletes.
func twoCommits() []bson.D {
	marker := func(changes bson.D) bson.D {
		return bson.D{{Key: "at", Value: commitClock}, {Key: "changes", Value: changes}}
	}
	var out []bson.D
	for _, e := range []told{
		{2000, 0, 1, "insert", "_batches", "b1", nil, marker(bson.D{{Key: "people", Value: 2}, {Key: "pets", Value: 1}})},
		{2000, 1, 1, "insert", "people", "ws/1", int64(1), nil},
		{2000, 2, 1, "insert", "people", "ws/absent", nil, bson.D{{Key: "absent", Value: true}}},
		{2000, 3, 1, "insert", "pets", "ws/2", int64(1), nil},
		{2000, 4, 1, "update", "people", "ws/3", int64(8), nil},
		{2000, 5, 1, "delete", "people", "ws/absent", nil, nil},
		{2001, 0, 2, "insert", "_batches", "b2", nil, marker(bson.D{{Key: "people", Value: 2}})},
		{2001, 1, 2, "replace", "people", "ws/1", int64(2), nil},
		{2001, 2, 2, "delete", "people", "ws/3", nil, nil},
	} {
		out = append(out, e.doc())
	}
	return out
}

const from = store.Token("000007cf00000001~") // 1999

func next(t *testing.T, st store.Stream) store.Change {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := st.Next(ctx)
	require.NoError(t, err)
	return c
}

func watch(t *testing.T, s store.Store, after store.Token, specs ...*store.Spec) store.Stream {
	t.Helper()
	st, err := s.Watch(t.Context(), after, specs...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return st
}

func TestWatchTellsOfChangesOnly(t *testing.T) {
	srv, s := start(t)
	srv.On("aggregate", scripted.Stream(twoCommits()[:4]...))
	srv.On("getMore", scripted.More(twoCommits()[4:]...))
	st := watch(t, s, from)
	at := commitClock
	for _, want := range []store.Change{
		{Token: "000007d000000001.82000007D00001", Collection: "people", Key: "ws/1", Version: 1, Kind: store.Inserted, At: at},
		{Token: "000007d000000001.82000007D00003", Collection: "pets", Key: "ws/2", Version: 1, Kind: store.Inserted, At: at},
		{Token: "000007d000000001~", Collection: "people", Key: "ws/3", Version: 8, Kind: store.Updated, At: at},
		{Token: "000007d100000001.82000007D10001", Collection: "people", Key: "ws/1", Version: 2, Kind: store.Updated, At: at},
		{Token: "000007d100000001~", Collection: "people", Key: "ws/3", Kind: store.Deleted, At: at},
	} {
		require.Equal(t, want, next(t, st))
	}
}

func TestTheLastChangeOfACommitHasItsToken(t *testing.T) {
	srv, s := start(t)
	srv.On("aggregate", scripted.Stream(twoCommits()...))
	st := watch(t, s, from, pets.Spec)
	require.Equal(t, store.Token("000007d000000001~"), next(t, st).Token, "also when not all of it is watched")
}

func TestWatchGoesOnFromEveryToken(t *testing.T) {
	srv, s := start(t)
	srv.On("aggregate", scripted.Stream(twoCommits()...))
	var all []store.Change
	st := watch(t, s, from)
	for range 5 {
		all = append(all, next(t, st))
	}
	last := from
	for i, c := range all {
		require.Greater(t, c.Token, last, "tokens grow")
		last = c.Token
		if i == len(all)-1 {
			break
		}
		// The server sends everything from the time of the commit on.
		srv.Reset()
		srv.On("aggregate", scripted.Stream(twoCommits()...))
		rest := watch(t, s, c.Token)
		for _, want := range all[i+1:] {
			require.Equal(t, want, next(t, rest))
		}
		require.Equal(t, fmt.Sprintf(`{"$timestamp":{"t":%d,"i":1}}`, 2000+i/3), text(t, srv.Commands("aggregate")[0], "pipeline", "0", "$changeStream", "startAtOperationTime"))
	}
}

func TestAShardedStreamRepeatsRatherThanLeavesOut(t *testing.T) {
	srv, s := start(t, func(s *scripted.Server) { s.Sharded = true })
	other := told{2000, 9, 7, "insert", "people", "ws/9", int64(1), nil} // on another shard, at the same time
	events := append(twoCommits()[:6:6], other.doc())
	srv.On("aggregate", scripted.Stream(events...), scripted.Stream(events...))
	var keys []string
	var tokens []store.Token
	st := watch(t, s, "000007d000000001~")
	for range 4 {
		c := next(t, st)
		keys, tokens = append(keys, c.Key), append(tokens, c.Token)
	}
	require.Equal(t, []string{"ws/1", "ws/2", "ws/3", "ws/9"}, keys)
	require.Equal(t, "ws/9", next(t, watch(t, s, tokens[2])).Key, "from a change it goes on exactly")
}

func TestTheStreamIsAskedForWithoutValues(t *testing.T) {
	srv, s := start(t)
	watch(t, s, from, people.Spec, pets.Spec)
	cmd := srv.Commands("aggregate")[0]
	require.Equal(t, "1", text(t, cmd, "aggregate"), "on the database")
	require.Equal(t, `{"startAtOperationTime":{"$timestamp":{"t":1999,"i":1}}}`, text(t, cmd, "pipeline", "0", "$changeStream"), "no full document is looked up")
	require.JSONEq(t, `{"$or":[
		{"operationType":{"$in":["insert","replace","delete"]},"ns.coll":{"$in":["people","pets"]}},
		{"operationType":"update","ns.coll":{"$in":["people","pets"]},"updateDescription.updatedFields._v":{"$exists":true}},
		{"operationType":"insert","ns.coll":"_batches"}]}`, text(t, cmd, "pipeline", "1", "$match"))
	require.JSONEq(t, `{"operationType":1,"ns.coll":1,"documentKey._id":1,"clusterTime":1,"wallTime":1,"lsid":1,"txnNumber":1,
		"version":{"$ifNull":["$fullDocument._v","$updateDescription.updatedFields._v"]},
		"absent":"$fullDocument._a","at":"$fullDocument._at","changes":"$fullDocument._n"}`, text(t, cmd, "pipeline", "2", "$project"))
	require.Contains(t, text(t, cmd, "readConcern"), `"level":"majority"`)
}

func TestLostHistoryIsAnExpiredToken(t *testing.T) {
	for _, code := range []int32{286, 280, 136} {
		srv, s := start(t)
		srv.On("aggregate", scripted.Fail(code, "Lost"), scripted.Fail(code, "Lost"))
		_, err := s.Watch(t.Context(), from)
		require.ErrorIs(t, err, store.ErrTokenExpired, "at once, %d", code)

		srv, s = start(t)
		srv.On("getMore", scripted.Fail(286, "ChangeStreamHistoryLost"))
		st := watch(t, s, from)
		_, err = st.Next(t.Context())
		require.ErrorIs(t, err, store.ErrTokenExpired, "on Next")
	}
}

func TestAStreamOutlivesTheContextOfANext(t *testing.T) {
	srv, s := start(t)
	release := make(chan struct{})
	srv.On("getMore", func(cmd bson.Raw) bson.D {
		<-release
		return scripted.More(twoCommits()...)(cmd)
	})
	st := watch(t, s, from)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := st.Next(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	close(release)
	require.Equal(t, "ws/1", next(t, st).Key)
}

func TestABrokenStreamGoesOn(t *testing.T) {
	srv, s := start(t)
	srv.On("aggregate", scripted.Stream(twoCommits()[:2]...), scripted.Stream(twoCommits()[2:]...))
	srv.On("getMore", scripted.Drop())
	st := watch(t, s, from)
	require.Equal(t, "ws/1", next(t, st).Key)
	require.Equal(t, store.Token("000007d000000001.82000007D00003"), next(t, st).Token, "in the same commit")
	require.Equal(t, commitClock, next(t, st).At)
	require.Len(t, srv.Commands("aggregate"), 2)
}

func TestAStreamEndsWithItsStore(t *testing.T) {
	_, s := start(t)
	st := watch(t, s, from)
	done := make(chan error, 1)
	go func() {
		_, err := st.Next(context.Background())
		done <- err
	}()
	require.NoError(t, s.Close(t.Context()))
	require.ErrorIs(t, <-done, store.ErrUnavailable)
}

func TestStrangeTokens(t *testing.T) {
	_, s := start(t)
	for _, token := range []store.Token{"", "no token", "000007d000000001", "000007d000000001~x", "zzzzzzzzzzzzzzzz~"} {
		_, err := s.Watch(t.Context(), token)
		require.ErrorIs(t, err, store.ErrBadCursor, "%q", token)
	}
}

func TestNowIsTheTimeOfAMajority(t *testing.T) {
	srv, s := start(t)
	srv.On("find _batches", scripted.Say(bson.D{{Key: "ok", Value: 1}, {Key: "operationTime", Value: bson.Timestamp{T: 3000, I: 4}},
		{Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "shop._batches"}, {Key: "firstBatch", Value: bson.A{}}}}}))
	token, err := s.Now(t.Context())
	require.NoError(t, err)
	require.Equal(t, store.Token("00000bb800000004~"), token)
	require.Contains(t, text(t, srv.Commands("find")[0], "readConcern"), `"level":"majority"`)
}

package mongo_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/scripted"
)

const (
	transient = "TransientTransactionError"
	unknown   = "UnknownTransactionCommitResult"
)

func one() store.Batch { return store.Batch{ID: "b1", Ops: []store.Op{insertOp(people, "ws/1")}} }

func TestATransientFailureRepeatsTheTransaction(t *testing.T) {
	for name, script := range map[string]func(*scripted.Server){
		"of the id":  func(s *scripted.Server) { s.On("insert _batches", scripted.Fail(112, "WriteConflict", transient)) },
		"of a write": func(s *scripted.Server) { s.On("insert people", scripted.Fail(112, "WriteConflict", transient)) },
		"of the commit": func(s *scripted.Server) {
			s.On("commitTransaction", scripted.Fail(251, "NoSuchTransaction", transient))
		},
		"of the connection": func(s *scripted.Server) { s.On("insert people", scripted.Drop()) },
	} {
		t.Run(name, func(t *testing.T) {
			srv, s := start(t)
			script(srv)
			_, err := s.Commit(t.Context(), one())
			require.NoError(t, err)
			ids := map[string]bool{}
			txns := map[string]bool{}
			for _, c := range srv.Commands("insert") {
				if has(c, "startTransaction") {
					ids[text(t, c, "documents", "0", "_id")] = true
					txns[text(t, c, "lsid")+text(t, c, "txnNumber")] = true
				}
			}
			require.Len(t, txns, 2, "a new transaction")
			require.Equal(t, map[string]bool{`"b1"`: true}, ids, "of the same batch")
		})
	}
}

func TestATransientBulkAcrossCollectionsRepeatsToo(t *testing.T) {
	srv, s := start(t, func(s *scripted.Server) { s.Wire = 25 })
	srv.On("bulkWrite", scripted.Fail(112, "WriteConflict", transient))
	_, err := s.Commit(t.Context(), one())
	require.NoError(t, err)
	require.Equal(t, []string{"insert", "bulkWrite", "abortTransaction", "insert", "bulkWrite", "commitTransaction"}, srv.Names())
}

func TestAnUnknownCommitIsAskedForAgain(t *testing.T) {
	srv, s := start(t)
	srv.On("commitTransaction", scripted.Fail(91, "ShutdownInProgress", unknown), scripted.Fail(50, "MaxTimeMSExpired"), scripted.Plain())
	srv.On("find _batches", scripted.Docs(bson.D{{Key: "_id", Value: "b1"}, {Key: "ts", Value: bson.Timestamp{T: 3, I: 1}}}))
	srv.On("aggregate", scripted.Stream(bson.D{{Key: "_id", Value: bson.D{{Key: "_data", Value: "AA"}}}, {Key: "clusterTime", Value: bson.Timestamp{T: 3, I: 2}}}))
	token, err := s.Commit(t.Context(), one())
	require.NoError(t, err)
	require.Equal(t, store.Token("0000000300000002~"), token, "not the time of the second answer")
	commits := srv.Commands("commitTransaction")
	require.GreaterOrEqual(t, len(commits), 3)
	for _, c := range commits {
		require.Equal(t, text(t, commits[0], "txnNumber"), text(t, c, "txnNumber"), "the same transaction")
		require.Contains(t, text(t, c, "writeConcern"), `"w":"majority"`)
	}
	require.Len(t, srv.Commands("insert"), 2, "its statements are not sent again")
}

func TestACommitThatTheDriverRepeatsHasItsOwnToken(t *testing.T) {
	srv, s := start(t)
	// A write concern that fails for a step-down: the driver asks again unseen.
	srv.On("commitTransaction", scripted.Say(bson.D{{Key: "ok", Value: 1}, {Key: "writeConcernError", Value: bson.D{
		{Key: "code", Value: 91}, {Key: "codeName", Value: "ShutdownInProgress"}, {Key: "errmsg", Value: "bye"}}},
		{Key: "errorLabels", Value: bson.A{"RetryableWriteError"}}}), scripted.Plain())
	srv.On("find _batches", scripted.Docs(bson.D{{Key: "_id", Value: "b1"}, {Key: "ts", Value: bson.Timestamp{T: 3, I: 1}}}))
	srv.On("aggregate", scripted.Stream(bson.D{{Key: "_id", Value: bson.D{{Key: "_data", Value: "AA"}}}, {Key: "clusterTime", Value: bson.Timestamp{T: 3, I: 2}}}))
	token, err := s.Commit(t.Context(), one())
	require.NoError(t, err)
	require.Len(t, srv.Commands("commitTransaction"), 2)
	require.Equal(t, store.Token("0000000300000002~"), token)
}

func TestALostCommitIsFoundByItsId(t *testing.T) {
	srv, s := start(t)
	// The commit took effect, its answer was lost, and the next primary no longer
	// knows the transaction: only the id of the batch can tell.
	srv.On("commitTransaction", scripted.Fail(91, "ShutdownInProgress", unknown), scripted.Fail(91, "ShutdownInProgress", unknown),
		scripted.Fail(251, "NoSuchTransaction", transient))
	srv.On("insert _batches", scripted.Plain(), scripted.Reject(0, 11000))
	srv.On("find _batches", scripted.Docs(bson.D{{Key: "_id", Value: "b1"}, {Key: "ts", Value: bson.Timestamp{T: 3, I: 1}}}))
	srv.On("aggregate", scripted.Fail(286, "ChangeStreamHistoryLost"))
	token, err := s.Commit(t.Context(), one())
	require.NoError(t, err)
	require.Equal(t, store.Token("0000000300000001~"), token, "without history the time of the id does: nothing is left out after it")
	require.Len(t, srv.Commands("insert"), 3, "id, write, id again")
}

func TestACommitThatNeverSucceedsIsUnavailable(t *testing.T) {
	t.Parallel()
	srv, s := start(t)
	for range 2000 {
		srv.On("insert _batches", scripted.Fail(112, "WriteConflict", transient))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := s.Commit(ctx, one())
	require.ErrorIs(t, err, context.DeadlineExceeded, "the caller's time")

	began := time.Now()
	_, err = s.Commit(t.Context(), one())
	require.ErrorIs(t, err, store.ErrUnavailable, "the batch's time")
	require.InDelta(t, store.MaxTime.Seconds(), time.Since(began).Seconds(), 1.5)
}

func TestErrorsOfTheServer(t *testing.T) {
	for code, want := range map[int32]error{
		14031: store.ErrUnavailable, // OutOfDiskSpace
		10107: store.ErrUnavailable, // NotWritablePrimary
		100:   store.ErrUnavailable, // UnsatisfiableWriteConcern
		257:   store.ErrTooLarge,    // TransactionTooLarge
		10334: store.ErrTooLarge,    // BSONObjectTooLarge
		14:    nil,                  // TypeMismatch: nobody's language but the server's
	} {
		srv, s := start(t)
		srv.On("insert people", scripted.Fail(code, "Name"))
		_, err := s.Commit(t.Context(), one())
		require.Error(t, err)
		require.NotContains(t, err.Error(), "secret", "the server's words may quote values")
		if want != nil {
			require.ErrorIs(t, err, want, "code %d", code)
		} else {
			require.NotErrorIs(t, err, store.ErrUnavailable)
			require.NotErrorIs(t, err, store.ErrConflict)
		}
		require.Len(t, srv.Commands("abortTransaction"), 1)
	}
}

func TestAFullDeviceUnderAnyCode(t *testing.T) {
	srv, s := start(t)
	srv.On("insert people", scripted.Say(bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 8}, {Key: "errmsg", Value: "write: No space left on device"}}))
	_, err := s.Commit(t.Context(), one())
	require.ErrorIs(t, err, store.ErrUnavailable)
}

func TestACallerThatLeavesDoesNotUndoACommit(t *testing.T) {
	srv, s := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	srv.On("commitTransaction", func(bson.Raw) bson.D {
		cancel()
		time.Sleep(20 * time.Millisecond)
		return bson.D{{Key: "ok", Value: 1}}
	})
	_, err := s.Commit(ctx, one())
	require.NoError(t, err)
	require.Equal(t, "insert insert commitTransaction", strings.Join(srv.Names(), " "))
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	srv := scripted.New(t)
	s, err := mongo.Open(t.Context(), mongo.Options{URI: srv.URI("shop") + "?serverSelectionTimeoutMS=200"})
	require.NoError(t, err)
	defer s.Close(context.Background())
	require.NoError(t, s.Declare(t.Context(), people.Spec))
	srv.Stop()
	_, err = s.Get(t.Context(), people.Spec, []string{"ws/1"})
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = s.Commit(t.Context(), one())
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorIs(t, s.Ping(t.Context()), store.ErrUnavailable)
	_, err = s.Now(t.Context())
	require.ErrorIs(t, err, store.ErrUnavailable)
}

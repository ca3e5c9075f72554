package mongo_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/scripted"
)

func batchOfAll() store.Batch {
	return store.Batch{ID: "b1", Ops: []store.Op{
		people.Insert(named("ws/1", "Ada", 0)),
		people.Replace(named("ws/2", "Bob", 7)),
		pets.Delete(named("ws/3", "", 4)),
		people.Check(named("ws/4", "", 5)),
		people.Absent("ws/5"),
		pets.Add("ws/6", map[string]int64{"n.a": 2}),
		rooms.Insert(named("hall", "Hall", 0)),
	}}
}

func TestCommitIsOneTransaction(t *testing.T) {
	srv, s := start(t)
	srv.On("commitTransaction", scripted.Say(bson.D{{Key: "ok", Value: 1}, {Key: "operationTime", Value: bson.Timestamp{T: 0x6500, I: 9}}}))
	token, err := s.Commit(t.Context(), batchOfAll())
	require.NoError(t, err)
	require.Equal(t, store.Token("0000650000000009~"), token)

	cmds := srv.Commands()
	require.Equal(t, []string{"insert", "insert", "update", "delete", "update", "insert", "delete", "commitTransaction"}, srv.Names())

	first := cmds[0]
	require.Equal(t, `"_batches"`, text(t, first, "insert"), "the id of the batch goes first")
	require.Equal(t, `"b1"`, text(t, first, "documents", "0", "_id"))
	require.Equal(t, `{"$timestamp":{"t":0,"i":0}}`, text(t, first, "documents", "0", "ts"), "for the server to fill in")
	require.WithinDuration(t, time.Now(), first.Lookup("documents", "0", "at").Time(), time.Minute)
	require.Equal(t, "true", text(t, first, "startTransaction"))
	require.Contains(t, text(t, first, "readConcern"), `"level":"snapshot"`)

	lsid, txn := text(t, first, "lsid"), text(t, first, "txnNumber")
	for i, c := range cmds {
		require.Equal(t, "false", text(t, c, "autocommit"), "%s", c)
		require.Equal(t, lsid, text(t, c, "lsid"))
		require.Equal(t, txn, text(t, c, "txnNumber"))
		require.Equal(t, i > 0, !has(c, "startTransaction"), "%s", c)
		require.Equal(t, i > 0, !has(c, "readConcern"), "%s", c)
		last := i == len(cmds)-1
		require.Equal(t, last, has(c, "writeConcern"), "a concern belongs to the commit alone: %s", c)
		if i > 0 && !last {
			require.Equal(t, "false", text(t, c, "ordered"))
		}
	}
	require.JSONEq(t, `{"w":"majority","j":true}`, text(t, cmds[len(cmds)-1], "writeConcern"))
}

func TestCommitSaysWhatEachOperationMeans(t *testing.T) {
	srv, s := start(t)
	_, err := s.Commit(t.Context(), batchOfAll())
	require.NoError(t, err)
	cmds := srv.Commands()

	require.JSONEq(t, `{"_id":"ws/1","_v":1,"name":"Ada","age":0,"_w":"ws"}`, text(t, cmds[1], "documents", "0"))
	require.JSONEq(t, `{"_id":"ws/5","_a":true}`, text(t, cmds[1], "documents", "1"), "absence is a placeholder under the key")

	require.JSONEq(t, `{"_id":"ws/2","_v":7}`, text(t, cmds[2], "updates", "0", "q"))
	require.JSONEq(t, `{"_id":"ws/2","_v":8,"name":"Bob","age":0,"_w":"ws"}`, text(t, cmds[2], "updates", "0", "u"))
	require.JSONEq(t, `{"_id":"ws/4","_v":5}`, text(t, cmds[2], "updates", "1", "q"))
	require.JSONEq(t, `{"$inc":{"_c":1}}`, text(t, cmds[2], "updates", "1", "u"), "a check is a real write")

	require.JSONEq(t, `{"_id":"ws/3","_v":4}`, text(t, cmds[3], "deletes", "0", "q"))
	require.JSONEq(t, `{"q":{"_id":"ws/6"},"u":{"$inc":{"_v":1,"n.a":2},"$setOnInsert":{"_w":"ws"}},"upsert":true}`, text(t, cmds[4], "updates", "0"))
	require.JSONEq(t, `{"_id":"hall","_v":1,"name":"Hall","age":0}`, text(t, cmds[5], "documents", "0"), "global: no workspace")

	require.JSONEq(t, `{"_id":"ws/5","_a":true}`, text(t, cmds[6], "deletes", "0", "q"), "and the placeholder goes in the same transaction")
	require.JSONEq(t, `{"people":2,"pets":2,"rooms":1}`, text(t, cmds[0], "documents", "0", "_n"), "checks are no changes")
}

func TestCommitOfAnOlderBatchIdChecksTheMajority(t *testing.T) {
	srv, s := start(t)
	ts := bson.Timestamp{T: 7, I: 1}
	srv.On("insert", scripted.Reject(0, 11000))
	// The first read at a majority does not see it yet.
	srv.On("find _batches", scripted.Docs(), scripted.Docs(bson.D{{Key: "_id", Value: "b1"}, {Key: "ts", Value: ts}}))
	srv.On("aggregate", scripted.Stream(bson.D{{Key: "_id", Value: bson.D{{Key: "_data", Value: "AA"}}}, {Key: "clusterTime", Value: bson.Timestamp{T: 7, I: 5}}}))
	token, err := s.Commit(t.Context(), batchOfAll())
	require.NoError(t, err, "a second commit succeeds")
	require.Equal(t, store.Token("0000000700000005~"), token, "with the first one's token")

	require.Empty(t, srv.Commands("update", "delete", "commitTransaction"), "and without effect")
	require.Len(t, srv.Commands("insert"), 1)
	require.Len(t, srv.Commands("find"), 2)
	for _, c := range srv.Commands("find") {
		require.Contains(t, text(t, c, "readConcern"), `"level":"majority"`)
	}
	require.Equal(t, `{"$timestamp":{"t":7,"i":1}}`, text(t, srv.Commands("aggregate")[0], "pipeline", "0", "$changeStream", "startAtOperationTime"))
}

func TestCommitRefusesWhatIsTooLargeBeforeTheServerHears(t *testing.T) {
	srv, s := start(t)
	ops := make([]store.Op, store.MaxOps+1)
	for i := range ops {
		ops[i] = pets.Add("ws/1", nil)
	}
	_, err := s.Commit(t.Context(), store.Batch{ID: "b", Ops: ops})
	require.ErrorIs(t, err, store.ErrTooLarge)
	require.Empty(t, srv.Commands())
}

func TestCommitAcrossCollectionsOnEight(t *testing.T) {
	srv, s := start(t, func(s *scripted.Server) { s.Wire = 25 })
	_, err := s.Commit(t.Context(), batchOfAll())
	require.NoError(t, err)
	require.Equal(t, []string{"insert", "bulkWrite", "bulkWrite", "commitTransaction"}, srv.Names())
	bulk := srv.Commands("bulkWrite")[0]
	require.Equal(t, "false", text(t, bulk, "ordered"))
	require.Equal(t, "false", text(t, bulk, "errorsOnly"), "the outcome of each write is wanted")
	require.Equal(t, `[{"ns":"shop.people"},{"ns":"shop.pets"},{"ns":"shop.rooms"}]`, text(t, bulk, "nsInfo"))
	require.Equal(t, `{"_id":"ws/2","_v":7}`, text(t, bulk, "ops", "1", "filter"))
	require.Equal(t, "false", text(t, bulk, "autocommit"))
	require.False(t, has(bulk, "writeConcern"))
}

func TestCommitFallsBackWhereTheBulkIsNotAllowedYet(t *testing.T) {
	srv, s := start(t, func(s *scripted.Server) { s.Wire = 25 })
	srv.On("bulkWrite", scripted.Fail(115, "CommandNotSupported"))
	_, err := s.Commit(t.Context(), store.Batch{ID: "b", Ops: []store.Op{insertOp(pets, "ws/1")}})
	require.NoError(t, err)
	_, err = s.Commit(t.Context(), store.Batch{ID: "c", Ops: []store.Op{insertOp(pets, "ws/2")}})
	require.NoError(t, err)
	require.Equal(t, []string{"insert", "bulkWrite", "abortTransaction", "insert", "insert", "commitTransaction", "insert", "insert", "commitTransaction"}, srv.Names())
}

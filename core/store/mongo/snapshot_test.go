package mongo_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store/mongo/internal/scripted"
)

func TestSnapshotReadsAtOneTime(t *testing.T) {
	srv, s := start(t)
	srv.On("find _batches", scripted.Say(bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{
		{Key: "id", Value: int64(0)}, {Key: "ns", Value: "shop._batches"}, {Key: "firstBatch", Value: bson.A{}},
		{Key: "atClusterTime", Value: bson.Timestamp{T: 77, I: 3}}}}}))
	srv.On("find people", scripted.Docs(stored("ws/1", "Ada", 4), stored("ws/2", "Bob", 5)))
	snap, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	require.Equal(t, `{"level":"snapshot"}`, text(t, srv.Commands("find")[0], "readConcern"), "the time is fixed when it opens")
	var ids []string
	require.NoError(t, snap.Each(t.Context(), people.Spec, func(d bson.Raw) error {
		require.Equal(t, []string{"_id", "_v", "name", "age"}, fields(t, d))
		ids = append(ids, d.Lookup("_id").StringValue())
		return nil
	}))
	require.Equal(t, []string{"ws/1", "ws/2"}, ids)
	each := srv.Commands("find")[1]
	require.Equal(t, `{"level":"snapshot","atClusterTime":{"$timestamp":{"t":77,"i":3}}}`, text(t, each, "readConcern"))
	require.Equal(t, `{"_id":1}`, text(t, each, "sort"))
	require.NoError(t, snap.Close())
}

func TestASnapshotThatTookTooLongSaysSo(t *testing.T) {
	srv, s := start(t)
	snap, err := s.Snapshot(t.Context())
	require.NoError(t, err)
	defer snap.Close()
	srv.On("find people", scripted.Fail(239, "SnapshotTooOld"))
	err = snap.Each(t.Context(), people.Spec, func(bson.Raw) error { return nil })
	require.Equal(t, "SNAPSHOT_TOO_OLD", core.AsError(err).Reason)
	require.ErrorContains(t, err, "minSnapshotHistoryWindowInSeconds")
}

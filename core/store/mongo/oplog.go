package mongo

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"github.com/headwater-cdp/headwater/core/store"
)

// checkOplog warns when the server keeps less history than tokens are promised to
// last. It reads timestamps and the note of the first entry, never a value. A user
// that may not read the oplog gets no warning: that is the operator's choice.
func (s *Store) checkOplog(ctx context.Context) {
	window, whole, err := s.oplogWindow(ctx)
	if err != nil {
		s.log.Debug("the oplog cannot be read, its window is not checked", "code", codesOf(err))
		return
	}
	if whole || window >= store.Retention {
		return
	}
	s.log.Warn("the MongoDB oplog keeps less history than cursors of changes are promised to last; "+
		"raise it with db.adminCommand({replSetResizeOplog: 1, minRetentionHours: 72})",
		"window", window.Round(time.Minute).String(), "needed", store.Retention.String())
}

// oplogWindow returns the time between the first and the last entry. The oplog is
// whole when it still begins with the birth of the replica set: then it is short
// because the set is young, and nothing was lost.
func (s *Store) oplogWindow(ctx context.Context) (window time.Duration, whole bool, err error) {
	type entry struct {
		TS  bson.Timestamp `bson:"ts"`
		Obj struct {
			Msg string `bson:"msg"`
		} `bson:"o"`
	}
	oplog := s.client.Database("local").Collection("oplog.rs", options.Collection().SetReadConcern(readconcern.Local()))
	end := func(direction int) (entry, error) {
		var e entry
		err := oplog.FindOne(ctx, bson.D{}, options.FindOne().
			SetSort(bson.D{{Key: "$natural", Value: direction}}).
			SetProjection(bson.D{{Key: "ts", Value: 1}, {Key: "o.msg", Value: 1}})).Decode(&e)
		return e, err
	}
	first, err := end(1)
	if err != nil {
		return 0, false, err
	}
	last, err := end(-1)
	if err != nil {
		return 0, false, err
	}
	return time.Duration(int64(last.TS.T)-int64(first.TS.T)) * time.Second, first.Obj.Msg == "initiating set", nil
}

package mongo

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/headwater-cdp/headwater/core/store"
)

// pipeline asks for the changes of the collections and for the ids of batches. An
// update that leaves the version alone is a check and is nobody's business. Of the
// documents only the version and the engine's own fields are projected, on the
// server: values never travel.
func pipeline(collections []string) driver.Pipeline {
	version := "updateDescription.updatedFields._v"
	return driver.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "$or", Value: bson.A{
			bson.D{{Key: "operationType", Value: bson.D{{Key: "$in", Value: bson.A{"insert", "replace", "delete"}}}},
				{Key: "ns.coll", Value: bson.D{{Key: "$in", Value: collections}}}},
			bson.D{{Key: "operationType", Value: "update"},
				{Key: "ns.coll", Value: bson.D{{Key: "$in", Value: collections}}},
				{Key: version, Value: bson.D{{Key: "$exists", Value: true}}}},
			bson.D{{Key: "operationType", Value: "insert"}, {Key: "ns.coll", Value: batchCollection}},
		}}}}},
		{{Key: "$project", Value: bson.D{
			{Key: "operationType", Value: 1},
			{Key: "ns.coll", Value: 1},
			{Key: "documentKey._id", Value: 1},
			{Key: "clusterTime", Value: 1},
			{Key: "wallTime", Value: 1},
			{Key: "lsid", Value: 1},
			{Key: "txnNumber", Value: 1},
			{Key: "version", Value: bson.D{{Key: "$ifNull", Value: bson.A{"$fullDocument._v", "$" + version}}}},
			{Key: "absent", Value: "$fullDocument." + absentField},
			{Key: "at", Value: "$fullDocument._at"},
			{Key: "changes", Value: "$fullDocument._n"},
		}}},
	}
}

// event is what the pipeline lets through.
type event struct {
	ID struct {
		Data string `bson:"_data"`
	} `bson:"_id"`
	Type string `bson:"operationType"`
	NS   struct {
		Coll string `bson:"coll"`
	} `bson:"ns"`
	Key struct {
		ID string `bson:"_id"`
	} `bson:"documentKey"`
	Time    bson.Timestamp   `bson:"clusterTime"`
	Wall    time.Time        `bson:"wallTime"` // since 6.0
	LSID    bson.Raw         `bson:"lsid"`
	Txn     int64            `bson:"txnNumber"`
	Version int64            `bson:"version"`
	Absent  bool             `bson:"absent"`
	At      time.Time        `bson:"at"`
	Changes map[string]int64 `bson:"changes"`
}

// reader turns the events of a stream into changes. It is told every event from
// the cluster time of a token on and keeps back what is not after the token.
type reader struct {
	after   store.Token
	watched map[string]bool
	sharded bool

	// The transaction that the events belong to.
	lsid   string
	txn    int64
	at     time.Time          // of the batch, when its id was seen
	left   int64              // changes still to come; below zero when not known
	absent map[[2]string]bool // placeholders that were inserted and not yet removed
}

// read returns the change that an event tells of, if any.
func (r *reader) read(e *event) (store.Change, bool) {
	if string(e.LSID) != r.lsid || e.Txn != r.txn || len(e.LSID) == 0 {
		r.lsid, r.txn = string(e.LSID), e.Txn
		r.at, r.left, r.absent = time.Time{}, -1, nil
	}
	at := [2]string{e.NS.Coll, e.Key.ID}
	switch {
	case e.NS.Coll == batchCollection:
		r.at, r.left = e.At, 0
		for coll, n := range e.Changes {
			if r.watched[coll] {
				r.left += n
			}
		}
		return store.Change{}, false
	case e.Absent:
		if r.absent == nil {
			r.absent = map[[2]string]bool{}
		}
		r.absent[at] = true
		return store.Change{}, false
	case e.Type == "delete" && r.absent[at]:
		delete(r.absent, at)
		return store.Change{}, false
	}
	c := store.Change{Token: inside(e.Time, e.ID.Data), Collection: e.NS.Coll, Key: e.Key.ID, Version: e.Version}
	if r.left--; r.left == 0 && !r.sharded {
		c.Token = after(e.Time)
	}
	switch e.Type {
	case "insert":
		c.Kind = store.Inserted
	case "delete":
		c.Kind = store.Deleted
	default:
		c.Kind = store.Updated
	}
	switch {
	case !r.at.IsZero():
		c.At = r.at.UTC()
	case !e.Wall.IsZero():
		c.At = e.Wall.UTC()
	default:
		c.At = time.Unix(int64(e.Time.T), 0).UTC()
	}
	return c, c.Token > r.after
}

package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/headwater-cdp/headwater/core/store"
)

// origin returns the token of a batch that was committed before. It waits until a
// majority has the batch: the server refuses its id as soon as one member has it,
// and that member may yet lose it.
func (s *Store) origin(ctx context.Context, id string) (store.Token, error) {
	var ts bson.Timestamp
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		found, err := s.majorityHas(ctx, id, &ts)
		if err != nil {
			return "", err
		}
		if found {
			break
		}
		if pause(ctx, wait) != nil {
			return "", context.Cause(ctx)
		}
	}
	at, err := s.committedAt(ctx, id, ts)
	if err != nil {
		// The time at which the id was written lies before the commit: a watch from there
		// may tell again what was known, but leaves nothing out.
		return after(ts), nil //nolint:nilerr // the batch is committed; only its exact time is not known
	}
	return after(at), nil
}

func (s *Store) majorityHas(ctx context.Context, id string, ts *bson.Timestamp) (bool, error) {
	sess, err := s.session()
	if err != nil {
		return false, err
	}
	defer sess.EndSession(context.WithoutCancel(ctx))
	var doc struct {
		TS bson.Timestamp `bson:"ts"`
	}
	err = s.batches.FindOne(driver.NewSessionContext(ctx, sess), bson.D{{Key: "_id", Value: id}}).Decode(&doc)
	if errors.Is(err, driver.ErrNoDocuments) {
		return false, nil
	}
	s.observe(sess)
	*ts = doc.TS
	return err == nil, err
}

// committedAt finds the commit of a batch in the stream of changes, from the time
// at which its id was written.
func (s *Store) committedAt(ctx context.Context, id string, from bson.Timestamp) (bson.Timestamp, error) {
	cs, err := s.batches.Watch(ctx, driver.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "operationType", Value: "insert"}, {Key: "documentKey._id", Value: id}}}},
		{{Key: "$project", Value: bson.D{{Key: "clusterTime", Value: 1}}}},
	}, options.ChangeStream().SetStartAtOperationTime(&from))
	if err != nil {
		return bson.Timestamp{}, err
	}
	defer func() { _ = cs.Close(context.WithoutCancel(ctx)) }()
	if !cs.Next(ctx) {
		return bson.Timestamp{}, errors.Join(cs.Err(), context.Cause(ctx))
	}
	var e struct {
		At bson.Timestamp `bson:"clusterTime"`
	}
	err = cs.Decode(&e)
	return e.At, err
}

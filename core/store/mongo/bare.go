package mongo

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/headwater-cdp/headwater/core/store"
)

// commitBare runs a batch on a server without transactions, for tests of the rest
// of the engine: one batch at a time in this process, its conditions looked at
// before. A single operation is atomic by itself and goes straight to the server,
// so that the server's verdict on each kind of condition is proved as well.
func (s *Store) commitBare(ctx context.Context, p *batch) (store.Token, error) {
	s.bareLock.Lock()
	defer s.bareLock.Unlock()
	var done struct {
		TS bson.Timestamp `bson:"ts"`
	}
	err := s.batches.FindOne(ctx, bson.D{{Key: "_id", Value: p.id}}).Decode(&done)
	if err == nil {
		return after(done.TS), nil
	}
	if !errors.Is(err, driver.ErrNoDocuments) {
		return "", translate(ctx, "commit", err)
	}
	if len(p.writes) > 1 {
		lost, err := s.firstLost(ctx, p.writes)
		if err != nil {
			return "", translate(ctx, "commit", err)
		}
		if lost != nil {
			return "", lost.conflict()
		}
	}
	err = s.send(ctx, p.writes)
	if err == nil {
		err = s.send(ctx, p.absent)
	}
	if errors.Is(err, errLost) || errors.Is(err, store.ErrConflict) {
		err = s.name(ctx, p.writes, err)
	}
	if err != nil {
		return "", translate(ctx, "commit", err)
	}
	now := bson.Timestamp{T: uint32(time.Now().Unix()), I: 1}
	if !now.After(s.bareLast) {
		now = bson.Timestamp{T: s.bareLast.T, I: s.bareLast.I + 1}
	}
	s.bareLast = now
	for i := range p.marker {
		if p.marker[i].Key == "ts" {
			p.marker[i].Value = now
		}
	}
	if _, err := s.batches.InsertOne(ctx, p.marker); err != nil {
		return "", translate(ctx, "commit", err)
	}
	return after(now), nil
}

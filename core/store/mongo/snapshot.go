package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Snapshot implements store.Store with a snapshot session: every read in it sees
// the database at one cluster time, without holding anything back. The server
// keeps such a time for minSnapshotHistoryWindowInSeconds (300 by default); a
// backup that takes longer fails with a *core.Error that says so.
func (s *Store) Snapshot(ctx context.Context) (store.Snapshot, error) {
	leave, err := s.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	snap := &snapshot{s: s}
	if s.bare == nil {
		if snap.sess, err = s.client.StartSession(options.Session().SetSnapshot(true)); err != nil {
			return nil, translate(ctx, "snapshot", err)
		}
	}
	// The first read fixes the time: it must be now, not at the first Each.
	err = s.batches.FindOne(snap.context(ctx), bson.D{}, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	if err != nil && !errors.Is(err, driver.ErrNoDocuments) {
		_ = snap.Close()
		return nil, translate(ctx, "snapshot", err)
	}
	return snap, nil
}

type snapshot struct {
	s    *Store
	sess *driver.Session
}

func (snap *snapshot) context(ctx context.Context) context.Context {
	if snap.sess == nil {
		return ctx
	}
	return driver.NewSessionContext(ctx, snap.sess)
}

var errSnapshotTooOld = core.Errorf(core.Unavailable, "SNAPSHOT_TOO_OLD",
	"the MongoDB server no longer keeps the time that this snapshot reads at; raise it with db.adminCommand({setParameter: 1, minSnapshotHistoryWindowInSeconds: 3600}) and start again")

// Each implements store.Snapshot.
func (snap *snapshot) Each(ctx context.Context, spec *store.Spec, f func(bson.Raw) error) error {
	leave, err := snap.s.enter()
	if err != nil {
		return err
	}
	defer leave()
	sctx := snap.context(ctx)
	cur, err := snap.s.db.Collection(spec.Name).Find(sctx, bson.D{},
		options.Find().SetSort(bson.D{{Key: "_id", Value: int32(1)}}).SetBatchSize(1000))
	if err != nil {
		return snap.fail(ctx, err)
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }()
	for cur.Next(sctx) {
		doc, err := unseal(cur.Current)
		if err != nil {
			return err
		}
		if err := f(doc); err != nil {
			return err
		}
	}
	return snap.fail(ctx, cur.Err())
}

func (snap *snapshot) fail(ctx context.Context, err error) error {
	if hasCode(err, codeSnapshotTooOld) {
		return errSnapshotTooOld
	}
	return translate(ctx, "snapshot", err)
}

// Close implements store.Snapshot.
func (snap *snapshot) Close() error {
	if snap.sess != nil {
		snap.sess.EndSession(context.Background())
	}
	return nil
}

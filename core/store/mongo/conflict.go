package mongo

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"github.com/headwater-cdp/headwater/core/store"
)

// errLost is a bulk in which fewer documents matched than must, without word of
// which.
var errLost = errors.New("mongo: a condition did not hold")

// name returns the conflict of a batch that lost a condition: the first, in the
// order of its operations. The server tells of one at most, whichever it came upon;
// err is what it told.
func (s *Store) name(ctx context.Context, writes []write, err error) error {
	conditions := 0
	for i := range writes {
		if !writes[i].upsert {
			conditions++
		}
	}
	if conditions == 1 && !errors.Is(err, errLost) {
		return err
	}
	lost, ferr := s.firstLost(ctx, writes)
	switch {
	case ferr != nil:
		return ferr
	case lost != nil:
		return lost.conflict()
	case !errors.Is(err, errLost):
		return err
	}
	// In the meantime the lost condition holds again; then the batch may be tried again.
	return errAgain
}

// firstLost returns the first write whose condition does not hold. It reads what
// the member has now, agreed by a majority or not, as a transaction does.
func (s *Store) firstLost(ctx context.Context, writes []write) (*write, error) {
	byColl := map[string]bson.A{}
	for i := range writes {
		if op := writes[i].op; !writes[i].upsert {
			byColl[op.Spec.Name] = append(byColl[op.Spec.Name], op.ID)
		}
	}
	type key struct{ coll, id string }
	versions := map[key]int64{}
	for name, ids := range byColl {
		coll := s.db.Collection(name, options.Collection().SetReadConcern(readconcern.Local()))
		cur, err := coll.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}},
			options.Find().SetProjection(bson.D{{Key: "_v", Value: 1}}).SetBatchSize(int32(store.MaxOps)+1))
		if err != nil {
			return nil, err
		}
		docs, err := drain(ctx, cur)
		if err != nil {
			return nil, err
		}
		for _, d := range docs {
			id, _ := d.Lookup("_id").StringValueOK()
			v, _ := d.Lookup("_v").AsInt64OK()
			versions[key{name, id}] = v
		}
	}
	for i := range writes {
		w := &writes[i]
		v, exists := versions[key{w.op.Spec.Name, w.op.ID}]
		if w.do == insert && exists || w.must && (!exists || v != w.op.V) {
			return w, nil
		}
	}
	return nil, nil
}

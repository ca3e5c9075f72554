package mongo

import (
	"context"
	"errors"
	"maps"
	"slices"

	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// send applies writes within the session of ctx, unordered: the server need not
// wait for one before it takes the next, and no two are about one document but
// additions, which commute.
func (s *Store) send(ctx context.Context, writes []write) error {
	if len(writes) == 0 {
		return nil
	}
	if s.bulk.Load() {
		err := s.sendAcross(ctx, writes)
		if hasCode(err, codeCommandNotFound, codeNotSupported) {
			// An 8.0 server whose feature compatibility is older refuses the command.
			s.bulk.Store(false)
			return errAgain
		}
		return err
	}
	return s.sendEach(ctx, writes)
}

// sendAcross sends one bulkWrite, whose answer tells the outcome of each write.
func (s *Store) sendAcross(ctx context.Context, writes []write) error {
	models := make([]driver.ClientBulkWrite, len(writes))
	for i := range writes {
		models[i] = driver.ClientBulkWrite{Database: s.db.Name(), Collection: writes[i].op.Spec.Name, Model: writes[i].clientModel()}
	}
	res, err := s.client.BulkWrite(ctx, models, options.ClientBulkWrite().SetOrdered(false).SetVerboseResults(true))
	if err != nil {
		var bulk driver.ClientBulkWriteException
		if errors.As(err, &bulk) {
			for _, i := range slices.Sorted(maps.Keys(bulk.WriteErrors)) {
				if e := bulk.WriteErrors[i]; e.Code == codeDuplicateKey && i < len(writes) && writes[i].do == insert {
					return writes[i].conflict()
				}
			}
		}
		return err
	}
	for i := range writes {
		if !writes[i].must {
			continue
		}
		matched := res.UpdateResults[i].MatchedCount
		if writes[i].do == remove {
			matched = res.DeleteResults[i].DeletedCount
		}
		if matched == 0 {
			return writes[i].conflict()
		}
	}
	return nil
}

// sendEach sends a bulk per collection and kind of write, each of them one
// command: after a failure inside a transaction nothing more must be sent, and a
// mixed unordered bulk of the driver would go on.
func (s *Store) sendEach(ctx context.Context, writes []write) error {
	type group struct {
		coll string
		kind action
	}
	groups := map[group][]*write{}
	var inOrder []group
	for i := range writes {
		w := &writes[i]
		g := group{w.op.Spec.Name, w.do}
		if g.kind == replace {
			g.kind = update // one command carries both
		}
		if groups[g] == nil {
			inOrder = append(inOrder, g)
		}
		groups[g] = append(groups[g], w)
	}
	for _, g := range inOrder {
		if err := s.sendGroup(ctx, g.coll, groups[g]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) sendGroup(ctx context.Context, coll string, writes []*write) error {
	models := make([]driver.WriteModel, len(writes))
	for i, w := range writes {
		models[i] = w.model()
	}
	res, err := s.db.Collection(coll).BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	if err != nil {
		var bulk driver.BulkWriteException
		if errors.As(err, &bulk) {
			for _, e := range bulk.WriteErrors {
				if e.Code == codeDuplicateKey && e.Index < len(writes) && writes[e.Index].do == insert {
					return writes[e.Index].conflict()
				}
			}
		}
		return err
	}
	if writes[0].do == insert {
		return nil
	}
	if n := res.MatchedCount + res.UpsertedCount + res.DeletedCount; n == int64(len(writes)) {
		return nil
	}
	return errLost
}

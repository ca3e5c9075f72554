package mongo

import (
	"context"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Declare makes the collections and their indexes where they are missing. Building
// an index over a large collection can take minutes; the caller's context bounds it.
func (s *Store) Declare(ctx context.Context, specs ...*store.Spec) error {
	leave, err := s.enter()
	if err != nil {
		return err
	}
	defer leave()
	for _, spec := range specs {
		if spec.Name == "" || strings.HasPrefix(spec.Name, "_") || strings.HasPrefix(spec.Name, "system.") {
			return fmt.Errorf("mongo: declare: %q is no name for a collection", spec.Name)
		}
		if err := s.declare(ctx, spec); err != nil {
			return err
		}
		s.mu.Lock()
		s.specs[spec.Name] = spec
		s.mu.Unlock()
	}
	return nil
}

func (s *Store) declare(ctx context.Context, spec *store.Spec) error {
	// The collection is made before a batch writes to it: a transaction that makes a
	// collection waits for others that do, and cannot in a sharded cluster.
	if err := s.create(ctx, spec.Name); err != nil {
		return translate(ctx, "declare "+spec.Name, err)
	}
	if len(spec.Indexes) == 0 {
		return nil
	}
	models := make([]driver.IndexModel, len(spec.Indexes))
	for i := range spec.Indexes {
		models[i] = s.indexModel(spec, &spec.Indexes[i])
	}
	_, err := s.db.Collection(spec.Name).Indexes().CreateMany(ctx, models)
	if hasCode(err, codeOptionsConflict, codeKeySpecsConflict) {
		return core.Errorf(core.Invalid, "MONGO_INDEX", "the collection %s has an index that differs from the declared one of the same name; drop it and start again", spec.Name)
	}
	return translate(ctx, "declare "+spec.Name, err)
}

func (s *Store) create(ctx context.Context, name string) error {
	err := s.db.CreateCollection(ctx, name)
	if hasCode(err, codeNamespaceExists) {
		return nil
	}
	return err
}

// indexModel begins with the workspace and ends with the key, so that one walk of
// the index gives the port's order. It holds only documents that have every field.
func (s *Store) indexModel(spec *store.Spec, ix *store.Index) driver.IndexModel {
	var keys, present bson.D
	if !spec.Global {
		keys = append(keys, bson.E{Key: workspaceField, Value: int32(1)})
	}
	keyed := false
	for _, f := range ix.Fields {
		keys = append(keys, bson.E{Key: f.Path, Value: direction(!f.Desc)})
		present = append(present, bson.E{Key: f.Path, Value: bson.D{{Key: "$exists", Value: true}}})
		keyed = keyed || f.Path == "_id"
	}
	if !keyed {
		keys = append(keys, bson.E{Key: "_id", Value: int32(1)})
	}
	opts := options.Index().SetName(indexName(ix))
	if !s.plainIndexes() {
		opts.SetPartialFilterExpression(present)
	}
	return driver.IndexModel{Keys: keys, Options: opts}
}

// indexName tells apart what the port's names do not: the direction of fields.
func indexName(ix *store.Index) string {
	parts := make([]string, len(ix.Fields))
	for i, f := range ix.Fields {
		parts[i] = f.Path
		if f.Desc {
			parts[i] = "-" + f.Path
		}
	}
	return "hw " + strings.Join(parts, " ")
}

// batchCollection holds the ids of committed batches.
const batchCollection = "_batches"

// declareBatches makes the collection of batch ids, which the server empties
// itself when they are older than store.Retention.
func (s *Store) declareBatches(ctx context.Context) error {
	if err := s.create(ctx, batchCollection); err != nil {
		return err
	}
	opts := options.Index().SetName("expiry")
	if !s.plainIndexes() {
		opts.SetExpireAfterSeconds(int32(store.Retention.Seconds()))
	}
	_, err := s.batches.Indexes().CreateOne(ctx, driver.IndexModel{Keys: bson.D{{Key: "at", Value: int32(1)}}, Options: opts})
	return err
}

func (s *Store) plainIndexes() bool { return s.bare != nil && s.bare.PlainIndexes }

package mongo

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/headwater-cdp/headwater/core/store"
)

// keysPerQuery bounds a query by keys, far below the size of a message.
const keysPerQuery = 5000

// Get implements store.Reader: it reads what a majority has, from the primary.
func (s *Store) Get(ctx context.Context, spec *store.Spec, ids []string) ([]bson.Raw, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found := make(map[string]bson.Raw, len(ids))
	err := s.read(ctx, "get "+spec.Name, func(ctx context.Context) error {
		for part := range slices.Chunk(ids, keysPerQuery) {
			// One more than there can be lets the server answer in one reply and close.
			opts := options.Find().SetBatchSize(int32(len(part)) + 1)
			docs, err := s.find(ctx, spec, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: part}}}}, opts)
			if err != nil {
				return err
			}
			for _, d := range docs {
				if id, ok := d.Lookup("_id").StringValueOK(); ok {
					found[id] = d
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]bson.Raw, len(ids))
	for i, id := range ids {
		out[i] = found[id]
	}
	return out, nil
}

// Scan implements store.Reader.
func (s *Store) Scan(ctx context.Context, p store.Plan) ([]bson.Raw, error) {
	opts := options.Find().SetSort(order(p)).SetHint(hint(p))
	if p.Limit > 0 {
		opts.SetLimit(int64(p.Limit)).SetBatchSize(int32(min(p.Limit, keysPerQuery)) + 1)
	}
	var docs []bson.Raw
	err := s.read(ctx, "scan "+p.Spec.Name, func(ctx context.Context) (err error) {
		docs, err = s.find(ctx, p.Spec, filter(p), opts)
		return err
	})
	return docs, err
}

// Count implements store.Reader.
func (s *Store) Count(ctx context.Context, p store.Plan) (int64, error) {
	var n int64
	err := s.read(ctx, "count "+p.Spec.Name, func(ctx context.Context) (err error) {
		n, err = s.db.Collection(p.Spec.Name).CountDocuments(ctx, filter(p), options.Count().SetHint(hint(p)))
		return err
	})
	return n, err
}

// hint names the index of a plan, so that the server's choice cannot differ from
// what the declaration promises.
func hint(p store.Plan) any {
	if p.Index == nil {
		return bson.D{{Key: "_id", Value: int32(1)}}
	}
	return indexName(p.Index)
}

func (s *Store) find(ctx context.Context, spec *store.Spec, filter bson.D, opts *options.FindOptionsBuilder) ([]bson.Raw, error) {
	cur, err := s.db.Collection(spec.Name).Find(ctx, filter, opts)
	if err != nil {
		return nil, err
	}
	return drain(ctx, cur)
}

// drain reads a cursor to its end.
func drain(ctx context.Context, cur *driver.Cursor) ([]bson.Raw, error) {
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }()
	var docs []bson.Raw
	for cur.Next(ctx) {
		d, err := unseal(cur.Current)
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return docs, cur.Err()
}

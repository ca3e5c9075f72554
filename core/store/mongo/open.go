package mongo

import (
	"context"
	"log/slog"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// The wire versions that the engine asks for: snapshot reads outside transactions
// came with 5.0, one bulk across collections with 8.0.
const (
	wireSnapshot = 13
	wireBulk     = 25
)

// onDisk acknowledges a write when a majority of the members has it in its journal.
func onDisk() *writeconcern.WriteConcern {
	journal := true
	return &writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journal}
}

// Open connects to a replica set or a sharded cluster. It refuses a standalone
// server and one before 5.0 with a *core.Error that says what to do, and answers
// with an error that wraps store.ErrUnavailable when no server can be reached.
func Open(ctx context.Context, o Options) (*Store, error) {
	name, err := databaseName(o.URI)
	if err != nil {
		return nil, err
	}
	opts := options.Client().ApplyURI(o.URI).SetMonitor(commandMonitor())
	if err := opts.Validate(); err != nil {
		return nil, badURI(o.URI, err)
	}
	client, err := driver.Connect(opts)
	if err != nil {
		return nil, badURI(o.URI, err)
	}
	s := &Store{client: client, clock: o.Clock, log: o.Log, bare: o.bare, specs: map[string]*store.Spec{}}
	if s.clock == nil {
		s.clock = core.SystemClock{}
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.db = client.Database(name, options.Database().
		SetReadConcern(readconcern.Majority()).
		SetWriteConcern(onDisk()).
		SetReadPreference(readpref.Primary()))
	s.batches = s.db.Collection(batchCollection)
	if err := s.prepare(ctx); err != nil {
		s.end()
		// The connection is of no use; its own error would hide the reason.
		_ = client.Disconnect(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

// prepare looks at the server and makes what the engine itself needs.
func (s *Store) prepare(ctx context.Context) error {
	var hello struct {
		SetName string `bson:"setName"`
		Msg     string `bson:"msg"`
		Wire    int32  `bson:"maxWireVersion"`
	}
	admin := s.client.Database("admin", options.Database().SetReadPreference(readpref.Primary()))
	if err := admin.RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&hello); err != nil {
		return translate(ctx, "open", err)
	}
	s.sharded = hello.Msg == "isdbgrid"
	if s.bare == nil {
		if hello.SetName == "" && !s.sharded {
			return errStandalone
		}
		if hello.Wire < wireSnapshot {
			return core.Errorf(core.Invalid, "MONGO_TOO_OLD", "the MongoDB server is older than 5.0; use 5.0 or later")
		}
	}
	s.bulk.Store(hello.Wire >= wireBulk)
	if err := s.declareBatches(ctx); err != nil {
		return translate(ctx, "open", err)
	}
	if s.bare == nil && !s.sharded {
		s.checkOplog(ctx)
	}
	return nil
}

var errStandalone = core.Errorf(core.Invalid, "MONGO_STANDALONE",
	"the MongoDB server is a standalone, which has neither transactions nor change streams; make it a one-node replica set: start it with `mongod --replSet rs0` and run `rs.initiate()` in mongosh once")

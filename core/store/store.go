package store

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Retention is how long changes and the ids of batches are kept.
const Retention = 72 * time.Hour

// Reader reads.
type Reader interface {
	// Get returns the documents with the given keys, in that order; a missing one
	// is nil. It must see every batch whose Commit returned before Get was called,
	// in this process or another.
	Get(ctx context.Context, spec *Spec, ids []string) ([]bson.Raw, error)
	// Scan returns at most plan.Limit documents of an index in its order. It must
	// not return a document that lacks a field of the index, nor one of another
	// workspace, and must see what Get sees.
	Scan(ctx context.Context, plan Plan) ([]bson.Raw, error)
	// Count returns how many documents Scan would return without a limit.
	Count(ctx context.Context, plan Plan) (int64, error)
}

// Writer writes.
type Writer interface {
	// Commit applies the batch all or nothing and returns the token of its last
	// change. It must return only when the batch is on disk (on a majority of a
	// replica set). It must refuse with a *ConflictError when a condition does not
	// hold, with ErrTooLarge beyond the limits, with ErrUnavailable when the store
	// cannot write. A batch id that was committed within Retention must succeed
	// again without effect. Two concurrent batches that check what the other
	// writes must not both succeed.
	Commit(ctx context.Context, b Batch) (Token, error)
}

// Token is a place in the order of commits. Later commits have later tokens;
// their text has no other meaning.
type Token string

// ChangeKind is what happened to a document.
type ChangeKind uint8

// The kinds of change. An add that makes its document is an insert.
const (
	Inserted ChangeKind = iota + 1
	Updated
	Deleted
)

// Change says that a document changed, never what it holds.
type Change struct {
	Token      Token
	Collection string
	Key        string
	Version    int64 // the new version; 0 for a deletion
	Kind       ChangeKind
	At         time.Time // commit time, by the clock of the committing store
}

// Stream is an open watch. It must be closed, and is for one goroutine.
type Stream interface {
	// Next waits for the next change. It returns the context's error when ctx ends.
	Next(ctx context.Context) (Change, error)
	Close() error
}

// Watcher tells of changes.
type Watcher interface {
	// Now returns the token of the latest commit: a watch from it tells of
	// everything that a read made before the call cannot have seen.
	Now(ctx context.Context) (Token, error)
	// Watch tells of every change after the token, once each, in the order of
	// commits, those of other processes too. It must fail with ErrTokenExpired,
	// at once or on Next, when changes after the token are no longer kept.
	// No collections means all of them.
	Watch(ctx context.Context, after Token, collections ...*Spec) (Stream, error)
}

// Snapshot is a consistent view of everything, for a backup.
type Snapshot interface {
	// Each calls f with every document of the collection, in the order of keys.
	Each(ctx context.Context, spec *Spec, f func(bson.Raw) error) error
	Close() error
}

// Store is the port. mongo and sqlite implement it; storetest proves them.
type Store interface {
	Reader
	Writer
	Watcher
	// Declare makes the collections and their indexes where they are missing. It
	// must be called before a collection is used, and may be called again, by
	// several processes at once.
	Declare(ctx context.Context, specs ...*Spec) error
	// Snapshot opens a consistent view while writes go on.
	Snapshot(ctx context.Context) (Snapshot, error)
	// Ping reports whether the store can answer.
	Ping(ctx context.Context) error
	// Close waits for commits in flight and closes the store.
	Close(ctx context.Context) error
}

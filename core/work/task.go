package work

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// Shards is over how many ranges of keys tasks are spread: on a sharded cluster
// over its machines, in one runner over what it tries to claim first.
const Shards = 64

// System stands for the workspace of work that belongs to none.
const System = "system"

// Task is a stored task. Its key is shard/workspace/kind/name.
type Task struct {
	store.Meta `bson:",inline"`
	Kind       string    `bson:"kind"`
	Workspace  string    `bson:"ws"`
	Name       string    `bson:"name"`
	Shard      int       `bson:"shard"`
	DueAt      time.Time `bson:"dueAt"` // while leased: the end of the lease
	Owner      string    `bson:"owner,omitempty"`
	LeaseUntil time.Time `bson:"leaseUntil,omitempty"` // zero when nobody holds it
	Fence      int64     `bson:"fence"`                // rises with each claim
	Attempts   int       `bson:"attempts"`             // claims since the last progress
	Payload    bson.Raw  `bson:"payload,omitempty"`
	LastError  string    `bson:"lastError,omitempty"` // code and reason of the last failure
}

// Tasks is the collection of tasks.
var Tasks = store.Declare[Task](store.Spec{
	Name:    "work",
	Global:  true,
	Indexes: []store.Index{store.On("kind", "dueAt")},
})

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{Tasks.Spec, Dead.Spec, JobDocs.Spec}
}

// Item is a task to enqueue.
type Item struct {
	Kind      string    // which handler; a word, dots allowed
	Workspace string    // "" for System
	Name      string    // makes the task one of its kind: a second cannot be enqueued while the first is pending
	DueAt     time.Time // never run before
	Payload   any       // encodes to a BSON document; nil for none
}

// Key returns the key of the task.
func (it Item) Key() string { return Key(it.Workspace, it.Kind, it.Name) }

// Key returns the key of the task with that workspace, kind and name. Names never
// hold a personal value: they are written to logs.
func Key(workspace, kind, name string) string {
	rest := store.Key(orSystem(workspace), kind, name)
	return shardPrefix(shardOf(rest)) + rest
}

func shardOf(rest string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(rest))
	return int(h.Sum32() % Shards)
}

func shardPrefix(shard int) string { return fmt.Sprintf("%03d/", shard) }

func orSystem(workspace string) string {
	if workspace == "" {
		return System
	}
	return workspace
}

// Enqueue returns the operation that stores the task: put it into the batch of
// its cause. It conflicts when a task with the same key is pending. After the
// commit, Runner.Wake spares the wait for the next poll.
func Enqueue(it Item) store.Op {
	rest := store.Key(orSystem(it.Workspace), it.Kind, it.Name)
	// A key may be used again after its task is gone. Versions and fences then go on
	// above all earlier ones, so that a holder of the old task, waking up late, does
	// not pass for a holder of the new one.
	era := time.Now().UnixMicro()
	t := Task{
		Meta: store.Meta{ID: it.Key(), V: era}, Fence: era, Kind: it.Kind, Workspace: orSystem(it.Workspace),
		Name: it.Name, Shard: shardOf(rest), DueAt: ceil(it.DueAt),
	}
	var err error
	if t.Payload, err = encode(it.Payload); err == nil && (it.Kind == "" || it.Name == "" || strings.Contains(it.Kind, "/")) {
		err = fmt.Errorf("work: a task needs a kind without a slash, and a name")
	}
	op := Tasks.Insert(&t)
	if err != nil {
		op.Err = err
	}
	return op
}

// Ensure enqueues the task unless one with its key is pending.
func Ensure(ctx context.Context, w store.Writer, it Item) error {
	err := Commit(ctx, w, Enqueue(it))
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// Find returns the pending task, or nil.
func Find(ctx context.Context, r store.Reader, workspace, kind, name string) (*Task, error) {
	return Tasks.Get(ctx, r, Key(workspace, kind, name))
}

// Drop returns the operation that removes a task. Whoever holds it loses it.
func Drop(t *Task) store.Op { return Tasks.Delete(t) }

// Move returns the operation that makes a task due at another time. Whoever holds
// it loses it.
func Move(t *Task, dueAt time.Time) store.Op {
	moved := *t
	moved.DueAt, moved.Owner, moved.LeaseUntil = ceil(dueAt), "", time.Time{}
	moved.Attempts = 0
	return Tasks.Replace(&moved)
}

// ceil rounds up to the store's millisecond: truncation would run a task early.
func ceil(t time.Time) time.Time {
	if f := t.UTC().Truncate(time.Millisecond); f.Before(t) {
		return f.Add(time.Millisecond)
	}
	return t.UTC().Truncate(time.Millisecond)
}

// encode makes a BSON document of v; nil of nil.
func encode(v any) (bson.Raw, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case bson.Raw:
		return v, nil
	}
	raw, err := bson.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("work: encode %T: %w", v, err)
	}
	return raw, nil
}

// decode reads what encode made into v; ok is false when there is nothing.
func decode(raw bson.Raw, v any) (ok bool, err error) {
	if len(raw) == 0 {
		return false, nil
	}
	if err := bson.Unmarshal(raw, v); err != nil {
		return false, fmt.Errorf("work: decode %T: %w", v, err)
	}
	return true, nil
}

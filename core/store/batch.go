package store

import (
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// The limits of a batch. More is the caller's to cut into slices.
const (
	MaxOps   = 1000
	MaxBytes = 4 << 20
	MaxTime  = 5 * time.Second
)

// OpKind is what an operation does.
type OpKind uint8

// The operations. Each but Add is conditional: when its condition does not hold,
// the whole batch has no effect and the error is a *ConflictError that names it.
const (
	OpInsert  OpKind = iota + 1 // the key must not exist; the document is stored with the _v that it has, which Insert makes 1 for a new one
	OpReplace                   // the document must have version V; it gets V+1
	OpDelete                    // the document must have version V
	OpCheck                     // the document must have version V; nothing is written that a reader sees
	OpAbsent                    // the key must not exist; nothing is written that a reader sees
	OpAdd                       // adds numbers to fields, making the document when there is none; never a conflict
)

// Op is one operation. Make them with the methods of Collection.
type Op struct {
	Kind OpKind
	Spec *Spec
	ID   string
	V    int64            // the expected version, where there is one
	Doc  bson.Raw         // the whole new document with _id and _v, for insert and replace
	Add  map[string]int64 // dotted path → summand, for add
	Err  error            // encoding failed: Commit refuses the batch with it
}

// Batch is applied all or nothing. ID is unique per intended batch, made by the
// caller; a batch that was committed before is not applied again, and its second
// commit succeeds.
type Batch struct {
	ID  string
	Ops []Op
}

// Validate checks what no engine needs to be asked about: the limits, the keys,
// and that no document is named by two operations (a batch says what becomes of a
// document once; adds may repeat).
func (b Batch) Validate() error {
	if b.ID == "" {
		return fmt.Errorf("store: batch without an id")
	}
	if len(b.Ops) > MaxOps {
		return fmt.Errorf("%w: %d operations, at most %d", ErrTooLarge, len(b.Ops), MaxOps)
	}
	type target struct{ coll, id string }
	seen := make(map[target]OpKind, len(b.Ops))
	size := 0
	for i := range b.Ops {
		op := &b.Ops[i]
		if op.Err != nil {
			return op.Err
		}
		if op.ID == "" {
			return fmt.Errorf("store: %s: operation without a key", op.Spec.Name)
		}
		if !op.Spec.Global && len(WorkspaceOf(op.ID)) == len(op.ID) {
			return fmt.Errorf("store: %s: a key does not begin with a workspace", op.Spec.Name)
		}
		t := target{op.Spec.Name, op.ID}
		if kind, dup := seen[t]; dup && (kind != OpAdd || op.Kind != OpAdd) {
			return fmt.Errorf("store: %s: two operations on one document in a batch", op.Spec.Name)
		}
		seen[t] = op.Kind
		size += len(op.Doc)
	}
	if size > MaxBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, MaxBytes)
	}
	return nil
}

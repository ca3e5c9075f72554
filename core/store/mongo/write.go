package mongo

import (
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/headwater-cdp/headwater/core/store"
)

// action is the kind of write that an operation becomes.
type action uint8

const (
	insert action = iota
	replace
	update
	remove
)

// write is one operation as the server is told it.
type write struct {
	op     *store.Op
	do     action
	filter bson.D
	doc    bson.Raw // insert and replace
	change bson.D   // update
	upsert bool
	must   bool // it must match a document
}

// batch is a store.Batch made ready to send, again and again if need be.
type batch struct {
	id     string
	marker bson.D // its document in batchCollection
	writes []write
	absent []write // the removal of the placeholders, after everything else
}

// newBatch translates the operations.
//
// A check raises a field that readers do not see. A mere read would not do: under
// snapshot isolation two batches that each check what the other writes would both
// commit. As a write it collides with the other's, and the later one is tried
// again and finds the new version.
//
// For an absence check there is no document to write to, and a lock document
// elsewhere would protect only if every insert wrote it too. So the engine inserts
// a placeholder under the very key and removes it in the same transaction: that
// fails when the key exists, collides with whoever inserts the key at the same
// time, costs nothing to inserts, and leaves nothing behind. The watch knows the
// pair by the placeholder's mark and tells nobody.
func (s *Store) newBatch(b store.Batch) (*batch, error) {
	if err := s.sensible(b.Ops); err != nil {
		return nil, err
	}
	p := &batch{id: b.ID, writes: make([]write, len(b.Ops))}
	changes := map[string]int{}
	for i := range b.Ops {
		op := &b.Ops[i]
		p.writes[i] = newWrite(op)
		switch op.Kind {
		case store.OpCheck:
		case store.OpAbsent:
			p.absent = append(p.absent, write{op: op, do: remove, must: true,
				filter: bson.D{{Key: "_id", Value: op.ID}, {Key: absentField, Value: true}}})
		default:
			changes[op.Spec.Name]++
		}
	}
	p.marker = bson.D{
		{Key: "_id", Value: b.ID},
		// When the server forgets the batch: by the machine's time, not the clock's,
		// because the server compares it with its own.
		{Key: "at", Value: time.Now().UTC()},
		// The server puts its cluster time in place of an empty timestamp.
		{Key: "ts", Value: bson.Timestamp{}},
		// What the watch needs: when the commit was, and how many changes to expect.
		{Key: "_at", Value: s.clock.Now()},
		{Key: "_n", Value: changes},
	}
	return p, nil
}

// sensible refuses operations that would store what no reader expects.
func (s *Store) sensible(ops []store.Op) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range ops {
		op := &ops[i]
		if s.specs[op.Spec.Name] == nil {
			return fmt.Errorf("mongo: commit: the collection %q was not declared", op.Spec.Name)
		}
		if op.Kind < store.OpInsert || op.Kind > store.OpAdd {
			return fmt.Errorf("mongo: commit: %s: operation %d does not exist", op.Spec.Name, op.Kind)
		}
		if op.Kind != store.OpInsert && op.Kind != store.OpReplace {
			continue
		}
		if op.Doc.Validate() != nil {
			return fmt.Errorf("mongo: commit: %s: not a document", op.Spec.Name)
		}
		if id, ok := op.Doc.Lookup("_id").StringValueOK(); !ok || id != op.ID {
			return fmt.Errorf("mongo: commit: %s: the operation's key is not its document's", op.Spec.Name)
		}
		if _, ok := op.Doc.Lookup("_v").Int64OK(); !ok {
			return fmt.Errorf("mongo: commit: %s: a document without a version", op.Spec.Name)
		}
		for _, own := range []string{workspaceField, checkField, absentField} {
			if _, err := op.Doc.LookupErr(own); err == nil {
				return fmt.Errorf("mongo: commit: %s: the field %q is the engine's", op.Spec.Name, own)
			}
		}
	}
	return nil
}

func newWrite(op *store.Op) write {
	version := bson.D{{Key: "_id", Value: op.ID}, {Key: "_v", Value: op.V}}
	switch op.Kind {
	case store.OpInsert:
		return write{op: op, do: insert, doc: seal(op.Spec, op.ID, op.Doc)}
	case store.OpReplace:
		return write{op: op, do: replace, filter: version, doc: seal(op.Spec, op.ID, op.Doc), must: true}
	case store.OpDelete:
		return write{op: op, do: remove, filter: version, must: true}
	case store.OpCheck:
		return write{op: op, do: update, filter: version, must: true,
			change: bson.D{{Key: "$inc", Value: bson.D{{Key: checkField, Value: int64(1)}}}}}
	case store.OpAbsent:
		return write{op: op, do: insert, doc: placeholder(op)}
	}
	inc := bson.D{{Key: "_v", Value: int64(1)}}
	for path, n := range op.Add {
		inc = append(inc, bson.E{Key: path, Value: n})
	}
	change := bson.D{{Key: "$inc", Value: inc}}
	if !op.Spec.Global {
		change = append(change, bson.E{Key: "$setOnInsert", Value: bson.D{{Key: workspaceField, Value: store.WorkspaceOf(op.ID)}}})
	}
	return write{op: op, do: update, filter: bson.D{{Key: "_id", Value: op.ID}}, change: change, upsert: true}
}

func placeholder(op *store.Op) bson.Raw {
	// A document of a string and a boolean always encodes.
	raw, _ := bson.Marshal(bson.D{{Key: "_id", Value: op.ID}, {Key: absentField, Value: true}})
	return raw
}

// model is the write for one collection's bulk.
func (w *write) model() driver.WriteModel {
	switch w.do {
	case insert:
		return driver.NewInsertOneModel().SetDocument(w.doc)
	case replace:
		return driver.NewReplaceOneModel().SetFilter(w.filter).SetReplacement(w.doc)
	case remove:
		return driver.NewDeleteOneModel().SetFilter(w.filter)
	}
	m := driver.NewUpdateOneModel().SetFilter(w.filter).SetUpdate(w.change)
	if w.upsert {
		m.SetUpsert(true)
	}
	return m
}

// clientModel is the write for a bulk across collections.
func (w *write) clientModel() driver.ClientWriteModel {
	switch w.do {
	case insert:
		return driver.NewClientInsertOneModel().SetDocument(w.doc)
	case replace:
		return driver.NewClientReplaceOneModel().SetFilter(w.filter).SetReplacement(w.doc)
	case remove:
		return driver.NewClientDeleteOneModel().SetFilter(w.filter)
	}
	m := driver.NewClientUpdateOneModel().SetFilter(w.filter).SetUpdate(w.change)
	if w.upsert {
		m.SetUpsert(true)
	}
	return m
}

func (w *write) conflict() error {
	return &store.ConflictError{Collection: w.op.Spec.Name, ID: w.op.ID, Kind: w.op.Kind}
}

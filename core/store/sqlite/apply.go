package sqlite

import (
	"fmt"
	"runtime"
	"slices"

	lib "modernc.org/sqlite/lib"

	"github.com/headwater-cdp/headwater/core/store"
)

// errRepeated stops the applying of a batch that was committed before.
var errRepeated = fmt.Errorf("sqlite: batch was committed before")

// refusal is an error of one batch that says nothing about its neighbours.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func conflict(o *op) error {
	return refusal{&store.ConflictError{Collection: o.Spec.Name, ID: o.ID, Kind: o.Kind}}
}

// apply runs the operations of one batch and writes its row of the change log.
// After an error the transaction holds a part of the batch: the caller takes it
// back.
func (w *writer) apply(r *request) error {
	w.body = w.body[:0]
	n := 0
	for i := range r.ops {
		runtime.Gosched() // readers need the processor for less than a group does
		o := &r.ops[i]
		ws, err := w.workspace(o)
		if err != nil {
			return err
		}
		kind, err := w.operate(o, ws)
		if err != nil {
			return err
		}
		if kind != 0 {
			w.body = appendChange(w.body, o.l.n, ws, kind, o.v, o.id)
			n++
		}
	}
	seq := w.last.seq + 1
	s, err := w.conn.prepare("INSERT INTO changes (seq, batch, at, body) VALUES (?, ?, ?, ?)")
	if err != nil {
		return err
	}
	s.bindInt(1, seq)
	s.bindText(2, r.batch.ID)
	s.bindInt(3, w.now)
	s.bindBlob(4, w.body)
	if err := s.run(); err != nil {
		if codeOf(err) == lib.SQLITE_CONSTRAINT {
			return errRepeated
		}
		return err
	}
	w.last = place{seq, n}
	r.token = w.last.token()
	return nil
}

// operate does one operation and says what a reader will see of it.
func (w *writer) operate(o *op, ws int64) (store.ChangeKind, error) {
	switch o.Kind {
	case store.OpInsert:
		return store.Inserted, w.insert(o, ws)
	case store.OpReplace:
		return store.Updated, w.replace(o, ws)
	case store.OpDelete:
		return store.Deleted, w.remove(o, ws)
	case store.OpCheck, store.OpAbsent:
		return 0, w.check(o, ws)
	default:
		return w.add(o, ws)
	}
}

func (w *writer) insert(o *op, ws int64) error {
	s, err := w.conn.prepare(o.l.insert)
	if err != nil {
		return err
	}
	s.bindInt(1, ws)
	s.bindText(2, o.id)
	s.bindInt(3, o.v)
	for i, v := range o.cols {
		s.bindValue(4+i, v)
	}
	s.bindBlob(4+len(o.cols), o.body)
	if err := s.run(); err != nil {
		if codeOf(err) == lib.SQLITE_CONSTRAINT {
			return conflict(o)
		}
		return err
	}
	for i, ix := range o.l.multi {
		if err := ix.put(w.conn, ws, o.id, nil, o.entries[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) replace(o *op, ws int64) error {
	old, err := w.current(o, ws)
	if err != nil {
		return err
	}
	if old.rowid == 0 || old.v != o.V {
		return conflict(o)
	}
	return w.rewrite(o, ws, old)
}

// rewrite stores o over the row that was found.
func (w *writer) rewrite(o *op, ws int64, old stored) error {
	s, err := w.conn.prepare(w.updates.of(o.l, old.changed))
	if err != nil {
		return err
	}
	s.bindInt(1, o.v)
	s.bindBlob(2, o.body)
	for i, c := range old.changed {
		s.bindValue(3+i, o.cols[c])
	}
	s.bindInt(3+len(old.changed), old.rowid)
	if err := s.run(); err != nil {
		return err
	}
	for i, ix := range o.l.multi {
		if err := ix.put(w.conn, ws, o.id, old.entries[i], o.entries[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) remove(o *op, ws int64) error {
	var old stored
	if len(o.l.multi) > 0 {
		var err error
		if old, err = w.current(o, ws); err != nil {
			return err
		}
	}
	s, err := w.conn.prepare(o.l.remove)
	if err != nil {
		return err
	}
	s.bindInt(1, ws)
	s.bindText(2, o.id)
	s.bindInt(3, o.V)
	if err := s.run(); err != nil {
		return err
	}
	if w.conn.changes() == 0 {
		return conflict(o)
	}
	for i, ix := range o.l.multi {
		if err := ix.put(w.conn, ws, o.id, old.entries[i], nil); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) check(o *op, ws int64) error {
	s, err := w.conn.prepare(o.l.versionOf)
	if err != nil {
		return err
	}
	s.bindInt(1, ws)
	s.bindText(2, o.id)
	found, err := s.step()
	holds := !found
	if o.Kind == store.OpCheck {
		holds = found && s.int(0) == o.V
	}
	s.reset()
	if err == nil && !holds {
		return conflict(o)
	}
	return err
}

// add reads the document, adds and stores it: one writer, so nothing comes between.
func (w *writer) add(o *op, ws int64) (store.ChangeKind, error) {
	o.cols, o.entries = nil, nil
	old, err := w.current(o, ws)
	if err != nil {
		return 0, err
	}
	doc := old.doc
	if doc == nil {
		doc = unstripped([]byte{0})
	}
	if doc, err = add(doc, o.Add); err != nil {
		return 0, refusal{fmt.Errorf("%s: %w", o.Spec.Name, err)}
	}
	o.body, o.v, o.cols = doc[4:], old.v+1, o.l.columns(doc, nil)
	for _, ix := range o.l.multi {
		o.entries = append(o.entries, ix.entries(doc))
	}
	if old.rowid == 0 {
		return store.Inserted, w.insert(o, ws)
	}
	old.changed = old.changed[:0]
	for i, v := range o.cols {
		if v != old.cols[i] {
			old.changed = append(old.changed, i)
		}
	}
	return store.Updated, w.rewrite(o, ws, old)
}

// stored is what the transaction finds under a key; rowid is 0 when there is
// nothing.
type stored struct {
	rowid, v int64
	changed  []int     // the columns that differ from the operation's
	cols     []value   // for an add
	entries  [][]entry // of the multi-valued indexes
	doc      []byte    // unstripped, where it is needed
}

func (w *writer) current(o *op, ws int64) (stored, error) {
	var old stored
	s, err := w.conn.prepare(o.l.current)
	if err != nil {
		return old, err
	}
	s.bindInt(1, ws)
	s.bindText(2, o.id)
	defer s.reset()
	found, err := s.step()
	if err != nil || !found {
		return old, err
	}
	old.rowid, old.v = s.int(0), s.int(1)
	for i := range o.cols {
		if !s.same(2+i, o.cols[i]) {
			old.changed = append(old.changed, i)
		}
	}
	if o.Kind != store.OpAdd && len(o.l.multi) == 0 {
		return old, nil
	}
	old.doc = unstripped(s.bytes(2 + len(o.l.fields)))
	if o.Kind == store.OpAdd {
		old.cols = o.l.columns(old.doc, nil)
	}
	for _, ix := range o.l.multi {
		old.entries = append(old.entries, ix.entries(old.doc))
	}
	return old, nil
}

// updates caches the text of UPDATE statements by collection and changed columns.
type updates map[*layout]map[string]string

func (u updates) of(l *layout, changed []int) string {
	var buf [16]byte
	key := buf[:0]
	for _, i := range changed {
		key = append(key, byte(i))
	}
	if sql, ok := u[l][string(key)]; ok {
		return sql
	}
	if u[l] == nil {
		u[l] = map[string]string{}
	}
	sql := l.update(slices.Clone(changed))
	u[l][string(key)] = sql
	return sql
}

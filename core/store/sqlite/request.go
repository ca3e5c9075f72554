package sqlite

import (
	"fmt"

	"github.com/headwater-cdp/headwater/core/store"
)

// request is a batch, or a job, on its way through the writer.
type request struct {
	batch store.Batch
	ops   []op
	cat   *catalog // that ops were encoded with
	unfit error    // of encoding
	size  int

	job    func(*conn) error // instead of a batch
	before func(*conn) error // of a job: before its transaction

	token store.Token
	err   error
	state chan struct{} // a token that whoever takes it owns the request: the writer, or a caller who gave up
	done  chan struct{}
}

// op is an operation with everything worked out that needs no transaction, so
// that the one writer has little left to do.
type op struct {
	*store.Op
	l       *layout
	ws, id  string // the key, cut at the first slash
	v       int64  // the new version
	body    []byte
	cols    []value
	entries [][]entry // for each multi-valued index
}

func newRequest() *request {
	r := &request{state: make(chan struct{}, 1), done: make(chan struct{})}
	r.state <- struct{}{}
	return r
}

// encode works out the operations for the given catalog.
func (r *request) encode(cat *catalog) error {
	r.cat = cat
	r.ops = make([]op, len(r.batch.Ops))
	r.size = 0
	fields := 0
	for i := range r.batch.Ops {
		o := &r.ops[i]
		o.Op = &r.batch.Ops[i]
		if o.l = cat.byName[o.Spec.Name]; o.l == nil {
			return fmt.Errorf("collection %s is not declared", o.Spec.Name)
		}
		fields += len(o.l.fields)
		r.size += len(o.Doc) + 64
	}
	values := make([]value, 0, fields)
	for i := range r.ops {
		o := &r.ops[i]
		o.ws, o.id = cut(o.l.global, o.ID)
		switch o.Kind {
		case store.OpInsert, store.OpReplace:
			var err error
			if o.v, o.body, err = strip(o.Doc, o.ID); err != nil {
				return fmt.Errorf("%s: %w", o.Spec.Name, err)
			}
			start := len(values)
			values = o.l.columns(o.Doc, values)
			o.cols = values[start:len(values):len(values)]
			for _, ix := range o.l.multi {
				o.entries = append(o.entries, ix.entries(o.Doc))
			}
		case store.OpDelete, store.OpCheck, store.OpAbsent, store.OpAdd:
		default:
			return fmt.Errorf("%s: unknown operation %d", o.Spec.Name, o.Kind)
		}
	}
	return nil
}

// cut splits a key into workspace and rest; a global key has no workspace.
func cut(global bool, key string) (ws, rest string) {
	if global {
		return "", key
	}
	return store.WorkspaceOf(key), store.Rest(key)
}

package store

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// Meta is embedded, inline, in every document type: its key and its version. A
// document that was never stored has version 0.
type Meta struct {
	ID string `bson:"_id"`
	V  int64  `bson:"_v"`
}

// StoreMeta gives the port access to the metadata.
func (m *Meta) StoreMeta() *Meta { return m }

// Document is a pointer to a type that embeds Meta.
type Document interface{ StoreMeta() *Meta }

// Collection is typed access to the documents of a Spec. T embeds Meta with the
// tag `bson:",inline"`.
type Collection[T any] struct{ Spec *Spec }

// Declare makes a collection of documents of type T. It panics when *T is not a
// Document: that is a programmer's mistake, seen at the first start.
func Declare[T any](spec Spec) *Collection[T] {
	if _, ok := any(new(T)).(Document); !ok {
		panic(fmt.Sprintf("store: %s: %T does not embed store.Meta", spec.Name, *new(T)))
	}
	return &Collection[T]{Spec: &spec}
}

func meta[T any](doc *T) *Meta { return any(doc).(Document).StoreMeta() }

// Get returns the document with the key, or nil.
func (c *Collection[T]) Get(ctx context.Context, r Reader, id string) (*T, error) {
	docs, err := c.GetMany(ctx, r, []string{id})
	if err != nil {
		return nil, err
	}
	return docs[0], nil
}

// GetMany returns the documents with the keys, in that order, nil where missing.
func (c *Collection[T]) GetMany(ctx context.Context, r Reader, ids []string) ([]*T, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	raws, err := r.Get(ctx, c.Spec, ids)
	if err != nil {
		return nil, err
	}
	return c.decodeAll(raws)
}

// Find returns at most limit documents (0: all).
func (c *Collection[T]) Find(ctx context.Context, r Reader, q Query, limit int) ([]*T, error) {
	plan, err := PlanQuery(c.Spec, q)
	if err != nil {
		return nil, err
	}
	plan.Limit = limit
	raws, err := r.Scan(ctx, plan)
	if err != nil {
		return nil, err
	}
	return c.decodeAll(raws)
}

// Count returns how many documents match.
func (c *Collection[T]) Count(ctx context.Context, r Reader, q Query) (int64, error) {
	plan, err := PlanQuery(c.Spec, q)
	if err != nil {
		return 0, err
	}
	return r.Count(ctx, plan)
}

// Page is a slice of a list with a cursor for each item.
type Page[T any] struct {
	Items            []*T
	Cursors          []string
	HasNext, HasPrev bool
}

// Page returns the window w of the list that q asks for.
func (c *Collection[T]) Page(ctx context.Context, r Reader, q Query, w core.Window) (Page[T], error) {
	var page Page[T]
	plan, err := PlanQuery(c.Spec, q)
	if err != nil {
		return page, err
	}
	if w.Backward {
		plan.Reverse = !plan.Reverse
	}
	start, err := plan.cursor("after", w.After)
	if err != nil {
		return page, err
	}
	stop, err := plan.cursor("before", w.Before)
	if err != nil {
		return page, err
	}
	if w.Backward {
		start, stop = stop, start
	}
	plan.After = start
	plan.Limit = w.Limit + 1
	raws, err := r.Scan(ctx, plan)
	if err != nil {
		return page, err
	}
	more, cut := len(raws) > w.Limit, false
	raws = raws[:min(len(raws), w.Limit)]
	for i, raw := range raws {
		pos, err := plan.position(raw)
		if err != nil {
			return page, err
		}
		if stop != nil && plan.Compare(pos, *stop) >= 0 {
			raws, more, cut = raws[:i], false, true
			break
		}
		page.Cursors = append(page.Cursors, plan.encodeCursor(pos))
	}
	if page.Items, err = c.decodeAll(raws); err != nil {
		return page, err
	}
	page.HasNext, page.HasPrev = more || cut, start != nil
	if w.Backward {
		slices.Reverse(page.Items)
		slices.Reverse(page.Cursors)
		page.HasNext, page.HasPrev = page.HasPrev, page.HasNext
	}
	return page, nil
}

// Each calls f with every document that q finds, reading in pages. f may write;
// documents that begin to match behind the walk are not seen.
func (c *Collection[T]) Each(ctx context.Context, r Reader, q Query, f func(*T) error) error {
	plan, err := PlanQuery(c.Spec, q)
	if err != nil {
		return err
	}
	plan.Limit = 500
	for {
		raws, err := r.Scan(ctx, plan)
		if err != nil {
			return err
		}
		docs, err := c.decodeAll(raws)
		if err != nil {
			return err
		}
		for _, d := range docs {
			if err := f(d); err != nil {
				return err
			}
		}
		if len(raws) < plan.Limit {
			return nil
		}
		last, err := plan.position(raws[len(raws)-1])
		if err != nil {
			return err
		}
		plan.After = &last
	}
}

// Insert stores doc under its ID, which must not exist. Its version is doc's plus
// one: 1, unless the caller knows that the key had a document before and goes on
// from there, so that nobody who read that one takes this one for it.
func (c *Collection[T]) Insert(doc *T) Op { return c.write(OpInsert, doc) }

// Replace stores doc over the version that it was read with. After a commit the
// stored version is doc's plus one; doc itself is not changed.
func (c *Collection[T]) Replace(doc *T) Op { return c.write(OpReplace, doc) }

// Put is Insert for a document that was never stored, else Replace.
func (c *Collection[T]) Put(doc *T) Op {
	if meta(doc).V == 0 {
		return c.Insert(doc)
	}
	return c.Replace(doc)
}

// Delete removes the document at the version that it was read with.
func (c *Collection[T]) Delete(doc *T) Op {
	m := meta(doc)
	return Op{Kind: OpDelete, Spec: c.Spec, ID: m.ID, V: m.V}
}

// Check demands that the document still has the version that it was read with.
func (c *Collection[T]) Check(doc *T) Op {
	m := meta(doc)
	return Op{Kind: OpCheck, Spec: c.Spec, ID: m.ID, V: m.V}
}

// Absent demands that no document has the key.
func (c *Collection[T]) Absent(id string) Op {
	return Op{Kind: OpAbsent, Spec: c.Spec, ID: id}
}

// Add adds to the numbers of a document, making it when there is none.
func (c *Collection[T]) Add(id string, add map[string]int64) Op {
	return Op{Kind: OpAdd, Spec: c.Spec, ID: id, Add: add}
}

// Encode returns the document's BSON as a write would store it.
func (c *Collection[T]) Encode(doc *T) (bson.Raw, error) {
	if m, ok := any(doc).(bson.Marshaler); ok {
		return m.MarshalBSON() // bson.Marshal would copy it element by element
	}
	return bson.Marshal(doc)
}

// Decode reads a document.
func (c *Collection[T]) Decode(raw bson.Raw) (*T, error) {
	doc := new(T)
	if err := bson.Unmarshal(raw, doc); err != nil {
		return nil, fmt.Errorf("store: %s: decode: %w", c.Spec.Name, err)
	}
	return doc, nil
}

func (c *Collection[T]) write(kind OpKind, doc *T) Op {
	m := meta(doc)
	op := Op{Kind: kind, Spec: c.Spec, ID: m.ID, V: m.V}
	m.V++
	raw, err := c.Encode(doc)
	m.V = op.V
	if kind == OpInsert {
		op.V = 0
	}
	if err != nil {
		op.Err = fmt.Errorf("store: %s: encode: %w", c.Spec.Name, err)
	}
	op.Doc = raw
	return op
}

func (c *Collection[T]) decodeAll(raws []bson.Raw) ([]*T, error) {
	out := make([]*T, len(raws))
	for i, raw := range raws {
		if raw == nil {
			continue
		}
		doc, err := c.Decode(raw)
		if err != nil {
			return nil, err
		}
		out[i] = doc
	}
	return out, nil
}

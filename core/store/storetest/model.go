package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/store"
)

// Model is the port in the fewest words: maps under one lock, every query a walk
// over all documents. It is what engines are compared with, and it passes Run
// itself, so that the cases are not written after one engine.
type Model struct {
	mu      sync.Mutex
	closed  bool
	docs    map[string]map[string]bson.Raw // by collection and key
	batches map[string]store.Token
	log     []store.Change // Token is set on reading
	gone    int            // how many of log are forgotten
	wake    chan struct{}
}

var _ store.Store = (*Model)(nil)

// NewModel returns an empty store.
func NewModel() *Model {
	return &Model{docs: map[string]map[string]bson.Raw{}, batches: map[string]store.Token{}, wake: make(chan struct{})}
}

func (m *Model) lock(ctx context.Context) (func(), error) {
	m.mu.Lock()
	err := ctx.Err()
	if m.closed {
		err = fmt.Errorf("%w: closed", store.ErrUnavailable)
	}
	if err != nil {
		m.mu.Unlock()
		return nil, err
	}
	return m.mu.Unlock, nil
}

// Declare implements store.Store.
func (m *Model) Declare(ctx context.Context, specs ...*store.Spec) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, s := range specs {
		if m.docs[s.Name] == nil {
			m.docs[s.Name] = map[string]bson.Raw{}
		}
	}
	return nil
}

// Commit implements store.Writer.
func (m *Model) Commit(ctx context.Context, b store.Batch) (store.Token, error) {
	if err := b.Validate(); err != nil {
		return "", err
	}
	unlock, err := m.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if t, ok := m.batches[b.ID]; ok {
		return t, nil
	}
	staged, log := map[string]map[string]bson.Raw{}, m.log
	for _, op := range b.Ops {
		if m.docs[op.Spec.Name] == nil {
			return "", fmt.Errorf("collection %s is not declared", op.Spec.Name)
		}
		if staged[op.Spec.Name] == nil {
			staged[op.Spec.Name] = maps.Clone(m.docs[op.Spec.Name])
		}
		kind, v, err := operate(staged[op.Spec.Name], op)
		if err != nil {
			return "", err
		}
		if kind != 0 {
			log = append(log, store.Change{Collection: op.Spec.Name, Key: op.ID, Version: v, Kind: kind, At: time.Now().UTC().Truncate(time.Millisecond)})
		}
	}
	maps.Copy(m.docs, staged)
	m.log = log
	m.batches[b.ID] = token(len(log))
	close(m.wake)
	m.wake = make(chan struct{})
	return token(len(log)), nil
}

func operate(docs map[string]bson.Raw, op store.Op) (store.ChangeKind, int64, error) {
	old, exists := docs[op.ID]
	holds := true
	switch op.Kind {
	case store.OpInsert, store.OpAbsent:
		holds = !exists
	case store.OpReplace, store.OpDelete, store.OpCheck:
		holds = exists && old.Lookup("_v").AsInt64() == op.V
	case store.OpAdd:
	default:
		return 0, 0, fmt.Errorf("unknown operation %d", op.Kind)
	}
	if !holds {
		return 0, 0, &store.ConflictError{Collection: op.Spec.Name, ID: op.ID, Kind: op.Kind}
	}
	switch op.Kind {
	case store.OpInsert, store.OpReplace:
		if id, _ := op.Doc.Lookup("_id").StringValueOK(); op.Doc.Validate() != nil || id != op.ID {
			return 0, 0, errors.New("not a document with this key")
		}
		docs[op.ID] = slices.Clone(op.Doc)
		if exists {
			return store.Updated, op.V + 1, nil
		}
		return store.Inserted, op.Doc.Lookup("_v").AsInt64(), nil
	case store.OpDelete:
		delete(docs, op.ID)
		return store.Deleted, 0, nil
	case store.OpAdd:
		return addTo(docs, op, old, exists)
	}
	return 0, 0, nil
}

func addTo(docs map[string]bson.Raw, op store.Op, old bson.Raw, exists bool) (store.ChangeKind, int64, error) {
	d := bson.D{{Key: "_id", Value: op.ID}, {Key: "_v", Value: int64(0)}}
	if exists {
		if err := bson.Unmarshal(old, &d); err != nil {
			return 0, 0, err
		}
	}
	sums := maps.Clone(op.Add)
	sums["_v"] = 1
	for _, path := range slices.Sorted(maps.Keys(sums)) {
		if err := increase(&d, strings.Split(path, "."), sums[path]); err != nil {
			return 0, 0, err
		}
	}
	raw, err := bson.Marshal(d)
	docs[op.ID] = raw
	if exists {
		return store.Updated, docs[op.ID].Lookup("_v").Int64(), err
	}
	return store.Inserted, 1, err
}

func increase(d *bson.D, path []string, n int64) error {
	for i := range *d {
		e := &(*d)[i]
		if e.Key != path[0] {
			continue
		}
		if len(path) > 1 {
			inner, ok := e.Value.(bson.D)
			if !ok {
				return errors.New("not a document")
			}
			err := increase(&inner, path[1:], n)
			e.Value = inner
			return err
		}
		old, ok := e.Value.(int64)
		if !ok {
			return errors.New("not a number")
		}
		e.Value = old + n
		return nil
	}
	if len(path) == 1 {
		*d = append(*d, bson.E{Key: path[0], Value: n})
		return nil
	}
	inner := bson.D{}
	err := increase(&inner, path[1:], n)
	*d = append(*d, bson.E{Key: path[0], Value: inner})
	return err
}

// Get implements store.Reader.
func (m *Model) Get(ctx context.Context, spec *store.Spec, ids []string) ([]bson.Raw, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	out := make([]bson.Raw, len(ids))
	for i, id := range ids {
		out[i] = m.docs[spec.Name][id]
	}
	return out, nil
}

// Scan implements store.Reader.
func (m *Model) Scan(ctx context.Context, plan store.Plan) ([]bson.Raw, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	type hit struct {
		pos store.Position
		doc bson.Raw
	}
	var hits []hit
	for id, doc := range m.docs[plan.Spec.Name] {
		if !plan.Spec.Global && !strings.HasPrefix(id, plan.Workspace+"/") {
			continue
		}
		if pos, ok := place(plan, id, doc); ok && (plan.After == nil || plan.Compare(pos, *plan.After) > 0) {
			hits = append(hits, hit{pos, doc})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int { return plan.Compare(a.pos, b.pos) })
	if plan.Limit > 0 {
		hits = hits[:min(plan.Limit, len(hits))]
	}
	var out []bson.Raw
	for _, h := range hits {
		out = append(out, h.doc)
	}
	return out, nil
}

// place returns where a document stands in the walk; ok is false when it is not
// in it.
func place(plan store.Plan, id string, doc bson.Raw) (pos store.Position, ok bool) {
	pos.ID = id
	ranged := any(id)
	if plan.ByElement() {
		return pos, slices.ContainsFunc(store.FieldValues(doc, plan.Index.Fields[0].Path), func(v any) bool { return between(plan, v) })
	}
	if plan.Index != nil {
		for i, f := range plan.Index.Fields {
			var v any
			if f.Multi {
				if !slices.Contains(store.FieldValues(doc, f.Path), plan.Equal[0]) {
					return pos, false
				}
				continue
			}
			if v, ok = store.FieldValue(doc, f.Path); !ok || i < len(plan.Equal) && v != plan.Equal[i] {
				return pos, false
			}
			if i >= len(plan.Equal) {
				pos.Values = append(pos.Values, v)
			}
		}
		ranged = nil
		if len(pos.Values) > 0 {
			ranged = pos.Values[0]
		}
	}
	return pos, between(plan, ranged)
}

// between reports whether a value lies between the bounds of a plan.
func between(plan store.Plan, v any) bool {
	if b := plan.Low; b != nil {
		if c := compare(v, b.Value); c < 0 || c == 0 && !b.Inclusive {
			return false
		}
	}
	if b := plan.High; b != nil {
		if c := compare(v, b.Value); c > 0 || c == 0 && !b.Inclusive {
			return false
		}
	}
	return true
}

// compare orders two index values of one type: the plan of a one-field index does.
func compare(a, b any) int {
	p := store.Plan{Index: &store.Index{Fields: []store.IndexField{{}}}}
	return p.Compare(store.Position{Values: []any{a}}, store.Position{Values: []any{b}})
}

// Count implements store.Reader.
func (m *Model) Count(ctx context.Context, plan store.Plan) (int64, error) {
	plan.Limit = 0
	docs, err := m.Scan(ctx, plan)
	return int64(len(docs)), err
}

func token(n int) store.Token { return store.Token(strconv.Itoa(n)) }

// Now implements store.Watcher.
func (m *Model) Now(ctx context.Context) (store.Token, error) {
	unlock, err := m.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	return token(len(m.log)), nil
}

// ForgetChanges implements Forgetter.
func (m *Model) ForgetChanges(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone = len(m.log)
	return nil
}

// Ping implements store.Store.
func (m *Model) Ping(ctx context.Context) error {
	unlock, err := m.lock(ctx)
	if err == nil {
		unlock()
	}
	return err
}

// Close implements store.Store.
func (m *Model) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.closed = true
		close(m.wake)
	}
	return nil
}

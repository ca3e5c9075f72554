package store

import (
	"fmt"
	"strings"
	"time"
)

// Query asks for documents by the fields of one declared index: equalities on
// its first fields, at most one range on the next, in the index's order or its
// reverse. A query on "_id" alone, or on nothing, goes by key.
//
// A range on the only field of an index, when that is multi-valued, finds each
// document of which at least one single element lies in the range, once, in the
// order of the keys or its reverse: Order is empty, "_id" or "-_id".
type Query struct {
	Workspace string // required unless the collection is global
	Where     []Cond
	Order     []string // like the fields of On: "-at"; empty means the index's own order
}

// Cond is a condition on one field.
type Cond struct {
	Field string
	Op    CondOp
	Value any // string, int64 (int is taken too), bool or time.Time
}

// CondOp is an operator.
type CondOp uint8

// The operators.
const (
	EqOp CondOp = iota + 1
	GtOp
	GteOp
	LtOp
	LteOp
	PrefixOp // a string that begins with the value
)

// Eq matches equal values.
func Eq(field string, v any) Cond { return Cond{field, EqOp, v} }

// Gt matches greater values.
func Gt(field string, v any) Cond { return Cond{field, GtOp, v} }

// Gte matches greater or equal values.
func Gte(field string, v any) Cond { return Cond{field, GteOp, v} }

// Lt matches lesser values.
func Lt(field string, v any) Cond { return Cond{field, LtOp, v} }

// Lte matches lesser or equal values.
func Lte(field string, v any) Cond { return Cond{field, LteOp, v} }

// Prefix matches strings that begin with v. On "_id" v comes after the workspace
// and its slash.
func Prefix(field, v string) Cond { return Cond{field, PrefixOp, v} }

// Bound is one end of a range.
type Bound struct {
	Value     any
	Inclusive bool
}

// Position is a document's place in an index: the values of the fields after the
// plan's equalities, then the key.
type Position struct {
	Values []any
	ID     string
}

// Plan is a query as an engine runs it: walk Index (nil: the keys) over the
// entries that equal Equal in the first fields (in the order of the index) and lie
// between Low and High in the next, from After (exclusive, in the direction of
// the walk), at most Limit. Values are string, int64, bool or time.Time (UTC,
// whole milliseconds). When Index is nil, Low and High hold whole keys. When
// ByElement, they bound elements, and the walk goes by key.
type Plan struct {
	Spec      *Spec
	Index     *Index
	Workspace string // "" only for a global collection
	Equal     []any
	Low, High *Bound // by value, whatever the direction of the field
	Reverse   bool
	After     *Position
	Limit     int // 0: no limit
}

// PlanQuery finds the declared index that serves q, or returns an error that
// wraps ErrNoIndex and names the one that is missing.
func PlanQuery(spec *Spec, q Query) (Plan, error) {
	p := Plan{Spec: spec, Workspace: q.Workspace}
	if !spec.Global && q.Workspace == "" {
		return p, fmt.Errorf("store: %s: query without a workspace", spec.Name)
	}
	eq := map[string]any{}
	var ranged string
	for _, c := range q.Where {
		v, err := normal(c.Value)
		if err != nil {
			return p, fmt.Errorf("store: %s.%s: %w", spec.Name, c.Field, err)
		}
		if c.Op == EqOp && c.Field != "_id" {
			eq[c.Field] = v
			continue
		}
		if ranged != "" && ranged != c.Field {
			return p, noIndex(spec, q)
		}
		ranged = c.Field
		if err := p.bound(spec, c, v); err != nil {
			return p, err
		}
	}
	if len(eq) == 0 && (ranged == "" || ranged == "_id") && (len(q.Order) == 0 || q.Order[0] == "_id" || q.Order[0] == "-_id") {
		p.Reverse = len(q.Order) > 0 && q.Order[0] == "-_id"
		return p, nil
	}
	if p.elements(spec, eq, ranged, q.Order) {
		return p, nil
	}
	for i := range spec.Indexes {
		if p.use(&spec.Indexes[i], eq, ranged, q.Order) {
			return p, nil
		}
	}
	return p, noIndex(spec, q)
}

func (p *Plan) bound(spec *Spec, c Cond, v any) error {
	if c.Field == "_id" {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("store: %s: a key is a string", spec.Name)
		}
		if c.Op == PrefixOp && !spec.Global {
			v = Key(p.Workspace, s)
		}
	}
	set := func(end **Bound, v any, inclusive bool) { *end = &Bound{v, inclusive} }
	switch c.Op {
	case EqOp:
		set(&p.Low, v, true)
		set(&p.High, v, true)
	case GtOp, GteOp:
		set(&p.Low, v, c.Op == GteOp)
	case LtOp, LteOp:
		set(&p.High, v, c.Op == LteOp)
	case PrefixOp:
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("store: %s.%s: a prefix is a string", spec.Name, c.Field)
		}
		set(&p.Low, s, true)
		// The greatest code point bounds every string that begins with s.
		set(&p.High, s+"\U0010FFFF", true)
	default:
		return fmt.Errorf("store: %s.%s: unknown operator %d", spec.Name, c.Field, c.Op)
	}
	return nil
}

// elements fills in the plan when the query is a range over the elements of a
// multi-valued field.
func (p *Plan) elements(spec *Spec, eq map[string]any, ranged string, order []string) bool {
	if len(eq) > 0 || ranged == "" || len(order) > 1 || len(order) == 1 && order[0] != "_id" && order[0] != "-_id" {
		return false
	}
	for i := range spec.Indexes {
		if ix := &spec.Indexes[i]; len(ix.Fields) == 1 && ix.Fields[0].Multi && ix.Fields[0].Path == ranged {
			p.Index, p.Reverse = ix, len(order) > 0 && order[0] == "-_id"
			return true
		}
	}
	return false
}

// ByElement reports whether the plan is a range over the elements of a multi-valued
// field: each document with an element in it is told once, in the order of keys.
func (p Plan) ByElement() bool {
	return p.Index != nil && len(p.Equal) == 0 && p.Index.Fields[0].Multi
}

// Rest returns the fields that the walk goes by before the key: those of the index
// after the equalities. There are none when it goes by key alone.
func (p Plan) Rest() []IndexField {
	if p.Index == nil || p.ByElement() {
		return nil
	}
	return p.Index.Fields[len(p.Equal):]
}

// use fills in the plan when ix serves the query.
func (p *Plan) use(ix *Index, eq map[string]any, ranged string, order []string) bool {
	n := len(eq)
	if n > len(ix.Fields) {
		return false
	}
	equal := make([]any, 0, n)
	for _, f := range ix.Fields[:n] {
		v, ok := eq[f.Path]
		if !ok {
			return false
		}
		equal = append(equal, v)
	}
	rest := ix.Fields[n:]
	if len(rest) > 0 && rest[0].Multi {
		return false
	}
	if ranged != "" && (len(rest) == 0 || rest[0].Path != ranged) {
		return false
	}
	reverse := false
	if len(order) > len(rest) {
		return false
	}
	for i, o := range order {
		desc := strings.HasPrefix(o, "-")
		if strings.TrimPrefix(o, "-") != rest[i].Path {
			return false
		}
		flip := desc != rest[i].Desc
		if i == 0 {
			reverse = flip
		} else if reverse != flip {
			return false
		}
	}
	p.Index, p.Equal, p.Reverse = ix, equal, reverse
	return true
}

// normal brings a value to one of the four types.
func normal(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if strings.IndexByte(v, 0) >= 0 {
			return nil, fmt.Errorf("an index value holds no NUL byte")
		}
		return v, nil
	case int64, bool:
		return v, nil
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case time.Time:
		return v.UTC().Truncate(time.Millisecond), nil
	}
	return nil, fmt.Errorf("an index value is a string, int64, bool or time, not %T", v)
}

// multi reports whether a field is multi-valued in an index.
func (s *Spec) multi(path string) bool {
	for _, ix := range s.Indexes {
		if f := ix.Fields[0]; f.Multi && f.Path == path {
			return true
		}
	}
	return false
}

func noIndex(spec *Spec, q Query) error {
	var fields, ranges []string
	for _, c := range q.Where {
		if c.Op == EqOp {
			fields = append(fields, fmt.Sprintf("%q", c.Field))
		} else {
			ranges = append(ranges, fmt.Sprintf("%q", c.Field))
		}
	}
	if len(q.Order) > 0 {
		ranges = nil
		for _, o := range q.Order {
			ranges = append(ranges, fmt.Sprintf("%q", o))
		}
	}
	if len(fields) == 0 && len(q.Where) > 0 && spec.multi(q.Where[0].Field) {
		return fmt.Errorf("%w: %s needs On(%q); a range over elements goes by key", ErrNoIndex, spec.Name, q.Where[0].Field+"[]")
	}
	return fmt.Errorf("%w: %s needs On(%s)", ErrNoIndex, spec.Name, strings.Join(append(fields, ranges...), ", "))
}

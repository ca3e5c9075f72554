package condition

import (
	"slices"
	"strings"
)

// operators are all of them, in the order of the canonical form.
var operators = []Op{
	Eq, Neq, In, NotIn, Gt, Gte, Lt, Lte, Between, Contains, StartsWith, EndsWith, Matches, Exists,
	Before, After, Within, OlderThan, Anniversary,
}

var predicateKeys = func() []string {
	keys := []string{"path"}
	for _, op := range operators {
		keys = append(keys, string(op))
	}
	return append(keys, "any", "all", "none", "size", "missing")
}()

// subject is what a predicate is about.
type subject struct {
	lookup  func(path string) (types []string, known bool) // nil: nothing can be known
	unknown func()                                         // says that the path at which the reader is is not known
	base    string                                         // path of the array whose elements are asked
	nesting int                                            // under any, all and none
	event   bool                                           // properties of events, which are matched when they come
	figure  bool                                           // a prediction: its path is a name, its value a number
}

// predicates reads a list of them.
func (r *reader) predicates(m map[string]any, key string, s subject) []*Predicate {
	if m[key] == nil {
		return nil
	}
	var out []*Predicate
	r.at(key, func() {
		r.each(m[key], func(v any) {
			if p := r.predicate(v, s); p != nil {
				out = append(out, p)
			}
		})
	})
	return out
}

func (r *reader) predicate(v any, s subject) *Predicate {
	if !r.count() {
		return nil
	}
	m, known := r.fields(v, "a predicate", predicateKeys...)
	if m == nil {
		return nil
	}
	p := &Predicate{Path: r.subjectPath(m, s), IncludeNull: r.enum(m, "missing", "EXCLUDE", "INCLUDE") == "INCLUDE"}
	types := r.typesAt(m, p.Path, s)
	asked := false
	for _, op := range operators {
		if m[string(op)] == nil {
			continue
		}
		asked = true
		r.at(string(op), func() {
			val, ok := r.operand(op, m[string(op)], s)
			if ok && r.fits(types, op, val) {
				p.Operators = append(p.Operators, Operator{Op: op, Value: val})
			}
		})
	}
	if r.elements(p, m, types, s) {
		asked = true
	}
	switch {
	case !asked && known:
		r.fault(ReasonNoOperator, "a predicate asks something of the value at its path, such as eq, gte, in or exists (to ask for null or nothing, write exists with false)")
	case asked:
		r.contradictions(p)
	}
	return p
}

// subjectPath reads the path; among the elements of an array "" is the element itself.
func (r *reader) subjectPath(m map[string]any, s subject) string {
	switch {
	case s.figure:
		return r.name(m, "path")
	case s.nesting > 0 && m["path"] == "":
		return ""
	}
	return r.dotted(m, "path")
}

// typesAt looks up what was seen at the path; nil when nothing is known.
func (r *reader) typesAt(m map[string]any, path string, s subject) []string {
	if s.lookup == nil || path == "" {
		return nil
	}
	full := join(s.base, path)
	types, known := s.lookup(full)
	if known {
		return types
	}
	for _, op := range operators { // an amount of money may be known by its parts only
		if _, ok := money(m[string(op)]); ok {
			if _, known := s.lookup(full + ".amount"); known {
				return nil
			}
		}
	}
	r.at("path", s.unknown)
	return nil
}

func join(base, path string) string {
	switch {
	case base == "":
		return path
	case path == "":
		return base
	}
	return base + "." + path
}

// elements reads what is asked of the elements of an array.
func (r *reader) elements(p *Predicate, m map[string]any, types []string, s subject) (asked bool) {
	inner := s
	inner.base, inner.nesting = join(s.base, p.Path), s.nesting+1
	for _, q := range []struct {
		key string
		to  *[]*Predicate
	}{{"any", &p.Any}, {"all", &p.All}, {"none", &p.None}} {
		if m[q.key] == nil {
			continue
		}
		asked = true
		if !r.asksArray(q.key, types, s) {
			continue
		}
		*q.to = r.predicates(m, q.key, inner)
		if len(items(m[q.key])) == 0 {
			r.at(q.key, func() { r.fault(ReasonEmpty, "at least one predicate about the elements is expected") })
		}
	}
	if m["size"] != nil {
		asked = true
		if r.asksArray("size", types, s) {
			p.Size = r.ranged(m, "size", true)
		}
	}
	return asked
}

func (r *reader) asksArray(key string, types []string, s subject) (ok bool) {
	r.at(key, func() {
		switch {
		case s.figure:
			r.fault(ReasonTypeMismatch, "a prediction is a number, which has no elements; ask with gt, gte, lt, lte or between")
		case s.nesting >= MaxNesting && key != "size":
			r.fault(ReasonTooDeep, "any, all and none may stand %d deep", MaxNesting)
		case lacks(types, "array"):
			r.fault(ReasonTypeMismatch, "%s asks for an array; only %s was seen here", key, list(types, "and"))
		default:
			ok = true
		}
	})
	return ok
}

// lacks tells whether types are known and none of the wanted ones is among them.
func lacks(types []string, wanted ...string) bool {
	told := false
	for _, t := range types {
		t = strings.ToLower(t)
		if slices.Contains(wanted, t) {
			return false
		}
		told = told || t != "null"
	}
	return told
}

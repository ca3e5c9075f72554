package limit

import (
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/headwater-cdp/headwater/core"
)

// huge is where counts stop growing.
const huge = 1 << 40

func add(a, b int64) int64 { return min(a+b, huge) }

func mul(a, b int64) int64 {
	if a != 0 && b > huge/a {
		return huge
	}
	return a * b
}

// Shape checks a document that was parsed and not yet validated. It looks at
// every written selection a bounded number of times.
func (l Limits) Shape(doc *ast.QueryDocument) *core.Error {
	if len(doc.Operations) > l.Operations {
		return tooComplex("TOO_MANY_OPERATIONS", "a document may hold at most %d operations", l.Operations)
	}
	if len(doc.Fragments) > l.Fragments {
		return tooComplex("TOO_MANY_FRAGMENTS", "a document may define at most %d fragments", l.Fragments)
	}
	s := shape{limits: l, fragments: map[string]*fragment{}, doc: doc}
	var total int64
	for _, f := range doc.Fragments {
		size, _, err := s.fragment(f.Name)
		if err != nil {
			return err
		}
		total = add(total, size)
	}
	for _, op := range doc.Operations {
		if len(op.VariableDefinitions) > l.Variables {
			return tooComplex("TOO_MANY_VARIABLES", "an operation may have at most %d variables", l.Variables)
		}
		s.directives += len(op.Directives)
		for _, v := range op.VariableDefinitions {
			s.directives += len(v.Directives)
			if err := s.literal(v.DefaultValue, 1); err != nil {
				return err
			}
		}
		size, _, err := s.selections(op.SelectionSet, 1)
		if err != nil {
			return err
		}
		total = add(total, size)
	}
	if err := s.written(); err != nil {
		return err
	}
	if total > int64(l.Fields) {
		return tooComplex("TOO_MANY_FIELDS", "a document may select at most %d fields, counting a fragment's fields at every place it is spread", l.Fields)
	}
	return s.overlaps()
}

// shape counts with one visit per fragment.
type shape struct {
	limits              Limits
	doc                 *ast.QueryDocument
	fragments           map[string]*fragment
	aliases, directives int
}

type fragment struct {
	size  int64 // fields, spreads expanded
	depth int   // levels of fields below the place of the spread
	open  bool  // being measured: meeting it again is a cycle
}

func (s *shape) written() *core.Error {
	if s.aliases > s.limits.Aliases {
		return tooComplex("TOO_MANY_ALIASES", "a document may use at most %d aliases", s.limits.Aliases)
	}
	if s.directives > s.limits.Directives {
		return tooComplex("TOO_MANY_DIRECTIVES", "a document may use at most %d directives", s.limits.Directives)
	}
	return nil
}

func (s *shape) fragment(name string) (size int64, depth int, err *core.Error) {
	if f := s.fragments[name]; f != nil {
		if f.open {
			return 0, 0, core.Errorf(core.Invalid, "GRAPHQL_VALIDATION_FAILED", "a fragment spreads itself, directly or through others")
		}
		return f.size, f.depth, nil
	}
	def := s.doc.Fragments.ForName(name)
	if def == nil {
		return 0, 0, nil // validation names it
	}
	f := &fragment{open: true}
	s.fragments[name] = f
	s.directives += len(def.Directives)
	f.size, f.depth, err = s.selections(def.SelectionSet, 1)
	f.open = false
	return f.size, f.depth, err
}

// selections returns how many fields a set holds and how deep it goes, the
// fields of the set itself being at the given level.
func (s *shape) selections(set ast.SelectionSet, level int) (size int64, depth int, err *core.Error) {
	if level > s.limits.Depth {
		return 0, 0, s.tooDeep()
	}
	for _, sel := range set {
		var n int64
		var d int
		switch sel := sel.(type) {
		case *ast.Field:
			s.directives += len(sel.Directives)
			if sel.Alias != "" && sel.Alias != sel.Name {
				s.aliases++
			}
			for _, arg := range sel.Arguments {
				if err := s.literal(arg.Value, 1); err != nil {
					return 0, 0, err
				}
			}
			n, d, err = s.selections(sel.SelectionSet, level+1)
			n, d = add(n, 1), d+1
		case *ast.InlineFragment:
			// A fragment adds no level of fields but is as deep to walk as one.
			s.directives += len(sel.Directives)
			n, d, err = s.selections(sel.SelectionSet, level+1)
		case *ast.FragmentSpread:
			s.directives += len(sel.Directives)
			n, d, err = s.fragment(sel.Name)
		}
		if err != nil {
			return 0, 0, err
		}
		size, depth = add(size, n), max(depth, d)
	}
	if level+depth-1 > s.limits.Depth {
		return 0, 0, s.tooDeep()
	}
	return size, depth, nil
}

// literal bounds how deep a literal goes.
func (s *shape) literal(v *ast.Value, level int) *core.Error {
	if v == nil {
		return nil
	}
	if level > s.limits.Nesting {
		return tooNested(s.limits)
	}
	for _, child := range v.Children {
		if err := s.literal(child.Value, level+1); err != nil {
			return err
		}
	}
	return nil
}

func (s *shape) tooDeep() *core.Error {
	return tooComplex("TOO_DEEP", "fields may nest at most %d levels", s.limits.Depth)
}

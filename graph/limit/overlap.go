package limit

import (
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/headwater-cdp/headwater/core"
)

// overlaps bounds the work of the rule that fields with one response name must
// merge. The rule compares all fields that stand at the same path of the answer
// with each other, so that its work is the sum of the squares of how many there
// are. The document is known to be small here, spreads expanded.
func (s *shape) overlaps() *core.Error {
	left := int64(s.limits.Pairs)
	for _, op := range s.doc.Operations {
		roots, err := s.merge(op.SelectionSet, &left)
		if err != nil {
			return err
		}
		if roots > s.limits.Roots {
			return tooComplex("TOO_MANY_ROOT_FIELDS", "an operation may have at most %d fields at its top", s.limits.Roots)
		}
	}
	for _, f := range s.doc.Fragments {
		if _, err := s.merge(f.SelectionSet, &left); err != nil {
			return err
		}
	}
	return nil
}

// merge walks sets as execution would, and returns how many response names the
// first level has.
func (s *shape) merge(set ast.SelectionSet, left *int64) (int, *core.Error) {
	groups := map[string][]ast.SelectionSet{}
	s.group(set, groups)
	return len(groups), s.mergeGroups(groups, left)
}

func (s *shape) mergeGroups(groups map[string][]ast.SelectionSet, left *int64) *core.Error {
	for _, sets := range groups {
		n := int64(len(sets))
		if *left -= n * n; *left < 0 {
			return tooComplex("TOO_MANY_OVERLAPS", "too many fields share one name in the answer; merge them or give them aliases")
		}
		below := map[string][]ast.SelectionSet{}
		for _, set := range sets {
			s.group(set, below)
		}
		if len(below) > 0 {
			if err := s.mergeGroups(below, left); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shape) group(set ast.SelectionSet, groups map[string][]ast.SelectionSet) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			name := sel.Alias
			if name == "" {
				name = sel.Name
			}
			groups[name] = append(groups[name], sel.SelectionSet)
		case *ast.InlineFragment:
			s.group(sel.SelectionSet, groups)
		case *ast.FragmentSpread:
			if def := s.doc.Fragments.ForName(sel.Name); def != nil {
				s.group(def.SelectionSet, groups)
			}
		}
	}
}

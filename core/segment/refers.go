package segment

import (
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/condition"
)

// visit calls f with a node and all that are under it.
func visit(n *condition.Node, f func(*condition.Node)) {
	if n == nil {
		return
	}
	f(n)
	for _, c := range n.And {
		visit(c, f)
	}
	for _, c := range n.Or {
		visit(c, f)
	}
	visit(n.Not, f)
}

// refers lists the segments and lists that a condition names, sorted.
func refers(n *condition.Node) []string {
	var out []string
	visit(n, func(n *condition.Node) {
		if n.Segment != nil {
			out = append(out, n.Segment.ID)
		}
		if n.List != nil {
			out = append(out, n.List.ID)
		}
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// predicts tells whether a condition asks for a prediction.
func predicts(n *condition.Node) bool {
	found := false
	visit(n, func(n *condition.Node) { found = found || n.Prediction != nil })
	return found
}

// asksFor tells whether a condition asks for records of a type, or, with a field,
// for that field of them or a relation of that key.
func asksFor(n *condition.Node, typeKey, field string) bool {
	found := false
	visit(n, func(n *condition.Node) {
		if n.Object != nil && n.Object.Type == typeKey && (field == "" || n.Object.Relation == field || reads(n.Object.Where, field)) {
			found = true
		}
	})
	return found
}

// reads tells whether predicates read a field or something under it.
func reads(where []*condition.Predicate, field string) bool {
	return slices.ContainsFunc(where, func(p *condition.Predicate) bool {
		return p.Path == field || strings.HasPrefix(p.Path, field+".") // what is under any, all and none is within the path
	})
}

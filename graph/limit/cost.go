package limit

import (
	"encoding/json"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/headwater-cdp/headwater/core"
)

// The sizes that CostOf assumes.
const (
	listSize   = 10  // of a list that has no paging arguments
	countCost  = 100 // of totalCount, which walks an index
	fieldsCost = 1
	schemaCost = 20_000 // of __schema, whose lists are as long as the schema is
	typeCost   = 500    // of __type
)

// CostOf returns what an operation may cost at most: one for each field of the
// answer, if every list were full. A connection counts its edges as often as
// first or last says (clamped to a page), 20 times when neither is given, other
// lists ten times. Numbers stop growing at 2^40. The document must be valid and
// have passed Shape.
func (l Limits) CostOf(op *ast.OperationDefinition, vars map[string]any) (int64, *core.Error) {
	c := coster{vars: vars, fragments: map[fragmentKey]int64{}}
	cost := c.selections(op.SelectionSet, 1)
	if cost > l.Cost {
		return cost, tooComplex("COST_EXCEEDED", "the operation may cost %d, the limit is %d; ask for smaller pages or fewer nested lists", cost, l.Cost)
	}
	return cost, nil
}

type coster struct {
	vars      map[string]any
	fragments map[fragmentKey]int64
}

type fragmentKey struct {
	name string
	page int64
}

// selections returns the cost of a set; page is how many edges each connection's
// set stands for, 1 elsewhere.
func (c *coster) selections(set ast.SelectionSet, page int64) int64 {
	var total int64
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			total = add(total, c.field(sel, page))
		case *ast.InlineFragment:
			total = add(total, c.selections(sel.SelectionSet, page))
		case *ast.FragmentSpread:
			total = add(total, c.spread(sel, page))
		}
	}
	return total
}

func (c *coster) spread(sel *ast.FragmentSpread, page int64) int64 {
	if sel.Definition == nil {
		return 0
	}
	key := fragmentKey{sel.Name, page}
	if cost, ok := c.fragments[key]; ok {
		return cost
	}
	c.fragments[key] = 0 // a cycle was refused before; this only keeps a mistake finite
	cost := c.selections(sel.Definition.SelectionSet, page)
	c.fragments[key] = cost
	return cost
}

func (c *coster) field(f *ast.Field, page int64) int64 {
	switch f.Name {
	case "totalCount":
		return countCost
	case "__schema": // how deep it goes is bounded by a rule of validation
		return schemaCost
	case "__type":
		return typeCost
	}
	if len(f.SelectionSet) == 0 || f.Definition == nil {
		return fieldsCost
	}
	times, below := int64(1), int64(1)
	switch {
	case isConnection(f.Definition.Type):
		below = c.page(f)
	case f.Name == "edges" && f.ObjectDefinition != nil && strings.HasSuffix(f.ObjectDefinition.Name, "Connection"):
		times = page
	case f.Definition.Type.Elem != nil:
		times = listSize
	}
	return add(fieldsCost, mul(times, c.selections(f.SelectionSet, below)))
}

func isConnection(t *ast.Type) bool {
	return t.Elem == nil && strings.HasSuffix(t.NamedType, "Connection")
}

// page returns how many edges a connection was asked for.
func (c *coster) page(f *ast.Field) int64 {
	n := int64(-1)
	for _, name := range []string{"first", "last"} {
		if arg := f.Arguments.ForName(name); arg != nil {
			if v, ok := c.number(arg.Value); ok {
				n = max(n, v)
			}
		}
	}
	if n < 0 {
		return core.DefaultPage
	}
	return max(1, min(n, core.MaxPage))
}

func (c *coster) number(v *ast.Value) (int64, bool) {
	raw, err := v.Value(c.vars)
	if err != nil {
		return 0, false
	}
	switch n := raw.(type) {
	case int64:
		return n, true
	case int:
		return int64(n), true
	case float64:
		return int64(n), true
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	case string:
		i, err := json.Number(n).Int64()
		return i, err == nil
	}
	return 0, false
}

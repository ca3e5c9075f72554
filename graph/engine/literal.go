package engine

import (
	"encoding/json"

	"github.com/vektah/gqlparser/v2/ast"
)

// liftNumbers makes the numbers that stand literally inside a custom scalar
// exact. The parser's library turns a literal into an int64 or a float64, which
// changes 12.10 and panics at twenty digits; a number that comes as a variable is
// kept as text. So each such literal becomes a reference to a variable that no
// client can name, and the returned map holds their values.
func liftNumbers(doc *ast.QueryDocument) map[string]any {
	l := lifter{}
	for _, op := range doc.Operations {
		for _, v := range op.VariableDefinitions {
			if v.DefaultValue != nil {
				l.value(v.DefaultValue, false)
			}
		}
		l.selections(op.SelectionSet)
	}
	for _, f := range doc.Fragments {
		l.selections(f.SelectionSet)
	}
	return l
}

type lifter map[string]any

func (l lifter) selections(set ast.SelectionSet) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			for _, arg := range sel.Arguments {
				l.value(arg.Value, false)
			}
			l.selections(sel.SelectionSet)
		case *ast.InlineFragment:
			l.selections(sel.SelectionSet)
		}
	}
}

// value lifts the numbers of v; inside tells that v is part of a custom scalar.
func (l lifter) value(v *ast.Value, inside bool) {
	inside = inside || custom(v.Definition)
	if inside && (v.Kind == ast.IntValue || v.Kind == ast.FloatValue) {
		name := "#" + v.Raw // no name of GraphQL begins so
		l[name] = json.Number(v.Raw)
		v.Kind, v.Raw = ast.Variable, name
		return
	}
	for _, child := range v.Children {
		l.value(child.Value, inside)
	}
}

func custom(def *ast.Definition) bool {
	if def == nil || def.Kind != ast.Scalar {
		return false
	}
	switch def.Name {
	case "Int", "Float", "String", "Boolean", "ID":
		return false
	}
	return true
}

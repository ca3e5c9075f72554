package engine

import (
	"encoding/json"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

// numbers are the literal numbers inside custom scalars of a document. The
// parser's library turns a literal into an int64 or a float64, which changes 12.10
// and fails at twenty digits, while a number that comes as a variable is kept as
// text. So each such literal becomes a reference to a variable that no client can
// name.
type numbers []*ast.Value

// findNumbers finds them and disguises them as strings, which validation lets pass
// in a custom scalar and does not try to convert. The document's types must be
// known, which a walk sees to.
func findNumbers(schema *ast.Schema, doc *ast.QueryDocument) numbers {
	validator.Walk(schema, doc, &validator.Events{})
	var n numbers
	for _, op := range doc.Operations {
		for _, v := range op.VariableDefinitions {
			n.value(v.DefaultValue, false)
		}
		n.selections(op.SelectionSet)
	}
	for _, f := range doc.Fragments {
		n.selections(f.SelectionSet)
	}
	for _, v := range n {
		v.Kind = ast.StringValue
	}
	return n
}

// lift puts references in their places and returns what they refer to.
func (n numbers) lift() map[string]any {
	constants := map[string]any{}
	for _, v := range n {
		name := "#" + v.Raw // no name of GraphQL begins so
		constants[name] = json.Number(v.Raw)
		v.Kind, v.Raw = ast.Variable, name
	}
	return constants
}

func (n *numbers) selections(set ast.SelectionSet) {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			for _, arg := range sel.Arguments {
				n.value(arg.Value, false)
			}
			n.selections(sel.SelectionSet)
		case *ast.InlineFragment:
			n.selections(sel.SelectionSet)
		}
	}
}

// value collects the numbers of v; inside tells that v is part of a custom scalar.
func (n *numbers) value(v *ast.Value, inside bool) {
	if v == nil {
		return
	}
	inside = inside || custom(v.Definition)
	if inside && (v.Kind == ast.IntValue || v.Kind == ast.FloatValue) {
		*n = append(*n, v)
	}
	for _, child := range v.Children {
		n.value(child.Value, inside)
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

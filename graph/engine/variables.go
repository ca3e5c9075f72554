package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/headwater-cdp/headwater/core"
)

// coerce checks the variables of an operation against their types.
func (e *Engine) coerce(op *ast.OperationDefinition, given map[string]any) (map[string]any, error) {
	schema := e.opt.Schema.Schema()
	for _, v := range op.VariableDefinitions {
		value, ok := given[v.Variable]
		if !ok || value == nil {
			continue
		}
		if err := strict(schema, v.Type, value); err != nil {
			return nil, err.At(v.Variable)
		}
	}
	vars, err := validator.VariableValues(schema, op, given)
	if err != nil {
		return nil, badVariable(err)
	}
	return vars, nil
}

// badVariable turns the library's error into ours. Its message may quote a value,
// which only goes back to who sent it and never into a log.
func badVariable(err error) error {
	fault := core.Errorf(core.Invalid, "BAD_VARIABLE", "%s", clip(err.Error()))
	var g *gqlerror.Error
	if !errors.As(err, &g) {
		return fault
	}
	fault.Message = clip(g.Message)
	for _, el := range g.Path[min(1, len(g.Path)):] { // the first is the word "variable"
		fault.Path = append(fault.Path, fmt.Sprint(el))
	}
	return fault
}

// strict checks what the library lets pass in variables although it refuses it
// in literals: an object of a @oneOf input with several keys or none, an enum
// value in another case, an integer beyond 32 bits.
func strict(schema *ast.Schema, t *ast.Type, value any) *core.Error {
	if t.Elem != nil {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for i, item := range list {
			if item == nil {
				continue
			}
			if err := strict(schema, t.Elem, item); err != nil {
				return err.At(fmt.Sprint(i))
			}
		}
		return nil
	}
	def := schema.Types[t.NamedType]
	if def == nil {
		return nil
	}
	switch def.Kind {
	case ast.Enum:
		s, ok := value.(string)
		if !ok || def.EnumValues.ForName(s) == nil {
			return core.Errorf(core.Invalid, "BAD_VARIABLE", "the value is not one of %s", def.Name)
		}
	case ast.Scalar:
		return strictScalar(def, value)
	case ast.InputObject:
		return strictObject(schema, def, value)
	}
	return nil
}

func strictScalar(def *ast.Definition, value any) *core.Error {
	n, ok := value.(json.Number)
	if !ok {
		if _, isText := value.(string); isText && (def.Name == "Int" || def.Name == "Float") {
			return core.Errorf(core.Invalid, "BAD_VARIABLE", "%s is a number, not a string", def.Name)
		}
		return nil
	}
	switch def.Name {
	case "Int":
		if i, err := n.Int64(); err != nil || i > math.MaxInt32 || i < math.MinInt32 {
			return core.Errorf(core.Invalid, "BAD_VARIABLE", "Int is a whole number of 32 bits")
		}
	case "String":
		return core.Errorf(core.Invalid, "BAD_VARIABLE", "String is a string, not a number")
	}
	return nil
}

func strictObject(schema *ast.Schema, def *ast.Definition, value any) *core.Error {
	object, ok := value.(map[string]any)
	if !ok {
		return core.Errorf(core.Invalid, "BAD_VARIABLE", "%s is an object", def.Name)
	}
	if def.Directives.ForName("oneOf") != nil {
		set := 0
		for _, v := range object {
			if v != nil {
				set++
			}
		}
		if len(object) != 1 || set != 1 {
			return core.Errorf(core.Invalid, "ONE_OF", "give exactly one field of %s, and not null", def.Name)
		}
	}
	for name, v := range object {
		field := def.Fields.ForName(name)
		if field == nil || v == nil {
			continue // the library names an unknown field
		}
		if err := strict(schema, field.Type, v); err != nil {
			return err.At(name)
		}
	}
	return nil
}

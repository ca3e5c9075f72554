package template

import (
	"github.com/osteele/liquid/expressions"
	"github.com/osteele/liquid/render"
)

// value is something to evaluate: a path of plain names is walked directly, which is
// what most outputs are and many times faster; anything else the library evaluates.
type value struct {
	expr expressions.Expression
	root string   // "" when it is not a plain path
	path []string // below root
}

// plainPath makes a value walk directly when the expression is a path of names.
func (v *value) plainPath(e *expr) {
	if e.kind != exprPath || e.nothing() != "" {
		return
	}
	path := make([]string, len(e.steps))
	for i, s := range e.steps {
		if s.name == "" {
			return
		}
		path[i] = s.name
	}
	v.root, v.path = e.root, path
}

func (v *value) of(c render.Context) (any, error) {
	if v.root == "" {
		return c.Evaluate(v.expr)
	}
	at := c.Get(v.root)
	for _, name := range v.path {
		switch x := at.(type) {
		case map[string]any:
			if at = x[name]; at == nil && name == "size" {
				if _, ok := x[name]; !ok {
					at = len(x)
				}
			}
		case []any:
			at = ofList(x, name)
		case string:
			if at = nil; name == "size" {
				at = len(x)
			}
		case nil:
			return nil, nil
		default:
			return nil, nil
		}
	}
	return at, nil
}

func ofList(list []any, name string) any {
	switch {
	case name == "size":
		return len(list)
	case name == "first" && len(list) > 0:
		return list[0]
	case name == "last" && len(list) > 0:
		return list[len(list)-1]
	}
	return nil
}

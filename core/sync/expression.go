package sync

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/headwater-cdp/headwater/core"
)

// The bounds of an expression. It has no loops, ranges or predicates, so that its cost is
// that of its nodes; every function's result is bounded.
const (
	maxExpression = 2000
	maxNodes      = 200
	maxResult     = 64 << 10 // bytes of text
)

// functions are what an expression may call; a nil argument gives nil where nothing else is
// said.
var functions = []expr.Option{
	function("upper", func(s string) (any, error) { return strings.ToUpper(s), nil }),
	function("lower", func(s string) (any, error) { return strings.ToLower(s), nil }),
	function("trim", func(s string) (any, error) { return strings.TrimSpace(s), nil }),
	function("digits", func(s string) (any, error) {
		return strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, s), nil
	}),
	function("number", func(s string) (any, error) {
		f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			return nil, fmt.Errorf("not a number")
		}
		return narrow(f), nil
	}),
	function("datetime", func(s string) (any, error) { // RFC 3339 of a date, a time, or milliseconds since 1970
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999-0700", "2006-01-02 15:04:05", time.DateOnly} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.UTC().Format(time.RFC3339Nano), nil
			}
		}
		if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
			return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano), nil
		}
		return nil, fmt.Errorf("not a date")
	}),
	function("date", func(s string) (any, error) {
		if len(s) < 10 {
			return nil, fmt.Errorf("not a date")
		}
		t, err := time.Parse(time.DateOnly, s[:10])
		if err != nil {
			return nil, fmt.Errorf("not a date")
		}
		return t.Format(time.DateOnly), nil
	}),
	expr.Function("text", func(a ...any) (any, error) { return text(a[0]) }, new(func(any) any)),
	// part("a b", " ", 0): a piece of a text, from the end with a negative number.
	expr.Function("part", func(a ...any) (any, error) {
		s, sep, n := a[0], a[1].(string), a[2].(int)
		if s == nil {
			return nil, nil
		}
		str, ok := s.(string)
		if !ok || sep == "" {
			return nil, fmt.Errorf("part takes a text and what separates its pieces")
		}
		pieces := strings.Split(str, sep)
		if n < 0 {
			n += len(pieces)
		}
		if n < 0 || n >= len(pieces) {
			return nil, nil
		}
		return pieces[n], nil
	}, new(func(any, string, int) any)),
	expr.Function("replace", func(a ...any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		str, ok := a[0].(string)
		from, to := a[1].(string), a[2].(string)
		if !ok || from == "" {
			return nil, fmt.Errorf("replace takes a text and what is replaced in it")
		}
		if n := strings.Count(str, from); len(str)+n*(len(to)-len(from)) > maxResult {
			return nil, fmt.Errorf("the result is too long")
		}
		return strings.ReplaceAll(str, from, to), nil
	}, new(func(any, string, string) any)),
}

// function makes a function of one text; numbers are taken as their text.
func function(name string, f func(string) (any, error)) expr.Option {
	return expr.Function(name, func(a ...any) (any, error) {
		s, err := text(a[0])
		if s == nil || err != nil {
			return nil, err
		}
		return f(s.(string))
	}, new(func(any) any))
}

func text(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case json.Number:
		return v.String(), nil
	}
	return nil, fmt.Errorf("a text, a number or a truth value is expected")
}

// narrow gives a whole number as int.
func narrow(f float64) any {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return int(f)
	}
	return f
}

// plain makes a decoded JSON value one that expressions reckon with.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
		f, _ := v.Float64()
		return narrow(f)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plain(e)
		}
		return out
	}
	return v
}

// loops finds what has no bound of its own.
type loops struct{ what string }

// Visit implements ast.Visitor.
func (l *loops) Visit(n *ast.Node) {
	switch n := (*n).(type) {
	case *ast.PredicateNode, *ast.PointerNode:
		l.what = "a predicate over a list"
	case *ast.BinaryNode:
		if n.Operator == ".." {
			l.what = "a range"
		}
	}
}

// compileExpression compiles an expression over value and one other name ("remote" or
// "local").
func compileExpression(source, other string) (*vm.Program, error) {
	bad := func(why string) error {
		return core.Errorf(core.Invalid, "EXPRESSION", "%s", why)
	}
	if len(source) > maxExpression {
		return nil, bad(fmt.Sprintf("an expression has at most %d bytes", maxExpression))
	}
	var seen loops
	options := append([]expr.Option{
		expr.Env(types.Map{"value": types.Any, other: types.Map{types.Extra: types.Any}}),
		expr.DisableAllBuiltins(), expr.MaxNodes(maxNodes), expr.Patch(&seen),
	}, functions...)
	p, err := expr.Compile(source, options...)
	if err != nil {
		why := err.Error()
		if i := strings.IndexByte(why, '\n'); i > 0 { // what follows draws where it is
			why = why[:i]
		}
		return nil, bad(why[:min(len(why), 300)])
	}
	if seen.what != "" {
		return nil, bad("an expression has no loops; this has " + seen.what)
	}
	return p, nil
}

// errExpression says that an expression failed, without what it was given.
func errExpression(path string) *Fault {
	return &Fault{Kind: FaultInvalidRecord, Origin: FromConfig, Reason: "EXPRESSION", Path: path, Message: "the expression of this field fails on this record: change the field map, or the record, and replay"}
}

func run(p *vm.Program, value any, other string, all map[string]any) (out any, err error) {
	defer func() { // a mistake in a library is a mistake in a record here
		if recover() != nil {
			err = fmt.Errorf("the expression cannot be evaluated")
		}
	}()
	machine := vm.VM{MemoryBudget: 100_000}
	out, err = machine.Run(p, map[string]any{"value": plain(value), other: all})
	if err != nil {
		return nil, err
	}
	if s, ok := out.(string); ok && len(s) > maxResult {
		return nil, fmt.Errorf("the result is too long")
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	var v any
	err = decodeJSON(raw, &v)
	return v, err
}

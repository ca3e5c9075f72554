package template

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// expr is an expression as this package reads it: what it asks for, not how it is
// evaluated.
type expr struct {
	kind       exprKind
	start, end int // in the text that was read
	root       string
	steps      []step  // of a path
	value      any     // of a literal
	parts      []*expr // of a range, a comparison, and, or; of a chain the one that is filtered
	op         string  // of a comparison, and, or
	filters    []call
}

type exprKind uint8

const (
	exprLiteral exprKind = iota + 1
	exprPath
	exprRange
	exprCompare
	exprJoin  // and, or
	exprChain // something with filters
)

// step is one step of a path: a name, any element, or what another expression says.
type step struct {
	name    string
	element bool // a number: one of a list
	by      *expr
}

// call is a filter with its arguments.
type call struct {
	name  string
	start int
	args  []*expr
}

// exprError says where an expression cannot be read.
type exprError struct {
	at      int
	message string
}

func (e *exprError) Error() string { return e.message }

// exprReader reads the grammar that the library's parser accepts.
type exprReader struct {
	text  string
	at    int
	depth int
}

func (r *exprReader) fail(format string, args ...any) {
	panic(&exprError{r.at, fmt.Sprintf(format, args...)})
}

// read runs f over a text, all of which must be read by it.
func readExpr(text string, f func(*exprReader)) (err *exprError) {
	defer func() {
		if v := recover(); v != nil {
			e, ok := v.(*exprError)
			if !ok {
				panic(v)
			}
			err = e
		}
	}()
	r := &exprReader{text: text}
	if len(text) > MaxExpression {
		r.fail("an expression has at most %d bytes", MaxExpression)
	}
	f(r)
	if r.space(); r.at < len(r.text) {
		r.fail("%q is not expected here", clip(r.text[r.at:]))
	}
	return nil
}

func clip(s string) string {
	if r := []rune(s); len(r) > 20 {
		return string(r[:20]) + "…"
	}
	return s
}

func (r *exprReader) space() {
	for r.at < len(r.text) && (r.text[r.at] == ' ' || r.text[r.at] == '\t' || r.text[r.at] == '\n' || r.text[r.at] == '\r') {
		r.at++
	}
}

// peek reports whether s comes next, after spaces.
func (r *exprReader) peek(s string) bool {
	r.space()
	return strings.HasPrefix(r.text[r.at:], s)
}

func (r *exprReader) take(s string) bool {
	if !r.peek(s) {
		return false
	}
	r.at += len(s)
	return true
}

// word returns the identifier that comes next, or "".
func (r *exprReader) word() string {
	r.space()
	start := r.at
	for r.at < len(r.text) {
		c, n := utf8.DecodeRuneInString(r.text[r.at:])
		if !unicode.IsLetter(c) && c != '_' && (r.at == start || !unicode.IsDigit(c) && !unicode.IsMark(c) && c != '-') {
			break
		}
		r.at += n
	}
	if r.at > start && r.at < len(r.text) && r.text[r.at] == '?' {
		r.at++
	}
	return r.text[start:r.at]
}

// keyword reports whether the word comes next, whole.
func (r *exprReader) keyword(w string) bool {
	start := r.at
	if r.word() == w {
		return true
	}
	r.at = start
	return false
}

// condition reads comparisons joined by and and or.
func (r *exprReader) condition() *expr {
	if r.depth++; r.depth > MaxDepth {
		r.fail("parentheses are nested too deeply")
	}
	defer func() { r.depth-- }()
	left := r.relation()
	for {
		var op string
		switch {
		case r.keyword("and"):
			op = "and"
		case r.keyword("or"):
			op = "or"
		default:
			return left
		}
		right := r.relation()
		left = &expr{kind: exprJoin, op: op, parts: []*expr{left, right}, start: left.start, end: right.end}
	}
}

func (r *exprReader) relation() *expr {
	left := r.operand()
	for _, op := range []string{"==", "!=", ">=", "<=", ">", "<"} {
		if r.take(op) {
			right := r.operand()
			return &expr{kind: exprCompare, op: op, parts: []*expr{left, right}, start: left.start, end: right.end}
		}
	}
	if r.keyword("contains") {
		right := r.operand()
		return &expr{kind: exprCompare, op: "contains", parts: []*expr{left, right}, start: left.start, end: right.end}
	}
	return r.filters(left)
}

// filtered reads an operand with its filters.
func (r *exprReader) filtered() *expr { return r.filters(r.operand()) }

func (r *exprReader) filters(base *expr) *expr {
	if !r.peek("|") {
		return base
	}
	out := &expr{kind: exprChain, parts: []*expr{base}, start: base.start}
	for r.take("|") {
		r.space()
		c := call{start: r.at}
		if c.name = r.word(); c.name == "" {
			r.fail("the name of a filter is expected after |")
		}
		if r.at < len(r.text) && r.text[r.at] == ':' {
			r.at++
			for {
				start := r.at
				if name := r.word(); name == "" || r.at >= len(r.text) || r.text[r.at] != ':' {
					r.at = start
				} else {
					r.at++
				}
				c.args = append(c.args, r.operand())
				if !r.take(",") {
					break
				}
			}
		}
		if out.filters = append(out.filters, c); len(out.filters) > MaxFilters {
			r.fail("an expression has at most %d filters", MaxFilters)
		}
	}
	out.end = r.at
	return out
}

func (r *exprReader) operand() *expr {
	r.space()
	e := &expr{start: r.at}
	switch c := r.next(); {
	case c == '"' || c == '\'':
		e.kind, e.value = exprLiteral, r.quoted(c)
	case c >= '0' && c <= '9' || c == '-':
		e.kind, e.value = exprLiteral, r.number()
	case c == '(':
		r.at++
		e = r.parenthesis(e)
	default:
		switch w := r.word(); w {
		case "":
			r.fail("a value is expected here: a path such as profile.firstName, a text in quotes or a number")
		case "true", "false":
			e.kind, e.value = exprLiteral, w == "true"
		case "nil":
			e.kind = exprLiteral
		default:
			e.kind, e.root = exprPath, w
		}
	}
	e.end = r.at
	return r.path(e)
}

func (r *exprReader) next() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *exprReader) parenthesis(e *expr) *expr {
	inner := r.condition()
	if r.take("..") {
		to := r.operand()
		e.kind, e.parts = exprRange, []*expr{inner, to}
	} else {
		e = inner
	}
	if !r.take(")") {
		r.fail("a ) is missing")
	}
	return e
}

// path reads the steps after a root.
func (r *exprReader) path(e *expr) *expr {
	for {
		switch c := r.next(); {
		case c == '.' && !strings.HasPrefix(r.text[r.at:], ".."):
			r.at++
			name := r.word()
			if name == "" {
				r.fail("a name is expected after the dot")
			}
			e.steps = append(e.steps, step{name: name})
		case c == '[':
			r.at++
			by := r.operand()
			if !r.take("]") {
				r.fail("a ] is missing")
			}
			s := step{by: by}
			if by.kind == exprLiteral {
				switch v := by.value.(type) {
				case string:
					s = step{name: v}
				case int:
					s = step{element: true}
				}
			}
			e.steps = append(e.steps, s)
		default:
			return e
		}
		e.end = r.at
	}
}

func (r *exprReader) quoted(quote byte) string {
	start := r.at
	for r.at++; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '\\' && quote == '"':
			r.at++
		case c == quote:
			r.at++
			return r.text[start+1 : r.at-1]
		}
	}
	r.at = start
	r.fail("the text has no end: a %c is missing", quote)
	return ""
}

func (r *exprReader) number() any {
	start := r.at
	r.at++
	for r.at < len(r.text) && (r.text[r.at] >= '0' && r.text[r.at] <= '9' ||
		r.text[r.at] == '.' && r.at+1 < len(r.text) && r.text[r.at+1] >= '0' && r.text[r.at+1] <= '9') {
		r.at++
	}
	text := r.text[start:r.at]
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		r.at = start
		r.fail("%q is not a number", clip(text))
	}
	return f
}

// each calls f with e and everything in it.
func (e *expr) each(f func(*expr)) {
	f(e)
	for _, p := range e.parts {
		p.each(f)
	}
	for _, s := range e.steps {
		if s.by != nil {
			s.by.each(f)
		}
	}
	for _, c := range e.filters {
		for _, a := range c.args {
			a.each(f)
		}
	}
}

// nothing returns "blank" or "empty" for these words of Liquid, else "".
func (e *expr) nothing() string {
	if e.kind == exprPath && len(e.steps) == 0 && (e.root == "blank" || e.root == "empty") {
		return e.root
	}
	return ""
}

// blanks rewrites comparisons with blank and empty, which the library does not know,
// into filters that answer them.
func blanks(text string, e *expr) string {
	type edit struct {
		start, end int
		with       string
	}
	var edits []edit
	e.each(func(x *expr) {
		if x.kind != exprCompare || x.op != "==" && x.op != "!=" {
			return
		}
		a, b := x.parts[0], x.parts[1]
		if a.nothing() != "" {
			a, b = b, a
		}
		if word := b.nothing(); word != "" {
			edits = append(edits, edit{x.start, x.end, fmt.Sprintf("(%s | _%s) == %t", text[a.start:a.end], word, x.op == "==")})
		}
	})
	slices.SortFunc(edits, func(a, b edit) int { return b.start - a.start })
	for _, d := range edits {
		text = text[:d.start] + d.with + text[d.end:]
	}
	return text
}

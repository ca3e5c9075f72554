package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/osteele/liquid/expressions"
	"github.com/osteele/liquid/parser"
)

// reading is one pass over the tokens of a template: it finds what is wrong, notes what
// is read, and writes the source that the library compiles.
type reading struct {
	kind   Kind
	find   func(key string) (string, bool)
	found  []Finding
	blocks []string
	size   int
	nodes  int

	stack   []frame
	scope   map[string]*binding
	place   markup
	reads   map[string]bool    // dotted, with "[]" for an element; "@name" is a lookup
	firsts  map[string]Finding // where each root is first read
	lookups []Lookup
	unsure  []Finding // outputs without a fallback: errors unless the template skips
	source  strings.Builder
	parts   []*part
}

// frame is an open block tag.
type frame struct {
	name     string
	token    *token
	guards   []string // paths that are there in the present branch
	subject  string   // of a case
	branches int
	shadowed *binding // what the variable of a loop hides
	variable string
}

// binding is what a name stands for that the template made.
type binding struct {
	paths    []string // where its value comes from, when that is data; "@name" for a lookup
	needs    []need   // what is missing when it is
	captured bool     // it is markup that was escaped already
}

// part is what a rewritten tag does; its number stands in the tag.
type part struct {
	value
	loop     expressions.Loop
	variable string
	needs    []need
	last     []need // asked for only when the value is blank
	self     bool   // the value itself is the one need
	captured bool
	where    place
	origin   *origin
	offset   int
}

// need is something without which an output says nothing.
type need struct {
	value
	name string // the path in the data
}

func (p *reading) fault(t *token, offset int, code, format string, args ...any) {
	p.note(t, offset, LevelError, code, format, args...)
}

func (p *reading) note(t *token, offset int, level Level, code, format string, args ...any) {
	p.found = append(p.found, finding(t.block, offset, level, code, fmt.Sprintf(format, args...)))
}

func finding(o *origin, offset int, level Level, code, message string) Finding {
	line, column := o.place(offset)
	return Finding{Block: o.name, Line: line, Column: column, Level: level, Code: code, Message: message}
}

// run reads all tokens.
func (p *reading) run(tokens []token) {
	var v verbatim
	for i := range tokens {
		t := &tokens[i]
		if was := v.until; v.skips(t) {
			if was == "endraw" {
				p.text(t)
			}
			p.source.WriteString(t.source)
			continue
		}
		if t.kind != parser.TextTokenType {
			if p.nodes++; p.nodes == MaxNodes+1 {
				p.fault(t, t.offset, CodeLimit, "a template has at most %d outputs and tags", MaxNodes)
			}
		}
		switch t.kind {
		case parser.ObjTokenType:
			p.output(t, t.args)
		case parser.TagTokenType:
			p.tag(t)
		default:
			p.open(t)
			p.text(t)
			p.source.WriteString(t.source)
		}
	}
	for _, f := range p.stack {
		p.fault(f.token, f.token.offset, CodeSyntax, "%s has no end: {%% end%s %%} is missing", f.name, f.name)
	}
	if v.until != "" {
		last := &tokens[len(tokens)-1]
		p.fault(last, last.offset, CodeSyntax, "{%% %s %%} is missing", v.until)
	}
}

// open refuses text that looks like a tag that was not ended.
func (p *reading) open(t *token) {
	for _, mark := range []string{"{{", "{%"} {
		if i := strings.Index(t.source, mark); i >= 0 {
			p.fault(t, t.offset+i, CodeSyntax, "%s has no end on its line, or nothing in it; write {%% raw %%} around braces that are meant so", mark)
		}
	}
}

func (p *reading) text(t *token) {
	if p.kind == HTML {
		p.place.read(t.source)
	}
}

// parse reads an expression of a token; nil when it cannot be read. text stands at
// offset in the token's source.
func (p *reading) parse(t *token, text string, offset int, f func(*exprReader) *expr) *expr {
	var e *expr
	if err := readExpr(text, func(r *exprReader) { e = f(r) }); err != nil {
		p.fault(t, offset+err.at, CodeSyntax, "%s", err.message)
		return nil
	}
	ok := true
	e.each(func(x *expr) {
		if x.kind == exprRange {
			p.fault(t, offset+x.start, CodeRange, "a range may stand only after in of a for")
			ok = false
		}
		for _, c := range x.filters {
			if !knownFilters[c.name] {
				p.fault(t, offset+c.start, CodeUnknownFilter, "there is no filter %q%s", c.name, suggest(c.name))
				ok = false
			} else if wrong := c.wrong(); wrong != "" {
				p.fault(t, offset+c.start, CodeSyntax, "%s", wrong)
				ok = false
			}
		}
	})
	if !ok {
		return nil
	}
	return e
}

// compiled has the library compile an expression, which it may refuse.
func (p *reading) compiled(t *token, text string, offset int) (out expressions.Expression) {
	defer func() {
		if recover() != nil { // of a number out of range, or a name that it does not take
			p.fault(t, offset, CodeSyntax, "this expression cannot be read")
			out = nil
		}
	}()
	out, err := expressions.Parse(text)
	if err != nil {
		p.fault(t, offset, CodeSyntax, "this expression cannot be read")
		return nil
	}
	return out
}

// add notes a part and returns its number as it stands in the rewritten tag.
func (p *reading) add(t *token, made *part) string {
	made.origin, made.offset = t.block, t.offset
	p.parts = append(p.parts, made)
	return fmt.Sprint(len(p.parts) - 1)
}

// write writes a rewritten tag, with the trims of the original.
func (p *reading) write(t *token, tag string) {
	left, right := "", ""
	if t.trimLeft {
		left = "-"
	}
	if t.trimRight {
		right = "-"
	}
	p.source.WriteString("{%" + left + " " + tag + " " + right + "%}")
}

// output reads {{ … }}.
func (p *reading) output(t *token, text string) {
	offset := t.argsAt()
	where := placeText
	if p.kind == HTML {
		if where = p.place.here(); where == placeNever {
			p.fault(t, t.offset, CodeUnsafePlace, "an output cannot stand here safely: %s", p.place.why())
			return
		}
		p.place.wrote()
	}
	e := p.parse(t, text, offset, (*exprReader).condition)
	if e == nil {
		return
	}
	made := &part{value: value{expr: p.compiled(t, blanks(text, e), offset)}, where: where}
	made.plainPath(e)
	if made.expr == nil {
		return
	}
	p.read(t, offset, e)
	if e.kind == exprPath && len(e.steps) == 0 {
		if b := p.scope[e.root]; b != nil && b.captured {
			made.captured = p.kind == HTML && where == placeText
		}
	}
	made.needs, made.last = p.needs(t, text, e)
	made.self = e.kind == exprPath && len(made.needs) == 1 && p.scope[e.root].direct()
	for _, n := range slices.Concat(made.needs, made.last) {
		p.unsure = append(p.unsure, finding(t.block, offset, LevelError, CodeNoFallback, fmt.Sprintf(
			"%s may be missing: give a fallback (| default: …), ask for it with if, or let the template say that it is not sent without (onMissing: SKIP_SEND)", n.name)))
	}
	p.write(t, tagOutput+" "+p.add(t, made))
}

// direct reports whether a name stands for one place in the data.
func (b *binding) direct() bool { return b == nil || len(b.needs) == 0 }

// guarded reports whether a condition around makes sure that a path is there.
func (p *reading) guarded(path string) bool {
	return slices.ContainsFunc(p.stack, func(f frame) bool { return slices.Contains(f.guards, path) })
}

// needs returns what an expression cannot do without, and what only when it is blank.
func (p *reading) needs(t *token, text string, e *expr) (eager, last []need) {
	switch e.kind {
	case exprPath:
		if e.root == "forloop" || e.nothing() != "" {
			return nil, nil
		}
		if p.guarded(text[e.start:e.end]) {
			return nil, nil
		}
		b := p.scope[e.root]
		if b != nil && len(b.paths) == 0 {
			return b.needs, nil
		}
		if x := p.compiled(t, text[e.start:e.end], t.offset); x != nil {
			n := need{value: value{expr: x}, name: strings.TrimPrefix(p.resolve(e)[0], "@")}
			n.plainPath(e)
			return []need{n}, nil
		}
	case exprChain:
		fallback := slices.ContainsFunc(e.filters, func(c call) bool { return c.name == "default" })
		head, rest := p.needs(t, text, e.parts[0])
		if !fallback {
			eager, last = head, rest
		}
		for _, c := range e.filters {
			for _, a := range c.args {
				more, _ := p.needs(t, text, a)
				if c.name == "default" {
					last = append(last, more...)
				} else {
					eager = append(eager, more...)
				}
			}
		}
	}
	return eager, last
}

// resolve returns the places in the data that a path may mean.
func (p *reading) resolve(e *expr) []string {
	from := []string{e.root}
	if b := p.scope[e.root]; b != nil {
		from = slices.Clone(b.paths)
	}
	for i := range from {
		for _, s := range e.steps {
			if s.name == "" {
				from[i] += "[]"
			} else {
				from[i] += "." + s.name
			}
		}
	}
	return from
}

// read notes what an expression reads.
func (p *reading) read(t *token, offset int, e *expr) {
	e.each(func(x *expr) {
		if x.kind != exprPath || x.root == "forloop" || x.nothing() != "" {
			return
		}
		for _, path := range p.resolve(x) {
			p.reads[path] = true
			root := path
			if i := strings.IndexAny(path, ".["); i >= 0 {
				root = path[:i]
			}
			if _, ok := p.firsts[root]; !ok {
				p.firsts[root] = finding(t.block, offset+x.start, LevelError, "", "")
			}
		}
	})
}

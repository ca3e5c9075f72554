package template

import (
	"regexp"
	"strings"

	"github.com/osteele/liquid/expressions"
)

// loop reads for.
func (p *reading) loop(t *token) {
	p.push(t)
	f := &p.stack[len(p.stack)-1]
	var over *expr
	var mods []*expr
	at := t.argsAt()
	err := readExpr(t.args, func(r *exprReader) {
		f.variable = r.word()
		if !r.keyword("in") {
			r.fail("for takes a name, in, and a list: {%% for item in event.items %%}")
		}
		over = r.filtered()
		for {
			switch {
			case r.keyword("reversed"):
			case r.keyword("limit"), r.keyword("offset"):
				if !r.take(":") {
					r.fail("a : is missing")
				}
				mod := r.operand()
				if mod.root == "continue" {
					r.at = mod.start
					r.fail("a loop does not go on where another ended; say from where, in numbers")
				}
				mods = append(mods, mod)
			default:
				return
			}
		}
	})
	if err != nil {
		f.variable = ""
		p.fault(t, at+err.at, CodeSyntax, "%s", err.message)
		return
	}
	name := f.variable
	if !p.name(t, name, at) {
		f.variable = ""
		return
	}
	parts := []*expr{over}
	if over.kind == exprRange {
		parts = over.parts // of its ends only paths and numbers may be made
		for _, end := range parts {
			if end.kind == exprChain || end.kind == exprRange {
				p.fault(t, at+end.start, CodeRange, "a range goes from a number or a path to another")
			}
		}
		p.fixed(t, at, over)
	}
	for _, e := range append(parts, mods...) {
		p.parse(t, t.args[e.start:e.end], at+e.start, (*exprReader).filtered)
		p.read(t, at, e)
	}
	f.shadowed = p.scope[name]
	b := &binding{}
	if over.kind != exprRange {
		for _, path := range p.alias(over) {
			b.paths = append(b.paths, path+"[]")
		}
	}
	p.scope[name] = b
	stmt, err2 := parseLoop(t.args)
	if err2 != nil {
		p.fault(t, at, CodeSyntax, "this loop cannot be read")
		return
	}
	p.write(t, tagFor+" "+p.add(t, &part{loop: stmt, variable: name}))
}

// parseLoop has the library read a loop; it panics on numbers out of range.
func parseLoop(args string) (loop expressions.Loop, err error) {
	defer func() {
		if recover() != nil {
			err = &exprError{}
		}
	}()
	stmt, err := expressions.ParseStatement(expressions.LoopStatementSelector, args)
	if err != nil {
		return loop, err
	}
	return stmt.Loop, nil
}

// fixed refuses a range whose ends are known and too far apart.
func (p *reading) fixed(t *token, at int, e *expr) {
	from, one := e.parts[0].value.(int)
	to, two := e.parts[1].value.(int)
	if one && two && (to-from >= MaxSteps || to-from < 0 && to > 0 && from < 0) {
		p.fault(t, at+e.start, CodeRange, "a loop has at most %d turns", MaxSteps)
	}
}

// restore gives the variable of a loop back to what it hid.
func (p *reading) restore(f *frame) {
	if f.variable == "" {
		return
	}
	if f.shadowed == nil {
		delete(p.scope, f.variable)
	} else {
		p.scope[f.variable] = f.shadowed
	}
}

// Lookup is an object that a template asks for: it is resolved before the render.
type Lookup struct {
	Name     string // of the variable
	Type     string // key of the object type
	Path     string // of the id, or ids, in the data: "event.orderId"; "" when ID or Relation is given
	ID       string // the id itself
	Many     bool   // a list of records: of several ids, or of a relation
	Relation string // key of the relation by which records belong to the person
	Limit    int    // of a list, at most MaxRelated
}

// MaxRelated is how many records a lookup gives at most.
const MaxRelated = 50

var dataPath = regexp.MustCompile(`^(event|profile|coupon|message)(\.[A-Za-z_][A-Za-z0-9_-]*)+$`)

// lookup reads object: {% object order = "Order" id: event.orderId %}, with ids: for a
// list of ids, or with relation: "buyer" and limit: 5 for the person's own.
func (p *reading) lookup(t *token) {
	if len(p.stack) > 0 {
		p.fault(t, t.offset, CodeLookup, "objects are looked up before the template is rendered: put the tag at the top, outside of %s", p.stack[len(p.stack)-1].name)
		return
	}
	at := t.argsAt()
	l := Lookup{Limit: 10}
	err := readExpr(t.args, func(r *exprReader) {
		l.Name = r.word()
		if !r.take("=") {
			r.fail(`object takes a name, a type and an id: {%% object order = "Order" id: event.orderId %%}`)
		}
		l.Type = r.literal("the type")
		for {
			r.take(",")
			switch key := r.word(); {
			case key == "":
				return
			case !r.take(":"):
				r.fail("a : is missing after %s", key)
			case key == "id" || key == "ids":
				l.Many = key == "ids"
				if r.peek(`"`) || r.peek("'") {
					l.ID = r.literal("the id")
					continue
				}
				e := r.operand()
				if l.Path = strings.TrimSpace(r.text[e.start:e.end]); !dataPath.MatchString(l.Path) {
					r.fail("an id is a text or a path of event, profile, coupon or message")
				}
			case key == "relation":
				l.Relation, l.Many = r.literal("the relation"), true
			case key == "limit":
				e := r.operand()
				n, ok := e.value.(int)
				if !ok || n < 1 || n > MaxRelated {
					r.fail("limit is a number from 1 to %d", MaxRelated)
				}
				l.Limit = n
			default:
				r.fail("object knows id, ids, relation and limit, not %s", key)
			}
		}
	})
	given := 0
	for _, s := range []string{l.Path, l.ID, l.Relation} {
		if s != "" {
			given++
		}
	}
	switch {
	case err != nil:
		p.fault(t, at+err.at, CodeLookup, "%s", err.message)
	case given != 1:
		p.fault(t, at, CodeLookup, "say which record is meant, in one way: id, ids or relation")
	case !p.name(t, l.Name, at):
	case len(p.lookups) == MaxLookups:
		p.fault(t, t.offset, CodeLimit, "a template looks up at most %d objects", MaxLookups)
	default:
		p.lookups = append(p.lookups, l)
		p.scope[l.Name] = &binding{paths: []string{"@" + l.Name}}
		if l.Path != "" {
			p.reads[l.Path] = true
		}
		p.write(t, tagStep)
	}
}

// literal reads a text in quotes.
func (r *exprReader) literal(what string) string {
	s, ok := r.operand().value.(string)
	if !ok || s == "" {
		r.fail("%s is a text in quotes", what)
	}
	return s
}

// IDs returns the ids that a lookup by id asks for, from the data: at most Limit. A path
// goes into each element of a list.
func (l Lookup) IDs(roots map[string]any) []string {
	if l.ID != "" {
		return []string{l.ID}
	}
	var out []string
	var walk func(v any, path []string)
	walk = func(v any, path []string) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e, path)
			}
		case map[string]any:
			if len(path) > 0 {
				walk(v[path[0]], path[1:])
			}
		default:
			if s := display(v); s != "" && len(path) == 0 && len(out) < l.Limit {
				out = append(out, s)
			}
		}
	}
	walk(roots, strings.Split(l.Path, "."))
	if !l.Many && len(out) > 1 {
		out = out[:1]
	}
	return out
}

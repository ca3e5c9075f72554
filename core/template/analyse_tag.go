package template

import (
	"fmt"
	"slices"
	"strings"

	"github.com/osteele/liquid/expressions"
)

// The tags that the rewritten source holds. No template can: they are unknown.
const (
	tagOutput  = "_out"
	tagStep    = "_step"
	tagFor     = "_for"
	tagCapture = "_capture"
	tagAssign  = "_assign"
)

// knownTags are the tags of a template.
var knownTags = []string{
	"if", "elsif", "else", "endif", "unless", "endunless", "case", "when", "endcase", "for", "endfor", "break", "continue",
	"cycle", "assign", "capture", "endcapture", "comment", "endcomment", "raw", "endraw", "echo", "object", "block",
}

// tag reads {% … %}.
func (p *reading) tag(t *token) {
	switch t.name {
	case "if", "unless":
		p.condition(t)
	case "elsif", "else", "when":
		p.branch(t)
	case "case":
		p.push(t)
		if e := p.parse(t, t.args, t.argsAt(), (*exprReader).condition); e != nil {
			p.read(t, t.argsAt(), e)
			if e.kind == exprPath {
				p.stack[len(p.stack)-1].subject = t.args
			}
		}
		p.step(t)
	case "for":
		p.loop(t)
	case "endif", "endunless", "endcase", "endfor", "endcapture":
		p.end(t)
	case "break", "continue":
		if !slices.ContainsFunc(p.stack, func(f frame) bool { return f.name == "for" }) {
			p.fault(t, t.offset, CodeSyntax, "%s may stand only inside a for", t.name)
		}
		p.source.WriteString(t.source)
	case "cycle":
		if !slices.ContainsFunc(p.stack, func(f frame) bool { return f.name == "for" }) {
			p.fault(t, t.offset, CodeSyntax, "cycle may stand only inside a for")
		}
		if err := cycles(t.args); err != nil {
			p.fault(t, t.argsAt(), CodeSyntax, `cycle takes texts: {%% cycle "odd", "even" %%}`)
		}
		p.source.WriteString(t.source)
	case "assign":
		p.assign(t)
	case "capture":
		p.push(t)
		if p.name(t, t.args, t.argsAt()) {
			p.stack[len(p.stack)-1].variable = t.args
			p.write(t, tagCapture+" "+t.args)
		}
	case "echo":
		p.output(t, t.args)
	case "object":
		p.lookup(t)
	case "comment", "raw", "endcomment", "endraw", tagStep:
		p.source.WriteString(t.source)
	case "block": // the template's own are spliced already
		p.fault(t, t.offset, CodeUnknownBlock, "a block cannot hold another block; name both in the template")
	default:
		p.fault(t, t.offset, CodeUnknownTag, "there is no tag %q%s", t.name, nearest(t.name, knownTags))
	}
}

// cycles has the library read the texts of a cycle.
func cycles(args string) (err error) {
	defer func() {
		if recover() != nil {
			err = &exprError{}
		}
	}()
	_, err = expressions.ParseStatement(expressions.CycleStatementSelector, args)
	return err
}

func (p *reading) push(t *token) {
	if len(p.stack) == MaxDepth {
		p.fault(t, t.offset, CodeLimit, "tags are nested more than %d deep", MaxDepth)
	}
	p.stack = append(p.stack, frame{name: t.name, token: t})
}

// step writes the tag's own source behind one that counts a step.
func (p *reading) step(t *token) {
	p.source.WriteString("{% " + tagStep + " %}" + t.source)
}

func (p *reading) condition(t *token) {
	p.push(t)
	if e := p.parse(t, t.args, t.argsAt(), (*exprReader).condition); e != nil {
		p.read(t, t.argsAt(), e)
		if t.name == "if" {
			p.stack[len(p.stack)-1].guards = guards(t.args, e)
		}
		p.compiled(t, t.args, t.argsAt())
		p.source.WriteString("{% " + tagStep + " %}")
		p.write(t, t.name+" "+blanks(t.args, e))
	}
}

func (p *reading) branch(t *token) {
	n := len(p.stack)
	takes := map[string][]string{"elsif": {"if"}, "else": {"if", "unless", "case", "for"}, "when": {"case"}}[t.name]
	if n == 0 || !slices.Contains(takes, p.stack[n-1].name) {
		p.fault(t, t.offset, CodeSyntax, "%s may stand only directly inside %s", t.name, strings.Join(takes, ", "))
		return
	}
	f := &p.stack[n-1]
	if f.branches++; f.branches == MaxBranches+1 {
		p.fault(t, t.offset, CodeLimit, "%s has at most %d branches", f.name, MaxBranches)
	}
	f.guards = nil
	switch t.name {
	case "elsif":
		if e := p.parse(t, t.args, t.argsAt(), (*exprReader).condition); e != nil {
			p.read(t, t.argsAt(), e)
			f.guards = guards(t.args, e)
			p.compiled(t, t.args, t.argsAt())
			p.write(t, "elsif "+blanks(t.args, e))
		}
		return
	case "when":
		p.parse(t, t.args, t.argsAt(), func(r *exprReader) *expr {
			all := &expr{kind: exprJoin, op: "or"}
			for {
				e := r.operand()
				all.parts = append(all.parts, e)
				if !r.take(",") && !r.keyword("or") {
					break
				}
			}
			p.read(t, t.argsAt(), all)
			if f.subject != "" && !slices.ContainsFunc(all.parts, func(e *expr) bool { return e.kind != exprLiteral || e.value == nil || e.value == "" }) {
				f.guards = []string{f.subject}
			}
			return all
		})
	case "else":
		if f.name == "for" && f.variable != "" {
			p.restore(f)
			f.variable = ""
		}
	}
	p.source.WriteString(t.source)
}

// guards returns the paths of which a condition makes sure that they are there.
func guards(text string, e *expr) []string {
	switch {
	case e.kind == exprPath:
		return []string{text[e.start:e.end]}
	case e.kind == exprJoin && e.op == "and":
		return append(guards(text, e.parts[0]), guards(text, e.parts[1])...)
	case e.kind == exprCompare && e.parts[0].kind == exprPath && e.op != "!=" && e.parts[1].kind == exprLiteral && e.parts[1].value != nil && e.parts[1].value != "":
		return guards(text, e.parts[0])
	case e.kind == exprCompare && e.parts[0].kind == exprPath && e.op == "!=" && (e.parts[1].nothing() != "" || e.parts[1].kind == exprLiteral && (e.parts[1].value == nil || e.parts[1].value == "")):
		return guards(text, e.parts[0])
	}
	return nil
}

func (p *reading) end(t *token) {
	name := strings.TrimPrefix(t.name, "end")
	n := len(p.stack)
	if n == 0 || p.stack[n-1].name != name {
		p.fault(t, t.offset, CodeSyntax, "%s ends nothing that is open here", t.name)
		return
	}
	f := p.stack[n-1]
	p.stack = p.stack[:n-1]
	switch name {
	case "for":
		p.restore(&f)
		p.write(t, "end"+tagFor)
	case "capture":
		if f.variable != "" {
			b := p.scope[f.variable]
			p.scope[f.variable] = &binding{captured: b == nil || b.captured}
			p.write(t, "end"+tagCapture)
		}
	default:
		p.source.WriteString(t.source)
	}
}

// name checks a name that the template gives a value.
func (p *reading) name(t *token, name string, offset int) bool {
	switch {
	case !isName(name):
		p.fault(t, offset, CodeSyntax, "a name is expected: a letter, then letters, digits, _ and -")
	case slices.Contains(Roots, name) || name == "forloop":
		p.fault(t, offset, CodeShadow, "%s is data that the template is given; take another name", name)
	case slices.ContainsFunc(p.lookups, func(l Lookup) bool { return l.Name == name }):
		p.fault(t, offset, CodeShadow, "%s is an object that the template looks up; take another name", name)
	default:
		return true
	}
	return false
}

func isName(s string) bool {
	r := &exprReader{text: s}
	return s != "" && s != "true" && s != "false" && s != "nil" && r.word() == s && !strings.HasSuffix(s, "?")
}

func (p *reading) assign(t *token) {
	name, text, ok := strings.Cut(t.args, "=")
	name = strings.TrimSpace(name)
	at := t.argsAt()
	if !ok {
		p.fault(t, at, CodeSyntax, "assign takes a name and a value: {%% assign total = event.total %%}")
		return
	}
	offset := at + len(t.args) - len(strings.TrimLeft(text, " \t"))
	text = strings.TrimSpace(text)
	if !p.name(t, name, at) {
		return
	}
	e := p.parse(t, text, offset, (*exprReader).condition)
	if e == nil {
		return
	}
	made := &part{value: value{expr: p.compiled(t, blanks(text, e), offset)}, variable: name}
	made.plainPath(e)
	if made.expr == nil {
		return
	}
	p.read(t, offset, e)
	b := &binding{paths: p.alias(e)}
	if len(b.paths) == 0 {
		eager, last := p.needs(t, text, e)
		b.needs = append(eager, last...)
	}
	if old := p.scope[name]; old != nil && len(p.stack) > 0 { // either may hold afterwards
		b.paths = append(b.paths, old.paths...)
		b.needs = append(b.needs, old.needs...)
	}
	p.scope[name] = b
	p.write(t, tagAssign+" "+p.add(t, made))
}

// alias returns the places in the data of which an expression gives the values as they
// are, or their elements.
func (p *reading) alias(e *expr) []string {
	switch e.kind {
	case exprPath:
		return p.resolve(e)
	case exprChain:
		paths := p.alias(e.parts[0])
		for _, c := range e.filters {
			switch c.name {
			case "sort", "sort_natural", "reverse", "where", "reject", "uniq", "slice", "compact":
			case "concat":
				for _, a := range c.args {
					paths = append(paths, p.alias(a)...)
				}
			case "first", "last", "find":
				for i := range paths {
					paths[i] += "[]"
				}
			case "map":
				if len(c.args) != 1 || c.args[0].kind != exprLiteral {
					return nil
				}
				for i := range paths {
					paths[i] += "[]." + fmt.Sprint(c.args[0].value)
				}
			default:
				return nil
			}
		}
		return paths
	}
	return nil
}

package template

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/osteele/liquid/parser"
	"github.com/osteele/liquid/render"

	"github.com/headwater-cdp/headwater/core"
)

// Roots are the names under which a template finds its data.
var Roots = []string{
	"profile",         // traits of the person
	"event",           // properties of the event that caused the message
	"message",         // of the caller's: name of the journey or campaign, and the like
	"coupon",          // code, expiresAt and what its pool says
	"sender",          // name, address, postalAddress, and what else the workspace says of itself
	"recommendations", // items, a list
	"lead",            // score, fit and engagement, as whole numbers
	"predictions",     // what is predicted of the person, by name: predictions.lead.score
	"unsubscribeUrl", "preferencesUrl", "viewUrl",
	"confirm", // of a message that asks to confirm what was agreed to: url, purpose, form, until
	"now",     // RFC 3339, in the person's time zone
	"show",    // which parts of a layout are shown
}

// Template is a source that was parsed. It is not changed by rendering: any number may
// run at once.
type Template struct {
	kind    Kind
	root    render.Node
	config  render.Config
	parts   []*part
	spliced bool
	found   []Finding
	unsure  []Finding
	reads   []Read
	roots   map[string]Finding // first use of each name that the template did not make
	blocks  []string
	lookups []Lookup
}

// Read is a part of the data that a template reads. Reading a path is reading all that
// lies below it.
type Read struct {
	Root string // one of Roots, or "object"
	Type string // of an object: the key of its type
	Path string // "address.city", "items[].sku"; "" is everything
}

// String returns the path as the template's author knows it.
func (r Read) String() string {
	s := r.Root
	if r.Type != "" {
		s = r.Type
	}
	if r.Path == "" || strings.HasPrefix(r.Path, "[]") {
		return s + r.Path
	}
	return s + "." + r.Path
}

// Parse reads a source. blocks finds the source of a reusable block by its key; nil
// when there are none. The template is nil when one of the findings is an error.
func Parse(source string, kind Kind, blocks func(key string) (string, bool)) (*Template, []Finding) {
	top := &origin{source: source}
	if len(source) > MaxSource {
		return nil, []Finding{finding(top, 0, LevelError, CodeLimit, fmt.Sprintf("a template has at most %d bytes", MaxSource))}
	}
	if !utf8.ValidString(source) {
		return nil, []Finding{finding(top, 0, LevelError, CodeSyntax, "a template is UTF-8")}
	}
	p := &reading{kind: kind, find: blocks, size: len(source), scope: map[string]*binding{}, reads: map[string]bool{}, firsts: map[string]Finding{}}
	tokens := p.splice(scan(top))
	p.run(tokens)
	if Errors(p.found) {
		return nil, p.found
	}
	t := &Template{kind: kind, parts: p.parts, spliced: len(p.blocks) > 0, found: p.found, unsure: p.unsure, blocks: p.blocks, lookups: p.lookups}
	t.reads, t.roots = p.data(), p.firsts
	t.config = t.configure()
	root, err := t.compileAll(p.source.String())
	if err != nil { // our own reading should have seen it
		line := err.LineNumber()
		if t.spliced {
			line = 1
		}
		return nil, append(p.found, Finding{Line: max(line, 1), Column: 1, Level: LevelError, Code: CodeSyntax, Message: "this template cannot be read: " + clip(causeOf(err))})
	}
	t.root = root
	return t, p.found
}

// compileAll has the library compile the rewritten source; it panics on numbers out of
// range.
func (t *Template) compileAll(source string) (root render.Node, err parser.Error) {
	defer func() {
		if recover() != nil {
			err = parser.Errorf(&parser.Token{SourceLoc: parser.SourceLoc{LineNo: 1}}, "a number is too large")
		}
	}()
	return t.config.Compile(source, parser.SourceLoc{LineNo: 1})
}

func causeOf(err parser.Error) string {
	if err.Cause() != nil {
		return err.Cause().Error()
	}
	return err.Error()
}

// data returns what was read, without what lies below something else that was.
func (p *reading) data() []Read {
	byName := map[string]string{}
	for _, l := range p.lookups {
		byName["@"+l.Name] = l.Type
	}
	var out []Read
	for _, path := range slices.Sorted(maps.Keys(p.reads)) {
		root, rest := path, ""
		if i := strings.IndexAny(path, ".["); i >= 0 {
			root, rest = path[:i], strings.TrimPrefix(path[i:], ".")
		}
		r := Read{Root: root, Path: rest}
		if typ, ok := byName[root]; ok {
			r = Read{Root: "object", Type: typ, Path: strings.TrimPrefix(strings.TrimPrefix(rest, "[]"), ".")}
		}
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out
}

// Kind returns what the template makes.
func (t *Template) Kind() Kind { return t.kind }

// Paths returns what the template reads of its data, each path once.
func (t *Template) Paths() []Read { return slices.Clone(t.reads) }

// Lookups returns the objects that the template asks for.
func (t *Template) Lookups() []Lookup { return slices.Clone(t.lookups) }

// Blocks returns the keys of the reusable blocks that the template names.
func (t *Template) Blocks() []string { return slices.Clone(t.blocks) }

// Data is what a template is rendered with: plain values under Roots, and the objects
// that it looks up by the names of their variables.
type Data struct {
	Roots   map[string]any
	Objects map[string]any
}

// Output is what a render made. When something was missing there is no Text.
type Output struct {
	Text    string
	Missing []string // paths without which the template says nothing, sorted; no values
}

// The reasons of failing renders.
const (
	ReasonRender = "TEMPLATE_RENDER" // an expression cannot be evaluated with this data
	ReasonLimit  = "TEMPLATE_LIMIT"
	ReasonData   = "TEMPLATE_DATA" // the data is not plain
)

// Render evaluates the template. With strict an output of something that is missing and
// has no fallback ends in Output.Missing; without, it is empty. Errors are INVALID with
// one of the reasons above and say where, never what with; or UNAVAILABLE when ctx
// ended.
func (t *Template) Render(ctx context.Context, data Data, strict bool) (out Output, err error) {
	r := newRun(ctx, t.kind, strict)
	defer r.free()
	defer func() {
		if recover() != nil { // of a filter over data that it was not made for
			out, err = Output{}, r.fail(ReasonRender, "this cannot be evaluated with this data")
		}
	}()
	vars := make(map[string]any, len(data.Roots)+len(data.Objects)+2)
	for _, m := range []map[string]any{data.Objects, data.Roots} {
		for k, v := range m {
			plain, err := Plain(v)
			if err != nil {
				return Output{}, err
			}
			vars[k] = plain
		}
	}
	vars[runKey] = r
	if rerr := render.Render(t.root, r, vars, t.config); rerr != nil {
		return Output{}, t.failure(r, rerr)
	}
	if len(r.missing) > 0 {
		slices.Sort(r.missing)
		return Output{Missing: slices.Compact(r.missing)}, nil
	}
	return Output{Text: r.text()}, nil
}

// failure says where a render ended, and nothing of the data.
func (t *Template) failure(r *run, err render.Error) error {
	if r.ended != nil {
		return r.ended
	}
	e := r.fail(ReasonRender, "this cannot be evaluated with this data")
	if r.at == nil && !t.spliced && err.LineNumber() > 0 {
		e.Message = fmt.Sprintf("line %d: a condition cannot be evaluated with this data", err.LineNumber())
	}
	return e
}

// invalid makes the error of a render.
func invalid(reason, format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, reason, format, args...)
}

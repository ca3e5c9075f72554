package template

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"

	"github.com/osteele/liquid/render"
	"github.com/osteele/liquid/tags"
)

// configure returns the library's configuration for this template: its own tags for
// conditions, ours for everything that writes, repeats or keeps.
func (t *Template) configure() render.Config {
	cfg := render.NewConfig()
	cfg.TemplateStore = nil
	cfg.Config.Config = textFilters
	if t.kind == HTML {
		cfg.Config.Config = htmlFilters
	}
	tags.AddStandardTags(&cfg)
	cfg.UnregisterTag("include")
	cfg.UnregisterTag("render")
	cfg.AddTag(tagStep, func(string) (func(io.Writer, render.Context) error, error) {
		return func(_ io.Writer, c render.Context) error { return runOf(c).step() }, nil
	})
	cfg.AddTag(tagOutput, t.compile((*part).write))
	cfg.AddTag(tagAssign, t.compile((*part).assign))
	cfg.AddTag("break", func(string) (func(io.Writer, render.Context) error, error) { return jump(errBreak), nil })
	cfg.AddTag("continue", func(string) (func(io.Writer, render.Context) error, error) { return jump(errContinue), nil })
	cfg.AddBlock(tagFor).Clause("else").Compiler(t.compileFor)
	cfg.AddBlock(tagCapture).Compiler(compileCapture)
	return cfg
}

func runOf(c render.Context) *run { return c.Bindings()[runKey].(*run) }

// compile makes the compiler of a tag whose argument is the number of a part.
func (t *Template) compile(do func(*part, *run, io.Writer, render.Context) error) render.TagCompiler {
	return func(args string) (func(io.Writer, render.Context) error, error) {
		n, err := strconv.Atoi(args)
		if err != nil {
			return nil, err
		}
		p := t.parts[n]
		return func(w io.Writer, c render.Context) error {
			r := runOf(c)
			r.at = p
			if err := r.step(); err != nil {
				return err
			}
			return do(p, r, w, c)
		}, nil
	}
}

// write evaluates an output, notes what is missing, and writes the rest escaped.
func (p *part) write(r *run, w io.Writer, c render.Context) error {
	v, err := p.of(c)
	if err != nil {
		return err
	}
	if r.strict && (len(p.needs) > 0 || len(p.last) > 0) {
		if err := p.ask(r, c, v); err != nil {
			return err
		}
	}
	return p.put(r, w, v)
}

// ask notes what of the part's needs is missing.
func (p *part) ask(r *run, c render.Context, v any) error {
	if p.self {
		if blank(v) {
			r.missing = append(r.missing, p.needs[0].name)
		}
		return nil
	}
	needs := p.needs
	if blank(v) {
		needs = slices.Concat(needs, p.last)
	}
	for _, n := range needs {
		got, err := n.of(c)
		if err != nil {
			return err
		}
		if blank(got) {
			r.missing = append(r.missing, n.name)
		}
	}
	return nil
}

// assign gives a name a value.
func (p *part) assign(r *run, _ io.Writer, c render.Context) error {
	v, err := p.of(c)
	if err != nil {
		return err
	}
	if s, ok := v.(string); ok && len(s) > MaxValue {
		return r.end(r.fail(ReasonLimit, "a value is larger than %d bytes", MaxValue))
	}
	c.Set(p.variable, v)
	return nil
}

var (
	errBreak    = errors.New("break")
	errContinue = errors.New("continue")
)

func jump(to error) func(io.Writer, render.Context) error {
	return func(_ io.Writer, c render.Context) error { return c.WrapError(to) }
}

// limited is a buffer that takes only so much.
type limited struct {
	run *run
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *limited) Write(b []byte) (int, error) {
	if l.buf.Len()+len(b) > MaxValue {
		return 0, l.run.end(l.run.fail(ReasonLimit, "a capture holds more than %d bytes", MaxValue))
	}
	return l.buf.Write(b)
}

func compileCapture(node render.BlockNode) (func(io.Writer, render.Context) error, error) {
	name := node.Args
	return func(_ io.Writer, c render.Context) error {
		r := runOf(c)
		if err := r.step(); err != nil {
			return err
		}
		l := &limited{run: r}
		if err := c.RenderChildren(l); err != nil {
			return err
		}
		c.Set(name, l.buf.String())
		return nil
	}, nil
}

// list is what a loop goes through.
type list interface {
	Len() int
	Index(int) any
}

type anyList []any

func (l anyList) Len() int        { return len(l) }
func (l anyList) Index(i int) any { return l[i] }

// listOf returns what a value has to go through: the pairs of a map in the order of its
// keys, a text once, nil for what is no list.
func listOf(v any) list {
	switch v := v.(type) {
	case list: // a range of the library's
		return v
	case []any:
		return anyList(v)
	case []string: // as split makes them
		out := make(anyList, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	case map[string]any:
		out := make(anyList, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out = append(out, []any{k, v[k]})
		}
		return out
	case string:
		if v != "" {
			return anyList{v}
		}
	}
	return anyList(nil)
}

func (t *Template) compileFor(node render.BlockNode) (func(io.Writer, render.Context) error, error) {
	n, err := strconv.Atoi(node.Args)
	if err != nil {
		return nil, err
	}
	p := t.parts[n]
	return func(w io.Writer, c render.Context) error {
		r := runOf(c)
		r.at = p
		if err := r.step(); err != nil {
			return err
		}
		return p.turn(r, w, c, node.Clauses)
	}, nil
}

// bounds returns where a loop begins and how many turns it takes.
func (p *part) bounds(r *run, c render.Context, all int) (from, turns int, err error) {
	number := func(v any) (int, error) {
		switch v := v.(type) {
		case int:
			return v, nil
		case float64:
			return int(v), nil
		case nil:
			return 0, nil
		}
		return 0, r.end(r.fail(ReasonRender, "limit and offset are whole numbers"))
	}
	turns = max(all, 0)
	if p.loop.Offset != nil {
		v, err := c.Evaluate(p.loop.Offset)
		if err != nil {
			return 0, 0, err
		}
		if from, err = number(v); err != nil {
			return 0, 0, err
		}
		from = min(max(from, 0), turns)
		turns -= from
	}
	if p.loop.Limit != nil {
		v, err := c.Evaluate(p.loop.Limit)
		if err != nil {
			return 0, 0, err
		}
		n, err := number(v)
		if err != nil {
			return 0, 0, err
		}
		if v != nil {
			turns = min(max(n, 0), turns)
		}
	}
	return from, turns, nil
}

// turn renders the body for each element.
func (p *part) turn(r *run, w io.Writer, c render.Context, clauses []*render.BlockNode) error {
	v, err := c.Evaluate(p.loop.Expr)
	if err != nil {
		return err
	}
	over := listOf(v)
	from, turns, err := p.bounds(r, c, over.Len())
	if err != nil {
		return err
	}
	if turns == 0 {
		if len(clauses) > 0 {
			return c.RenderBlock(w, clauses[0])
		}
		return nil
	}
	outer, hidden := c.Get("forloop"), c.Get(p.variable)
	defer func() {
		c.Set("forloop", outer)
		c.Set(p.variable, hidden)
	}()
	loop := map[string]any{"length": turns, "parentloop": outer, "name": p.variable, ".cycles": map[string]int{}}
	for i := range turns {
		if err := r.step(); err != nil {
			return err
		}
		at := from + i
		if p.loop.Reversed {
			at = from + turns - 1 - i
		}
		loop["first"], loop["last"] = i == 0, i == turns-1
		loop["index"], loop["index0"] = i+1, i
		loop["rindex"], loop["rindex0"] = turns-i, turns-i-1
		c.Set("forloop", loop)
		c.Set(p.variable, over.Index(at))
		if err := c.RenderChildren(w); err != nil {
			switch why := err.Cause(); {
			case errors.Is(why, errBreak):
				return nil
			case !errors.Is(why, errContinue):
				return err
			}
		}
	}
	return nil
}

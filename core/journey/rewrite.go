package journey

import (
	"regexp"
	"slices"

	"github.com/headwater-cdp/headwater/core/condition"
)

// rewriting says how a condition is copied. Each part may be nil.
type rewriting struct {
	predicate func(p *condition.Predicate)                        // changes the copy
	window    func(w *condition.Window) *condition.Window         // of what asks for events that happened
	message   func(m *condition.Message) (*condition.Event, bool) // what stands for it
}

// node returns a copy of a condition.
func (r *rewriting) node(n *condition.Node) *condition.Node {
	if n == nil {
		return nil
	}
	c := *n
	c.And, c.Or, c.Not = r.nodes(n.And), r.nodes(n.Or), r.node(n.Not)
	c.Trait, c.Field, c.Prediction = r.one(n.Trait), r.one(n.Field), r.one(n.Prediction)
	c.Event, c.FirstTime, c.Stopped, c.LastEvent = r.happened(n.Event), r.event(n.FirstTime), r.event(n.Stopped), r.event(n.LastEvent)
	if n.Aggregate != nil {
		a := *n.Aggregate
		a.Event = r.happened(a.Event)
		c.Aggregate = &a
	}
	if n.Sequence != nil {
		s := *n.Sequence
		s.Steps, s.Without, s.Window = r.events(s.Steps), r.events(s.Without), r.windowed(s.Window)
		c.Sequence = &s
	}
	if n.Object != nil {
		o := *n.Object
		o.Where = r.predicates(o.Where)
		c.Object = &o
	}
	if n.Message != nil {
		m := *n.Message
		m.Window = r.windowed(m.Window)
		c.Message = &m
		if r.message != nil {
			if e, ok := r.message(n.Message); ok {
				c.Message, c.Event = nil, e
			}
		}
	}
	return &c
}

func (r *rewriting) nodes(ns []*condition.Node) []*condition.Node {
	if ns == nil {
		return nil
	}
	out := make([]*condition.Node, len(ns))
	for i, n := range ns {
		out[i] = r.node(n)
	}
	return out
}

func (r *rewriting) windowed(w *condition.Window) *condition.Window {
	if r.window == nil {
		return w
	}
	return r.window(w)
}

func (r *rewriting) happened(e *condition.Event) *condition.Event {
	c := r.event(e)
	if c != nil {
		c.Window = r.windowed(c.Window)
	}
	return c
}

func (r *rewriting) events(es []*condition.Event) []*condition.Event {
	out := make([]*condition.Event, len(es))
	for i, e := range es {
		out[i] = r.event(e)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func (r *rewriting) event(e *condition.Event) *condition.Event {
	if e == nil {
		return nil
	}
	c := *e
	c.Where = r.predicates(e.Where)
	return &c
}

func (r *rewriting) predicates(ps []*condition.Predicate) []*condition.Predicate {
	if ps == nil {
		return nil
	}
	out := make([]*condition.Predicate, len(ps))
	for i, p := range ps {
		out[i] = r.one(p)
	}
	return out
}

func (r *rewriting) one(p *condition.Predicate) *condition.Predicate {
	if p == nil {
		return nil
	}
	c := *p
	c.Operators = slices.Clone(p.Operators)
	c.Any, c.All, c.None = r.predicates(p.Any), r.predicates(p.All), r.predicates(p.None)
	if r.predicate != nil {
		r.predicate(&c)
	}
	return &c
}

// bound is the operand of eq and neq that stands for a property of the entering event.
var bound = regexp.MustCompile(`^\{\{\s*event\.([^{}\s]+)\s*\}\}$`)

// boundPath returns the path that an operand stands for; "" for none.
func boundPath(o condition.Operator) string {
	text, ok := o.Value.(string)
	if !ok || o.Op != condition.Eq && o.Op != condition.Neq {
		return ""
	}
	if m := bound.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

// binds tells whether a condition mentions the entering event.
func binds(n *condition.Node) bool { return len(boundPaths(n)) > 0 }

// boundPaths returns the properties of the entering event that a condition mentions.
func boundPaths(n *condition.Node) []string {
	var out []string
	r := rewriting{predicate: func(p *condition.Predicate) {
		for _, o := range p.Operators {
			if path := boundPath(o); path != "" {
				out = append(out, path)
			}
		}
	}}
	r.node(n)
	return out
}

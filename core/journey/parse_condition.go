package journey

import (
	"maps"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// conditioned reads a condition. Operands that stand for properties of the entering
// event are allowed where bound is set.
func (r *reader) conditioned(v any, mayBind bool) *condition.Node { return r.wrapped(v, "", mayBind) }

// wrapped reads what stands under the key of a condition's node, such as "event".
func (r *reader) wrapped(v any, key string, mayBind bool) *condition.Node {
	tree := v
	if key != "" {
		tree = map[string]any{key: v}
	}
	var voc condition.Vocabulary
	if r.voc != nil {
		voc = r.voc.Conditions()
	}
	loose := unbound(tree)
	_, faults, warnings := condition.Faults(loose, voc, condition.Options{})
	strip := func(path []string) []string {
		if key != "" && len(path) > 0 {
			return path[1:]
		}
		return path
	}
	for _, e := range faults {
		c := *e
		c.Path = strip(e.Path)
		r.tell(&c)
	}
	for _, w := range warnings {
		r.warn(w.Reason, w.Message, strip(w.Path)...)
	}
	if len(faults) > 0 {
		return nil
	}
	n, err := condition.Parse(tree) // with the operands as they are
	if err != nil {
		c := *core.AsError(err)
		c.Path = strip(c.Path)
		r.tell(&c)
		return nil
	}
	if binds(n) && !mayBind {
		r.fault(condition.ReasonNotAllowed, "who enters is asked about before there is an entering event; leave {{ event.… }} out")
		return nil
	}
	return n
}

// unbound returns a tree in which predicates ask of properties of the entering event
// no more than that there is a value: what type it has is not known.
func unbound(tree any) any {
	switch v := tree.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = unbound(v[i])
		}
		return out
	case []map[string]any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = unbound(v[i])
		}
		return out
	case map[string]any:
		out := maps.Clone(v)
		for _, op := range []condition.Op{condition.Eq, condition.Neq} {
			if boundPath(condition.Operator{Op: op, Value: v[string(op)]}) != "" {
				delete(out, string(op))
				out["exists"] = true
			}
		}
		for k := range out {
			out[k] = unbound(out[k])
		}
		return out
	}
	return tree
}

// sinceEntering reads a condition about what happened since the person entered.
func (r *reader) sinceEntering(v any) *condition.Node {
	n := r.conditioned(v, true)
	if asksPast(n) {
		r.fault(condition.ReasonNotAllowed, "exits and goals look at what happened since the person entered, and firstTime and stopped at all of the past; use event")
	}
	return n
}

func asksPast(n *condition.Node) bool {
	return n != nil && (n.FirstTime != nil || n.Stopped != nil || asksPast(n.Not) || slices.ContainsFunc(slices.Concat(n.And, n.Or), asksPast))
}

// segment checks that a segment can be referred to.
func (r *reader) segment(m map[string]any, key string, list bool) string {
	id := r.text(m, key, condition.MaxName, true)
	if id == "" || r.voc == nil || r.voc.Conditions() == nil {
		return id
	}
	info, ok := r.voc.Conditions().Segment(id)
	r.at(key, func() {
		switch {
		case !ok:
			r.fault(condition.ReasonSegment, "there is no segment or list with this id")
		case info.Archived:
			r.fault(condition.ReasonArchived, "the segment is archived; nobody enters or leaves it")
		case list && !info.Static:
			r.fault(condition.ReasonNotAList, "this is a segment; use segmentEntered")
		}
	})
	return id
}

package condition

import "slices"

// kinds are the keys of a node, in the order of the canonical form.
var kinds = []string{
	"and", "or", "not", "trait", "event", "sequence", "firstTime", "stopped", "aggregate", "lastEvent",
	"object", "segment", "list", "consent", "message", "prediction", "bucket", "geo", "field",
}

// condition reads a node.
func (r *reader) condition(v any) *Node {
	r.depth++
	defer func() { r.depth-- }()
	if r.depth > MaxDepth {
		r.fault(ReasonTooDeep, "nodes may stand %d deep; move what is deeper to a segment and refer to it", MaxDepth)
		return nil
	}
	if !r.count() {
		return nil
	}
	m, known := r.fields(v, "a condition", kinds...)
	if known && len(m) != 1 {
		r.oneKeyFault(m, "a condition", kinds)
	}
	n := &Node{}
	for _, kind := range kinds {
		if m[kind] != nil {
			r.at(kind, func() { r.kind(n, kind, m[kind]) })
		}
	}
	return n
}

func (r *reader) oneKeyFault(m map[string]any, what string, allowed []string) {
	var found []string
	for _, key := range allowed {
		if m[key] != nil {
			found = append(found, key)
		}
	}
	if len(found) == 0 {
		r.fault(ReasonOneKey, "%s has exactly one key that is not null, of %s", what, list(allowed, "and"))
		return
	}
	hint := ""
	if what == "a condition" {
		hint = `; to ask for several things write {"and": [{…}, {…}]}`
	}
	r.fault(ReasonOneKey, "%s has exactly one key, but this has %s%s", what, list(found, "and"), hint)
}

// kind reads the content of a node.
func (r *reader) kind(n *Node, kind string, v any) {
	if !r.allowed(kind) {
		return
	}
	if kind == "trait" || kind == "prediction" || kind == "field" {
		r.nodes-- // the predicate is the node
	}
	switch kind {
	case "and":
		n.And = r.several(v)
	case "or":
		n.Or = r.several(v)
	case "not":
		n.Not = r.condition(v)
	case "trait":
		n.Trait = r.predicate(v, r.traits())
	case "event":
		n.Event = r.event(v, "event", "count", "window")
	case "sequence":
		n.Sequence = r.sequence(v)
	case "firstTime":
		n.FirstTime = r.event(v, "firstTime", "window")
	case "stopped":
		n.Stopped = r.stopped(v)
	case "aggregate":
		n.Aggregate = r.aggregate(v)
	case "lastEvent":
		n.LastEvent = r.event(v, "lastEvent", "window")
	case "object":
		n.Object = r.object(v)
	case "segment", "list":
		m := r.membership(v, kind)
		if kind == "list" {
			n.List = m
		} else {
			n.Segment = m
		}
	case "consent":
		n.Consent = r.consent(v)
	case "message":
		n.Message = r.message(v)
	case "prediction":
		n.Prediction = r.predicate(v, subject{lookup: numbersOnly, figure: true})
	case "bucket":
		n.Bucket = r.bucket(v)
	case "geo":
		n.Geo = r.geo(v)
	case "field":
		n.Field = r.predicate(v, r.recordFields())
	}
}

// allowed tells whether this condition may have nodes of the kind.
func (r *reader) allowed(kind string) bool {
	switch {
	case r.lenient, kind == "and", kind == "or", kind == "not":
		return true
	case r.opt.Fields && kind != "field":
		r.fault(ReasonNotAllowed, "records are asked for by their own fields only: and, or, not and field; this is a question about people")
		return false
	case !r.opt.Fields && kind == "field":
		r.fault(ReasonNotAllowed, "field asks for a record's own field, only where records are asked for; about people ask with trait, or with object for their records")
		return false
	}
	return true
}

// several reads the nodes of and and or.
func (r *reader) several(v any) []*Node {
	out := []*Node{}
	r.each(v, func(v any) { out = append(out, r.condition(v)) })
	if len(items(v)) == 0 {
		r.fault(ReasonEmpty, "at least one condition is expected")
	}
	return out
}

// numbersOnly is the vocabulary of predictions.
func numbersOnly(string) ([]string, bool) { return []string{"integer", "decimal"}, true }

func (r *reader) traits() subject {
	s := subject{unknown: func() {
		r.warn(WarnUnknownTrait, "nobody has a trait at this path yet; until somebody does, only a predicate about what is missing can hold")
	}}
	if r.voc != nil {
		s.lookup = r.voc.TraitTypes
	}
	return s
}

// recordFields is what field nodes ask.
func (r *reader) recordFields() subject {
	if r.voc == nil || r.opt.Type == "" {
		return subject{}
	}
	o, ok := r.voc.ObjectType(r.opt.Type)
	if !ok {
		return subject{}
	}
	return r.fieldsOf(o)
}

func (r *reader) fieldsOf(o ObjectVocabulary) subject {
	s := subject{lookup: o.types}
	s.unknown = func() {
		names := make([]string, 0, len(o.Fields))
		for name := range o.Fields {
			names = append(names, name)
		}
		slices.Sort(names)
		r.fault(ReasonUnknownField, "the type has no such field; its fields are %s", list(names[:min(len(names), 40)], "and"))
	}
	return s
}

// types looks a path up among the fields; below an object anything may be.
func (o ObjectVocabulary) types(path string) ([]string, bool) {
	if types, ok := o.Fields[path]; ok {
		return types, true
	}
	keys := SplitPath(path)
	for n := len(keys) - 1; n > 0; n-- {
		if types, ok := o.Fields[JoinPath(keys[:n]...)]; ok {
			return nil, !lacks(types, "object", "array")
		}
	}
	return nil, false
}

package condition

import "slices"

// The bounds of a sequence.
const (
	MinSteps   = 2
	MaxSteps   = 10
	MaxWithout = 10
)

// event reads what asks for events; keys are those of count and window that make
// sense in kind.
func (r *reader) event(v any, kind string, keys ...string) *Event {
	m, _ := r.fields(v, kind, "name", "where", "count", "window")
	for _, key := range []string{"count", "window"} {
		if m[key] != nil && !slices.Contains(keys, key) {
			r.at(key, func() { r.fault(ReasonNotAllowed, "%s", misplaced(kind, key)) })
			delete(m, key)
		}
	}
	e := &Event{Name: r.name(m, "name")}
	known := false
	if e.Name != "" {
		r.at("name", func() { known = r.eventName(e.Name) })
	}
	e.Where = r.predicates(m, "where", r.properties(e.Name, known))
	e.Count, e.Window = r.ranged(m, "count", true), r.window(m, "window")
	return e
}

// misplaced says where a count or a window belongs that has no place in kind.
func misplaced(kind, key string) string {
	switch {
	case kind == "firstTime":
		return "firstTime asks for the first event, of which there is one; leave count out, or use event"
	case kind == "lastEvent":
		return "lastEvent asks for the latest event, of which there is one; leave count out, or use event"
	case kind == "aggregate":
		return "an aggregate asks for a figure over all matching events; leave count out, or use fn COUNT"
	case key == "window":
		return "the events of a sequence have no windows of their own; give the sequence one, or within"
	}
	return "the events of a sequence have no counts; write a step twice to ask for it twice"
}

// eventName checks a name; it tells whether properties of the event can be known.
func (r *reader) eventName(name string) (known bool) {
	if kind, ok := membershipEvents[name]; ok {
		r.fault(ReasonNotAllowed, "who entered or left is not asked for with event nodes; use %s with entered", kind)
		return false
	}
	if r.voc == nil || IsSystemEvent(name) {
		return false
	}
	if known = r.voc.EventKnown(name); !known && len(r.warnings) < MaxFaults {
		r.warn(WarnUnknownEvent, "no event of this name is known: none has come yet with properties, nor is it planned"+didYouMean(name, r.voc.Events()))
	}
	return known
}

func (r *reader) properties(event string, known bool) subject {
	s := subject{event: true}
	if known {
		s.lookup = func(path string) ([]string, bool) { return r.voc.PropertyTypes(event, path) }
		s.unknown = func() { r.warn(WarnUnknownProperty, "no event of this name has had a property at this path yet") }
	}
	return s
}

func (r *reader) stopped(v any) *Event {
	e := r.event(v, "stopped", "count", "window")
	if e.Window == nil {
		if m, ok := v.(map[string]any); ok {
			if w, ok := m["window"].(map[string]any); m["window"] == nil || ok && w["allTime"] == true {
				r.at("window", func() {
					r.fault(ReasonWindow, `stopped needs a window in which nothing happened, such as {"last": "P90D"}; what happened before it is counted`)
				})
			}
		}
	}
	return e
}

func (r *reader) sequence(v any) *Sequence {
	m, _ := r.fields(v, "a sequence", "steps", "within", "without", "window")
	s := &Sequence{Within: r.period(m, "within"), Window: r.window(m, "window")}
	if r.required(m, "steps") {
		r.at("steps", func() {
			if n := len(items(m["steps"])); n < MinSteps || n > MaxSteps {
				r.fault(ReasonRange, "a sequence has %d to %d steps", MinSteps, MaxSteps)
				return
			}
			r.each(m["steps"], func(v any) { s.Steps = append(s.Steps, r.step(v)) })
		})
	}
	if m["without"] != nil {
		r.at("without", func() {
			if len(items(m["without"])) > MaxWithout {
				r.fault(ReasonRange, "a sequence rules out at most %d kinds of events", MaxWithout)
				return
			}
			r.each(m["without"], func(v any) { s.Without = append(s.Without, r.step(v)) })
		})
	}
	return s
}

func (r *reader) step(v any) *Event {
	if !r.count() {
		return &Event{}
	}
	return r.event(v, "a step")
}

var figures = []string{"COUNT", "SUM", "AVG", "MIN", "MAX", "DISTINCT"}

func (r *reader) aggregate(v any) *Aggregate {
	m, _ := r.fields(v, "an aggregate", "event", "fn", "path", "value", "currency")
	a := &Aggregate{Event: &Event{}}
	if r.required(m, "event") {
		r.at("event", func() { a.Event = r.event(m["event"], "aggregate", "window") })
	}
	if r.required(m, "fn") {
		a.Fn = AggregateFn(r.enum(m, "fn", figures...))
	}
	if m["path"] != nil {
		a.Path = r.dotted(m, "path")
	} else if a.Fn != Count && a.Fn != "" {
		r.at("path", func() { r.fault(ReasonRequired, "%s needs the path of the property that it looks at", a.Fn) })
	}
	a.Currency = r.currency(m, a)
	if r.required(m, "value") {
		a.Value = r.ranged(m, "value", a.Fn == Count || a.Fn == Distinct)
	}
	if a.Path != "" {
		r.at("path", func() { r.aggregable(a) })
	}
	return a
}

func (r *reader) currency(m map[string]any, a *Aggregate) string {
	c := r.optionalName(m, "currency")
	switch {
	case c == "":
	case a.Fn == Count || a.Fn == Distinct:
		r.at("currency", func() { r.fault(ReasonNotAllowed, "a currency belongs to SUM, AVG, MIN or MAX of money") })
	case !currencyCode(c):
		r.at("currency", func() { r.fault(ReasonName, "a currency is three capital letters, such as EUR") })
	}
	return c
}

// aggregable checks the types of what an aggregate looks at.
func (r *reader) aggregable(a *Aggregate) {
	s := r.properties(a.Event.Name, r.voc != nil && a.Event.Name != "" && !IsSystemEvent(a.Event.Name) && r.voc.EventKnown(a.Event.Name))
	if s.lookup == nil {
		return
	}
	types, known := s.lookup(a.Path)
	wanted := []string{"integer", "decimal"}
	if a.Currency != "" {
		wanted = []string{"object"}
		if _, parts := s.lookup(a.Path + ".amount"); !known && parts {
			return
		}
	}
	switch {
	case !known:
		s.unknown()
	case a.Fn == Count:
	case a.Fn == Distinct:
		if lacks(types, "string", "datetime", "boolean", "integer", "decimal", "array") {
			r.fault(ReasonTypeMismatch, "DISTINCT counts texts, numbers and booleans; only %s was seen here", list(types, "and"))
		}
	case lacks(types, append(wanted, "array")...):
		r.fault(ReasonTypeMismatch, "%s reads numbers, or money with a currency; only %s was seen here", a.Fn, list(types, "and"))
	}
}

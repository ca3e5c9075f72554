package condition

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// MarshalJSON writes the canonical form: keys in a fixed order, nothing that is
// the default, numbers as they were given, durations and times alike when they are
// equal. Parse reads it back to the same node.
func MarshalJSON(n *Node) ([]byte, error) {
	w := &writer{}
	w.node(n)
	return w.result()
}

// writer writes JSON with keys in the order in which they come.
type writer struct {
	buf bytes.Buffer
	err error
}

func (w *writer) result() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	return w.buf.Bytes(), nil
}

// json writes any JSON value, the keys of objects sorted.
func (w *writer) json(v any) {
	e := json.NewEncoder(&w.buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		w.err = err
		return
	}
	w.buf.Truncate(w.buf.Len() - 1) // the encoder ends with a newline
}

// field is a key and what writes its value.
type field struct {
	key   string
	given bool
	write func()
}

func (w *writer) object(fields ...field) {
	w.buf.WriteByte('{')
	first := true
	for _, f := range fields {
		if !f.given {
			continue
		}
		if !first {
			w.buf.WriteByte(',')
		}
		first = false
		w.json(f.key)
		w.buf.WriteByte(':')
		f.write()
	}
	w.buf.WriteByte('}')
}

func listOf[T any](w *writer, items []T, write func(T)) {
	w.buf.WriteByte('[')
	for i, item := range items {
		if i > 0 {
			w.buf.WriteByte(',')
		}
		write(item)
	}
	w.buf.WriteByte(']')
}

func (w *writer) text(key, s string) field {
	return field{key, s != "", func() { w.json(s) }}
}

// exact writes a decimal literal as a number.
func (w *writer) exact(key, lit string) field {
	return field{key, lit != "", func() { w.buf.WriteString(lit) }}
}

func (w *writer) period(key string, p *Period) field {
	return field{key, p != nil, func() { w.json(p.String()) }}
}

func (w *writer) instant(key string, t time.Time) field {
	return field{key, !t.IsZero(), func() { w.json(t.UTC().Format(time.RFC3339Nano)) }}
}

func (w *writer) nodes(key string, ns []*Node) field {
	return field{key, ns != nil, func() { listOf(w, ns, w.node) }}
}

func (w *writer) events(key string, es []*Event) field {
	return field{key, es != nil, func() { listOf(w, es, w.event) }}
}

func (w *writer) predicates(key string, ps []*Predicate) field {
	return field{key, len(ps) > 0, func() { listOf(w, ps, w.predicate) }}
}

func (w *writer) rangeField(key string, r *Range) field {
	return field{key, r != nil, func() {
		w.object(w.exact("eq", r.Eq), w.exact("gte", r.Gte), w.exact("gt", r.Gt), w.exact("lte", r.Lte), w.exact("lt", r.Lt))
	}}
}

func (w *writer) window(key string, v *Window) field {
	return field{key, v != nil, func() {
		w.object(
			w.period("last", v.Last),
			field{"between", !v.From.IsZero(), func() { w.object(w.instant("from", v.From), w.instant("to", v.To)) }},
			field{"ago", v.AgoFrom != nil, func() { w.object(w.period("from", v.AgoFrom), w.period("to", v.AgoTo)) }},
			w.text("calendar", string(v.Calendar)),
		)
	}}
}

func (w *writer) node(n *Node) {
	if n == nil {
		w.buf.WriteString("null")
		return
	}
	w.object(
		w.nodes("and", n.And), w.nodes("or", n.Or),
		field{"not", n.Not != nil, func() { w.node(n.Not) }},
		field{"trait", n.Trait != nil, func() { w.predicate(n.Trait) }},
		field{"event", n.Event != nil, func() { w.event(n.Event) }},
		field{"sequence", n.Sequence != nil, func() { w.sequence(n.Sequence) }},
		field{"firstTime", n.FirstTime != nil, func() { w.event(n.FirstTime) }},
		field{"stopped", n.Stopped != nil, func() { w.event(n.Stopped) }},
		field{"aggregate", n.Aggregate != nil, func() { w.aggregate(n.Aggregate) }},
		field{"lastEvent", n.LastEvent != nil, func() { w.event(n.LastEvent) }},
		field{"object", n.Object != nil, func() { w.records(n.Object) }},
		field{"segment", n.Segment != nil, func() { w.membership(n.Segment) }},
		field{"list", n.List != nil, func() { w.membership(n.List) }},
		field{"consent", n.Consent != nil, func() {
			w.object(w.text("purpose", n.Consent.Purpose), w.text("channel", n.Consent.Channel), w.text("status", n.Consent.Status))
		}},
		field{"message", n.Message != nil, func() {
			w.object(w.text("status", n.Message.Status), w.text("campaignId", n.Message.CampaignID),
				w.text("nodeId", n.Message.NodeID), w.window("window", n.Message.Window))
		}},
		field{"prediction", n.Prediction != nil, func() { w.predicate(n.Prediction) }},
		field{"bucket", n.Bucket != nil, func() {
			w.object(field{"salt", true, func() { w.json(n.Bucket.Salt) }}, // "" is a salt
				w.exact("from", strconv.Itoa(n.Bucket.From)), w.exact("to", strconv.Itoa(n.Bucket.To)))
		}},
		field{"geo", n.Geo != nil, func() {
			w.object(w.text("path", n.Geo.Path), w.exact("lat", n.Geo.Lat), w.exact("lon", n.Geo.Lon), w.exact("radiusKm", n.Geo.RadiusKm))
		}},
		field{"field", n.Field != nil, func() { w.predicate(n.Field) }},
	)
}

func (w *writer) event(e *Event) {
	w.object(w.text("name", e.Name), w.predicates("where", e.Where), w.rangeField("count", e.Count), w.window("window", e.Window))
}

func (w *writer) sequence(s *Sequence) {
	w.object(w.events("steps", s.Steps), w.period("within", s.Within), w.events("without", s.Without), w.window("window", s.Window))
}

func (w *writer) aggregate(a *Aggregate) {
	w.object(
		field{"event", true, func() { w.event(a.Event) }},
		w.text("fn", string(a.Fn)), w.text("path", a.Path), w.rangeField("value", a.Value), w.text("currency", a.Currency),
	)
}

func (w *writer) records(o *Object) {
	match := string(o.Match)
	if o.Match == MatchAny {
		match = ""
	}
	w.object(w.text("type", o.Type), w.text("relation", o.Relation), w.text("match", match),
		w.predicates("where", o.Where), w.rangeField("count", o.Count))
}

func (w *writer) membership(m *Membership) {
	w.object(w.text("id", m.ID), w.window("entered", m.Entered))
}

func (w *writer) predicate(p *Predicate) {
	fields := []field{{"path", true, func() { w.json(p.Path) }}}
	for _, op := range operators {
		for _, o := range p.Operators {
			if o.Op == op {
				fields = append(fields, field{string(op), true, func() { w.operand(o.Value) }})
			}
		}
	}
	missing := ""
	if p.IncludeNull {
		missing = "INCLUDE"
	}
	w.object(append(fields, w.predicates("any", p.Any), w.predicates("all", p.All), w.predicates("none", p.None),
		w.rangeField("size", p.Size), w.text("missing", missing))...)
}

func (w *writer) operand(v any) {
	switch v := v.(type) {
	case time.Time:
		w.json(v.UTC().Format(time.RFC3339Nano))
	case Period:
		w.json(v.String())
	case Relative:
		w.object(w.period("past", v.Past), w.period("next", v.Next))
	default:
		w.json(v)
	}
}

package condition

import (
	"encoding/json"
	"strconv"
	"time"

	"pgregory.net/rapid"
)

// drawNode draws a condition that Parse takes.
func drawNode(t *rapid.T, depth int) *Node {
	kinds := 16
	if depth > 0 {
		kinds = 19
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return &Node{Trait: drawPredicate(t, 2, false)}
	case 1:
		return &Node{Event: drawEvent(t, true, true)}
	case 2:
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *Event { return drawEvent(t, false, false) }), 2, 4).Draw(t, "steps")
		q := &Sequence{Steps: steps, Window: drawWindow(t)}
		if rapid.Bool().Draw(t, "within") {
			q.Within = drawPeriod(t)
		}
		if rapid.Bool().Draw(t, "without") {
			q.Without = []*Event{drawEvent(t, false, false)}
		}
		return &Node{Sequence: q}
	case 3:
		return &Node{FirstTime: drawEvent(t, false, true)}
	case 4:
		e := drawEvent(t, true, false)
		e.Window = &Window{Last: drawPeriod(t)}
		return &Node{Stopped: e}
	case 5:
		return &Node{Aggregate: drawAggregate(t)}
	case 6:
		return &Node{LastEvent: drawEvent(t, false, true)}
	case 7:
		o := &Object{Type: drawName(t), Match: rapid.SampledFrom([]Quantifier{MatchAny, MatchAll, MatchNone}).Draw(t, "match")}
		if rapid.Bool().Draw(t, "counted") {
			o.Match, o.Count = "", drawCount(t)
		}
		if rapid.Bool().Draw(t, "related") {
			o.Relation = drawName(t)
		}
		o.Where = drawPredicates(t, false)
		return &Node{Object: o}
	case 8:
		return &Node{Segment: &Membership{ID: "seg_" + drawName(t), Entered: drawWindow(t)}}
	case 9:
		return &Node{List: &Membership{ID: "seg_" + drawName(t), Entered: drawWindow(t)}}
	case 10:
		channel := rapid.SampledFrom(append([]string{""}, channels...)).Draw(t, "channel")
		return &Node{Consent: &Consent{Purpose: drawName(t), Channel: channel, Status: rapid.SampledFrom(consentStatuses).Draw(t, "status")}}
	case 11:
		m := &Message{Status: rapid.SampledFrom(messageStatuses).Draw(t, "status"), Window: drawWindow(t)}
		if rapid.Bool().Draw(t, "of") {
			m.CampaignID, m.NodeID = drawName(t), drawName(t)
		}
		return &Node{Message: m}
	case 12:
		return &Node{Prediction: &Predicate{Path: drawName(t), Operators: []Operator{{Gte, drawNumber(t)}}}}
	case 13:
		from := rapid.IntRange(0, 9998).Draw(t, "from")
		return &Node{Bucket: &Bucket{Salt: rapid.SampledFrom([]string{"", "s", "é\""}).Draw(t, "salt"), From: from, To: rapid.IntRange(from+1, 10000).Draw(t, "to")}}
	case 14:
		return &Node{Geo: &Geo{Path: drawPath(t), Lat: "44.4300", Lon: "-26.1e0", RadiusKm: strconv.Itoa(rapid.IntRange(1, 20000).Draw(t, "km"))}}
	case 15:
		return &Node{Field: drawPredicate(t, 2, false)}
	case 16:
		return &Node{And: drawNodes(t, depth)}
	case 17:
		return &Node{Or: drawNodes(t, depth)}
	}
	return &Node{Not: drawNode(t, depth-1)}
}

func drawNodes(t *rapid.T, depth int) []*Node {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *Node { return drawNode(t, depth-1) }), 1, 3).Draw(t, "nodes")
}

func drawName(t *rapid.T) string {
	return rapid.SampledFrom([]string{"Order Completed", "a", "b.c", `d\`, "<é>", "\u2028x", "naïve \"x\""}).Draw(t, "name")
}

func drawPath(t *rapid.T) string {
	return JoinPath(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b c", "d.e", `f\`, "é"}), 1, 3).Draw(t, "path")...)
}

func drawNumber(t *rapid.T) json.Number {
	return json.Number(rapid.SampledFrom([]string{"0", "-0", "5", "5.0", "5e0", "12.50", "-1E+2", "9007199254740993", "0.1e-7"}).Draw(t, "number"))
}

func drawPeriod(t *rapid.T) *Period {
	p := &Period{Months: rapid.IntRange(0, 30).Draw(t, "months"), Elapsed: time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "ms")) * time.Millisecond}
	if *p == (Period{}) {
		p.Elapsed = oneDay
	}
	return p
}

func drawTime(t *rapid.T) time.Time {
	return time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "at")).UTC()
}

func drawWindow(t *rapid.T) *Window {
	switch rapid.IntRange(0, 4).Draw(t, "window") {
	case 0:
		return nil
	case 1:
		return &Window{Last: drawPeriod(t)}
	case 2:
		to := drawPeriod(t)
		return &Window{AgoFrom: &Period{Months: to.Months, Elapsed: to.Elapsed + time.Hour}, AgoTo: to}
	case 3:
		return &Window{Calendar: rapid.SampledFrom([]Calendar{Day, Week, Month, Quarter, Year}).Draw(t, "calendar")}
	}
	from := drawTime(t)
	return &Window{From: from, To: from.Add(time.Hour)}
}

func drawCount(t *rapid.T) *Range {
	n := rapid.IntRange(0, 5).Draw(t, "n")
	return rapid.SampledFrom([]*Range{
		{Eq: strconv.Itoa(n)}, {Gte: strconv.Itoa(n)}, {Gt: strconv.Itoa(n) + ".0"}, {Lte: strconv.Itoa(n)}, {Lt: strconv.Itoa(n + 1)},
		{Gte: strconv.Itoa(n), Lt: strconv.Itoa(n + 2)},
	}).Draw(t, "count")
}

func drawEvent(t *rapid.T, count, window bool) *Event {
	e := &Event{Name: drawName(t), Where: drawPredicates(t, true)}
	if count && rapid.Bool().Draw(t, "counted") {
		e.Count = drawCount(t)
	}
	if window {
		e.Window = drawWindow(t)
	}
	return e
}

func drawAggregate(t *rapid.T) *Aggregate {
	a := &Aggregate{Event: drawEvent(t, false, true), Fn: rapid.SampledFrom([]AggregateFn{Count, Sum, Avg, Min, Max, Distinct}).Draw(t, "fn")}
	a.Value = drawCount(t)
	if a.Fn != Count || rapid.Bool().Draw(t, "pathed") {
		a.Path = drawPath(t)
	}
	if a.Fn != Count && a.Fn != Distinct && rapid.Bool().Draw(t, "money") {
		a.Currency = "EUR"
	}
	return a
}

func drawPredicates(t *rapid.T, event bool) []*Predicate {
	ps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) *Predicate { return drawPredicate(t, 1, event) }), 0, 2).Draw(t, "where")
	if len(ps) == 0 {
		return nil
	}
	return ps
}

func drawPredicate(t *rapid.T, depth int, event bool) *Predicate {
	p := &Predicate{Path: drawPath(t)}
	kind := rapid.IntRange(0, 3).Draw(t, "asked")
	if depth == 0 || kind > 0 {
		op := rapid.SampledFrom(operators[:16]).Draw(t, "op")
		if !event {
			op = rapid.SampledFrom(operators).Draw(t, "op")
		}
		p.Operators = []Operator{{op, drawOperand(t, op)}}
		p.IncludeNull = op != Exists && rapid.Bool().Draw(t, "missing")
		return p
	}
	inner := drawPredicate(t, depth-1, event)
	if rapid.Bool().Draw(t, "element") {
		inner.Path = ""
	}
	switch rapid.IntRange(0, 3).Draw(t, "elements") {
	case 0:
		p.Any = []*Predicate{inner}
	case 1:
		p.All = []*Predicate{inner}
	case 2:
		p.None = []*Predicate{inner}
	default:
		p.Size = drawCount(t)
	}
	return p
}

func drawOperand(t *rapid.T, op Op) any {
	text := func() string { return drawName(t) }
	amount := func(n string) any { return map[string]any{"amount": json.Number(n), "currency": "EUR"} }
	switch op {
	case Eq, Neq:
		return rapid.SampledFrom([]any{text(), drawNumber(t), true, false, map[string]any{"b": []any{nil, "x"}, "a": drawNumber(t)}}).Draw(t, "operand")
	case In, NotIn:
		return []any{text(), drawNumber(t), false}
	case Gt, Gte, Lt, Lte:
		return rapid.SampledFrom([]any{text(), drawNumber(t), amount("5.50")}).Draw(t, "operand")
	case Between:
		return rapid.SampledFrom([]any{[]any{"a", "b"}, []any{json.Number("1"), json.Number("1.0")}, []any{amount("1"), amount("2")}}).Draw(t, "ends")
	case Contains:
		return rapid.SampledFrom([]any{text(), drawNumber(t), true}).Draw(t, "operand")
	case StartsWith, EndsWith:
		return text()
	case Matches:
		return rapid.SampledFrom([]string{"^a+$", `\d{3}`, "(?i)x|y"}).Draw(t, "pattern")
	case Exists:
		return rapid.Bool().Draw(t, "exists")
	case Before, After:
		return drawTime(t)
	case OlderThan:
		return *drawPeriod(t)
	case Anniversary:
		return Relative{Next: &Period{Elapsed: 7 * oneDay}}
	}
	if rapid.Bool().Draw(t, "past") {
		return Relative{Past: drawPeriod(t)}
	}
	return Relative{Next: drawPeriod(t)}
}

package condition

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// Ledgers returns what must be kept for one node (not for those below it), in the
// order in which its evaluation asks for it: of a sequence one for each step and
// then one for each event of without, of any other node one or none.
func Ledgers(n *Node) []*LedgerSpec {
	switch {
	case n == nil:
	case n.Event != nil:
		s := eventSpec(n.Event, Times)
		s.Keep = keepOf(n.Event.Window, n.Event.Count)
		return keyed(s)
	case n.FirstTime != nil:
		s := eventSpec(n.FirstTime, Times)
		s.Keep = Keep{Total: true} // the first of all time, whatever the window
		return keyed(s)
	case n.Stopped != nil:
		s := eventSpec(n.Stopped, Times)
		s.Keep = keepOf(n.Stopped.Window, nil) // one event in the window decides
		s.Keep.Total = true                    // when there is none, all are before it
		return keyed(s)
	case n.LastEvent != nil:
		s := eventSpec(n.LastEvent, Latest)
		s.Keep = Keep{Latest: 1}
		return keyed(s)
	case n.Aggregate != nil:
		return keyed(aggregateSpec(n.Aggregate))
	case n.Sequence != nil:
		return sequenceSpecs(n.Sequence)
	case n.Message != nil:
		s := &LedgerSpec{Event: MessageEvent(n.Message.Status), Kind: Times, System: true, Keep: keepOf(n.Message.Window, nil)}
		s.Where = append(equals("campaignId", n.Message.CampaignID), equals("nodeId", n.Message.NodeID)...)
		return keyed(s)
	case n.Prediction != nil:
		return keyed(&LedgerSpec{
			Event: PredictionComputed, Kind: Last, System: true, Path: "value",
			Where: equals("name", n.Prediction.Path), Keep: Keep{Latest: 1},
		})
	}
	return nil
}

func eventSpec(e *Event, kind LedgerKind) *LedgerSpec {
	return &LedgerSpec{Event: e.Name, Where: e.Where, Kind: kind, System: IsSystemEvent(e.Name)}
}

func equals(path, text string) []*Predicate {
	if text == "" {
		return nil
	}
	return []*Predicate{{Path: path, Operators: []Operator{{Op: Eq, Value: text}}}}
}

func aggregateSpec(a *Aggregate) *LedgerSpec {
	s := eventSpec(a.Event, Times)
	s.Keep = keepAll(a.Event.Window)
	switch {
	case a.Fn == Distinct:
		s.Kind, s.Path = Values, a.Path
	case a.Fn != Count:
		s.Kind, s.Path, s.Currency = Numbers, a.Path, a.Currency
	case a.Path != "": // counts events that have a value there
		s.Where = append(slices.Clone(s.Where), &Predicate{Path: a.Path, Operators: []Operator{{Op: Exists, Value: true}}})
	}
	return s
}

func sequenceSpecs(q *Sequence) []*LedgerSpec {
	keep := keepAll(q.Window)
	if q.Window == nil {
		keep = Keep{All: true}
	}
	var out []*LedgerSpec
	for _, e := range slices.Concat(q.Steps, q.Without) {
		s := eventSpec(e, Times)
		s.IDs, s.Keep = true, keep
		out = append(out, keyed(s)...)
	}
	return out
}

// keyed puts the predicates into their canonical order and adds the key.
func keyed(s *LedgerSpec) []*LedgerSpec {
	type keyedPredicate struct {
		text string
		p    *Predicate
	}
	where := make([]keyedPredicate, len(s.Where))
	for i, p := range s.Where {
		where[i] = keyedPredicate{alike(p), p}
	}
	slices.SortFunc(where, func(a, b keyedPredicate) int { return strings.Compare(a.text, b.text) })
	where = slices.CompactFunc(where, func(a, b keyedPredicate) bool { return a.text == b.text })
	s.Where = nil
	texts := make([]string, len(where))
	for i, k := range where {
		s.Where, texts[i] = append(s.Where, k.p), k.text
	}
	text, _ := json.Marshal([]any{s.Event, s.System, s.Kind, s.Path, s.Currency, s.IDs, texts}) // texts and booleans
	sum := sha256.Sum256(text)
	s.Key = base64.RawURLEncoding.EncodeToString(sum[:12])
	return []*LedgerSpec{s}
}

// alike writes predicates that ask the same alike: equal numbers, lists in any
// order, the predicates of an element in any order.
func alike(p *Predicate) string {
	c := *p
	c.Operators = slices.Clone(p.Operators)
	for i, o := range c.Operators {
		c.Operators[i].Value = alikeValue(o.Op, o.Value)
	}
	w := &writer{}
	w.predicate(&Predicate{Path: c.Path, Operators: c.Operators, Size: alikeRange(c.Size), IncludeNull: c.IncludeNull})
	for _, q := range []struct {
		key string
		ps  []*Predicate
	}{{"any", p.Any}, {"all", p.All}, {"none", p.None}} {
		texts := make([]string, len(q.ps))
		for i := range q.ps {
			texts[i] = alike(q.ps[i])
		}
		slices.Sort(texts)
		if len(texts) > 0 {
			w.json(map[string]any{q.key: slices.Compact(texts)})
		}
	}
	return w.buf.String()
}

func alikeRange(r *Range) *Range {
	if r == nil {
		return nil
	}
	c := *r
	for _, lit := range []*string{&c.Eq, &c.Gte, &c.Gt, &c.Lte, &c.Lt} {
		if *lit != "" {
			*lit = sameNumber(*lit)
		}
	}
	return &c
}

// alikeValue writes the numbers of an operand alike and sorts the lists of in.
func alikeValue(op Op, v any) any {
	switch v := v.(type) {
	case json.Number:
		return json.Number(sameNumber(v.String()))
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = alikeValue("", e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = alikeValue("", v[i])
		}
		if op == In || op == NotIn {
			texts := make([]string, len(out))
			for i := range out {
				w := &writer{}
				w.json(out[i])
				texts[i] = w.buf.String()
			}
			slices.Sort(texts)
			return slices.Compact(texts) // as texts: only the key sees them
		}
		return out
	}
	return v
}

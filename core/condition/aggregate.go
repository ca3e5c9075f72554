package condition

import (
	"slices"

	"github.com/shopspring/decimal"
)

// aggregating asks that a figure over a ledger's events within a window lies in a
// range.
type aggregating struct {
	key    string
	fn     AggregateFn
	window *stretch
	in     *bounds
}

func (k *compiler) aggregate(n *Node, p *part) error {
	a := n.Aggregate
	in, err := newBounds(orEmpty(a.Value))
	if err != nil {
		return at(err, "value")
	}
	key, window := Ledgers(n)[0].Key, k.window(a.Event.Window)
	if a.Fn == Count {
		count, err := newInterval(orEmpty(a.Value))
		if err != nil {
			return at(err, "value")
		}
		e := &counting{key: key, window: window, in: count}
		p.eval, p.decide = e.eval, e.decide
		return nil
	}
	if !slices.Contains([]AggregateFn{Sum, Avg, Min, Max, Distinct}, a.Fn) {
		return operandFault(Op(a.Fn))
	}
	g := &aggregating{key: key, fn: a.Fn, window: window, in: in}
	p.eval, p.decide = g.eval, g.decide
	return nil
}

// orEmpty returns a range that everything lies in for none.
func orEmpty(r *Range) *Range {
	if r == nil {
		return &Range{}
	}
	return r
}

// eval is conservative about the next change: it names the next instant at which an
// event enters or leaves the window.
func (g *aggregating) eval(c call) (bool, int64) {
	ledgers := c.facts.Ledgers(g.key)
	entries := gather(ledgers)
	i, j := g.window.within(entries, c.clock)
	next := g.window.shift(entries, i, j, c.clock)
	value, n, ok := g.figure(ledgers, entries[i:j])
	return ok && g.in.has(value, n), next
}

// figure returns the value as a sum over n; false when there is none.
func (g *aggregating) figure(ledgers []*Ledger, inside []Entry) (value Decimal, n int64, ok bool) {
	var t Total
	if g.window.kind == kindAll {
		for _, l := range ledgers {
			if l != nil {
				t.merge(&l.Total)
			}
		}
	}
	if g.fn == Distinct {
		if len(inside) == 0 {
			return decimal.NewFromInt(int64(len(t.Distinct))), 1, true
		}
		texts := make(map[string]struct{}, len(t.Distinct)+len(inside))
		for _, text := range t.Distinct {
			texts[text] = struct{}{}
		}
		for _, e := range inside {
			for _, text := range e.Text {
				texts[text] = struct{}{}
			}
		}
		return decimal.NewFromInt(int64(len(texts))), 1, true
	}
	for _, e := range inside {
		t.add(Entry{At: e.At, Num: e.Num})
	}
	switch g.fn {
	case Sum:
		return t.Sum, 1, true
	case Avg:
		return t.Sum, t.N, t.N > 0
	case Min:
		return t.Min, 1, t.N > 0
	}
	return t.Max, 1, t.N > 0
}

// merge adds the totals of another part.
func (t *Total) merge(o *Total) {
	if o.Count == 0 {
		return
	}
	if t.Count == 0 {
		*t = *o // Distinct is only read, or replaced
		return
	}
	t.First, t.Last = min(t.First, o.First), max(t.Last, o.Last)
	t.Count += o.Count
	if o.N > 0 {
		if t.N == 0 || beyond(t.Min, o.Min) {
			t.Min = o.Min
		}
		if t.N == 0 || beyond(o.Max, t.Max) {
			t.Max = o.Max
		}
		t.N += o.N
		t.Sum = t.Sum.Add(o.Sum)
	}
	if len(o.Distinct) > 0 {
		both := slices.Concat(t.Distinct, o.Distinct)
		slices.Sort(both)
		t.Distinct = slices.Compact(both)
	}
}

func (g *aggregating) decide(c call) any {
	ledgers := c.facts.Ledgers(g.key)
	entries := gather(ledgers)
	i, j := g.window.within(entries, c.clock)
	out := map[string]any{"value": nil, "events": int64(j-i) + (&counting{window: g.window}).before(ledgers), "window": g.window.shown(c.clock)}
	if value, n, ok := g.figure(ledgers, entries[i:j]); ok {
		if n != 1 {
			value = value.DivRound(decimal.NewFromInt(n), 6)
		}
		out["value"] = value.String()
	}
	return out
}

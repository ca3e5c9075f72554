package insight

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// Whoever may send events can send any number of values of a dimension. An answer that
// would have more rows than it may tells the largest values apart and adds up the others
// in one cell, so that its sums are exact. Which those are is found out by a reading of its
// own that is bounded too. The rollups keep every value: which are large is not known until
// all has been counted, and a bound when they are written would go by who comes first, so
// that a flood would take the places of what comes after it.

// OtherValues stands for the values of dimensions that an answer does not tell apart.
const OtherValues = "(other)"

// errManyRows says that an answer would have too many rows.
var errManyRows = errors.New("insight: too many rows")

// kinds are the names of cells that an answer tells apart. Nil tells all apart.
type kinds struct {
	names map[string]bool
	other string
}

// of returns the name under which a cell appears.
func (k *kinds) of(name string) string {
	if k == nil || k.names[name] {
		return name
	}
	return k.other
}

// tallied is how many names a tally keeps at least.
const tallied = 20_000

// tally finds the names that come most often among any number of them: exactly while there
// are at most twice as many as it keeps. Beyond, it misses none that makes up more than one
// part in as many as it keeps. Source: J. Misra, D. Gries, Finding repeated elements,
// Science of Computer Programming 2 (1982), in the form of P. Agarwal et al., Mergeable
// summaries, PODS 2012.
type tally struct {
	keep int
	n    map[string]int64
}

func (t *tally) add(name string, n int64) {
	if n == 0 {
		return
	}
	if t.n[name] += n; len(t.n) <= 2*t.keep {
		return
	}
	cut := t.n[t.sorted(nil)[t.keep]]
	maps.DeleteFunc(t.n, func(_ string, n int64) bool { return n <= cut })
	for name := range t.n {
		t.n[name] -= cut
	}
}

// sorted returns the names: those that come before others, then by how often they come,
// then by themselves.
func (t *tally) sorted(first map[string]bool) []string {
	return slices.SortedFunc(maps.Keys(t.n), func(a, b string) int {
		if first[a] != first[b] {
			if first[a] {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(t.n[b], t.n[a]), cmp.Compare(a, b))
	})
}

// both works a metric out over the time that is asked for, and over that before it where
// they are compared.
func (x *asking) both(m *metric) (now, past *values, err error) {
	if now, err = x.values(m, x.q.From, x.q.To); err != nil || !x.q.Compare {
		return now, nil, err
	}
	from, to := x.q.Grain.before(x.q.From, x.q.To, x.zone)
	past, err = x.values(m, from, to)
	return now, past, err
}

// rank chooses the values that are told apart: as many as there is room for, first those of
// which costs are known, which are told by members of the workspace, then those with the
// most events, or people, in all the time that the answer speaks of.
func (x *asking) rank(m *metric) error {
	from, to := x.q.From, x.q.To
	spans, fault := x.q.Grain.cut(from, to, x.zone)
	if fault != nil {
		return fault
	}
	periods := len(spans)
	if x.q.Compare {
		var until time.Time
		from, until = x.q.Grain.before(from, to, x.zone)
		if spans, fault = x.q.Grain.cut(from, until, x.zone); fault != nil {
			return fault
		}
		periods = max(periods, len(spans))
	}
	if x.any(m, returns) { // of the period before
		if x.q.Grain == Total {
			from, _ = earlier(from, from.Add(x.q.To.Sub(x.q.From)), x.zone)
		} else {
			from = x.q.Grain.step(from, -1, x.zone)
		}
	}
	all := &tally{keep: tallied, n: map[string]int64{}}
	for _, t := range x.measures(m, nil) {
		if err := x.tally(t, span{from, to}, all); err != nil {
			return err
		}
	}
	paid := map[string]bool{}
	if x.s.Costs != nil && x.any(m, spends) {
		costs, err := x.s.Costs.Spent(x.ctx, x.ws, DateOf(from.In(x.zone)), DateOf(to.In(x.zone)))
		if err != nil {
			return err
		}
		for _, c := range costs {
			name := x.costCell(c)
			all.n[name]++
			paid[name] = true
		}
	}
	names := all.sorted(paid)
	x.kept = &kinds{names: map[string]bool{}, other: strings.TrimSuffix(strings.Repeat(OtherValues+joint, len(x.q.By)), joint)}
	for _, name := range names[:min(len(names), maxRows/periods-1)] {
		x.kept.names[name] = true
	}
	return nil
}

// tally counts what a measure came to by the names of cells.
func (x *asking) tally(t *measure, whole span, into *tally) error {
	r := &reading{ctx: x.ctx, s: x.s, ws: x.ws, set: x.set, spans: []span{whole}, by: x.q.By, among: x.among}
	in := (&periods{spans: r.spans}).of
	if t.ToDate {
		in = (&periods{spans: r.spans}).until
	}
	// What lanes have of one cell is taken together: which writer had an event is chance.
	var cell string
	var n, day int64
	var people *sketch
	flush := func() {
		if people != nil {
			n = people.count()
		}
		if n != 0 {
			into.add(r.name(cell), n)
		}
		n, people = 0, nil
	}
	err := r.walk(t, walk{
		toDate: t.ToDate, people: t.Value == Distinct,
		count: func(c string, hour, more int64) {
			if c != cell {
				flush()
				cell = c
			}
			if _, ok := in(hour * 3600); ok {
				n += more
			}
		},
		money: func(string, moneyAt, amount) {},
		crowd: func(c string, on int64, one *sketch) {
			if c != cell || on != day {
				flush()
				cell, day = c, on
			}
			y, m, d := dateOf(on)
			if _, ok := in(Date{y, m, d}.In(t.zone).Unix()); !ok {
				return
			}
			if people == nil {
				people = &sketch{}
			}
			people.union(one, MaxExact)
		},
		page: func() error { flush(); return nil }, // its names are forgotten
	})
	flush()
	return err
}

// spends reports whether a metric reads costs itself, and returns whether it asks who came
// again.
func spends(m *metric) bool {
	return m.Numerator.Value == Cost || m.Minus != nil && m.Minus.Value == Cost || m.Denominator != nil && m.Denominator.Value == Cost
}

func returns(m *metric) bool { return m.Calc == Retention || m.Calc == Churn }

// any reports whether something is true of a metric, or of one that it is made of.
func (x *asking) any(m *metric, is func(*metric) bool) bool {
	if is(m) {
		return true
	}
	for _, t := range []*Measure{&m.Numerator, m.Minus, m.Denominator} {
		if t != nil && t.Value == Other && x.set.metrics[t.Metric] != nil && x.any(x.set.metrics[t.Metric], is) {
			return true
		}
	}
	return false
}

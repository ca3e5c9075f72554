package insight

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// term is what one side of a metric came to in a row.
type term struct {
	of      condition.Decimal
	state   State // OK where it has a value
	missing []string
	people  int64
	counted bool // people is known
}

// terms are those of all rows; what is not among them is zero.
type terms struct {
	rows map[row]*term
	none State // of a row that is not there
}

func (t *terms) at(r row) *term {
	if one := t.rows[r]; one != nil {
		return one
	}
	return &term{state: t.none}
}

// values works a metric out over [from, to).
func (x *asking) values(m *metric, from, to time.Time) (*values, error) {
	spans, fault := x.q.Grain.cut(from, to, x.zone)
	if fault != nil {
		return nil, fault
	}
	if m.Calc == Retention || m.Calc == Churn {
		return x.returning(m, spans)
	}
	num, err := x.term(&m.Numerator, m.numerator, m, spans)
	if err != nil {
		return nil, err
	}
	sides := []*terms{num}
	var minus, over *terms
	if m.Minus != nil {
		if minus, err = x.term(m.Minus, m.minus, m, spans); err != nil {
			return nil, err
		}
		sides = append(sides, minus)
	}
	if m.Denominator != nil {
		if over, err = x.term(m.Denominator, m.denominat, m, spans); err != nil {
			return nil, err
		}
		sides = append(sides, over)
	}
	out := &values{spans: spans, rows: map[row]*value{}}
	rows, err := x.rows(spans, sides)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		out.rows[r] = x.value(m, r, num, minus, over)
	}
	return out, nil
}

// rows returns the rows of an answer: each period where nothing tells cells apart, else
// the cells in which something is.
func (x *asking) rows(spans []span, sides []*terms) ([]row, error) {
	var out []row
	if len(x.q.By) == 0 {
		for i := range spans {
			out = append(out, row{period: i})
		}
		return out, nil
	}
	seen := map[row]bool{}
	for _, side := range sides {
		for r := range side.rows {
			if !seen[r] {
				seen[r] = true
				out = append(out, r)
			}
		}
	}
	if len(out) > maxRows {
		return nil, errManyRows
	}
	return out, nil
}

// value puts the sides of a row together.
func (x *asking) value(m *metric, r row, num, minus, over *terms) *value {
	n := num.at(r)
	out := &value{state: n.state, missing: slices.Clone(n.missing)}
	note := func(t *term) {
		if t.counted {
			out.people = append(out.people, t.people)
		}
		out.missing = append(out.missing, t.missing...)
		if t.state != OK && (out.state == OK || t.state == Incomplete) {
			out.state = t.state
		}
	}
	if n.counted {
		out.people = append(out.people, n.people)
	}
	of := n.of
	if minus != nil {
		t := minus.at(r)
		note(t)
		of = of.Sub(t.of)
	}
	if over != nil {
		t := over.at(r)
		note(t)
		switch {
		case out.state != OK:
		case t.of.IsZero():
			out.state = ZeroDenominator
		default:
			of = of.DivRound(t.of, places)
		}
	}
	if x.past {
		out.state, out.missing = Incomplete, append(out.missing, "PAST")
	}
	slices.Sort(out.missing)
	out.missing = slices.Compact(out.missing)
	if out.state == OK {
		out.of = &of
	}
	return out
}

// term works out one side of a metric.
func (x *asking) term(of *Measure, t *measure, m *metric, spans []span) (*terms, error) {
	switch of.Value {
	case Cost:
		return x.costs(m, spans)
	case Other:
		return x.other(of.Metric, spans)
	}
	r := &reading{ctx: x.ctx, s: x.s, ws: x.ws, set: x.set, spans: spans, by: x.q.By, people: x.few || x.q.Few, among: x.among, kept: x.kept}
	got, err := r.table(t, of.ToDate)
	if err != nil {
		return nil, err
	}
	out := &terms{rows: map[row]*term{}, none: OK}
	if err := x.settle(of, got); err != nil {
		return nil, err
	}
	for at, a := range got {
		one := &term{state: OK}
		if a.people != nil {
			one.people, one.counted = a.people.count(), true
		}
		switch of.Value {
		case First:
			one.of, one.people, one.counted = newDecimal(a.n), max(a.n, 0), r.people
		case Distinct:
			if a.people == nil {
				continue // that is nobody
			}
			one.of = newDecimal(one.people)
		case Sum:
			if err := x.money(of, a, one); err != nil {
				return nil, err
			}
		default:
			one.of = newDecimal(a.n)
		}
		out.rows[at] = one
	}
	return out, nil
}

// settle chooses the currency of an answer where the metric says none: that of the events,
// when it is one.
func (x *asking) settle(of *Measure, got table) error {
	if x.currency != "" || of.Currency == "" {
		return nil
	}
	var found []string
	for _, a := range got {
		for at := range a.money {
			if at.currency != noCurrency && !slices.Contains(found, at.currency) {
				found = append(found, at.currency)
			}
		}
	}
	slices.Sort(found)
	switch len(found) {
	case 0:
	case 1:
		x.currency = found[0]
	default:
		return core.Errorf(core.Invalid, "CURRENCY_UNSET", "the money is in %s: give the workspace a currency (setReportingCurrency) or the metric one, and rates of exchange", strings.Join(found, ", ")).At("name")
	}
	return nil
}

// money adds up what a row came to, converted.
func (x *asking) money(of *Measure, a *acc, into *term) error {
	e := x.exchange()
	for at, sum := range a.money {
		worth := sum.decimal()
		if of.Currency != "" {
			got, ok, err := e.worth(worth, at.currency, at.hour*3600)
			if err != nil {
				return err
			}
			if !ok {
				into.state = Incomplete
				into.missing = append(into.missing, fmt.Sprintf("%s %s", at.currency, time.Unix(at.hour*3600, 0).UTC().Format(time.DateOnly)))
				continue
			}
			worth = got
		}
		into.of = into.of.Add(worth)
	}
	into.of = into.of.Round(places)
	return nil
}

func (x *asking) exchange() *exchange {
	if x.rates == nil {
		x.rates = &exchange{ctx: x.ctx, s: x.s, ws: x.ws, read: map[string][]ExchangeRate{}, back: map[string]bool{}}
	}
	x.rates.to = x.currency
	return x.rates
}

// costs works out what was spent on advertising. A row of which nobody knows any cost has
// no value: it is not 0.
func (x *asking) costs(_ *metric, spans []span) (*terms, error) {
	out := &terms{rows: map[row]*term{}, none: InsufficientData}
	if x.s.Costs == nil {
		return out, nil
	}
	from, to := DateOf(spans[0].from.In(x.zone)), DateOf(spans[len(spans)-1].to.Add(-1).In(x.zone).AddDate(0, 0, 1))
	list, err := x.s.Costs.Spent(x.ctx, x.ws, from, to)
	if err != nil {
		return nil, err
	}
	if x.currency == "" {
		for _, c := range list {
			if x.currency != "" && x.currency != c.Currency {
				return nil, core.Errorf(core.Invalid, "CURRENCY_UNSET", "costs are in %s and %s: give the workspace a currency (setReportingCurrency) or the metric one, and rates of exchange", x.currency, c.Currency).At("name")
			}
			x.currency = c.Currency
		}
	}
	p, e := &periods{spans: spans}, x.exchange()
	for _, c := range list {
		day := c.Day.In(x.zone).Unix()
		i, ok := p.of(day)
		if !ok {
			continue
		}
		at := row{i, x.kept.of(x.costCell(c))}
		one := out.rows[at]
		if one == nil {
			one = &term{state: OK}
			out.rows[at] = one
		}
		worth, ok, err := e.worth(c.Amount, c.Currency, c.Day.In(time.UTC).Unix())
		if err != nil {
			return nil, err
		}
		if !ok {
			one.state, one.missing = Incomplete, append(one.missing, c.Currency+" "+c.Day.String())
			continue
		}
		one.of = one.of.Add(worth)
	}
	return out, nil
}

// costCell returns the values of the dimensions asked by of a cost, joined.
func (x *asking) costCell(c Spent) string {
	out := make([]string, len(x.q.By))
	for i, key := range x.q.By {
		out[i] = labelText(c.Dimensions[key]) // as those of events are kept
	}
	return strings.Join(out, joint)
}

// other works out another metric.
func (x *asking) other(name string, spans []span) (*terms, error) {
	m := x.set.metrics[name]
	if m == nil || m.Archived {
		return &terms{none: InsufficientData}, nil
	}
	got, err := x.values(m, spans[0].from, spans[len(spans)-1].to)
	if err != nil {
		return nil, err
	}
	out := &terms{rows: map[row]*term{}, none: InsufficientData}
	for r, v := range got.rows {
		one := &term{state: v.state, missing: v.missing}
		for _, n := range v.people {
			one.people, one.counted = max(one.people, n), true
			if (x.few || x.q.Few) && n > 0 && n < int64(x.s.SmallCell) {
				one.people = n
				break
			}
		}
		if v.of != nil {
			one.of = *v.of
		}
		out.rows[r] = one
	}
	return out, nil
}

// returning works out retention or churn.
func (x *asking) returning(m *metric, spans []span) (*values, error) {
	first := x.q.Grain.step(spans[0].from, -1, x.zone)
	if x.q.Grain == Total {
		first, _ = earlier(spans[0].from, spans[0].to, x.zone)
	}
	wide := append([]span{{first, spans[0].from}}, spans...)
	r := &reading{ctx: x.ctx, s: x.s, ws: x.ws, set: x.set, spans: wide, by: x.q.By, people: true, among: x.among, kept: x.kept}
	got, err := r.table(m.numerator, false)
	if err != nil {
		return nil, err
	}
	out := &values{spans: spans, rows: map[row]*value{}}
	side := &terms{rows: map[row]*term{}}
	for at := range got {
		for _, period := range []int{at.period - 1, at.period} { // it is there, or was before
			if period >= 0 && period < len(spans) {
				side.rows[row{period, at.cell}] = &term{}
			}
		}
	}
	rows, err := x.rows(spans, []*terms{side})
	if err != nil {
		return nil, err
	}
	nobody := &sketch{}
	people := func(at row) *sketch {
		if a := got[at]; a != nil && a.people != nil {
			return a.people
		}
		return nobody
	}
	for _, at := range rows {
		had, now := people(at), people(row{at.period + 1, at.cell}) // wide begins one earlier
		v := &value{state: OK, people: []int64{had.count(), now.count()}}
		out.rows[at] = v
		switch {
		case x.past:
			v.state, v.missing = Incomplete, []string{"PAST"}
		case v.people[0] == 0:
			v.state = ZeroDenominator
		default:
			again := both(had, now)
			v.people = append(v.people, again, v.people[0]-again)
			n := newDecimal(again)
			if m.Calc == Churn {
				n = newDecimal(v.people[0] - again)
			}
			n = n.DivRound(newDecimal(v.people[0]), places)
			v.of = &n
		}
	}
	return out, nil
}

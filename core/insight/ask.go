package insight

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/work"
)

// State says what a row's value is worth.
type State string

// The states.
const (
	OK               State = "OK"
	ZeroDenominator  State = "ZERO_DENOMINATOR"  // nothing to divide by: there is no value
	Suppressed       State = "SUPPRESSED"        // too few people for whoever asks
	InsufficientData State = "INSUFFICIENT_DATA" // what it is made of is not known: no cost, no period before
	Incomplete       State = "INCOMPLETE"        // a part is missing: a rate of exchange, or the past is being counted
)

// Question asks for a metric's values.
type Question struct {
	Name     string
	From, To time.Time
	By       []string // keys of dimensions
	Grain    Grain    // "": DAY
	TimeZone string   // "": the metric's
	Segment  string   // seg_…: only of the people who are in it now; "" is everybody
	Compare  bool     // with the period before
	Few      bool     // tell of each row whether it is of few people (Row.Few)
}

// Answer is a metric's values.
type Answer struct {
	Metric   *Metric
	Currency string // of MONEY; "" where there is no money
	From, To time.Time
	FreshAt  time.Time // everything that was acknowledged by then is in it
	Rows     []Row     // by period, then by the values of the dimensions
	few      bool      // whoever asked sees aggregates only
}

// Row is the value of one period and cell.
type Row struct {
	From, To   time.Time
	Dimensions []string // the values of the dimensions asked by, in their order; "" is none
	Value      *condition.Decimal
	State      State
	Previous   *condition.Decimal // of the period before; nil where it has no value
	Target     *condition.Decimal
	// Missing says what an INCOMPLETE value lacks: "GBP 2026-03-01" is a rate of exchange,
	// "PAST" what happened before the metric was defined and is being counted.
	Missing []string
	// Few says that fewer than SmallCell people are behind a part of it. Only where it was
	// asked for.
	Few    bool
	people []int64 // of each measure that it is made of
}

// maxRows is how many rows an answer has at most. Where there would be more, the least
// values of the dimensions are one: see kinds.
const maxRows = 5000

var errNoMetric = core.Errorf(core.NotFound, "METRIC", "there is no metric with this name; metrics lists those that there are").At("name")

// Ask answers a question.
func (s *Service) Ask(ctx context.Context, ws string, q Question) (*Answer, error) {
	a, err := s.ask(ctx, ws, q)
	return a, work.Outward(err)
}

func (s *Service) ask(ctx context.Context, ws string, q Question) (*Answer, error) {
	c, err := s.set(ctx, ws)
	if err != nil {
		return nil, err
	}
	m := c.metrics[q.Name]
	if m == nil {
		return nil, errNoMetric
	}
	few, err := s.admit(ctx, ws, c, m, q.By, q.Segment)
	if err != nil {
		return nil, err
	}
	x, err := s.newAsking(ctx, ws, c, m, &q, few)
	if err != nil {
		return nil, err
	}
	now, past, err := x.both(m)
	if errors.Is(err, errManyRows) {
		if err = x.rank(m); err == nil {
			now, past, err = x.both(m)
		}
	}
	if err != nil {
		return nil, err
	}
	return x.answer(m, now, past)
}

// asking is one question while it is answered.
type asking struct {
	ctx  context.Context
	s    *Service
	ws   string
	set  *set
	q    *Question
	zone *time.Location
	few  bool // cells of few people are suppressed
	at   time.Time
	// currency is what money is converted into; "" until it is known.
	currency string
	among    *fold
	kept     *kinds
	rates    *exchange
	past     bool // some measure does not count the past yet
}

func (s *Service) newAsking(ctx context.Context, ws string, c *set, m *metric, q *Question, few bool) (*asking, error) {
	x := &asking{ctx: ctx, s: s, ws: ws, set: c, q: q, zone: m.zone, few: few, at: s.now(), currency: m.Currency}
	if x.currency == "" {
		x.currency = c.currency
	}
	if q.Grain == "" {
		q.Grain = Day
	}
	if q.TimeZone != "" {
		zone, err := time.LoadLocation(q.TimeZone)
		if err != nil || q.TimeZone == "Local" {
			return nil, core.Errorf(core.Invalid, "TIME_ZONE", "a time zone is a name of the IANA database, such as Europe/Bucharest, or UTC").At("timeZone")
		}
		x.zone = zone
	}
	switch {
	case !q.From.Before(q.To):
		return nil, core.Errorf(core.Invalid, "PERIOD", "the period ends after it begins").At("to")
	case q.From.Year() < 1970 || q.To.Year() > 9998:
		return nil, core.Errorf(core.Invalid, "PERIOD", "figures begin in 1970").At("from")
	}
	for i, key := range q.By {
		if !slices.ContainsFunc(m.Dimensions, func(d Dimension) bool { return d.Key == key }) || slices.Contains(q.By[:i], key) {
			var have []string
			for _, d := range m.Dimensions {
				have = append(have, d.Key)
			}
			return nil, core.Errorf(core.Invalid, "DIMENSION", "this metric is told apart by %s, each at most once", strings.Join(append(have, "nothing else"), " and ")).At("by", fmt.Sprint(i))
		}
	}
	all := x.measures(m, nil)
	if err := x.days(all); err != nil {
		return nil, err
	}
	ok, err := s.complete(ctx, ws, all)
	if err != nil {
		return nil, err
	}
	if !ok && q.Segment == "" {
		x.past = true
		if err := s.Ensure(ctx, ws); err != nil {
			return nil, err
		}
	}
	if q.Segment != "" {
		if x.among, err = s.foldSegment(ctx, ws, q.Segment, all); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// measures returns the measures that a metric and those that it is made of read.
func (x *asking) measures(m *metric, out []*measure) []*measure {
	out = append(out, m.terms()...)
	for _, t := range []*Measure{&m.Numerator, m.Minus, m.Denominator} {
		if t != nil && t.Value == Other && x.set.metrics[t.Metric] != nil {
			out = x.measures(x.set.metrics[t.Metric], out)
		}
	}
	return out
}

// days refuses periods that are not made of days where people are counted by days, and
// for whoever sees aggregates only: what lies between two cuts would be what is hidden.
func (x *asking) days(all []*measure) error {
	q := x.q
	for _, t := range all {
		if t.Value != Distinct && !x.few {
			continue
		}
		switch {
		case q.Grain == Hour:
			return core.Errorf(core.Invalid, "PEOPLE_BY_DAYS", "people are counted by days: take the grain DAY or a longer one").At("grain")
		case x.zone.String() != t.zone.String():
			return core.Errorf(core.Invalid, "PEOPLE_BY_DAYS", "people are counted by the days of the metric's time zone, %s: leave timeZone out", t.zone).At("timeZone")
		case !midnight(q.From, t.zone):
			return core.Errorf(core.Invalid, "PEOPLE_BY_DAYS", "people are counted by days: begin at midnight in %s", t.zone).At("from")
		case !midnight(q.To, t.zone):
			if q.To.Before(Day.floor(x.at, t.zone)) {
				return core.Errorf(core.Invalid, "PEOPLE_BY_DAYS", "people are counted by days: end at midnight in %s", t.zone).At("to")
			}
			q.To = Day.step(q.To, 1, t.zone) // today, as far as it has come
		}
	}
	return nil
}

// Tells reports whether an answer may follow another to the same question unasked: for who
// sees aggregates only, where each value that changed is of at least SmallCell people more
// or fewer. What one person did would be the difference.
func (s *Service) Tells(next, last *Answer) bool {
	if !next.few && !last.few {
		return true
	}
	key := func(r *Row) string { return r.From.String() + joint + strings.Join(r.Dimensions, joint) }
	before := map[string]*Row{}
	for i := range last.Rows {
		before[key(&last.Rows[i])] = &last.Rows[i]
	}
	for i := range next.Rows {
		r := &next.Rows[i]
		old := before[key(r)]
		if old == nil || old.Value == nil || r.Value == nil || r.Value.Equal(*old.Value) {
			continue
		}
		if len(old.people) != len(r.people) {
			return false
		}
		for k, n := range r.people {
			if d := max(n-old.people[k], old.people[k]-n); d > 0 && d < int64(s.SmallCell) {
				return false
			}
		}
		if slices.Equal(old.people, r.people) {
			return false // some of the same people
		}
	}
	return true
}

// value is what a row came to.
type value struct {
	of      *condition.Decimal
	state   State
	missing []string
	people  []int64 // of each measure that it is made of
}

// values are the values of a metric over periods.
type values struct {
	spans []span
	rows  map[row]*value
}

// answer puts rows together.
func (x *asking) answer(m *metric, now, past *values) (*Answer, error) {
	out := &Answer{Metric: m.Metric, From: x.q.From, To: x.q.To, FreshAt: x.at, few: x.few}
	if m.Unit == Money {
		out.Currency = x.currency
	}
	if x.few {
		now.suppress(x.s.SmallCell)
		if past != nil {
			past.suppress(x.s.SmallCell)
		}
	}
	rows := make([]row, 0, len(now.rows))
	for r := range now.rows {
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int {
		if a.period != b.period {
			return a.period - b.period
		}
		return strings.Compare(a.cell, b.cell)
	})
	for _, r := range rows {
		v := now.rows[r]
		one := Row{From: now.spans[r.period].from, To: now.spans[r.period].to, Value: v.of, State: v.state, Missing: v.missing, Few: x.q.Few && x.s.small(v.people), people: v.people}
		if len(x.q.By) > 0 {
			one.Dimensions = strings.Split(r.cell, joint)
		}
		if past != nil {
			if p := past.rows[r]; p != nil && p.state == OK {
				one.Previous = p.of
			}
		}
		if x.s.Targets != nil {
			by := map[string]string{}
			for i, key := range x.q.By {
				by[key] = one.Dimensions[i]
			}
			target, ok, err := x.s.Targets.Target(x.ctx, x.ws, m.Name(), one.From, one.To, by)
			if err != nil {
				return nil, err
			}
			if ok {
				one.Target = &target
			}
		}
		out.Rows = append(out.Rows, one)
	}
	return out, nil
}

// suppress takes the values of rows in which fewer than k people are, and at least one.
// What is hidden of a period, or of a cell over the periods, could be told from a total
// where it is one row, or of fewer than k people together: the next smallest go with it.
func (v *values) suppress(k int) {
	hide := func(r row) { v.rows[r] = &value{state: Suppressed, people: v.rows[r].people} }
	for r, one := range v.rows {
		if slices.ContainsFunc(one.people, func(n int64) bool { return n > 0 && n < int64(k) }) {
			hide(r)
		}
	}
	for again := true; again; { // what goes with one may stand alone elsewhere
		again = false
		for _, group := range []func(row) string{
			func(r row) string { return fmt.Sprint(r.period) }, func(r row) string { return r.cell },
		} {
			groups := map[string][]row{}
			for r := range v.rows {
				groups[group(r)] = append(groups[group(r)], r)
			}
			for _, name := range sortedKeys(groups) {
				if next := v.companion(groups[name], k); next != nil {
					hide(*next)
					again = true
				}
			}
		}
	}
}

// companion returns the row that must go with what is suppressed of a group; nil when
// nothing is, or enough.
func (v *values) companion(group []row, k int) *row {
	hidden, people := 0, int64(0)
	var next *row
	for _, r := range group {
		switch one := v.rows[r]; {
		case one.state == Suppressed:
			hidden, people = hidden+1, people+least(one.people)
		case most(one.people) == 0:
		case next == nil || less(r, *next, v):
			next = &r
		}
	}
	if hidden == 0 || hidden > 1 && people >= int64(k) {
		return nil
	}
	return next
}

func less(a, b row, v *values) bool {
	if n, m := most(v.rows[a].people), most(v.rows[b].people); n != m {
		return n < m
	}
	if a.period != b.period {
		return a.period < b.period
	}
	return a.cell < b.cell
}

// least returns the smallest of the numbers of people above 0.
func least(list []int64) int64 {
	var out int64
	for _, n := range list {
		if n > 0 && (out == 0 || n < out) {
			out = n
		}
	}
	return out
}

func most(list []int64) int64 {
	if len(list) == 0 {
		return 0
	}
	return slices.Max(list)
}

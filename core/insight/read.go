package insight

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// row names a row of an answer: a period and the values of the dimensions asked by, joined.
type row struct {
	period int
	cell   string
}

// joint joins the values of dimensions.
const joint = "\x00"

// acc is what a measure came to in a row.
type acc struct {
	n      int64
	money  map[moneyAt]amount // by the day's first hour, UTC
	people *sketch
}

// table is what a measure came to.
type table map[row]*acc

func (t table) at(r row) *acc {
	a := t[r]
	if a == nil {
		a = &acc{}
		t[r] = a
	}
	return a
}

// reading reads measures for one question.
type reading struct {
	ctx    context.Context
	s      *Service
	ws     string
	set    *set
	spans  []span
	by     []string
	people bool // of every measure, not only of those that count people
	among  *fold
}

// maxDocuments bounds what one question reads.
const maxDocuments = 60_000

var errTooMuch = core.Errorf(core.TooComplex, "TOO_MANY_CELLS", "this reads more than %d documents; ask for a shorter time or for a metric with fewer dimensions", maxDocuments)

// table returns what a measure came to in each row. With toDate a row has all that was
// before its end.
func (r *reading) table(t *measure, toDate bool) (table, error) {
	names, err := r.names(t)
	if err != nil {
		return nil, err
	}
	out := table{}
	p := &periods{spans: r.spans}
	find := p.of
	from, to := r.spans[0].from, r.spans[len(r.spans)-1].to
	if toDate {
		find = p.until
	}
	distinct := t.Value == Distinct
	var last *acc // of the hour before, which mostly is of the same row
	var lastCell string
	lastPeriod := -1
	count := func(cell string, hour, n int64) {
		i, ok := find(hour * 3600)
		if !ok {
			return
		}
		if i != lastPeriod || cell != lastCell {
			last, lastCell, lastPeriod = out.at(row{i, names[cell]}), cell, i
		}
		last.n += n
	}
	money := func(cell string, m moneyAt, a amount) {
		i, ok := find(m.hour * 3600)
		if !ok {
			return
		}
		to := out.at(row{i, names[cell]})
		if to.money == nil {
			to.money = map[moneyAt]amount{}
		}
		at := moneyAt{m.currency, floorDiv(m.hour, 24) * 24}
		to.money[at] = to.money[at].plus(a)
	}
	crowd := func(cell string, day int64, one *sketch) {
		y, m, d := dateOf(day)
		if i, ok := find(Date{y, m, d}.In(t.zone).Unix()); ok {
			to := out.at(row{i, names[cell]})
			if to.people == nil {
				to.people = &sketch{}
			}
			to.people.union(one, math.MaxInt)
		}
	}
	if r.among != nil {
		r.folded(t, count, money, crowd)
	} else if err := r.stored(t, toDate, from.Unix(), to.Unix(), distinct, count, money, crowd); err != nil {
		return nil, err
	}
	if t.Value == First { // a cell whose only one turned out not to be the first
		maps.DeleteFunc(out, func(_ row, a *acc) bool { return a.n == 0 })
	}
	if toDate {
		out.accumulate(len(r.spans))
	}
	return out, nil
}

// folded reads what was folded for this question.
func (r *reading) folded(t *measure, count func(string, int64, int64), money func(string, moneyAt, amount), crowd func(string, int64, *sketch)) {
	for p, c := range r.among.cells {
		if p.measure != t.id {
			continue
		}
		for h, n := range c.sums.n {
			count(p.cell, h, n)
		}
		for m, a := range c.sums.money {
			money(p.cell, m, a)
		}
		for day, one := range c.people {
			crowd(p.cell, day, one)
		}
	}
}

// stored reads the rollups of [from, to), unix seconds.
func (r *reading) stored(t *measure, toDate bool, from, to int64, distinct bool, count func(string, int64, int64), money func(string, moneyAt, amount), crowd func(string, int64, *sketch)) error {
	low := store.Key(r.ws, t.id) + "/"
	if !distinct {
		first := low
		if !toDate {
			first = store.Key(r.ws, t.id, fmt.Sprintf("%06d", floorDiv(from, weekHours*3600)+weekBase))
		}
		docs, err := rollups.Find(r.ctx, r.s.Store, store.Query{Workspace: r.ws, Where: []store.Cond{
			store.Gte("_id", first), store.Lt("_id", store.Key(r.ws, t.id, fmt.Sprintf("%06d", floorDiv(to-1, weekHours*3600)+weekBase+1))),
		}}, maxDocuments+1)
		if err != nil {
			return fmt.Errorf("insight: read rollups: %w", err)
		}
		if len(docs) > maxDocuments {
			return errTooMuch
		}
		for _, d := range docs {
			if d.lane == goneLane {
				continue
			}
			for _, c := range d.n {
				count(d.cell, c.hour, c.n)
			}
			for _, m := range d.money {
				money(d.cell, m.moneyAt, m.amount)
			}
		}
	}
	if !distinct && !r.people || t.Value == First {
		return nil
	}
	first := low
	if !toDate {
		first = store.Key(r.ws, t.id, dayKey(floorDiv(from, 86400)-1))
	}
	docs, err := crowds.Find(r.ctx, r.s.Store, store.Query{Workspace: r.ws, Where: []store.Cond{
		store.Gte("_id", first), store.Lt("_id", store.Key(r.ws, t.id, dayKey(floorDiv(to, 86400)+2))),
	}}, maxDocuments+1)
	if err != nil {
		return fmt.Errorf("insight: read people: %w", err)
	}
	if len(docs) > maxDocuments {
		return errTooMuch
	}
	for _, d := range docs {
		p, day, _ := d.where()
		one := sketchOf(d.People, d.Many)
		crowd(p.cell, day, &one)
	}
	return nil
}

// names returns for each cell of a measure the values of the dimensions asked by, joined.
func (r *reading) names(t *measure) (map[string]string, error) {
	var which []int
	for _, key := range r.by {
		which = append(which, slices.IndexFunc(t.dims, func(d dimension) bool { return d.Key == key }))
	}
	name := func(values []string) string {
		out := make([]string, len(which))
		for i, n := range which {
			if n >= 0 && n < len(values) {
				out[i] = values[n]
			}
		}
		return strings.Join(out, joint)
	}
	out := map[string]string{}
	if r.among != nil {
		for p, c := range r.among.cells {
			if p.measure == t.id {
				out[p.cell] = name(c.values)
			}
		}
		return out, nil
	}
	docs, err := cells.Find(r.ctx, r.s.Store, store.Query{Workspace: r.ws, Where: []store.Cond{store.Prefix("_id", t.id+"/")}}, maxDocuments+1)
	if err != nil {
		return nil, fmt.Errorf("insight: read cells: %w", err)
	}
	if len(docs) > maxDocuments {
		return nil, errTooMuch
	}
	for _, d := range docs {
		out[store.Rest(store.Rest(d.ID))] = name(d.Values)
	}
	return out, nil
}

// accumulate makes of what came in each period what came until its end.
func (t table) accumulate(periods int) {
	names := map[string]bool{}
	for r := range t {
		names[r.cell] = true
	}
	for name := range names {
		var before *acc
		for i := range periods {
			now := t.at(row{i, name})
			if before != nil {
				now.include(before)
			}
			before = now
		}
	}
}

// include adds what another came to.
func (a *acc) include(o *acc) {
	a.n += o.n
	for at, m := range o.money {
		if a.money == nil {
			a.money = map[moneyAt]amount{}
		}
		a.money[at] = a.money[at].plus(m)
	}
	if o.people != nil {
		if a.people == nil {
			a.people = &sketch{}
		}
		a.people.union(o.people, math.MaxInt)
	}
}

package insight

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

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
	late   []uint64 // people who are not among them yet: see meet
}

// meet adds people. A few are gathered and then sorted in at once, for there may be as many
// sets of few as there are values of a dimension.
func (a *acc) meet(one *sketch) {
	if a.people == nil {
		a.people = &sketch{}
	}
	if !one.exact() || !a.people.exact() {
		a.introduce()
		a.people.union(one, math.MaxInt)
		return
	}
	if a.late = append(a.late, one.few...); len(a.late) > 1000+len(a.people.few) {
		a.introduce()
	}
}

// introduce adds those who were gathered.
func (a *acc) introduce() {
	if len(a.late) == 0 {
		return
	}
	slices.Sort(a.late)
	a.people.union(&sketch{few: slices.Compact(a.late)}, math.MaxInt)
	a.late = nil
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
	kept   *kinds
	names  map[string]string // of cells that were learnt: of one measure
}

// pageDocuments is how many documents are read, and held, at once.
const pageDocuments = 10_000

// table returns what a measure came to in each row. With toDate a row has all that was
// before its end. It fails with errManyRows where that would be too many rows.
func (r *reading) table(t *measure, toDate bool) (table, error) {
	out := table{}
	p := &periods{spans: r.spans}
	find := p.of
	if toDate {
		find = p.until
	}
	var last *acc // of the hour before, which mostly is of the same row
	var lastCell string
	lastPeriod := -1
	w := walk{toDate: toDate, people: (t.Value == Distinct || r.people) && t.Value != First}
	w.count = func(cell string, hour, n int64) {
		i, ok := find(hour * 3600)
		if !ok {
			return
		}
		if i != lastPeriod || cell != lastCell {
			last, lastCell, lastPeriod = out.at(row{i, r.name(cell)}), cell, i
		}
		last.n += n
	}
	w.money = func(cell string, m moneyAt, a amount) {
		i, ok := find(m.hour * 3600)
		if !ok {
			return
		}
		to := out.at(row{i, r.name(cell)})
		if to.money == nil {
			to.money = map[moneyAt]amount{}
		}
		at := moneyAt{m.currency, floorDiv(m.hour, 24) * 24}
		to.money[at] = to.money[at].plus(a)
	}
	w.crowd = func(cell string, day int64, one *sketch) {
		y, m, d := dateOf(day)
		if i, ok := find(Date{y, m, d}.In(t.zone).Unix()); ok {
			out.at(row{i, r.name(cell)}).meet(one)
		}
	}
	w.page = func() error {
		if r.kept == nil && len(r.by) > 0 && len(out) > 2*maxRows { // some may turn out to be nothing
			return errManyRows
		}
		return nil
	}
	if err := r.walk(t, w); err != nil {
		return nil, err
	}
	for _, a := range out {
		a.introduce()
	}
	if t.Value == First { // a cell whose only one turned out not to be the first
		maps.DeleteFunc(out, func(_ row, a *acc) bool { return a.n == 0 })
	}
	if toDate {
		out.accumulate(len(r.spans))
	}
	return out, nil
}

// walk hears what a measure came to in the time of a reading: increments by the hour, and
// people by the day. What is of one cell and week, or day, comes together.
type walk struct {
	toDate bool // from the beginning of all time
	people bool
	count  func(cell string, hour, n int64)
	money  func(cell string, m moneyAt, a amount)
	crowd  func(cell string, day int64, one *sketch)
	page   func() error // after some documents
}

// walk tells w of a measure, document by document.
func (r *reading) walk(t *measure, w walk) error {
	r.names = nil
	if r.among != nil {
		return r.folded(t, w)
	}
	from, to := r.spans[0].from.Unix(), r.spans[len(r.spans)-1].to.Unix()
	week := store.Key(r.ws, t.id) + "/"
	day := week
	if !w.toDate {
		week = store.Key(r.ws, t.id, fmt.Sprintf("%06d", floorDiv(from, weekHours*3600)+weekBase))
		day = store.Key(r.ws, t.id, dayKey(floorDiv(from, 86400)-1))
	}
	if t.Value != Distinct {
		err := eachPage(r, rollups, week, store.Key(r.ws, t.id, fmt.Sprintf("%06d", floorDiv(to-1, weekHours*3600)+weekBase+1)), func(d *rollup) string { return d.ID }, func(docs []*rollup) error {
			if err := learn(r, t, docs, func(d *rollup) string { return d.cell }); err != nil {
				return err
			}
			for _, d := range docs {
				if d.lane == goneLane {
					continue
				}
				for _, c := range d.n {
					w.count(d.cell, c.hour, c.n)
				}
				for _, m := range d.money {
					w.money(d.cell, m.moneyAt, m.amount)
				}
			}
			return w.page()
		})
		if err != nil {
			return fmt.Errorf("insight: read rollups: %w", err)
		}
	}
	if !w.people {
		return nil
	}
	cell := func(d *crowd) string { p, _, _ := d.where(); return p.cell }
	err := eachPage(r, crowds, day, store.Key(r.ws, t.id, dayKey(floorDiv(to, 86400)+2)), func(d *crowd) string { return d.ID }, func(docs []*crowd) error {
		if err := learn(r, t, docs, cell); err != nil {
			return err
		}
		for _, d := range docs {
			p, day, _ := d.where()
			one := sketchOf(d.People, d.Many)
			w.crowd(p.cell, day, &one)
		}
		return w.page()
	})
	if err != nil {
		return fmt.Errorf("insight: read people: %w", err)
	}
	return nil
}

// eachPage calls f with the documents that have keys [low, high), in their order.
func eachPage[T any](r *reading, c *store.Collection[T], low, high string, id func(*T) string, f func([]*T) error) error {
	from := store.Gte("_id", low)
	for {
		docs, err := c.Find(r.ctx, r.s.Store, store.Query{Workspace: r.ws, Where: []store.Cond{from, store.Lt("_id", high)}}, pageDocuments)
		if err != nil || len(docs) == 0 {
			return err
		}
		if err := f(docs); err != nil || len(docs) < pageDocuments {
			return err
		}
		from = store.Gt("_id", id(docs[len(docs)-1]))
	}
}

// folded tells w of what was folded for this question.
func (r *reading) folded(t *measure, w walk) error {
	r.names = map[string]string{}
	for _, p := range sortedPlaces(r.among.cells) {
		c := r.among.cells[p]
		if p.measure != t.id {
			continue
		}
		r.names[p.cell] = r.nameOf(t, c.values)
		for h, n := range c.sums.n {
			w.count(p.cell, h, n)
		}
		for m, a := range c.sums.money {
			w.money(p.cell, m, a)
		}
		if w.people {
			for day, one := range c.people {
				w.crowd(p.cell, day, one)
			}
		}
	}
	return w.page()
}

// learn reads the names of the cells that documents are of.
func learn[T any](r *reading, t *measure, docs []*T, cell func(*T) string) error {
	if len(r.by) == 0 {
		return nil // all are of one
	}
	if r.names == nil || len(r.names) > maxCells {
		r.names = map[string]string{}
	}
	var missing []string
	for _, d := range docs {
		if c := cell(d); !r.knows(c) {
			r.names[c] = ""
			missing = append(missing, store.Key(r.ws, t.id, c))
		}
	}
	got, err := cells.GetMany(r.ctx, r.s.Store, missing)
	if err != nil {
		return fmt.Errorf("insight: read cells: %w", err)
	}
	for i, key := range missing {
		var values []string
		if got[i] != nil {
			values = got[i].Values
		}
		r.names[store.Rest(store.Rest(key))] = r.nameOf(t, values)
	}
	return nil
}

func (r *reading) knows(cell string) bool { _, ok := r.names[cell]; return ok }

// name returns the values of the dimensions asked by of a cell that was learnt, joined.
func (r *reading) name(cell string) string { return r.kept.of(r.names[cell]) }

// nameOf joins the values of the dimensions asked by, of all those of a cell.
func (r *reading) nameOf(t *measure, values []string) string {
	out := make([]string, len(r.by))
	for i, key := range r.by {
		if n := slices.IndexFunc(t.dims, func(d dimension) bool { return d.Key == key }); n >= 0 && n < len(values) {
			out[i] = values[n]
		}
	}
	return strings.Join(out, joint)
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

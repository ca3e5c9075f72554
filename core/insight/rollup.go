package insight

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// The hours of a rollup's document. Weeks are counted from 1970-01-01T00:00Z, a Thursday.
const weekHours = 7 * 24

// hourOf counts hours since 1970, UTC.
func hourOf(t time.Time) int64 { return floorDiv(t.Unix(), 3600) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// amount is an exact sum: whole units and millionths, which may be of either sign.
type amount struct{ I, F int64 }

// millionth is how finely money and numbers are kept.
const millionth = 1_000_000

// maxAmount bounds the number that one event may bring; what is beyond counts as none.
const maxAmount = 1_000_000_000_000

// amountOf returns a number rounded to millionths, half away from zero; false when it is
// beyond the bounds.
func amountOf(d condition.Decimal) (amount, bool) {
	if d.Abs().Cmp(limit) > 0 {
		return amount{}, false
	}
	n := d.Shift(6).Round(0).IntPart()
	return amount{n / millionth, n % millionth}, true
}

func (a amount) plus(b amount) amount { return amount{a.I + b.I, a.F + b.F} }

// decimal returns the number that it is.
func (a amount) decimal() condition.Decimal {
	return newDecimal(a.I).Add(newDecimal(a.F).Shift(-6))
}

// noCurrency stands for money of which the event does not say what it is in, and for
// numbers that are no money.
const noCurrency = "-"

// moneyAt is a currency and an hour.
type moneyAt struct {
	currency string
	hour     int64
}

// sums are what a cell holds: by hours since 1970.
type sums struct {
	n     map[int64]int64
	money map[moneyAt]amount
}

func newSums() *sums { return &sums{n: map[int64]int64{}, money: map[moneyAt]amount{}} }

// add counts an event.
func (s *sums) add(hour int64, currency string, a *amount) {
	s.n[hour]++
	if a != nil {
		at := moneyAt{currency, hour}
		s.money[at] = s.money[at].plus(*a)
	}
}

// minus returns what s has more than other; zeros are left out.
func (s *sums) minus(other *sums) *sums {
	out := newSums()
	for h, n := range s.n {
		out.n[h] = n
	}
	for at, a := range s.money {
		out.money[at] = a
	}
	if other != nil {
		for h, n := range other.n {
			out.n[h] -= n
		}
		for at, a := range other.money {
			out.money[at] = out.money[at].plus(amount{-a.I, -a.F})
		}
	}
	for h, n := range out.n {
		if n == 0 {
			delete(out.n, h)
		}
	}
	for at, a := range out.money {
		if a == (amount{}) {
			delete(out.money, at)
		}
	}
	return out
}

func (s *sums) empty() bool { return len(s.n) == 0 && len(s.money) == 0 }

// place is a cell of a measure.
type place struct{ measure, cell string }

// ops returns the increments that bring the sums to a lane's documents, one a week.
func (s *sums) ops(ws string, p place, lane string) []store.Op {
	weeks := map[int64]map[string]int64{}
	week := func(hour int64) (map[string]int64, string) {
		w := floorDiv(hour, weekHours)
		if weeks[w] == nil {
			weeks[w] = map[string]int64{}
		}
		return weeks[w], strconv.FormatInt(hour-w*weekHours, 10)
	}
	for h, n := range s.n {
		if n == 0 {
			continue // one came and one went
		}
		add, field := week(h)
		add["n."+field] += n
	}
	for at, a := range s.money {
		add, field := week(at.hour)
		if a.I != 0 {
			add["i."+at.currency+"."+field] += a.I
		}
		if a.F != 0 {
			add["f."+at.currency+"."+field] += a.F
		}
	}
	out := make([]store.Op, 0, len(weeks))
	for _, w := range sortedKeys(weeks) {
		out = append(out, rollups.Add(rollupKey(ws, p, w, lane), weeks[w]))
	}
	return out
}

func rollupKey(ws string, p place, week int64, lane string) string {
	return store.Key(ws, p.measure, fmt.Sprintf("%06d", week+weekBase), p.cell, lane)
}

// weekBase keeps the numbers of weeks before 1970 positive, so that keys sort.
const weekBase = 100_000

// rollup is a document of increments, decoded in place: there are many to a question.
type rollup struct {
	store.Meta
	week int64
	place
	lane  string
	n     []hourCount
	money []hourMoney
}

type hourCount struct {
	hour int64
	n    int64
}

type hourMoney struct {
	moneyAt
	amount
}

// UnmarshalBSON implements bson.Unmarshaler.
func (r *rollup) UnmarshalBSON(raw []byte) error {
	*r = rollup{}
	for it := event.Elements(raw); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "_id":
			r.ID, _ = v.StringValueOK()
			keys := strings.Split(store.Rest(r.ID), "/")
			if len(keys) != 4 {
				return fmt.Errorf("insight: a rollup has the key %q", r.ID)
			}
			w, err := strconv.ParseInt(keys[1], 10, 64)
			if err != nil {
				return fmt.Errorf("insight: a rollup's week: %w", err)
			}
			r.measure, r.week, r.cell, r.lane = keys[0], w-weekBase, keys[2], keys[3]
		case "_v":
			r.V, _ = v.AsInt64OK()
		case "n":
			r.each(v, func(hour, n int64) { r.n = append(r.n, hourCount{hour, n}) })
		case "i", "f":
			whole := string(it.Key()) == "i"
			for by := event.Elements(v.Value); by.Next(); {
				currency := string(by.Key())
				r.each(by.Value(), func(hour, n int64) {
					a := amount{F: n}
					if whole {
						a = amount{I: n}
					}
					r.money = append(r.money, hourMoney{moneyAt{currency, hour}, a})
				})
			}
		}
	}
	return nil
}

// each calls f with each hour since 1970 of a document of fields by the hour of the week.
// The key comes before the other fields of a document.
func (r *rollup) each(v bson.RawValue, f func(hour, n int64)) {
	if v.Type != bson.TypeEmbeddedDocument {
		return
	}
	for it := event.Elements(v.Value); it.Next(); {
		var h int64
		for _, c := range it.Key() {
			h = h*10 + int64(c-'0')
		}
		if n, ok := it.Value().AsInt64OK(); ok && n != 0 {
			f(r.week*weekHours+h, n)
		}
	}
}

// into adds what the document holds of the hours [from, to).
func (r *rollup) into(s *sums, from, to int64) {
	for _, c := range r.n {
		if c.hour >= from && c.hour < to {
			s.n[c.hour] += c.n
		}
	}
	for _, m := range r.money {
		if m.hour >= from && m.hour < to {
			s.money[m.moneyAt] = s.money[m.moneyAt].plus(m.amount)
		}
	}
}

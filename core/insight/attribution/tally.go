package attribution

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Unit is how finely conversions are shared: credits of them are in ten-thousandths.
const Unit = 10000

// Step is one touchpoint of a way: its key (what the figures are asked by) and its time.
type Step struct {
	Key string
	At  time.Time
}

// Gain is a conversion. Minor is its value in the smallest unit of the currency; without
// a currency it has no value.
type Gain struct {
	At       time.Time
	Minor    int64
	Currency string
}

// Tally shares conversions by one model, one way after another. What it holds grows with
// the number of different keys and currencies, not with that of ways. It is not safe for
// concurrent use.
type Tally struct {
	model  Model
	with   Parameters
	number map[string]int
	keys   []string
	chain  *Chain
	short  int // see shortWay

	gains, lost int64               // ways
	credit      []float64           // conversions by key
	bare        int64               // conversions without a touchpoint
	values      map[string]*amounts // by currency
	orders      []int64             // by key: conversions that it was a step of
	person      int64               // whose ways are added now, counted from 1; 0: each way is another's
	people      crowd               // by key: who converted
	barePeople  crowd               // of one key: who converted without a touchpoint
	buyers      crowd               // of one key: who converted
}

// amounts are those of one currency, in its smallest unit.
type amounts struct {
	total, bare int64
	credit      []float64
}

// NewTally returns a tally without ways. The model and its parameters have passed Check.
func NewTally(m Model, p Parameters) *Tally {
	t := &Tally{model: m, with: p, number: map[string]int{}, values: map[string]*amounts{}, short: shortWay}
	if m == Markov {
		t.chain = NewChain()
	}
	return t
}

// crowd counts different people by key. Those of one person are told one after another.
type crowd struct{ n, last []int64 }

func (c *crowd) add(key int, person int64) {
	c.n, c.last = grow(c.n, key+1), grow(c.last, key+1)
	if person == 0 || c.last[key] != person {
		c.n[key], c.last[key] = c.n[key]+1, person
	}
}

func (c *crowd) of(key int) int64 {
	if key >= len(c.n) {
		return 0
	}
	return c.n[key]
}

// Person says that the ways to come are those of one more person. Where it is never
// called, each way is taken for another person's.
func (t *Tally) Person() { t.person++ }

// Keys returns how many different keys there are.
func (t *Tally) Keys() int { return len(t.keys) }

// gained counts a conversion, and returns the amounts of its currency; nil for none.
func (t *Tally) gained(g Gain) *amounts {
	t.gains++
	t.buyers.add(0, t.person)
	if g.Currency == "" {
		return nil
	}
	v := t.values[g.Currency]
	if v == nil {
		v = &amounts{}
		t.values[g.Currency] = v
	}
	v.total += g.Minor
	return v
}

// followed adds the way of a trail that ended in a conversion, as Converted does.
func (t *Tally) followed(tr *trail, g Gain) {
	if tr.n <= t.short {
		t.Converted(tr.way(), g)
		return
	}
	v := t.gained(g)
	var groups []int // numbers of their keys; -1 where none of their steps counts
	for _, one := range tr.groups {
		k := -1
		if len(one.at) > 0 {
			k = t.numbered(one.key)
		}
		groups = append(groups, k)
	}
	whom := slices.DeleteFunc(distinct(groups), func(k int) bool { return k < 0 })
	t.touched(whom)
	switch t.model {
	case Markov:
		t.chain.follow(t.number[tr.steps[tr.first].Key], t.number[tr.steps[tr.last].Key], func(f func(a, b int, n int64)) {
			for p, n := range tr.pairs {
				f(t.number[p.before], t.number[p.after], n)
			}
		})
	case Shapley:
		t.among(whom, v, g)
	default:
		for i, w := range tr.shares(t.model, t.with) {
			if groups[i] >= 0 {
				t.give(groups[i], w, v, g)
			}
		}
	}
}

// touched counts a conversion for each of the keys that were steps of it.
func (t *Tally) touched(whom []int) {
	for _, k := range whom {
		t.orders[k]++
		t.people.add(k, t.person)
	}
}

// give gives a key a part of a conversion, and of its value.
func (t *Tally) give(k int, w float64, v *amounts, g Gain) {
	t.credit[k] += w
	if v != nil {
		v.credit = grow(v.credit, len(t.keys))
		v.credit[k] += w * float64(g.Minor)
	}
}

// among shares a conversion evenly among keys.
func (t *Tally) among(whom []int, v *amounts, g Gain) {
	for _, k := range whom {
		t.give(k, 1/float64(len(whom)), v, g)
	}
}

// Converted adds a way that ended in a conversion; the steps are in the order of their
// times and none is after the conversion. Without steps the conversion is nobody's.
func (t *Tally) Converted(steps []Step, g Gain) {
	v := t.gained(g)
	if len(steps) == 0 {
		t.bare++
		t.barePeople.add(0, t.person)
		if v != nil {
			v.bare += g.Minor
		}
		return
	}
	way := t.way(steps)
	whom := distinct(way)
	t.touched(whom)
	switch t.model {
	case Markov:
		t.chain.Add(way, true, 1)
		return
	case Shapley:
		t.among(whom, v, g)
		return
	}
	ages := make([]time.Duration, len(steps))
	for i, s := range steps {
		ages[i] = g.At.Sub(s.At)
	}
	for i, w := range Weights(t.model, t.with, ages) {
		t.give(way[i], w, v, g)
	}
}

// Lost adds a way that ended in nothing. Only the Markov model learns of it; without
// steps it is nothing.
func (t *Tally) Lost(steps []Step) {
	if len(steps) == 0 {
		return
	}
	t.lost++
	if t.chain != nil {
		t.chain.Add(t.way(steps), false, 1)
	}
}

func (t *Tally) way(steps []Step) []int {
	way := make([]int, len(steps))
	for i, s := range steps {
		way[i] = t.numbered(s.Key)
	}
	return way
}

// numbered returns the number of a key.
func (t *Tally) numbered(key string) int {
	k, ok := t.number[key]
	if !ok {
		k = len(t.keys)
		t.number[key] = k
		t.keys = append(t.keys, key)
		t.credit, t.orders = grow(t.credit, k+1), grow(t.orders, k+1)
	}
	return k
}

func grow[T any](s []T, n int) []T { return append(s, make([]T, max(0, n-len(s)))...) }

func distinct(way []int) []int {
	out := slices.Clone(way)
	slices.Sort(out)
	return slices.Compact(out)
}

// Row is what one key gets.
type Row struct {
	Key         string
	None        bool             // stands for conversions without a touchpoint; Key is ""
	Conversions int64            // credit, in units of 1/Unit
	Touched     int64            // whole conversions that the key was a step of
	People      int64            // who made these; in a report that was made before they were counted 0
	Share       float64          // of all conversions that had a touchpoint, 0 to 1
	Effect      float64          // of Markov: the removal effect, 0 to 1
	Minor       map[string]int64 // credit by currency, in its smallest unit
}

// Result is how the credit was shared. The rows' conversions add up to Conversions times
// Unit, and their values to Minor, exactly.
type Result struct {
	Conversions int64            // ways that converted
	People      int64            // who converted
	Lost        int64            // ways that did not
	Minor       map[string]int64 // by currency, in its smallest unit
	Probability float64          // of Markov: that a way with a touchpoint converts
	Rows        []Row            // most credit first; then by key; the row of none last
}

// Result shares what was added. Values follow the credit of their own conversions; with
// the Markov model the shares of all conversions. Rounding is Apportion's.
//
// Shapley is the value of the game in which a set S of channels is worth the conversions
// of the ways that touched no channel outside S. That game is a sum of unanimity games,
// one for each set T of channels that some ways touched, so that a channel's Shapley value
// is the sum of conversions(T)/|T| over the sets that hold it: exact for any number of
// channels, with no enumeration and no sampling. Source: L. S. Shapley, "A value for
// n-person games" (1953), lemma 3; K. Zhao, S. H. Mahboobi, S. R. Bagheri, "Shapley value
// methods for attribution [...] in online advertising" (2018), theorem 1.
func (t *Tally) Result() (Result, error) {
	out := Result{Conversions: t.gains, People: t.buyers.of(0), Lost: t.lost, Minor: map[string]int64{}}
	n := len(t.keys)
	shares, effects := slices.Clone(grow(t.credit, n)), make([]float64, n)
	if t.chain != nil {
		r, err := t.chain.Removal()
		if err != nil {
			return out, err
		}
		out.Probability = r.Probability
		shares, effects = r.Shares, r.Effects
	}
	rows := make([]Row, n)
	whole := Apportion((t.gains-t.bare)*Unit, shares)
	sum := 0.0
	for _, s := range shares {
		sum += s
	}
	for k, key := range t.keys {
		rows[k] = Row{Key: key, Conversions: whole[k], Touched: t.orders[k], People: t.people.of(k), Effect: effects[k], Minor: map[string]int64{}}
		if sum > 0 {
			rows[k].Share = shares[k] / sum
		}
	}
	none := Row{None: true, Conversions: t.bare * Unit, Touched: t.bare, People: t.barePeople.of(0), Minor: map[string]int64{}}
	for _, currency := range slices.Sorted(maps.Keys(t.values)) {
		v := t.values[currency]
		out.Minor[currency] = v.total
		by := shares
		if t.chain == nil {
			by = grow(v.credit, n)
		}
		parts := t.split(v.total-v.bare, by)
		for k := range rows {
			if parts[k] != 0 {
				rows[k].Minor[currency] = parts[k]
			}
		}
		if v.bare != 0 {
			none.Minor[currency] = v.bare
		}
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Conversions, a.Conversions), strings.Compare(a.Key, b.Key))
	})
	if t.bare > 0 {
		rows = append(rows, none)
	}
	out.Rows = rows
	return out, nil
}

// split apportions an amount by credits that may be negative (refunds): those are then
// apportioned apart, so that both add up.
func (t *Tally) split(total int64, credits []float64) []int64 {
	positive, negative := make([]float64, len(credits)), make([]float64, len(credits))
	down := 0.0
	for i, c := range credits {
		positive[i], negative[i] = max(c, 0), max(-c, 0)
		down += negative[i]
	}
	if t.chain != nil || down == 0 {
		return Apportion(total, positive)
	}
	// What is owed is the rounded sum of what goes down; what comes is the rest.
	owed := -int64(down + 0.5)
	out, minus := Apportion(total-owed, positive), Apportion(owed, negative)
	for i := range out {
		out[i] += minus[i]
	}
	return out
}

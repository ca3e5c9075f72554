package basket

import (
	"slices"
	"strings"
)

// MaxDays is the longest time between two purchases that is told apart from longer ones.
const MaxDays = 1095

// Intervals counts how many days lie between two purchases of a product by one person.
// The zero Intervals is empty.
type Intervals struct {
	products map[string]*counts
}

type counts struct {
	days map[int32]int64
	all  int64
}

// Add counts the intervals between days of purchase, which rise. Of more products than
// MaxProducts the further ones are left out.
func (i *Intervals) Add(product string, days []int32) {
	if len(days) < 2 {
		return
	}
	if i.products == nil {
		i.products = map[string]*counts{}
	}
	c := i.products[product]
	if c == nil {
		if len(i.products) >= MaxProducts {
			return
		}
		c = &counts{days: map[int32]int64{}}
		i.products[strings.Clone(product)] = c
	}
	for k := 1; k < len(days); k++ {
		if d := days[k] - days[k-1]; d > 0 {
			c.days[min(d, MaxDays)]++
			c.all++
		}
	}
}

// Rebuy is how long it takes until a product is bought again, in days: a quarter of the
// times are at most Low, half at most Median, three quarters at most High.
type Rebuy struct {
	Times             int64
	Low, Median, High float64
}

// Of returns the re-buy interval of a product; Times is 0 when nobody bought it twice.
// Quantiles lie half-way between two times where they fall between them, as R's type 2.
func (i *Intervals) Of(product string) Rebuy {
	c := i.products[product]
	if c == nil || c.all == 0 {
		return Rebuy{}
	}
	days := make([]int32, 0, len(c.days))
	for d := range c.days {
		days = append(days, d)
	}
	slices.Sort(days)
	at := func(rank int64) float64 { // from 1
		for _, d := range days {
			if rank -= c.days[d]; rank <= 0 {
				return float64(d)
			}
		}
		return float64(days[len(days)-1])
	}
	quantile := func(quarters int64) float64 {
		n := c.all * quarters
		if n%4 == 0 {
			return (at(max(n/4, 1)) + at(min(n/4+1, c.all))) / 2
		}
		return at(n/4 + 1)
	}
	return Rebuy{Times: c.all, Low: quantile(1), Median: quantile(2), High: quantile(3)}
}

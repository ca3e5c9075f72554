package btyd

import (
	"cmp"
	"math"
	"slices"
)

// Cell is how many customers are alike.
type Cell struct {
	Customer
	N float64
}

// MaxCells is how many cells Cells keeps at most; beyond it times are taken more coarsely.
const MaxCells = 100_000

// Cells counts customers who are alike, so that what is kept does not grow with their
// number. Times are whole days at first; when there are too many different ones, days
// are counted in twos, then in fours, and so on. The zero Cells is empty.
type Cells struct {
	unit int64 // days; 0 is 1
	max  int
	n    map[cellKey]int64
	all  int64
}

type cellKey struct{ x, tx, t int64 }

// Days returns to how many days times are rounded: 1 until there were too many.
func (c *Cells) Days() int64 { return max(1, c.unit) }

// Customers returns how many were added.
func (c *Cells) Customers() int64 { return c.all }

// Len returns how many cells there are.
func (c *Cells) Len() int { return len(c.n) }

// Add counts a customer: orders after the first, and days from the first to the last
// and to now.
func (c *Cells) Add(x, txDays, tDays int64) {
	if c.n == nil {
		c.n = map[cellKey]int64{}
	}
	if c.max == 0 {
		c.max = MaxCells
	}
	u := c.Days()
	c.n[cellKey{x, txDays / u, tDays / u}]++
	c.all++
	for len(c.n) > c.max {
		c.coarsen()
	}
}

func (c *Cells) coarsen() {
	c.unit = 2 * c.Days()
	half := make(map[cellKey]int64, len(c.n)/2)
	for k, n := range c.n {
		half[cellKey{k.x, k.tx / 2, k.t / 2}] += n
	}
	c.n = half
}

// Cells returns the cells with times in units of so many days, in a fixed order. Of times
// that were rounded it gives the middle.
func (c *Cells) Cells(unitDays float64) []Cell {
	u := float64(c.Days())
	mid := (u - 1) / 2
	out := make([]Cell, 0, len(c.n))
	for k, n := range c.n {
		cell := Cell{Customer: Customer{X: float64(k.x), T: (float64(k.t)*u + mid) / unitDays}, N: float64(n)}
		if k.x > 0 {
			cell.TX = (float64(k.tx)*u + mid) / unitDays
		}
		out = append(out, cell)
	}
	slices.SortFunc(out, func(a, b Cell) int {
		return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.T, b.T), cmp.Compare(a.TX, b.TX))
	})
	return out
}

// SpendCell is how many customers ordered as often for about as much.
type SpendCell struct {
	X float64 // orders
	M float64 // what each was worth on average
	N float64
}

// spendStep is how finely amounts are told apart: half a percent.
const spendStep = 0.005

// SpendCells counts customers who spend alike: amounts are rounded to half a percent. The
// zero SpendCells is empty.
type SpendCells struct {
	n map[[2]int64]int64
}

// Add counts a customer whose x orders (1 or more) were worth m (above 0) each on
// average; others are left out.
func (c *SpendCells) Add(x int64, m float64) {
	if x < 1 || m <= 0 || math.IsInf(m, 0) {
		return
	}
	if c.n == nil {
		c.n = map[[2]int64]int64{}
	}
	c.n[[2]int64{x, int64(math.Round(math.Log(m) / spendStep))}]++
}

// Cells returns the cells in a fixed order.
func (c *SpendCells) Cells() []SpendCell {
	out := make([]SpendCell, 0, len(c.n))
	for k, n := range c.n {
		out = append(out, SpendCell{X: float64(k[0]), M: math.Exp(float64(k[1]) * spendStep), N: float64(n)})
	}
	slices.SortFunc(out, func(a, b SpendCell) int { return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.M, b.M)) })
	return out
}

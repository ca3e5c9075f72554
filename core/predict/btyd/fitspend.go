package btyd

import (
	"math"

	"gonum.org/v1/gonum/mathext"

	"github.com/headwater-cdp/headwater/core"
)

// FitSpend returns the Gamma-Gamma parameters that make the cells most likely. It fails
// as Fit does, and where the mean of everybody would be infinite.
func FitSpend(cells []SpendCell) (Spend, Fitted, error) {
	l := newSpendLikelihood(cells)
	if l.customers < 2 {
		return Spend{}, Fitted{}, core.Errorf(core.Invalid, "NO_REPEATS", "too few people have ordered for an amount twice: there is nothing to fit a model of amounts to")
	}
	m := l.money / l.customers
	var starts [][]float64
	for _, p := range []float64{1, 6} {
		for _, q := range []float64{2, 4, 10} {
			starts = append(starts, logs(p, q, max(leastParam, m*(q-1)/p)))
		}
	}
	x, fitted, err := search(l.mean, l.slope, starts)
	if err != nil {
		return Spend{}, fitted, err
	}
	fitted.LogLikelihood, fitted.Customers = -fitted.LogLikelihood*l.customers, l.customers
	s := spendAt(x)
	if s.Q <= 1 {
		return Spend{}, fitted, core.Errorf(core.Invalid, "NOT_CONVERGED", "the amounts differ so much between people that they have no mean; value cannot be predicted from them")
	}
	return s, fitted, nil
}

func spendAt(x []float64) Spend { return Spend{math.Exp(x[0]), math.Exp(x[1]), math.Exp(x[2])} }

type spendLikelihood struct {
	cells            []SpendCell
	customers, money float64
	byX              []Cell // X and N: customers with each number of orders
}

func newSpendLikelihood(cells []SpendCell) *spendLikelihood {
	l := &spendLikelihood{cells: cells}
	for _, c := range cells { // which come by their numbers of orders
		l.customers += c.N
		l.money += c.N * c.M
		if k := len(l.byX) - 1; k < 0 || l.byX[k].X != c.X {
			l.byX = append(l.byX, Cell{Customer: Customer{X: c.X}})
		}
		l.byX[len(l.byX)-1].N += c.N
	}
	return l
}

func (l *spendLikelihood) mean(x []float64) float64 {
	s := spendAt(x)
	sum := 0.0
	for _, b := range l.byX {
		k, n := b.X, b.N
		px := s.P * k
		sum += n * (lgamma(px+s.Q) - lgamma(px) - lgamma(s.Q) + s.Q*x[2] + px*math.Log(k))
	}
	for i := range l.cells {
		c := &l.cells[i]
		px := s.P * c.X
		sum += c.N * ((px-1)*math.Log(c.M) - (px+s.Q)*math.Log(s.Gamma+c.X*c.M))
	}
	return -sum / l.customers
}

func (l *spendLikelihood) slope(grad, x []float64) {
	s := spendAt(x)
	var dp, dq, dg float64
	q0 := mathext.Digamma(s.Q)
	for _, b := range l.byX {
		k, n := b.X, b.N
		all := mathext.Digamma(s.P*k + s.Q)
		dp += n * k * (all - mathext.Digamma(s.P*k) + math.Log(k))
		dq += n * (all - q0 + x[2])
		dg += n * s.Q / s.Gamma
	}
	for i := range l.cells {
		c := &l.cells[i]
		lg := math.Log(s.Gamma + c.X*c.M)
		dp += c.N * c.X * (math.Log(c.M) - lg)
		dq -= c.N * lg
		dg -= c.N * (s.P*c.X + s.Q) / (s.Gamma + c.X*c.M)
	}
	n := -l.customers
	grad[0], grad[1], grad[2] = dp*s.P/n, dq*s.Q/n, dg*s.Gamma/n
}

// Correlation returns Pearson's correlation between how often people order and for how
// much, which the Gamma-Gamma model takes to be about 0; NaN where one does not vary.
func Correlation(cells []SpendCell) float64 {
	var n, mx, mm float64
	for _, c := range cells {
		n += c.N
		mx += c.N * c.X
		mm += c.N * c.M
	}
	mx, mm = mx/n, mm/n
	var xx, yy, xy float64
	for _, c := range cells {
		dx, dm := c.X-mx, c.M-mm
		xx += c.N * dx * dx
		yy += c.N * dm * dm
		xy += c.N * dx * dm
	}
	return xy / math.Sqrt(xx*yy)
}

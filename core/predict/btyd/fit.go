package btyd

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/optimize"

	"github.com/headwater-cdp/headwater/core"
)

// Fitted says how a fit ended.
type Fitted struct {
	LogLikelihood float64 // of all customers
	Customers     float64
	Gradient      float64 // the steepest slope of the mean log likelihood, by the logarithms of the parameters
	Steps         int     // of the optimiser
}

// The bounds of what counts as a fit: beyond them the likelihood goes on rising towards
// a limit that is no model, and a slope that is steeper is no maximum.
const (
	leastParam = 1e-4
	mostParam  = 1e5
	flat       = 1e-5
)

// Fit returns the parameters that make the cells most likely, searched for over their
// logarithms with BFGS and the exact gradient, from several starts of which the two
// best are followed. A search that ends nowhere is INVALID with reason NOT_CONVERGED:
// it is what happens where nobody ever leaves, or everybody orders alike.
func Fit(cells []Cell) (Params, Fitted, error) {
	l := newLikelihood(cells)
	if l.customers == 0 || l.maxX == 0 {
		return Params{}, Fitted{}, core.Errorf(core.Invalid, "NO_REPEATS", "nobody has ordered twice: there is nothing to fit a model of orders to")
	}
	var starts [][]float64
	for _, r := range []float64{0.25, 1} {
		for _, ab := range [][2]float64{{0.8, 2.5}, {0.2, 1}, {2, 8}} {
			starts = append(starts, logs(r, max(leastParam, r/l.rate), ab[0], ab[1]))
		}
	}
	x, fitted, err := search(l.mean, l.slope, starts)
	if err != nil {
		return Params{}, fitted, err
	}
	fitted.LogLikelihood, fitted.Customers = -fitted.LogLikelihood*l.customers, l.customers
	return paramsAt(x), fitted, nil
}

func logs(v ...float64) []float64 {
	for i := range v {
		v[i] = math.Log(v[i])
	}
	return v
}

func paramsAt(x []float64) Params {
	return Params{R: math.Exp(x[0]), Alpha: math.Exp(x[1]), A: math.Exp(x[2]), B: math.Exp(x[3])}
}

// search minimises a function of logarithms of parameters.
func search(f func([]float64) float64, slope func(grad, x []float64), starts [][]float64) ([]float64, Fitted, error) {
	best, next := -1, -1
	values := make([]float64, len(starts))
	for i, s := range starts {
		values[i] = f(s)
		switch {
		case math.IsNaN(values[i]) || math.IsInf(values[i], 0):
		case best < 0 || values[i] < values[best]:
			best, next = i, best
		case next < 0 || values[i] < values[next]:
			next = i
		}
	}
	var x []float64
	var out Fitted
	for _, i := range []int{best, next} {
		if i < 0 {
			continue
		}
		// An error is a line search that finds nothing lower, which the slope judges.
		r, err := optimize.Minimize(optimize.Problem{Func: f, Grad: slope}, starts[i], &optimize.Settings{
			GradientThreshold: 1e-8, MajorIterations: 500, FuncEvaluations: 3000,
		}, &optimize.BFGS{})
		if r == nil || err != nil && len(r.X) == 0 {
			continue
		}
		grad := make([]float64, len(r.X))
		slope(grad, r.X)
		steep := 0.0
		for _, g := range grad {
			steep = max(steep, math.Abs(g))
		}
		if math.IsNaN(r.F) || math.IsNaN(steep) {
			continue
		}
		if x == nil || r.F < out.LogLikelihood-1e-12 {
			x, out = r.X, Fitted{LogLikelihood: r.F, Gradient: steep, Steps: r.MajorIterations}
		}
	}
	sane := x != nil && out.Gradient <= flat
	for _, v := range x {
		sane = sane && v > math.Log(leastParam) && v < math.Log(mostParam)
	}
	if !sane {
		return nil, out, core.Errorf(core.Invalid, "NOT_CONVERGED", "no parameters fit these orders: the likelihood has no maximum among models that could be; look at the data, or train with more of them")
	}
	return x, out, nil
}

// likelihood is the mean negative log likelihood of cells, with what depends on the
// number of orders alone computed once for each.
type likelihood struct {
	cells     []Cell
	customers float64
	maxX      int
	byX       []float64 // customers with each number of orders
	rate      float64   // orders per time
}

func newLikelihood(cells []Cell) *likelihood {
	l := &likelihood{cells: cells}
	orders, time := 0.0, 0.0
	for _, c := range cells {
		l.customers += c.N
		l.maxX = max(l.maxX, int(c.X))
		orders += c.N * c.X
		time += c.N * c.T
	}
	l.byX = make([]float64, l.maxX+1)
	for _, c := range cells {
		l.byX[int(c.X)] += c.N
	}
	l.rate = max(orders/max(time, leastParam), leastParam)
	return l
}

// mean returns the negative mean log likelihood at the logarithms of parameters.
func (l *likelihood) mean(x []float64) float64 {
	p := paramsAt(x)
	sum := 0.0
	r0, b0 := lgamma(p.R), lgamma(p.A+p.B)-lgamma(p.B)
	for i, n := range l.byX {
		if n > 0 {
			k := float64(i)
			sum += n * (lgamma(p.R+k) - r0 + p.R*x[1] + b0 + lgamma(p.B+k) - lgamma(p.A+p.B+k))
		}
	}
	for i := range l.cells {
		c := &l.cells[i]
		a3, a4 := l.logs(p, x, c)
		if c.X > 0 {
			a3 = max(a3, a4) + math.Log1p(math.Exp(-math.Abs(a3-a4)))
		}
		sum += c.N * a3
	}
	return -sum / l.customers
}

// logs are the logarithms of the two summands of a likelihood: with and without leaving.
func (l *likelihood) logs(p Params, x []float64, c *Cell) (stays, leaves float64) {
	stays = -(p.R + c.X) * math.Log(p.Alpha+c.T)
	if c.X > 0 {
		leaves = x[2] - math.Log(p.B+c.X-1) - (p.R+c.X)*math.Log(p.Alpha+c.TX)
	}
	return stays, leaves
}

// slope writes the gradient of mean.
func (l *likelihood) slope(grad, x []float64) {
	p := paramsAt(x)
	var dr, dalpha, da, db float64
	r0, ab0, b0 := mathext.Digamma(p.R), mathext.Digamma(p.A+p.B), mathext.Digamma(p.B)
	for i, n := range l.byX {
		if n > 0 {
			k := float64(i)
			abk := mathext.Digamma(p.A + p.B + k)
			dr += n * (mathext.Digamma(p.R+k) - r0 + x[1])
			dalpha += n * p.R / p.Alpha
			da += n * (ab0 - abk)
			db += n * (ab0 + mathext.Digamma(p.B+k) - b0 - abk)
		}
	}
	for i := range l.cells {
		c := &l.cells[i]
		lt := math.Log(p.Alpha + c.T)
		rx := p.R + c.X
		if c.X == 0 {
			dr -= c.N * lt
			dalpha -= c.N * rx / (p.Alpha + c.T)
			continue
		}
		ltx := math.Log(p.Alpha + c.TX)
		// The share of the likelihood that is of having left.
		w := 1 / (1 + math.Exp(-rx*lt-(x[2]-math.Log(p.B+c.X-1)-rx*ltx)))
		dr -= c.N * ((1-w)*lt + w*ltx)
		dalpha -= c.N * rx * ((1-w)/(p.Alpha+c.T) + w/(p.Alpha+c.TX))
		da += c.N * w / p.A
		db -= c.N * w / (p.B + c.X - 1)
	}
	n := -l.customers
	grad[0], grad[1], grad[2], grad[3] = dr*p.R/n, dalpha*p.Alpha/n, da*p.A/n, db*p.B/n
}

package logistic

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/headwater-cdp/headwater/core"
)

// Options are those of Fit.
type Options struct {
	// Ridge is how much large coefficients cost: half of it times the square of each, in
	// units of the standard deviation of its number; the intercept costs nothing. Above 0 it
	// also fits where a number parts the outcomes entirely.
	Ridge float64
	Steps int // at most; 0 is 50
}

// Model says how likely an outcome is.
type Model struct {
	Intercept float64   `bson:"intercept"`
	Coef      []float64 `bson:"coef"` // of each number, as it is
	// Errors are the standard errors of the intercept and the coefficients, from the
	// information at the maximum. With a ridge they are too small.
	Errors        []float64 `bson:"errors"`
	LogLikelihood float64   `bson:"logLikelihood"`
	Steps         int       `bson:"steps"`
	Rows          int       `bson:"rows"`
}

// Fit fits a model to rows of numbers and whether the outcome came with each. All rows
// are of one length. Where the outcomes are all the same, it is INVALID with reason
// ONE_OUTCOME; where numbers part the outcomes entirely or say the same twice, and there
// is no ridge, with reason NOT_CONVERGED.
func Fit(rows [][]float64, outcomes []bool, o Options) (Model, error) {
	n := len(rows)
	yes := 0
	for _, y := range outcomes {
		if y {
			yes++
		}
	}
	if n != len(outcomes) || n == 0 || yes == 0 || yes == n {
		return Model{}, core.Errorf(core.Invalid, "ONE_OUTCOME", "a model needs rows with either outcome")
	}
	if o.Steps == 0 {
		o.Steps = 50
	}
	f := newFit(rows, outcomes, o)
	return f.run(float64(yes) / float64(n))
}

// fit is one call of Fit: it works on numbers less their means and over their standard
// deviations, so that what is large does not drown what is small.
type fit struct {
	o         Options
	rows      [][]float64
	y         []bool
	k         int // numbers of a row
	mean, dev []float64
	z         []float64 // one row, with 1 before it
}

func newFit(rows [][]float64, y []bool, o Options) *fit {
	k := len(rows[0])
	f := &fit{o: o, rows: rows, y: y, k: k, mean: make([]float64, k), dev: make([]float64, k), z: make([]float64, k+1)}
	for j := range k {
		for _, r := range rows {
			f.mean[j] += r[j] / float64(len(rows))
		}
		for _, r := range rows {
			d := r[j] - f.mean[j]
			f.dev[j] += d * d / float64(len(rows))
		}
		if f.dev[j] = math.Sqrt(f.dev[j]); f.dev[j] == 0 {
			f.dev[j] = 1
		}
	}
	return f
}

func (f *fit) row(i int) []float64 {
	f.z[0] = 1
	for j, v := range f.rows[i] {
		f.z[j+1] = (v - f.mean[j]) / f.dev[j]
	}
	return f.z
}

// at returns the penalised log likelihood at beta, and fills in the slope and the
// information where they are asked for.
func (f *fit) at(beta, slope []float64, info *mat.SymDense) float64 {
	d := f.k + 1
	if info != nil {
		clear(slope)
		info.Zero()
	}
	sum := 0.0
	for i := range f.rows {
		z := f.row(i)
		eta := 0.0
		for j := range d {
			eta += beta[j] * z[j]
		}
		sum += logOf(eta, f.y[i])
		if info == nil {
			continue
		}
		p := Sigmoid(eta)
		w, residual := p*(1-p), -p
		if f.y[i] {
			residual = 1 - p
		}
		for j := range d {
			slope[j] += residual * z[j]
			for k := j; k < d; k++ {
				info.SetSym(j, k, info.At(j, k)+w*z[j]*z[k])
			}
		}
	}
	for j := 1; j < d; j++ {
		sum -= f.o.Ridge / 2 * beta[j] * beta[j]
		if info != nil {
			slope[j] -= f.o.Ridge * beta[j]
			info.SetSym(j, j, info.At(j, j)+f.o.Ridge)
		}
	}
	return sum
}

// logOf returns the log likelihood of one outcome.
func logOf(eta float64, y bool) float64 {
	if !y {
		eta = -eta
	}
	if eta < 0 {
		return eta - math.Log1p(math.Exp(eta))
	}
	return -math.Log1p(math.Exp(-eta))
}

var errNotConverged = core.Errorf(core.Invalid, "NOT_CONVERGED", "the numbers part the outcomes entirely, or two of them say the same; fit with a ridge, or leave one out")

func (f *fit) run(share float64) (Model, error) {
	d := f.k + 1
	beta, slope, next := make([]float64, d), make([]float64, d), make([]float64, d)
	beta[0] = math.Log(share / (1 - share))
	info := mat.NewSymDense(d, nil)
	var chol mat.Cholesky
	var step mat.VecDense
	for n := 1; n <= f.o.Steps; n++ {
		value := f.at(beta, slope, info)
		if !chol.Factorize(info) || chol.Cond() > 1e14 {
			return Model{}, errNotConverged
		}
		if err := chol.SolveVecTo(&step, mat.NewVecDense(d, slope)); err != nil {
			return Model{}, errNotConverged
		}
		gain := mat.Dot(&step, mat.NewVecDense(d, slope)) // how much the likelihood can rise still, twice over
		if gain < 1e-14*float64(len(f.rows)) {
			// Where a likelihood has no maximum each step gains less as well; the outcomes
			// are then said with certainty.
			if f.o.Ridge == 0 && value > -1e-6*float64(len(f.rows)) {
				return Model{}, errNotConverged
			}
			return f.model(beta, &chol, n), nil
		}
		// A full step overshoots where the likelihood is far from a parabola.
		size := 1.0
		for ; size > 1e-10; size /= 2 {
			for j := range d {
				next[j] = beta[j] + size*step.AtVec(j)
			}
			if f.at(next, nil, nil) >= value {
				break
			}
		}
		copy(beta, next)
	}
	return Model{}, errNotConverged
}

// model takes the coefficients back to the numbers as they were.
func (f *fit) model(beta []float64, chol *mat.Cholesky, steps int) Model {
	m := Model{Intercept: beta[0], Coef: make([]float64, f.k), Errors: make([]float64, f.k+1), Steps: steps, Rows: len(f.rows)}
	m.LogLikelihood = f.at(beta, nil, nil)
	var cov mat.SymDense
	_ = chol.InverseTo(&cov) // it was solved with
	to := make([]float64, f.k+1)
	to[0] = 1
	for j := range f.k {
		m.LogLikelihood += f.o.Ridge / 2 * beta[j+1] * beta[j+1]
		m.Coef[j] = beta[j+1] / f.dev[j]
		m.Intercept -= m.Coef[j] * f.mean[j]
		m.Errors[j+1] = math.Sqrt(cov.At(j+1, j+1)) / f.dev[j]
		to[j+1] = -f.mean[j] / f.dev[j]
	}
	v := mat.NewVecDense(len(to), to)
	var cv mat.VecDense
	cv.MulVec(&cov, v)
	m.Errors[0] = math.Sqrt(mat.Dot(v, &cv))
	return m
}

// Sigmoid returns the chance with the log odds x.
func Sigmoid(x float64) float64 {
	if x < 0 {
		e := math.Exp(x)
		return e / (1 + e)
	}
	return 1 / (1 + math.Exp(-x))
}

// LogOdds returns what the model says of a row: the intercept and every number times its
// coefficient.
func (m *Model) LogOdds(row []float64) float64 {
	sum := m.Intercept
	for j, c := range m.Coef {
		sum += c * row[j]
	}
	return sum
}

// Chance returns the chance that the model gives the outcome.
func (m *Model) Chance(row []float64) float64 { return Sigmoid(m.LogOdds(row)) }

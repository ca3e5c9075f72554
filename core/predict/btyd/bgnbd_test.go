package btyd

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// cdnow are the parameters that Fader, Hardie and Lee (2005) publish for the CDNOW data,
// in weeks; cdnowSpend those of Fader and Hardie (2013).
var (
	cdnow      = Params{R: 0.243, Alpha: 4.414, A: 0.793, B: 2.426}
	cdnowSpend = Spend{P: 6.25, Q: 3.74, Gamma: 15.44}
)

func TestPublishedExpectation(t *testing.T) {
	// The worked example of the paper: a customer with x = 2, t_x = 30.43, T = 38.86.
	c := Customer{X: 2, TX: 30.43, T: 38.86}
	require.InDelta(t, 1.226, cdnow.Expected(c, 39), 0.0005)
	// What its formula gives for P(alive), by hand.
	odds := 0.793 / (2.426 + 2 - 1) * math.Pow((4.414+38.86)/(4.414+30.43), 2.243)
	require.InDelta(t, 1/(1+odds), cdnow.PAlive(c), 1e-12)
	require.InDelta(t, 0.7266, cdnow.PAlive(c), 0.0001)
	require.Equal(t, 1.0, cdnow.PAlive(Customer{T: 38.86}), "whoever has ordered once has had no chance to leave")
}

func TestPublishedSpend(t *testing.T) {
	// Expected values of an order by the published model for customers of the CDNOW sample,
	// as the tables of the software for these models print them.
	for _, c := range []struct{ x, m, want float64 }{{2, 22.35, 24.66}, {1, 11.77, 18.91}, {7, 73.74, 71.46}, {2, 25.55, 27.28}, {0, 0, 35.17}} {
		require.InEpsilon(t, c.want, cdnowSpend.Expected(c.x, c.m), 0.002, "x %v, m %v", c.x, c.m)
	}
	require.InDelta(t, 6.25*15.44/2.74, cdnowSpend.Mean(), 1e-9)
	require.True(t, math.IsInf(Spend{P: 1, Q: 0.9, Gamma: 3}.Mean(), 1))
}

// numeric returns the likelihood of a customer by summing up what the model says happens,
// with the two distributions integrated numerically.
func numeric(p Params, c Customer) float64 {
	const n = 4000
	// Midpoints of quantile-free substitutions: λ = u/(1−u)·scale, q = v.
	gamma := func(l float64) float64 {
		return math.Exp(p.R*math.Log(p.Alpha) + (p.R-1)*math.Log(l) - p.Alpha*l - lgamma(p.R))
	}
	beta := func(v float64) float64 {
		return math.Exp((p.A-1)*math.Log(v) + (p.B-1)*math.Log1p(-v) + lgamma(p.A+p.B) - lgamma(p.A) - lgamma(p.B))
	}
	integrate := func(f func(float64) float64) float64 {
		sum := 0.0
		for i := range n {
			// u = s³(10−15s+6s²) takes the ends' singularities away.
			s := (float64(i) + 0.5) / n
			u := s * s * s * (10 - 15*s + 6*s*s)
			du := 30 * s * s * (1 - s) * (1 - s)
			if u <= 0 || u >= 1 {
				continue
			}
			sum += f(u) * du / n
		}
		return sum
	}
	overRate := func(f func(l float64) float64) float64 {
		return integrate(func(u float64) float64 { l := u / (1 - u); return f(l) * gamma(l) / ((1 - u) * (1 - u)) })
	}
	stay := overRate(func(l float64) float64 { return math.Pow(l, c.X) * math.Exp(-l*c.T) }) *
		integrate(func(v float64) float64 { return math.Pow(1-v, c.X) * beta(v) })
	if c.X == 0 {
		return stay
	}
	left := overRate(func(l float64) float64 { return math.Pow(l, c.X) * math.Exp(-l*c.TX) }) *
		integrate(func(v float64) float64 { return v * math.Pow(1-v, c.X-1) * beta(v) })
	return stay + left
}

func TestLikelihoodAgainstIntegration(t *testing.T) {
	p := Params{R: 1.7, Alpha: 4.4, A: 1.6, B: 2.4}
	for _, c := range []Customer{{0, 0, 20}, {1, 3, 20}, {2, 15, 20}, {5, 19, 20}} {
		require.InEpsilon(t, numeric(p, c), math.Exp(p.LogLikelihood(c)), 1e-4, "%+v", c)
	}
}

func TestDistributionHasTheExpectation(t *testing.T) {
	for _, p := range []Params{cdnow, {R: 2, Alpha: 9, A: 1.7, B: 3}} {
		for _, c := range []Customer{{0, 0, 30}, {2, 30.43, 38.86}, {12, 38, 38.86}} {
			sum, mean := 0.0, 0.0
			orders := p.Orders(c, 39, 2000)
			for n, chance := range orders {
				require.GreaterOrEqual(t, chance, -1e-15)
				sum += chance
				mean += float64(n) * chance
			}
			require.InDelta(t, 1, sum, 1e-12)
			require.InEpsilon(t, p.Expected(c, 39), mean, 1e-5, "%+v", c)
			low, high := Interval(orders, 0.1)
			require.LessOrEqual(t, float64(low), math.Ceil(mean))
			require.GreaterOrEqual(t, float64(high), math.Floor(mean)-1)
		}
	}
	require.Len(t, cdnow.Orders(Customer{X: 2, TX: 30, T: 38}, 39, 3), 4, "bounded")
}

func TestIntervalCutsTails(t *testing.T) {
	low, high := Interval([]float64{0.05, 0.1, 0.5, 0.25, 0.1}, 0.1)
	require.Equal(t, []int{1, 3}, []int{low, high})
	low, high = Interval([]float64{0.95, 0.05}, 0.1)
	require.Equal(t, []int{0, 0}, []int{low, high})
}

func TestNextOrderIsWhenNobodyHasNotOrdered(t *testing.T) {
	c := Customer{X: 4, TX: 30, T: 38}
	for _, share := range []float64{0.1, 0.5, 0.9} {
		at := cdnow.NextOrder(c, share)
		q := cdnow.Alive(c)
		require.InDelta(t, 1-share, math.Pow(q.Alpha/(q.Alpha+at), q.R), 1e-12)
	}
}

func TestDiscountedOrders(t *testing.T) {
	c := Customer{X: 2, TX: 30.43, T: 38.86}
	require.InEpsilon(t, cdnow.Expected(c, 52), cdnow.DiscountedOrders(c, 52, 0), 1e-12, "without a discount they are the expected orders")
	for _, rate := range []float64{0.002, 0.02} {
		sum, before := 0.0, 0.0
		const steps = 20_000
		for i := range steps {
			at := 52 * float64(i+1) / steps
			e := cdnow.Expected(c, at)
			sum += (e - before) * math.Exp(-rate*52*(float64(i)+0.5)/steps)
			before = e
		}
		require.InEpsilon(t, sum, cdnow.DiscountedOrders(c, 52, rate), 1e-6)
	}
}

// simulated makes customers who behave as a model says.
func simulated(p Params, s Spend, n int, days int64, rng *rand.Rand) (*Cells, *SpendCells) {
	var cells Cells
	var money SpendCells
	for range n {
		x, tx, t := p.Simulate(rng, days-rng.Int64N(days/2))
		cells.Add(x, tx, t)
		if x > 0 {
			money.Add(x, s.Simulate(rng, x))
		}
	}
	return &cells, &money
}

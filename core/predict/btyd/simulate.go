package btyd

import (
	"math"
	"math/rand/v2"
)

// Simulate draws somebody who behaves as the model says, days after their first order:
// how many orders followed, and the days from the first to the last and to now. Alpha
// is in days.
func (p Params) Simulate(rng *rand.Rand, days int64) (x, txDays, tDays int64) {
	rate := drawGamma(rng, p.R) / p.Alpha
	a, b := drawGamma(rng, p.A), drawGamma(rng, p.B)
	leave := a / (a + b)
	for at := rng.ExpFloat64() / rate; at <= float64(days); at += rng.ExpFloat64() / rate {
		x, txDays = x+1, int64(at)
		if rng.Float64() < leave {
			break
		}
	}
	return x, txDays, days
}

// Simulate draws what x orders of somebody are worth on average who spends as the model
// says.
func (s Spend) Simulate(rng *rand.Rand, x int64) float64 {
	return drawGamma(rng, s.P*float64(x)) * s.Gamma / drawGamma(rng, s.Q) / float64(x)
}

// drawGamma draws from the gamma distribution with a scale of 1 (Marsaglia and Tsang,
// "A Simple Method for Generating Gamma Variables", 2000).
func drawGamma(rng *rand.Rand, shape float64) float64 {
	if shape < 1 {
		return drawGamma(rng, shape+1) * math.Pow(rng.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := math.Pow(1+c*x, 3)
		if v > 0 && math.Log(rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

package experiment

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// MismatchAlpha is below which p a sample ratio mismatch is taken for real.
const MismatchAlpha = 0.001

// Ratio is what the check of the sample ratio says.
type Ratio struct {
	ChiSquared float64
	Degrees    int
	P          float64 // chance of a ratio at least so far from the plan when nothing is wrong
	Mismatch   bool    // P < MismatchAlpha: the assignment or the counting is broken, and no result is to be believed
}

// SampleRatio compares how many people came to each arm with the weights that it has,
// by Pearson's test: χ² = Σ(n - e)²/e with e = N·w/Σw and one degree of freedom less than
// there are arms with a weight. Somebody in an arm without a weight is a mismatch. Nobody
// at all is none (P is 1). Source: A. Fabijan et al., "Diagnosing sample ratio mismatch in
// online controlled experiments", KDD 2019; the bound of 0.001 is R. Kohavi, D. Tang,
// Y. Xu, "Trustworthy online controlled experiments", chapter 21.
func SampleRatio(counts []int64, weights []float64) Ratio {
	total, sum := 0.0, 0.0
	for i, n := range counts {
		total += float64(n)
		sum += weights[i]
	}
	r := Ratio{P: 1, Degrees: -1}
	for i, n := range counts {
		if weights[i] <= 0 {
			if n > 0 {
				r.ChiSquared, r.P = math.Inf(1), 0
			}
			continue
		}
		r.Degrees++
		if total > 0 {
			e := total * weights[i] / sum
			r.ChiSquared += (float64(n) - e) * (float64(n) - e) / e
		}
	}
	r.Degrees = max(r.Degrees, 0)
	if r.Degrees > 0 && !math.IsInf(r.ChiSquared, 1) {
		r.P = distuv.ChiSquared{K: float64(r.Degrees)}.Survival(r.ChiSquared)
	}
	r.Mismatch = r.P < MismatchAlpha
	return r
}

package experiment

import "math"

// Anytime is what may be said of a difference however often one looks at it.
type Anytime struct {
	P        float64  // always valid: the chance that it ever falls to a is at most a when there is no difference
	Interval Interval // holds the difference at all looks together with the confidence 1-alpha
}

// AlwaysValid turns an estimate of a difference, normal with the variance se² of the
// estimate, into a p-value and an interval that hold at every look, by the mixture
// sequential probability ratio test with the mixture N(0, τ²):
//
//	Λ = √(se²/(se²+τ²)) · exp(τ²·d² / (2·se²·(se²+τ²))),  p = min(1, 1/Λ)
//	d ± √((2·se²·(se²+τ²)/τ²) · (ln(1/α) + ½·ln((se²+τ²)/se²)))
//
// τ is about the effect that one hopes for: the plan's. The test holds for any τ; it is
// the sooner done the nearer τ is to the truth. Source: R. Johari, L. Pekelis,
// D. J. Walsh, "Always valid inference: bringing sequential analysis to A/B testing"
// (2015), and H. Robbins, "Statistical methods related to the law of the iterated
// logarithm", Annals of Mathematical Statistics 41 (1970).
func AlwaysValid(estimate, se2, tau, alpha float64) Anytime {
	t2 := tau * tau
	if se2 <= 0 || math.IsNaN(se2) || t2 <= 0 {
		return Anytime{P: 1, Interval: Interval{math.Inf(-1), math.Inf(1)}}
	}
	log := 0.5*math.Log(se2/(se2+t2)) + t2*estimate*estimate/(2*se2*(se2+t2))
	half := math.Sqrt(2 * se2 * (se2 + t2) / t2 * (math.Log(1/alpha) + 0.5*math.Log((se2+t2)/se2)))
	return Anytime{P: math.Min(1, math.Exp(-log)), Interval: Interval{estimate - half, estimate + half}}
}

// errorOfRates returns the variance of the difference of two rates. Each rate is taken
// with one more person who did and one who did not, so that it is never 0 for want of
// data. Source: A. Agresti, B. Caffo, "Simple and effective confidence intervals for
// proportions and differences of proportions", The American Statistician 54 (2000).
func errorOfRates(control, arm Rate) float64 {
	of := func(r Rate) float64 {
		n := float64(r.N) + 2
		p := (float64(r.Hits) + 1) / n
		return p * (1 - p) / n
	}
	return of(control) + of(arm)
}

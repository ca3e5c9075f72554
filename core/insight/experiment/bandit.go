package experiment

import "gonum.org/v1/gonum/stat/distuv"

// quadrature is on how many points the chance to be the best is worked out.
const quadrature = 400

// Best returns, for each arm, the chance that its rate is the highest, when each rate is
// Beta(1+hits, 1+misses): what Thompson's rule gives as the share of the next people. It
// is ∫Πⱼ Fⱼ(x)·fᵢ(x)dx over the arms j ≠ i, worked out by the midpoint rule in u = Fᵢ(x),
// so that the result is the same each time; the parts add up to 1. Source: W. R. Thompson,
// "On the likelihood that one unknown probability exceeds another in view of the evidence
// of two samples", Biometrika 25 (1933).
//
// This is not a test: it says nothing of how often one is wrong, and arms that it starves
// are estimated badly.
func Best(arms []Rate) []float64 {
	out := make([]float64, len(arms))
	dists := make([]distuv.Beta, len(arms))
	for i, a := range arms {
		dists[i] = distuv.Beta{Alpha: 1 + float64(a.Hits), Beta: 1 + float64(a.N-a.Hits)}
	}
	sum := 0.0
	for i := range dists {
		for k := range quadrature {
			x := dists[i].Quantile((float64(k) + 0.5) / quadrature)
			all := 1.0
			for j := range dists {
				if j != i {
					all *= dists[j].CDF(x)
				}
			}
			out[i] += all / quadrature
		}
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// Weights turns chances into whole weights that add up to total, each at least least
// where total allows it: an arm that nobody sees any more can never be found better.
func Weights(chances []float64, total, least int) []int {
	n := len(chances)
	least = max(0, min(least, total/max(1, n)))
	out := make([]int, n)
	rest := make([]float64, n)
	left := total - least*n
	given := 0
	for i, c := range chances {
		whole := int(c * float64(left))
		out[i], rest[i] = least+whole, c*float64(left)-float64(whole)
		given += whole
	}
	for ; given < left; given++ {
		most := 0
		for i := range rest {
			if rest[i] > rest[most] {
				most = i
			}
		}
		out[most]++
		rest[most]--
	}
	return out
}

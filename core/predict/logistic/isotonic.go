package logistic

import (
	"slices"

	"github.com/headwater-cdp/headwater/core"
)

// Isotonic is a calibration that asks nothing of scores but that a higher one means no
// smaller chance: between its knots the chance rises in a straight line, beyond them it
// stays. The zero Isotonic gives every score the chance 0.
type Isotonic struct {
	Score  []float64 `bson:"score"`  // of the knots, rising
	Chance []float64 `bson:"chance"` // of each, never falling
}

// FitIsotonic fits a calibration to scores that a model gave rows which it was not fitted
// to: of all that never fall it is the one with the least sum of squares, found by pooling
// adjacent violators (Ayer and others, "An Empirical Distribution Function for Sampling
// with Incomplete Information", 1955; for calibration Zadrozny and Elkan, "Transforming
// Classifier Scores into Accurate Multiclass Probability Estimates", 2002). No chance of n
// rows is nearer to certain than 1/(n+2), so that its log odds are finite. Where the
// outcomes are all the same it is INVALID with reason ONE_OUTCOME.
func FitIsotonic(scores []float64, outcomes []bool) (Isotonic, error) {
	if !slices.Contains(outcomes, true) || !slices.Contains(outcomes, false) {
		return Isotonic{}, core.Errorf(core.Invalid, "ONE_OUTCOME", "a calibration needs rows with either outcome")
	}
	var at, shares, weights []float64
	order := sorted(scores)
	for i := 0; i < len(order); {
		j, yes := i, 0.0
		for ; j < len(order) && scores[order[j]] == scores[order[i]]; j++ {
			if outcomes[order[j]] {
				yes++
			}
		}
		n := float64(j - i)
		at, shares, weights = append(at, scores[order[i]]), append(shares, yes/n), append(weights, n)
		i = j
	}
	shares = pool(shares, weights)
	least := 1 / float64(len(scores)+2)
	var out Isotonic
	for i, v := range shares {
		// Of those that were pooled the first and the last.
		if i == 0 || i == len(shares)-1 || shares[i-1] != v || shares[i+1] != v {
			out.Score, out.Chance = append(out.Score, at[i]), append(out.Chance, min(max(v, least), 1-least))
		}
	}
	return out, nil
}

// pool returns the values that never fall and are nearest to some values with weights.
func pool(values, weights []float64) []float64 {
	type block struct {
		mean, weight float64
		n            int
	}
	var blocks []block
	for i, v := range values {
		b := block{v, weights[i], 1}
		for len(blocks) > 0 && blocks[len(blocks)-1].mean >= b.mean {
			last := blocks[len(blocks)-1]
			blocks = blocks[:len(blocks)-1]
			w := last.weight + b.weight
			b = block{(last.mean*last.weight + b.mean*b.weight) / w, w, last.n + b.n}
		}
		blocks = append(blocks, b)
	}
	out := make([]float64, 0, len(values))
	for _, b := range blocks {
		for range b.n {
			out = append(out, b.mean)
		}
	}
	return out
}

// Of returns the calibrated chance of a score.
func (c Isotonic) Of(score float64) float64 {
	if len(c.Score) == 0 {
		return 0
	}
	i, found := slices.BinarySearch(c.Score, score)
	switch {
	case found:
		return c.Chance[i]
	case i == 0:
		return c.Chance[0]
	case i == len(c.Score):
		return c.Chance[i-1]
	}
	share := (score - c.Score[i-1]) / (c.Score[i] - c.Score[i-1])
	return c.Chance[i-1] + share*(c.Chance[i]-c.Chance[i-1])
}

package predict

import (
	"math"
	"slices"
)

// The bins of what people are told apart by, as their lower edges after the first;
// amounts are in those of a typical customer.
var (
	driftKeys  = []string{"orders_after_first", "weeks_since_last_order", "average_order"}
	driftEdges = [][]float64{{1, 2, 3, 5, 8, 13}, {2, 4, 8, 13, 26, 52, 104}, {0.25, 0.5, 0.75, 1, 1.5, 2, 4}}
)

// histogram counts people in the bins.
type histogram struct {
	typical typical
	counts  [][]float64
}

func newHistogram(t typical) *histogram {
	h := &histogram{typical: t}
	for _, edges := range driftEdges {
		h.counts = append(h.counts, make([]float64, len(edges)+1))
	}
	return h
}

func (g *histogram) add(h history) {
	amount := h.mean / max(g.typical.Amount, 1e-9)
	for i, v := range []float64{float64(h.x), float64(h.t-h.tx) / week, amount} {
		if i == 2 && h.worthDays == 0 {
			continue // what was not paid says nothing of amounts
		}
		bin, at := slices.BinarySearch(driftEdges[i], v)
		if at {
			bin++
		}
		g.counts[i][bin]++
	}
}

// shares returns the counts as shares of their sums.
func (g *histogram) shares() [][]float64 {
	out := make([][]float64, len(g.counts))
	for i, counts := range g.counts {
		sum := 0.0
		for _, n := range counts {
			sum += n
		}
		out[i] = make([]float64, len(counts))
		for j, n := range counts {
			out[i][j] = n / max(sum, 1)
		}
	}
	return out
}

// drift returns the population stability index of each number between two sets of
// shares,
//
//	Σ (now − then) ln(now/then)
//
// with shares taken as at least a ten-thousandth. By custom, below 0.1 nothing much has
// changed, and above 0.25 a model should be trained anew (Siddiqi, "Credit Risk
// Scorecards", 2006).
func drift(then, now [][]float64) map[string]float64 {
	out := map[string]float64{}
	for i, key := range driftKeys {
		if i >= len(then) || i >= len(now) || len(then[i]) != len(now[i]) {
			continue
		}
		sum := 0.0
		for j := range then[i] {
			a, b := max(then[i][j], 1e-4), max(now[i][j], 1e-4)
			sum += (b - a) * math.Log(b/a)
		}
		out[key] = sum
	}
	return out
}

package attribution

import (
	"cmp"
	"math"
	"slices"
)

// Apportion shares a whole number of units among parties in proportion to their
// weights, which are not negative, so that what they get adds up to total exactly: each
// gets the whole part of its due, and what is left goes, unit by unit, to those with the
// largest remainders (Hamilton's method; of equal ones to the first). A negative total is
// shared like its opposite. When no weight is positive everything goes to nobody, and the
// sum is 0.
func Apportion(total int64, weights []float64) []int64 {
	out := make([]int64, len(weights))
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	if sum <= 0 || total == 0 {
		return out
	}
	sign := int64(1)
	if total < 0 {
		sign, total = -1, -total
	}
	type due struct {
		i    int
		rest float64
	}
	left := total
	dues := make([]due, 0, len(weights))
	for i, w := range weights {
		if w <= 0 {
			continue
		}
		q := w
		if float64(total) != sum { // else each has its due already, without a rounding
			q = float64(total) * (w / sum)
		}
		whole := math.Floor(q)
		// What floating point makes of a whole number may lie a hair beneath it.
		if near := math.Round(q); near > whole && near-q < 1e-9*math.Max(1, near) {
			whole = near
		}
		out[i] = min(int64(whole), left)
		left -= out[i]
		dues = append(dues, due{i, q - whole})
	}
	slices.SortStableFunc(dues, func(a, b due) int { return cmp.Compare(b.rest, a.rest) })
	for k := 0; left > 0; k = (k + 1) % len(dues) {
		out[dues[k].i]++
		left--
	}
	for i := range out {
		out[i] *= sign
	}
	return out
}

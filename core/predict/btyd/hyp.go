package btyd

import (
	"math"

	"github.com/headwater-cdp/headwater/core"
)

// maxTerms is how many terms of a series are added before it counts as not converging.
const maxTerms = 200_000

// Hyp2F1 returns the hypergeometric function 2F1(a, b; c; z) for z < 1 and c that is not
// 0 or a negative whole number, by its power series after a transformation that makes
// the series fast:
//
//	2F1(a, b; c; z) = (1−z)^(−a) 2F1(a, c−b; c; z/(z−1))   (Pfaff, for z < 0)
//	2F1(a, b; c; z) = (1−z)^(c−a−b) 2F1(c−a, c−b; c; z)    (Euler, where c < a+b)
//
// (Abramowitz and Stegun, 15.3.3 and 15.3.4). Outside of that, or where the series does
// not converge or cancels itself, it is INVALID with reason HYP2F1.
func Hyp2F1(a, b, c, z float64) (float64, error) {
	switch {
	case math.IsNaN(a+b+c+z) || z >= 1 || c <= 0 && c == math.Trunc(c):
		return 0, core.Errorf(core.Invalid, "HYP2F1", "2F1 is computed for z below 1 and c that is not 0 or a negative whole number")
	case z < 0:
		f, ok := series(a, c-b, c, z/(z-1), exactly)
		return checked(math.Pow(1-z, -a)*f, ok)
	case c < a+b:
		f, ok := series(c-a, c-b, c, z, exactly)
		return checked(math.Pow(1-z, c-a-b)*f, ok)
	}
	f, ok := series(a, b, c, z, exactly)
	return checked(f, ok)
}

func checked(f float64, ok bool) (float64, error) {
	if !ok || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, core.Errorf(core.Invalid, "HYP2F1", "the series of 2F1 does not converge here")
	}
	return f, nil
}

// How little of a sum is left out: as much as a float64 can tell, and what scoring goes by.
const (
	exactly = 1e-17
	nearly  = 1e-11
)

// series adds up the power series for 0 <= z < 1; ok is false when it does not converge
// or when what cancels leaves fewer than about six digits.
func series(a, b, c, z, left float64) (sum float64, ok bool) {
	sum = 1
	left *= 1 - z
	term, most := 1.0, 1.0
	for k := 0.0; k < maxTerms; k++ {
		term *= (a + k) * (b + k) / ((c + k) * (k + 1)) * z
		sum += term
		size := math.Abs(term)
		if size > most {
			most = size
		}
		// Beyond |a| and |b| the terms fall like powers of z, so that the rest is of the
		// order of the last over 1−z.
		if size <= left*math.Abs(sum) || term == 0 {
			return sum, most <= 1e9*math.Abs(sum)
		}
	}
	return sum, false
}

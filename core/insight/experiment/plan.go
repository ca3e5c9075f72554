package experiment

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/headwater-cdp/headwater/core"
)

// Formula names how a number of people was worked out.
type Formula string

// The formulas.
const (
	// BaselineNull is of two proportions: see SampleSize.
	BaselineNull Formula = "TWO_PROPORTIONS_BASELINE_NULL"
	// EqualVariances is of two means: see SampleSizeOfMeans.
	EqualVariances Formula = "TWO_MEANS_EQUAL_VARIANCES"
)

// Size is how many people a test needs.
type Size struct {
	Formula Formula
	Exact   float64 // in each arm, before rounding up
	PerArm  int64
	Alpha   float64 // of each comparison: the plan's, divided by their number
}

// maxPerArm is the most people that a plan may ask for in one arm: more than there are.
const maxPerArm = 1e10

// z returns the upper quantile of the standard normal distribution.
func z(tail float64) float64 { return -distuv.UnitNormal.Quantile(tail) }

// SampleSize returns how many people each arm needs so that a two-sided test at the
// level alpha finds a change of a rate from baseline p to target q with the given power:
//
//	n = (z(α/2)·√(2p(1-p)) + z(β)·√(p(1-p) + q(1-q)))² / (q-p)²
//
// where β = 1 - power. The variance under the null hypothesis is that of the baseline in
// both arms; formulas that pool p and q there give other numbers (of 0.20 → 0.25 this one
// 1030.2, a pooled one 1093.7 for α 0.05 and power 0.8). All four are greater than 0 and
// less than 1. With more than one comparison (arms against a control) alpha is divided by
// their number (Bonferroni). Source: the calculator of E. Miller, "How not to run an A/B
// test" (2010); J. L. Fleiss, "Statistical methods for rates and proportions", chapter 4.
func SampleSize(baseline, target, alpha, power float64, comparisons int) (Size, error) {
	if err := checkLevels(alpha, power); err != nil {
		return Size{}, err
	}
	switch {
	case !(baseline > 0 && baseline < 1):
		return Size{}, invalid("BASELINE", "the baseline is a rate greater than 0 and less than 1, for example 0.2").At("baseline")
	case !(target > 0 && target < 1):
		return Size{}, invalid("EFFECT", "the baseline and the effect add up to a rate greater than 0 and less than 1").At("effect")
	case target == baseline:
		return Size{}, invalid("EFFECT", "the effect is not 0: no number of people shows a difference that there is not").At("effect")
	}
	a := alpha / float64(max(1, comparisons))
	p, q := baseline, target
	root := z(a/2)*math.Sqrt(2*p*(1-p)) + z(1-power)*math.Sqrt(p*(1-p)+q*(1-q))
	return size(BaselineNull, root*root/((q-p)*(q-p)), a)
}

// SampleSizeOfMeans returns how many people each arm needs so that a two-sided test at
// the level alpha finds a difference of means with the given power, when values have the
// standard deviation sd in both arms:
//
//	n = 2·(z(α/2) + z(β))²·sd² / difference²
//
// sd is positive, the difference not 0, both in the unit of the values. Alpha is divided
// by the number of comparisons. Source: S.-C. Chow, J. Shao, H. Wang, "Sample size
// calculations in clinical research", section 3.2.
func SampleSizeOfMeans(sd, difference, alpha, power float64, comparisons int) (Size, error) {
	if err := checkLevels(alpha, power); err != nil {
		return Size{}, err
	}
	switch {
	case !(sd > 0) || math.IsInf(sd, 0):
		return Size{}, invalid("DEVIATION", "the standard deviation of the values is greater than 0").At("deviation")
	case difference == 0 || math.IsNaN(difference) || math.IsInf(difference, 0):
		return Size{}, invalid("EFFECT", "the effect is not 0: no number of people shows a difference that there is not").At("effect")
	}
	a := alpha / float64(max(1, comparisons))
	root := (z(a/2) + z(1-power)) * sd / difference
	return size(EqualVariances, 2*root*root, a)
}

func size(f Formula, n, alpha float64) (Size, error) {
	if !(n <= maxPerArm) {
		return Size{}, invalid("EFFECT", "an effect so small needs more than %.0f people in each arm; look for a greater one", float64(maxPerArm)).At("effect")
	}
	return Size{Formula: f, Exact: n, PerArm: max(2, int64(math.Ceil(n-1e-9))), Alpha: alpha}, nil
}

func checkLevels(alpha, power float64) *core.Error {
	switch {
	case !(alpha > 0 && alpha < 1):
		return invalid("ALPHA", "alpha, the chance of a false alarm, is greater than 0 and less than 1, for example 0.05").At("alpha")
	case !(power > 0 && power < 1):
		return invalid("POWER", "the power, the chance to find the effect, is greater than 0 and less than 1, for example 0.8").At("power")
	case power <= alpha:
		return invalid("POWER", "the power is greater than alpha: else a test that looks at nothing would do").At("power")
	}
	return nil
}

func invalid(reason, format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, reason, format, args...)
}

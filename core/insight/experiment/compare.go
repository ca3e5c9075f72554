package experiment

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval holds the truth with the confidence that it was made for.
type Interval struct{ Low, High float64 }

// Compared is how an arm differs from the control.
type Compared struct {
	Method   string   // of P and Interval, by name
	Estimate float64  // the arm's rate or mean less the control's
	Interval Interval // of the estimate
	P        float64  // two-sided; 1 where nothing can be said
	Degrees  float64  // of freedom, where the method has any
	// Lift is the estimate as a part of the control's rate or mean: 0.1 is ten per cent
	// more. HasLift is false where the control has none.
	Lift         float64
	HasLift      bool
	LiftInterval *Interval // nil where there is none that is bounded
}

// Rate is how many of n people did something.
type Rate struct{ N, Hits int64 }

// Of returns the rate, 0 for nobody.
func (r Rate) Of() float64 {
	if r.N == 0 {
		return 0
	}
	return float64(r.Hits) / float64(r.N)
}

// Wilson returns the score interval of a rate with the confidence 1-alpha: the rates q
// with |p-q| ≤ z(α/2)·√(q(1-q)/n). Of nobody it is 0 to 1. Source: E. B. Wilson, "Probable
// inference, the law of succession, and statistical inference", JASA 22 (1927).
func Wilson(r Rate, alpha float64) Interval {
	if r.N == 0 {
		return Interval{0, 1}
	}
	n, p, c := float64(r.N), r.Of(), z(alpha/2)
	mid, half := p+c*c/(2*n), c*math.Sqrt(p*(1-p)/n+c*c/(4*n*n))
	return Interval{max(0, (mid-half)/(1+c*c/n)), min(1, (mid+half)/(1+c*c/n))}
}

// Proportions compares the rate of an arm with that of the control.
//
// P is that of the pooled z test: z = (p₁-p₀)/√(p(1-p)(1/n₁+1/n₀)), p of both together.
// The interval is Newcombe's hybrid score interval, made of the two Wilson intervals:
// d - √((p₁-l₁)² + (u₀-p₀)²) to d + √((u₁-p₁)² + (p₀-l₀)²). Source: R. G. Newcombe,
// "Interval estimation for the difference between independent proportions", Statistics in
// Medicine 17 (1998), method 10. Of the lift, p₁/p₀ - 1, it is Katz's by the delta method:
// exp(ln(p₁/p₀) ± z·√((1-p₁)/x₁ + (1-p₀)/x₀)) - 1, where both have hits. Source: D. Katz
// et al., "Obtaining confidence intervals for the risk ratio in cohort studies",
// Biometrics 34 (1978).
func Proportions(control, arm Rate, alpha float64) Compared {
	p0, p1 := control.Of(), arm.Of()
	out := Compared{Method: "TWO_PROPORTIONS_Z_NEWCOMBE", Estimate: p1 - p0, P: 1}
	w0, w1 := Wilson(control, alpha), Wilson(arm, alpha)
	out.Interval = Interval{
		Low:  max(-1, out.Estimate-math.Hypot(p1-w1.Low, w0.High-p0)),
		High: min(1, out.Estimate+math.Hypot(w1.High-p1, p0-w0.Low)),
	}
	if control.N == 0 || arm.N == 0 {
		out.Interval = Interval{-1, 1}
		return out
	}
	n0, n1 := float64(control.N), float64(arm.N)
	p := float64(control.Hits+arm.Hits) / (n0 + n1)
	if se := math.Sqrt(p * (1 - p) * (1/n0 + 1/n1)); se > 0 {
		out.P = 2 * distuv.UnitNormal.Survival(math.Abs(out.Estimate)/se)
	}
	if p0 > 0 {
		out.Lift, out.HasLift = p1/p0-1, true
	}
	if control.Hits > 0 && arm.Hits > 0 {
		half := z(alpha/2) * math.Sqrt((1-p1)/float64(arm.Hits)+(1-p0)/float64(control.Hits))
		out.LiftInterval = &Interval{p1/p0*math.Exp(-half) - 1, p1/p0*math.Exp(half) - 1}
	}
	return out
}

// Sample is what is known of the values of n people: their mean, and the sum of the
// squares of their distances from it. It is gathered value by value without the loss that
// comes of subtracting large sums (B. P. Welford, Technometrics 4 (1962)).
type Sample struct {
	N          int64
	Mean, Rest float64
}

// Add adds the value of one person.
func (s *Sample) Add(x float64) {
	s.N++
	d := x - s.Mean
	s.Mean += d / float64(s.N)
	s.Rest += d * (x - s.Mean)
}

// Variance returns the unbiased estimate of the variance; 0 of fewer than two people.
func (s Sample) Variance() float64 {
	if s.N < 2 {
		return 0
	}
	return s.Rest / float64(s.N-1)
}

// Means compares the mean of an arm with that of the control by Welch's test, which
// takes no variances for equal: t = (m₁-m₀)/√(v₁/n₁+v₀/n₀) with the degrees of freedom of
// Welch and Satterthwaite. Source: B. L. Welch, "[...] of Student's problem
// when several different population variances are involved", Biometrika 34 (1947). The
// interval of the lift, m₁/m₀ - 1, is Fieller's with the same quantile; it is nil where
// the control's mean is not clearly different from 0, for then it is not bounded. Source:
// E. C. Fieller, "Some problems in interval estimation", JRSS B 16 (1954).
func Means(control, arm Sample, alpha float64) Compared {
	out := Compared{Method: "WELCH_T_FIELLER", Estimate: arm.Mean - control.Mean, P: 1}
	if control.Mean != 0 {
		out.Lift, out.HasLift = arm.Mean/control.Mean-1, true
	}
	if control.N < 2 || arm.N < 2 {
		out.Interval = Interval{math.Inf(-1), math.Inf(1)}
		return out
	}
	e0, e1 := control.Variance()/float64(control.N), arm.Variance()/float64(arm.N)
	se2 := e0 + e1
	out.Interval = Interval{out.Estimate, out.Estimate}
	if se2 == 0 { // everybody had the same
		if out.Estimate != 0 {
			out.P = 0
		}
		return out
	}
	out.Degrees = se2 * se2 / (e0*e0/float64(control.N-1) + e1*e1/float64(arm.N-1))
	t := distuv.StudentsT{Sigma: 1, Nu: out.Degrees}
	out.P = 2 * t.Survival(math.Abs(out.Estimate)/math.Sqrt(se2))
	q := t.Quantile(1 - alpha/2)
	half := q * math.Sqrt(se2)
	out.Interval = Interval{out.Estimate - half, out.Estimate + half}
	m0, m1 := control.Mean, arm.Mean
	if g := q * q * e0; m0*m0 > g {
		root := q * math.Sqrt(m0*m0*e1+m1*m1*e0-g*e1)
		low, high := (m0*m1-root)/(m0*m0-g), (m0*m1+root)/(m0*m0-g)
		out.LiftInterval = &Interval{low - 1, high - 1}
	}
	return out
}

package experiment

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// State says what can be said.
type State string

// The states.
const (
	NotStarted     State = "NOT_STARTED"
	Insufficient   State = "INSUFFICIENT_DATA"     // fewer people than the plan asks for
	RatioMismatch  State = "SAMPLE_RATIO_MISMATCH" // no result is to be believed
	Undecided      State = "UNDECIDED"             // of SEQUENTIAL: nothing was found yet
	Significant    State = "SIGNIFICANT"
	NotSignificant State = "NOT_SIGNIFICANT"
	NoTest         State = "NOT_A_TEST" // a bandit gives weights, not a verdict
)

// sequentialLeast is how many people a SEQUENTIAL test has in each arm before anything is
// said: fewer are not nearly normal.
const sequentialLeast = 100

// ArmResult is what is known of one arm.
type ArmResult struct {
	Name    string
	Exposed int64 // people who came to the arm
	Ready   int64 // of them, whose window is over
	Judged  int64 // of those, by whom it is judged
	Missing int64 // how many more with their window over the plan asks for
	Hits    int64 // of those judged, who converted
	Mean    float64
	Var     float64 // of OfValue: the variance of the values
	Chance  float64 // of BANDIT: to be the best
	Weight  int     // of BANDIT: that it should have, of 10,000
}

// Comparison is an arm against the control.
type Comparison struct {
	Arm string
	Compared
	Significant bool
}

// Result is what came of an experiment so far.
type Result struct {
	State       State
	AsOf        time.Time
	Winner      string // of SIGNIFICANT: the arm that is better than all it was compared with, or the control
	Arms        []ArmResult
	Comparisons []Comparison // none before there is enough
	Ratio       Ratio
	Crossed     int64   // people who came to several arms; they count in the first
	Strange     int64   // exposures to arms that the plan has not
	Alpha       float64 // of each comparison
}

// unit is one person in an arm.
type unit struct {
	at    int64 // of the exposure, in milliseconds
	ready bool
	hit   bool
	value float64
}

// judge says what the people in each arm show, in the order of the plan's arms. The slices
// are sorted.
func (p *Plan) judge(size Size, arms [][]unit, now time.Time) *Result {
	out := &Result{AsOf: now, Alpha: size.Alpha}
	counts, weights := make([]int64, len(arms)), make([]float64, len(arms))
	rates, samples := make([]Rate, len(arms)), make([]Sample, len(arms))
	least := size.PerArm
	if p.Mode == Sequential {
		least = min(least, sequentialLeast)
	}
	enough, full := true, true
	for i, a := range p.Arms {
		r := ArmResult{Name: a.Name, Exposed: int64(len(arms[i]))}
		counts[i], weights[i] = r.Exposed, float64(a.Weight)
		slices.SortFunc(arms[i], func(a, b unit) int { return cmp.Compare(a.at, b.at) })
		for _, u := range arms[i] {
			if !u.ready {
				continue
			}
			r.Ready++
			if p.Mode == Fixed && r.Judged >= size.PerArm {
				continue
			}
			r.Judged++
			if rates[i].N++; u.hit {
				rates[i].Hits++
			}
			samples[i].Add(u.value)
		}
		r.Hits, r.Missing = rates[i].Hits, max(0, size.PerArm-r.Ready)
		if p.Kind == OfConversion {
			r.Mean = rates[i].Of()
		} else {
			r.Mean, r.Var = samples[i].Mean, samples[i].Variance()
		}
		enough, full = enough && r.Ready >= least, full && r.Missing == 0
		out.Arms = append(out.Arms, r)
	}
	out.Ratio = SampleRatio(counts, weights)
	switch {
	case p.Mode == Bandit:
		out.State = NoTest
		chances := Best(rates)
		for i, w := range Weights(chances, 10000, 100) {
			out.Arms[i].Chance, out.Arms[i].Weight = chances[i], w
		}
		return out
	case out.Ratio.Mismatch:
		out.State = RatioMismatch
		return out
	case !enough:
		out.State = Insufficient
		return out
	}
	for i := 1; i < len(arms); i++ {
		out.Comparisons = append(out.Comparisons, p.compare(size.Alpha, p.Arms[i].Name, rates[0], rates[i], samples[0], samples[i]))
	}
	p.decide(out, full)
	return out
}

func (p *Plan) compare(alpha float64, arm string, r0, r1 Rate, s0, s1 Sample) Comparison {
	c := Comparison{Arm: arm}
	var se2 float64
	if p.Kind == OfConversion {
		c.Compared = Proportions(r0, r1, alpha)
		se2 = errorOfRates(r0, r1)
	} else {
		c.Compared = Means(s0, s1, alpha)
		se2 = s0.Variance()/float64(max(1, s0.N)) + s1.Variance()/float64(max(1, s1.N))
	}
	if p.Mode == Sequential {
		s := AlwaysValid(c.Estimate, se2, math.Abs(p.Effect), alpha)
		c.Method, c.P, c.Interval, c.LiftInterval = "MSPRT_ALWAYS_VALID", s.P, s.Interval, nil
	}
	c.Significant = c.P <= alpha
	return c
}

// decide finds the winner: the best of the arms that are better than the control, or the
// control when all others are worse than it. Better is what the plan hopes for.
func (p *Plan) decide(out *Result, full bool) {
	sign := 1.0
	if p.Effect < 0 {
		sign = -1
	}
	best, worse, some := -1, 0, false
	for i, c := range out.Comparisons {
		if !c.Significant {
			continue
		}
		some = true
		switch gain := sign * c.Estimate; {
		case gain < 0:
			worse++
		case best < 0 || gain > sign*out.Comparisons[best].Estimate:
			best = i
		}
	}
	switch {
	case best >= 0:
		out.State, out.Winner = Significant, out.Comparisons[best].Arm
	case worse == len(out.Comparisons):
		out.State, out.Winner = Significant, p.Arms[0].Name
	case some:
		out.State = Significant // something differs, and nothing is the best
	case p.Mode == Sequential && !full:
		out.State = Undecided
	default:
		out.State = NotSignificant
	}
}

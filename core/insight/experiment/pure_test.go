package experiment

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headwater-cdp/headwater/core"
)

func TestSampleSize(t *testing.T) {
	got, err := SampleSize(0.20, 0.25, 0.05, 0.8, 1)
	require.NoError(t, err)
	require.InDelta(t, 1030.2, got.Exact, 0.05)
	require.Equal(t, int64(1031), got.PerArm)
	require.Equal(t, BaselineNull, got.Formula)
	down, err := SampleSize(0.20, 0.15, 0.05, 0.8, 1)
	require.NoError(t, err)
	require.Less(t, down.PerArm, got.PerArm) // a lower rate varies less
	three, err := SampleSize(0.20, 0.25, 0.05, 0.8, 2)
	require.NoError(t, err)
	alone, err := SampleSize(0.20, 0.25, 0.025, 0.8, 1)
	require.NoError(t, err)
	require.Equal(t, alone.PerArm, three.PerArm)

	// The rule of thumb of 16σ²/δ² (R. van Belle): 2·(1.96+0.8416)² = 15.698.
	means, err := SampleSizeOfMeans(10, 2, 0.05, 0.8, 1)
	require.NoError(t, err)
	require.InDelta(t, 15.698*100/4, means.Exact, 0.02)
	require.Equal(t, int64(393), means.PerArm)
}

func TestPlansThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		baseline, target, alpha, power float64
		path                           string
	}{
		{0, 0.1, 0.05, 0.8, "baseline"}, {1, 0.9, 0.05, 0.8, "baseline"}, {math.NaN(), 0.9, 0.05, 0.8, "baseline"},
		{0.2, 0.2, 0.05, 0.8, "effect"}, {0.2, 1, 0.05, 0.8, "effect"}, {0.2, 0, 0.05, 0.8, "effect"}, {0.2, 1.3, 0.05, 0.8, "effect"},
		{0.2, 0.2 + 1e-9, 0.05, 0.8, "effect"},
		{0.2, 0.3, 0, 0.8, "alpha"}, {0.2, 0.3, 1, 0.8, "alpha"}, {0.2, 0.3, math.NaN(), 0.8, "alpha"},
		{0.2, 0.3, 0.05, 0, "power"}, {0.2, 0.3, 0.05, 1, "power"}, {0.2, 0.3, 0.05, 0.05, "power"},
	} {
		_, err := SampleSize(c.baseline, c.target, c.alpha, c.power, 1)
		require.Error(t, err, "%+v", c)
		e := core.AsError(err)
		require.Equal(t, core.Invalid, e.Code)
		require.Equal(t, []string{c.path}, e.Path, "%+v", c)
	}
	_, err := SampleSizeOfMeans(0, 1, 0.05, 0.8, 1)
	require.Equal(t, []string{"deviation"}, core.AsError(err).Path)
	_, err = SampleSizeOfMeans(1, 0, 0.05, 0.8, 1)
	require.Equal(t, []string{"effect"}, core.AsError(err).Path)
}

// The plan holds: with n people in each arm the difference is found about as often as
// the power says.
func TestPowerIsWhatThePlanSays(t *testing.T) {
	size, err := SampleSize(0.20, 0.25, 0.05, 0.8, 1)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(3, 4))
	found := 0
	const trials = 3000
	for range trials {
		c := Proportions(draw(r, size.PerArm, 0.20), draw(r, size.PerArm, 0.25), 0.05)
		if c.P <= 0.05 {
			found++
		}
	}
	require.InDelta(t, 0.8, float64(found)/trials, 0.04)
}

func draw(r *rand.Rand, n int64, p float64) Rate {
	out := Rate{N: n}
	for range n {
		if r.Float64() < p {
			out.Hits++
		}
	}
	return out
}

func TestSampleRatio(t *testing.T) {
	// Kohavi, Tang and Xu, chapter 21: 821,588 and 815,482 people of a design of 50/50 have
	// p = 1.8·10⁻⁶.
	r := SampleRatio([]int64{821588, 815482}, []float64{1, 1})
	require.InDelta(t, 1.8e-6, r.P, 0.05e-6)
	require.True(t, r.Mismatch)
	// Mendel's peas: 315, 108, 101 and 32 of 9:3:3:1 have χ² = 0.47 with 3 degrees, p = 0.925.
	r = SampleRatio([]int64{315, 108, 101, 32}, []float64{9, 3, 3, 1})
	require.InDelta(t, 0.470, r.ChiSquared, 0.0005)
	require.InDelta(t, 0.925, r.P, 0.0005)
	require.Equal(t, 3, r.Degrees)
	require.False(t, r.Mismatch)
	require.True(t, SampleRatio([]int64{50, 50, 1}, []float64{1, 1, 0}).Mismatch)
	require.False(t, SampleRatio([]int64{0, 0}, []float64{1, 1}).Mismatch)
	require.Equal(t, 1.0, SampleRatio([]int64{7}, []float64{1}).P)
}

// The examples of Newcombe's papers of 1998.
func TestNewcombe(t *testing.T) {
	w := Wilson(Rate{263, 81}, 0.05)
	require.InDelta(t, 0.2553, w.Low, 0.00005)
	require.InDelta(t, 0.3662, w.High, 0.00005)
	for _, c := range []struct {
		arm, control Rate
		low, high    float64
	}{
		{Rate{70, 56}, Rate{80, 48}, 0.0524, 0.3339},
		{Rate{10, 9}, Rate{10, 3}, 0.1705, 0.8090},
		{Rate{7, 6}, Rate{7, 2}, 0.0582, 0.8062},
		{Rate{56, 5}, Rate{29, 0}, -0.0381, 0.1926},
		{Rate{10, 0}, Rate{20, 0}, -0.1611, 0.2775},
		{Rate{10, 0}, Rate{10, 0}, -0.2775, 0.2775},
		{Rate{10, 10}, Rate{20, 0}, 0.6791, 1},
		{Rate{10, 10}, Rate{10, 0}, 0.6075, 1},
	} {
		got := Proportions(c.control, c.arm, 0.05)
		require.InDelta(t, c.low, got.Interval.Low, 0.00006, "%v", c)
		require.InDelta(t, c.high, got.Interval.High, 0.00006, "%v", c)
	}
}

// The physicians' health study, as in A. Agresti, "An introduction to categorical data
// analysis", section 2.2: heart attacks of 189 of 11,034 with a placebo and 104 of 11,037
// with aspirin; the ratio of risks is 1.82 with the interval 1.43 to 2.30.
func TestLiftOfRates(t *testing.T) {
	got := Proportions(Rate{11037, 104}, Rate{11034, 189}, 0.05)
	require.True(t, got.HasLift)
	require.InDelta(t, 0.818, got.Lift, 0.001)
	require.InDelta(t, 0.433, got.LiftInterval.Low, 0.001)
	require.InDelta(t, 1.306, got.LiftInterval.High, 0.001)
	require.Less(t, got.P, 1e-5)
	require.False(t, Proportions(Rate{10, 0}, Rate{10, 4}, 0.05).HasLift)
	require.Equal(t, 1.0, Proportions(Rate{}, Rate{10, 4}, 0.05).P)
}

// A holdout by hand: 120 of 1,000 who were written to and 10 of 100 who were not bought.
// The lift is 0.12/0.10 - 1 = 0.2; √(0.88/120 + 0.9/10) = 0.311984, so that the ratio lies
// between 1.2·e^(-0.611477) = 0.651062 and 1.2·e^(0.611477) = 2.211772.
func TestHoldoutLiftByHand(t *testing.T) {
	got := Proportions(Rate{100, 10}, Rate{1000, 120}, 0.05)
	require.InDelta(t, 0.02, got.Estimate, 1e-12)
	require.InDelta(t, 0.2, got.Lift, 1e-12)
	require.InDelta(t, 0.651062-1, got.LiftInterval.Low, 1e-5)
	require.InDelta(t, 2.211772-1, got.LiftInterval.High, 1e-5)
}

// Student's sleep data as R's t.test prints them: t = -1.8608, df = 17.776, p-value =
// 0.07939, 95 per cent interval -3.3654832 to 0.2054832.
func TestWelch(t *testing.T) {
	var one, two Sample
	for _, x := range []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0} {
		one.Add(x)
	}
	for _, x := range []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4} {
		two.Add(x)
	}
	got := Means(two, one, 0.05)
	require.InDelta(t, -1.58, got.Estimate, 1e-12)
	require.InDelta(t, 17.776, got.Degrees, 0.0005)
	require.InDelta(t, 0.07939, got.P, 0.000005)
	require.InDelta(t, -3.3654832, got.Interval.Low, 1e-6)
	require.InDelta(t, 0.2054832, got.Interval.High, 1e-6)
}

// Fieller's interval holds just those ratios ρ at which m₁ - ρm₀ is not told from 0.
func TestFiellerIsATestTurnedRound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sample := func(name string) Sample {
			var s Sample
			r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, name), 1))
			for range 20 {
				s.Add(10 + r.NormFloat64())
			}
			return s
		}
		a, b := sample("control"), sample("arm")
		got := Means(a, b, 0.05)
		require.NotNil(t, got.LiftInterval)
		require.Less(t, got.LiftInterval.Low, got.Lift)
		require.Greater(t, got.LiftInterval.High, got.Lift)
		low, high := got.LiftInterval.Low+1, got.LiftInterval.High+1
		at := func(rho float64) float64 {
			return math.Abs(b.Mean-rho*a.Mean) / math.Sqrt(b.Variance()/20+rho*rho*a.Variance()/20)
		}
		require.InDelta(t, at(low), at(high), 1e-6) // both at the quantile
		require.Greater(t, at(low-0.01), at(low))
		require.Less(t, at(low+0.001), at(low))
	})
	require.Nil(t, Means(Sample{N: 5, Mean: 0.1, Rest: 100}, Sample{N: 5, Mean: 1, Rest: 1}, 0.05).LiftInterval)
	require.Equal(t, 0.0, Means(Sample{N: 5, Mean: 1}, Sample{N: 5, Mean: 2}, 0.05).P)
	require.Equal(t, 1.0, Means(Sample{N: 1, Mean: 1}, Sample{N: 5, Mean: 2}, 0.05).P)
}

// Looking again and again, a difference that there is not is found in at most alpha of
// the trials by the always valid p, and far more often by the usual one.
func TestAlwaysValidAtEveryLook(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const trials, looks, each = 1000, 40, 50
	always, usual := 0, 0
	for range trials {
		var a, b Rate
		sawAlways, sawUsual := false, false
		for range looks {
			x, y := draw(r, each, 0.2), draw(r, each, 0.2)
			a, b = Rate{a.N + x.N, a.Hits + x.Hits}, Rate{b.N + y.N, b.Hits + y.Hits}
			s := AlwaysValid(b.Of()-a.Of(), errorOfRates(a, b), 0.05, 0.05)
			sawAlways = sawAlways || s.P <= 0.05
			sawUsual = sawUsual || Proportions(a, b, 0.05).P <= 0.05
			require.Equal(t, s.P <= 0.05, s.Interval.Low >= 0 || s.Interval.High <= 0)
		}
		if sawAlways {
			always++
		}
		if sawUsual {
			usual++
		}
	}
	require.LessOrEqual(t, float64(always)/trials, 0.05)
	require.Greater(t, float64(usual)/trials, 0.15, "the trial must be able to fail")
	// And a difference that there is is found.
	s := AlwaysValid(0.05, errorOfRates(Rate{5000, 1000}, Rate{5000, 1250}), 0.05, 0.05)
	require.Less(t, s.P, 0.001)
	require.Equal(t, 1.0, AlwaysValid(1, 0, 0.1, 0.05).P)
}

// Two arms have a closed form: E. Miller, "Formulas for Bayesian A/B testing", equation 6.
func TestBestOfTwo(t *testing.T) {
	lbeta := func(a, b float64) float64 {
		x, _ := math.Lgamma(a)
		y, _ := math.Lgamma(b)
		s, _ := math.Lgamma(a + b)
		return x + y - s
	}
	for _, c := range [][2]Rate{{{100, 10}, {100, 15}}, {{0, 0}, {0, 0}}, {{20, 1}, {2000, 300}}, {{50, 50}, {50, 49}}} {
		a1, b1 := 1+float64(c[0].Hits), 1+float64(c[0].N-c[0].Hits)
		a2, b2 := 1+float64(c[1].Hits), 1+float64(c[1].N-c[1].Hits)
		want := 0.0
		for i := range int(a2) {
			k := float64(i)
			want += math.Exp(lbeta(a1+k, b1+b2) - math.Log(b2+k) - lbeta(1+k, b2) - lbeta(a1, b1))
		}
		got := Best(c[:])
		require.InDelta(t, want, got[1], 0.002, "%v", c)
		require.InDelta(t, 1, got[0]+got[1], 1e-12)
	}
}

func TestBanditWeights(t *testing.T) {
	require.Equal(t, []int{50, 950}, Weights([]float64{0, 1}, 1000, 50))
	require.Equal(t, []int{34, 33, 33}, Weights([]float64{1. / 3, 1. / 3, 1. / 3}, 100, 5))
	require.Equal(t, []int{50, 50}, Weights([]float64{0.1, 0.9}, 100, 90))
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "arms")
		arms := make([]Rate, n)
		for i := range arms {
			arms[i].N = rapid.Int64Range(0, 5000).Draw(t, "n")
			arms[i].Hits = rapid.Int64Range(0, arms[i].N).Draw(t, "hits")
		}
		sum := 0
		for _, w := range Weights(Best(arms), 10000, 100) {
			require.GreaterOrEqual(t, w, 100)
			sum += w
		}
		require.Equal(t, 10000, sum)
	})
}

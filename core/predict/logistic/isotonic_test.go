package logistic

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

func TestPoolingIsThatOfR(t *testing.T) {
	ones := func(n int) []float64 { return slices.Repeat([]float64{1}, n) }
	// The example of isoreg in R's documentation; by hand: 1 and 0 pool to a half, and from
	// the 4 on everything is pulled down by what follows, to 21/7.
	require.Equal(t, []float64{0.5, 0.5, 3, 3, 3, 3, 3, 3, 3}, pool([]float64{1, 0, 4, 3, 3, 5, 4, 2, 0}, ones(9)))
	require.Equal(t, []float64{1, 2, 3}, pool([]float64{1, 2, 3}, ones(3)), "what never falls stays")
	require.Equal(t, []float64{1.5, 1.5}, pool([]float64{3, 1}, []float64{1, 3}), "by weight")
}

func TestIsotonicByHand(t *testing.T) {
	// By rising score the outcomes are no, yes, no, no, yes, yes: the first yes and the two
	// after it pool to a third. Chances are kept 1/8 from certain.
	c, err := FitIsotonic([]float64{4, 1, 3, 2, 6, 5}, []bool{false, false, false, true, true, true})
	require.NoError(t, err)
	require.Equal(t, []float64{1, 2, 4, 5, 6}, c.Score)
	require.InDeltaSlice(t, []float64{1.0 / 8, 1.0 / 3, 1.0 / 3, 7.0 / 8, 7.0 / 8}, c.Chance, 1e-15)
	require.Equal(t, 1.0/8, c.Of(-10))
	require.InDelta(t, 1.0/3, c.Of(3.3), 1e-15)
	require.InDelta(t, 1.0/3+(7.0/8-1.0/3)/4, c.Of(4.25), 1e-12, "a quarter of the way up")
	require.Equal(t, 7.0/8, c.Of(99))

	c, err = FitIsotonic([]float64{1, 1, 2, 2}, []bool{false, true, true, true})
	require.NoError(t, err)
	require.InDeltaSlice(t, []float64{1.0 / 2, 5.0 / 6}, c.Chance, 1e-15, "rows with one score have one chance")
	_, err = FitIsotonic([]float64{1, 2}, []bool{true, true})
	require.Equal(t, "ONE_OUTCOME", core.AsError(err).Reason)
	require.Zero(t, Isotonic{}.Of(3))
}

func TestIsotonicPutsRightWhatNoSlopeCan(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 9))
	truth := func(s float64) float64 { return 0.05 + 0.6*s*s*s } // of a score that is said to be a chance
	draw := func(n int) (scores []float64, outcomes []bool) {
		for range n {
			s := rng.Float64()
			scores, outcomes = append(scores, s), append(outcomes, rng.Float64() < truth(s))
		}
		return scores, outcomes
	}
	c, err := FitIsotonic(draw(20_000))
	require.NoError(t, err)
	for _, s := range []float64{0.1, 0.3, 0.5, 0.7, 0.9} {
		require.InDelta(t, truth(s), c.Of(s), 0.03)
	}
	scores, outcomes := draw(20_000)
	after := make([]float64, len(scores))
	for i, s := range scores {
		after[i] = c.Of(s)
	}
	require.Less(t, LogLoss(after, outcomes), LogLoss(scores, outcomes))
	for _, b := range Reliability(after, outcomes, 10) {
		require.InDelta(t, b.Predicted, b.Observed, 0.04)
	}
}

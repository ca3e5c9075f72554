package segment

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWilson(t *testing.T) {
	// Reference values: R, binom::binom.wilson(x, n).
	for _, c := range []struct {
		k, n      int64
		low, high float64
	}{
		{5, 10, 0.2365931, 0.7634069},
		{0, 10, 0, 0.2775328},
		{10, 10, 0.7224672, 1},
		{1, 100, 0.0017674, 0.0544862},
		{0, 0, 0, 1},
	} {
		low, high := wilson(c.k, c.n)
		require.InDelta(t, c.low, low, 1e-6, "%d of %d", c.k, c.n)
		require.InDelta(t, c.high, high, 1e-6, "%d of %d", c.k, c.n)
	}
}

func TestEstimatesCoverTheTruth(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const people, sampled, rounds = 50_000, 1000, 2000
	for _, share := range []float64{0.5, 0.02, 0.9} {
		truth, covered := int64(share*people), 0
		for range rounds {
			var k int64
			for range sampled {
				if r.Float64() < share {
					k++
				}
			}
			c := estimate(k, sampled, exactly(people))
			require.False(t, c.Exact)
			require.LessOrEqual(t, c.Low, c.Value)
			require.LessOrEqual(t, c.Value, c.High)
			if c.Low <= truth && truth <= c.High {
				covered++
			}
		}
		require.InDelta(t, 0.95, float64(covered)/rounds, 0.02, "share %v", share)
	}
}

func TestAnEstimateOverEverybodyIsExact(t *testing.T) {
	require.Equal(t, exactly(7), estimate(7, 100, exactly(100)))
	require.Equal(t, exactly(0), estimate(0, 0, exactly(0)))
	c := estimate(0, 1000, exactly(100_000))
	require.Zero(t, c.Low)
	require.Positive(t, c.High)
}

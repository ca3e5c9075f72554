package segment

import (
	"context"
	"math"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Count is a number of people. When it is not Exact, the number lies between Low
// and High (both included) with a probability of 95%; both are 0 where nothing is
// known of how far it is off.
type Count struct {
	Value     int64
	Exact     bool
	Low, High int64 // Value when Exact
}

func exactly(n int64) Count { return Count{Value: n, Exact: true, Low: n, High: n} }

// z95 is the quantile of the normal distribution that leaves 2.5% on either side.
const z95 = 1.959963984540054

// wilson returns the 95% score interval of a share of which k of n were seen.
// Source: E. B. Wilson, Probable inference, the law of succession, and statistical
// inference, JASA 22 (1927) 209–212; recommended for all n by L. D. Brown, T. T.
// Cai and A. DasGupta, Interval estimation for a binomial proportion, Statistical
// Science 16 (2001) 101–133.
func wilson(k, n int64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	p, m := float64(k)/float64(n), float64(n)
	z2 := z95 * z95
	centre := (p + z2/(2*m)) / (1 + z2/m)
	half := z95 / (1 + z2/m) * math.Sqrt(p*(1-p)/m+z2/(4*m*m))
	low, high = max(0, centre-half), min(1, centre+half)
	if k == 0 {
		low = 0
	}
	if k == n {
		high = 1
	}
	return low, high
}

// estimate scales a share of a sample, k of n, to a population. What was seen is a
// lower bound whatever the interval says.
func estimate(k, n int64, population Count) Count {
	if n >= population.Low && population.Exact {
		return exactly(k)
	}
	low, high := wilson(k, n)
	c := Count{
		Low:  max(k, int64(math.Floor(low*float64(population.Low)))),
		High: min(max(k, int64(math.Ceil(high*float64(population.High)))), population.High),
	}
	if n > 0 {
		c.Value = int64(math.Round(float64(k) / float64(n) * float64(population.Value)))
	}
	c.High = max(c.High, c.Low)
	c.Value = min(max(c.Value, c.Low), c.High)
	return c
}

// The counting of people. No counter of profiles is kept, since a merge and an
// unmerge would have to maintain it; instead the buckets are counted, which are an
// index of eight bytes an entry and fall evenly on people.
const (
	bucketCount = 10000
	// countedBuckets are counted first: 4% of everybody.
	countedBuckets = 400
	// countedInFull is up to how many people are counted to the last.
	countedInFull = 250_000
)

// population returns how many people a workspace has: exactly when they are few,
// else from how many fall into a part of the buckets, whose number is binomial.
func population(ctx context.Context, r store.Reader, ws string) (Count, error) {
	n, err := countBuckets(ctx, r, ws, 0, countedBuckets)
	if err != nil {
		return Count{}, err
	}
	const share = float64(countedBuckets) / bucketCount
	about := float64(n) / share
	if about <= countedInFull {
		rest, err := countBuckets(ctx, r, ws, countedBuckets, bucketCount)
		return exactly(n + rest), err
	}
	half := z95 * math.Sqrt(float64(n)*(1-share)) / share
	return Count{Value: int64(about), Low: max(n, int64(about-half)), High: int64(math.Ceil(about + half))}, nil
}

func countBuckets(ctx context.Context, r store.Reader, ws string, from, to int64) (int64, error) {
	return profile.Profiles.Count(ctx, r, buckets(ws, from, to))
}

// buckets asks for the people of the buckets [from, to).
func buckets(ws string, from, to int64) store.Query {
	return store.Query{Workspace: ws, Where: []store.Cond{store.Gte("k", from), store.Lt("k", to)}, Order: []string{"k"}}
}

package attribution

import (
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/headwater-cdp/headwater/core"
)

// MaxChannels is how many different channels the Markov model takes: it solves a system
// of as many equations.
const MaxChannels = 1000

// Chain is a first-order Markov chain of ways through channels: from a start through
// channels, in their order, to a conversion or to nothing. It holds how often one thing
// followed another, and so needs as much room for a million ways as for one.
//
// Source: E. Anderl, I. Becker, F. von Wangenheim, J. H. Schumann, "Mapping the customer
// journey", International
// Journal of Research in Marketing 33 (2016).
type Chain struct {
	n      int              // channels, numbered from 0
	start  map[int]int64    // ways that began with a channel
	next   map[[2]int]int64 // one channel directly after another
	won    map[int]int64    // conversions directly after a channel
	lost   map[int]int64    // ways that ended with a channel, and nothing
	direct int64            // ways without a channel that converted
	gone   int64            // ways without a channel that did not
}

// NewChain returns a chain without ways.
func NewChain() *Chain {
	return &Chain{start: map[int]int64{}, next: map[[2]int]int64{}, won: map[int]int64{}, lost: map[int]int64{}}
}

// Add adds a way through channels, given by their numbers from 0, that times people
// went. The same channel twice in a row is a step to itself.
func (c *Chain) Add(way []int, converted bool, times int64) {
	if times <= 0 {
		return
	}
	if len(way) == 0 {
		if converted {
			c.direct += times
		} else {
			c.gone += times
		}
		return
	}
	for i, ch := range way {
		c.n = max(c.n, ch+1)
		if i == 0 {
			c.start[ch] += times
		} else {
			c.next[[2]int{way[i-1], ch}] += times
		}
	}
	end := c.lost
	if converted {
		end = c.won
	}
	end[way[len(way)-1]] += times
}

// follow adds a way that converted, by the channels that it began and ended with and how
// often one came directly after another in it.
func (c *Chain) follow(first, last int, pairs func(func(before, after int, n int64))) {
	c.n = max(c.n, first+1, last+1)
	c.start[first]++
	c.won[last]++
	pairs(func(before, after int, n int64) {
		c.n = max(c.n, before+1, after+1)
		c.next[[2]int{before, after}] += n
	})
}

// Removal is what the chain says of conversions.
type Removal struct {
	// Probability that a way ends in a conversion, 0 to 1: as counted, for the chain is
	// made of the same ways.
	Probability float64
	// Effects by channel: by which part of itself the probability falls when all steps to
	// the channel lead to nothing instead, 0 to 1.
	Effects []float64
	// Shares by channel: the effects divided by their sum, so that they add up to 1; all 0
	// where nothing converted.
	Shares []float64
}

// Removal works out the removal effects of channels.
//
// With Q the probabilities of the steps between channels, r those of a step from a
// channel to the conversion and s those of a first step, the probability to convert from
// a channel is x = (I-Q)⁻¹r, and from the start P = s·x. A way that converts without c is
// one that converts and never comes to c; it comes to c at all with the probability
// f = v_c / N_cc, where N = (I-Q)⁻¹ and v = s·N (the expected visits). From c it converts
// with x_c. So P without c is P - f·x_c, and the effect is f·x_c / P. The system is solved
// directly (LU), not iterated: exact but for rounding. A system that is too ill-conditioned
// to be solved is an error, and so are more than MaxChannels.
func (c *Chain) Removal() (Removal, error) {
	n := c.n
	out := Removal{Effects: make([]float64, n), Shares: make([]float64, n)}
	if n > MaxChannels {
		return out, core.Errorf(core.TooComplex, "TOO_MANY_CHANNELS", "the Markov model takes at most %d different keys, and these are %d; ask by fewer dimensions", MaxChannels, n).At("by")
	}
	begun := c.direct + c.gone
	for _, k := range c.start {
		begun += k
	}
	if begun == 0 {
		return out, nil
	}
	outOf := make([]float64, n)
	for ch := range n {
		outOf[ch] = float64(c.won[ch] + c.lost[ch])
	}
	for step, k := range c.next {
		outOf[step[0]] += float64(k)
	}
	if n == 0 {
		out.Probability = float64(c.direct) / float64(begun)
		return out, nil
	}
	a := mat.NewDense(n, n, nil) // I-Q
	for i := range n {
		a.Set(i, i, 1)
		if outOf[i] == 0 { // a number that no way has: it is nowhere and leads nowhere
			outOf[i] = 1
		}
	}
	for step, k := range c.next {
		a.Set(step[0], step[1], a.At(step[0], step[1])-float64(k)/outOf[step[0]])
	}
	var inverse mat.Dense
	if err := inverse.Inverse(a); err != nil {
		return out, fmt.Errorf("attribution: solve the chain: %w", err)
	}
	x, v := make([]float64, n), make([]float64, n)
	p := float64(c.direct) / float64(begun)
	for i := range n {
		for j := range n {
			x[i] += inverse.At(i, j) * float64(c.won[j]) / outOf[j]
			v[i] += inverse.At(j, i) * float64(c.start[j]) / float64(begun)
		}
	}
	for i := range n {
		p += float64(c.start[i]) / float64(begun) * x[i]
	}
	out.Probability = p
	if p <= 0 {
		return out, nil
	}
	sum := 0.0
	for i := range n {
		out.Effects[i] = min(max(v[i]/inverse.At(i, i)*x[i]/p, 0), 1)
		sum += out.Effects[i]
	}
	for i := range n {
		if sum > 0 {
			out.Shares[i] = out.Effects[i] / sum
		}
	}
	return out, nil
}

package btyd

import "math"

// Params are those of a BG/NBD model. All are above 0. Alpha has the unit of time.
type Params struct {
	R     float64 `bson:"r"`
	Alpha float64 `bson:"alpha"`
	A     float64 `bson:"a"`
	B     float64 `bson:"b"`
}

// Customer is what the model knows of somebody.
type Customer struct {
	X  float64 // orders after the first
	TX float64 // time from the first order to the last; 0 with X 0
	T  float64 // time from the first order to now
}

// LogLikelihood returns that of one customer: equation 6 of the paper, arranged so that
// nothing overflows.
func (p Params) LogLikelihood(c Customer) float64 {
	a1 := lgamma(p.R+c.X) - lgamma(p.R) + p.R*math.Log(p.Alpha)
	a2 := lgamma(p.A+p.B) + lgamma(p.B+c.X) - lgamma(p.B) - lgamma(p.A+p.B+c.X)
	a3 := -(p.R + c.X) * math.Log(p.Alpha+c.T)
	if c.X == 0 {
		return a1 + a2 + a3
	}
	a4 := math.Log(p.A) - math.Log(p.B+c.X-1) - (p.R+c.X)*math.Log(p.Alpha+c.TX)
	return a1 + a2 + max(a3, a4) + math.Log1p(math.Exp(-math.Abs(a3-a4)))
}

func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}

// DeadOdds returns the odds against somebody being a customer still, split into what
// their number of orders says and what the time since the last says. Their product is
// (1−P)/P of PAlive: so the two logarithms add up to its log odds. For X 0 it is 0, 1:
// the model has people leave after an order that was not the first.
func (p Params) DeadOdds(c Customer) (frequency, recency float64) {
	if c.X == 0 {
		return 0, 1
	}
	return p.A / (p.B + c.X - 1), math.Exp((p.R + c.X) * math.Log((p.Alpha+c.T)/(p.Alpha+c.TX)))
}

// PAlive returns the chance that somebody is a customer still (Fader, Hardie and Lee,
// "Computing P(alive) Using the BG/NBD Model", 2008):
//
//	1 / (1 + δ a/(b+x−1) ((α+T)/(α+t_x))^(r+x)),  δ = 1 where x > 0
func (p Params) PAlive(c Customer) float64 {
	f, r := p.DeadOdds(c)
	return 1 / (1 + f*r)
}

// Alive returns the parameters of somebody of whom it is known that they are still a
// customer: the posterior distributions of their rate and chance of leaving, which given
// that are independent and of the same families. It begins anew now.
func (p Params) Alive(c Customer) Params {
	return Params{R: p.R + c.X, Alpha: p.Alpha + c.T, A: p.A, B: p.B + c.X}
}

// Mean returns how many orders somebody new is expected to make within a time after the
// first: equation 9 of the paper,
//
//	(a+b−1)/(a−1) [1 − (α/(α+t))^r 2F1(r, b; a+b−1; t/(α+t))]
//
// The product in the bracket is taken as (1−z)^(a−1) 2F1(a+b−1−r, a−1; a+b−1; z), its
// Euler transform, whose terms fall fast also for many orders.
func (p Params) Mean(t float64) float64 {
	if t <= 0 {
		return 0
	}
	// Where a is 1 or a+b is 1 the formula is 0/0; both sides of it are not.
	const h = 1e-4
	if math.Abs(p.A-1) < h/2 {
		lo, hi := p, p
		lo.A, hi.A = p.A-h, p.A+h
		return (lo.Mean(t) + hi.Mean(t)) / 2
	}
	c := p.A + p.B - 1
	if math.Abs(c) < h/2 {
		lo, hi := p, p
		lo.B, hi.B = p.B-h, p.B+h
		return (lo.Mean(t) + hi.Mean(t)) / 2
	}
	z := t / (p.Alpha + t)
	f, _ := series(c-p.R, p.A-1, c, z, nearly)
	return c / (p.A - 1) * (1 - math.Exp((p.A-1)*math.Log1p(-z))*f)
}

// Expected returns how many orders somebody is expected to make within a time from now:
// equation 10 of the paper, as PAlive times the mean of whoever is alive.
func (p Params) Expected(c Customer, t float64) float64 {
	return p.PAlive(c) * p.Alive(c).Mean(t)
}

// Orders returns the distribution of the number of orders that somebody makes within a
// time from now: element n is the chance of n, and the last of all beyond. There are at
// most limit+1 elements. It is the mixture of nobody being there any more and equation 8
// of the paper.
func (p Params) Orders(c Customer, t float64, limit int) []float64 {
	alive := p.PAlive(c)
	q := p.Alive(c)
	z := t / (q.Alpha + t)
	out := make([]float64, 0, 16)
	first := math.Exp(q.R * math.Log1p(-z)) // no order at all: (α/(α+t))^r
	nb, below := first, 0.0                 // the negative binomial chance of n, and of fewer
	stays, leaves := 1.0, 0.0               // B(a, b+n)/B(a, b) and B(a+1, b+n−1)/B(a, b)
	total := 0.0
	for n := 0; ; n++ {
		chance := stays * nb
		if n > 0 {
			chance += leaves * (1 - below)
		}
		chance *= alive
		if n == 0 {
			chance += 1 - alive
		}
		if n >= limit || total+chance > 1-1e-9 {
			return append(out, max(0, 1-total))
		}
		out, total = append(out, chance), total+chance
		below += nb
		k := float64(n)
		nb *= (q.R + k) / (k + 1) * z
		leaves = stays * q.A / (q.A + q.B + k)
		stays *= (q.B + k) / (q.A + q.B + k)
	}
}

// Interval returns numbers of orders such that fewer than low have at most the chance
// tail, and more than high too.
func Interval(orders []float64, tail float64) (low, high int) {
	sum := 0.0
	low, high = -1, len(orders)-1
	for n, chance := range orders {
		sum += chance
		if low < 0 && sum > tail {
			low = n
		}
		if sum >= 1-tail {
			return max(low, 0), n
		}
	}
	return max(low, 0), high
}

// NextOrder returns after which time from now a share of those have ordered again who
// are customers still and as this one is. The rate of such is a gamma distribution with
// shape r+x and rate α+T, and nobody leaves before an order, so that the time to the
// next is of the Lomax distribution: (α+T) ((1−share)^(−1/(r+x)) − 1).
func (p Params) NextOrder(c Customer, share float64) float64 {
	return (p.Alpha + c.T) * math.Expm1(-math.Log1p(-share)/(p.R+c.X))
}

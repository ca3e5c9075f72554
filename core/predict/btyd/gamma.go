package btyd

import "math"

// Spend are the parameters of a Gamma-Gamma model. P and Q are shapes, Gamma has the unit
// of money.
type Spend struct {
	P     float64 `bson:"p"`
	Q     float64 `bson:"q"`
	Gamma float64 `bson:"gamma"`
}

// LogLikelihood returns that of somebody whose x orders (1 or more) were worth m each on
// average: equation 1a of the note.
func (s Spend) LogLikelihood(x, m float64) float64 {
	return lgamma(s.P*x+s.Q) - lgamma(s.P*x) - lgamma(s.Q) + s.Q*math.Log(s.Gamma) +
		(s.P*x-1)*math.Log(m) + s.P*x*math.Log(x) - (s.P*x+s.Q)*math.Log(s.Gamma+x*m)
}

// Mean returns what an order of anybody is expected to be worth; where Q is not above 1
// there is no such mean and it is +Inf.
func (s Spend) Mean() float64 {
	if s.Q <= 1 {
		return math.Inf(1)
	}
	return s.P * s.Gamma / (s.Q - 1)
}

// Expected returns what an order of somebody is expected to be worth whose x orders were
// worth m each on average: the mean of everybody and m, weighed by how much is known of
// them (equation 5 of the note),
//
//	p (γ + x m) / (p x + q − 1)
func (s Spend) Expected(x, m float64) float64 {
	if x == 0 {
		return s.Mean()
	}
	return s.P * (s.Gamma + x*m) / (s.P*x + s.Q - 1)
}

// DiscountedOrders returns the number of orders within a time from now, each worth what
// an order at its time is worth now: money loses the rate in a unit of time, compounded
// continuously (0.1 makes e^−0.1 of 1). With E(t) the expected orders it is
//
//	∫ e^(−rate t) E′(t) dt = e^(−rate·time) E(time) + rate ∫ e^(−rate t) E(t) dt
//
// the integral from 0 to time by Gauss and Legendre's rule with four points, of which
// so smooth a function asks no more.
func (p Params) DiscountedOrders(c Customer, time, rate float64) float64 {
	q := p.Alive(c)
	sum := math.Exp(-rate*time) * q.Mean(time)
	if rate > 0 {
		for i, x := range legendre {
			t := time * x
			sum += rate * time * weights[i] * math.Exp(-rate*t) * q.Mean(t)
		}
	}
	return p.PAlive(c) * sum
}

// The points and weights of the rule on the interval from 0 to 1 (Abramowitz and Stegun,
// table 25.4).
var (
	legendre = [4]float64{0.06943184420297371, 0.33000947820757187, 0.6699905217924281, 0.9305681557970263}
	weights  = [4]float64{0.17392742256872693, 0.32607257743127307, 0.32607257743127307, 0.17392742256872693}
)

package sendhour

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/mathext"
)

// Shares are numbers of the 24 hours of a day, by the hour at which they begin.
type Shares [24]float64

// Kind is what a signal is of.
type Kind int8

// The kinds.
const (
	Active  Kind = iota // they did something of their own accord
	Opened              // a message
	Clicked             // in a message, or answered one
	kinds
)

// What a signal of each kind counts, and for how long.
const (
	ActiveWeight  = 0.25
	OpenedWeight  = 1.0
	ClickedWeight = 2.0
	HalfLife      = 90 * 24 * time.Hour
)

var weights = [kinds]float64{ActiveWeight, OpenedWeight, ClickedWeight}

// Signal is one thing that a person did.
type Signal struct {
	At   time.Time
	Kind Kind
}

// Evidence is what the signals of one person come to.
type Evidence struct {
	Engaged Shares // weighted, decayed and smoothed: of opens, clicks and answers
	Active  Shares // likewise, of what they did of their own accord
	// Engagements and Activities count the hours of days in which there was one.
	Engagements, Activities int64
}

// Count sums up what somebody did before an instant, by the clock of a zone.
func Count(signals []Signal, zone *time.Location, now time.Time) Evidence {
	var e Evidence
	eachHour(signals, zone, now, func(hour int, s Signal) {
		w := weights[s.Kind] * math.Exp2(-now.Sub(s.At).Hours()/HalfLife.Hours())
		if s.Kind == Active {
			e.Active[hour] += w
			e.Activities++
			return
		}
		e.Engaged[hour] += w
		e.Engagements++
	})
	e.Engaged, e.Active = Smooth(e.Engaged), Smooth(e.Active)
	return e
}

// eachHour calls f with the first signal of each kind in each hour of each day.
func eachHour(signals []Signal, zone *time.Location, now time.Time, f func(hour int, s Signal)) {
	type place struct {
		day, hour int
		kind      Kind
	}
	seen := make(map[place]bool, len(signals))
	for _, s := range signals {
		if s.Kind < 0 || s.Kind >= kinds || s.At.After(now) {
			continue
		}
		l := s.At.In(zone)
		at := place{l.Year()*1000 + l.YearDay(), l.Hour(), s.Kind}
		if !seen[at] {
			seen[at] = true
			f(at.hour, s)
		}
	}
}

// Hours returns how many engagements fell in each hour, neither weighted nor decayed: an
// hour of a day counts once.
func Hours(signals []Signal, zone *time.Location, now time.Time) (counts Shares, n int64) {
	var engaged []Signal
	for _, s := range signals {
		if s.Kind != Active {
			engaged = append(engaged, Signal{s.At, Opened})
		}
	}
	eachHour(engaged, zone, now, func(hour int, _ Signal) {
		counts[hour]++
		n++
	})
	return counts, n
}

// Smooth gives a quarter of each hour to the one before and a quarter to the one after.
func Smooth(s Shares) Shares {
	var out Shares
	for h, v := range s {
		out[h] += v / 2
		out[(h+1)%24] += v / 4
		out[(h+23)%24] += v / 4
	}
	return out
}

// Sum adds the hours up.
func (s Shares) Sum() float64 {
	sum := 0.0
	for _, v := range s {
		sum += v
	}
	return sum
}

// Best returns the hour with the greatest number; of equal ones the earliest.
func (s Shares) Best() int {
	best := 0
	for h, v := range s {
		if v > s[best]+1e-12 {
			best = h
		}
	}
	return best
}

// Prior is what is held of somebody before anything is known of them.
type Prior struct {
	Shares Shares  `bson:"shares"` // their sum is 1
	Weight float64 `bson:"weight"` // for so many signals they stand
}

// UsualWeight is the weight of a prior where nothing tells how alike people are.
const UsualWeight = 8

// Uniform is the prior of who knows nothing: all hours are alike.
func Uniform() Prior {
	p := Prior{Weight: UsualWeight}
	for h := range p.Shares {
		p.Shares[h] = 1.0 / 24
	}
	return p
}

// Posterior is what is held of somebody's hours.
type Posterior struct {
	Prior
	Evidence
	Alpha Shares // of the Dirichlet distribution
	Total float64
}

// With returns what is held of somebody with this evidence.
func (p Prior) With(e Evidence) Posterior {
	out := Posterior{Prior: p, Evidence: e}
	for h := range out.Alpha {
		out.Alpha[h] = p.Weight*p.Shares[h] + e.Engaged[h] + e.Active[h]
	}
	out.Total = out.Alpha.Sum()
	return out
}

// Means returns the expected share of each hour; their sum is 1.
func (p Posterior) Means() Shares {
	var out Shares
	for h, a := range p.Alpha {
		out[h] = a / p.Total
	}
	return out
}

// Interval returns between which values the share of an hour lies, but for a chance of tail
// on either side.
func (p Posterior) Interval(hour int, tail float64) (low, high float64) {
	a := p.Alpha[hour]
	b := p.Total - a
	if a <= 0 || b <= 0 {
		return a / p.Total, a / p.Total
	}
	return mathext.InvRegIncBeta(a, b, tail), mathext.InvRegIncBeta(a, b, 1-tail)
}

// Moved returns by how much the person's own engagements, and what they did of their own
// accord, move the share of an hour from the workspace's: the three add up to the mean.
func (p Posterior) Moved(hour int) (engaged, active float64) {
	m := p.Shares[hour]
	return (p.Engaged[hour] - p.Engaged.Sum()*m) / p.Total, (p.Active[hour] - p.Active.Sum()*m) / p.Total
}

// What the prior of a workspace is made of.
const (
	PersonLimit   = 10.0 // engagements of one person
	UniformWeight = 24.0 // signals that are alike for all hours
)

// Weights are those of which FitWeight finds the likeliest.
var Weights = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256}

// Pool sums up everybody's engagements.
type Pool struct{ sum Shares }

// Add takes one person's counts.
func (p *Pool) Add(counts Shares) {
	n := counts.Sum()
	if n == 0 {
		return
	}
	scale := min(1, PersonLimit/n)
	for h, v := range counts {
		p.sum[h] += v * scale
	}
}

// Shares returns the workspace's shares; their sum is 1.
func (p *Pool) Shares() Shares {
	out := Smooth(p.sum)
	total := out.Sum() + UniformWeight
	for h := range out {
		out[h] = (out[h] + UniformWeight/24) / total
	}
	return out
}

// Fit finds the weight of a workspace's shares. It is given people one after the other.
type Fit struct {
	shares Shares
	sums   []float64
}

// NewFit begins with the shares.
func NewFit(shares Shares) *Fit { return &Fit{shares, make([]float64, len(Weights))} }

// Add takes one person's counts.
func (f *Fit) Add(counts Shares) {
	n := counts.Sum()
	if n < 2 { // one engagement says nothing of how alike people are
		return
	}
	for i, w := range Weights {
		l := lgamma(w) - lgamma(w+n)
		for h, c := range counts {
			if c > 0 {
				l += lgamma(w*f.shares[h]+c) - lgamma(w*f.shares[h])
			}
		}
		f.sums[i] += l
	}
}

// Weight returns the likeliest of Weights; without anybody, UsualWeight.
func (f *Fit) Weight() float64 {
	best := slices.Index(Weights, float64(UsualWeight))
	for i, l := range f.sums {
		if l > f.sums[best]+1e-9 {
			best = i
		}
	}
	return Weights[best]
}

func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}

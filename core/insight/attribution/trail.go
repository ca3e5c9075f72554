package attribution

import (
	"math"
	"slices"
	"time"
)

// Of a person with very many touchpoints and conversions each way is as long as all that
// came before. A trail keeps what counts of them while time goes on, by their keys, so that
// a conversion costs as much as there are keys, and not touchpoints.

// shortWay is up to how many steps a way is taken step by step.
const shortWay = 64

// trail is the touchpoints of one person within their windows, as of a moment that only
// moves forward.
type trail struct {
	half  time.Duration // of Decay
	pairs map[pair]int64
	steps []mark
	first int // of steps; -1: none counts
	last  int
	n     int // how many count

	groups  []*group
	by      map[groupKey]*group
	windows []*queue
}

// mark is a step among those that count, which know their neighbours; -1 is none.
type mark struct {
	Step
	group      *group
	prev, next int
}

type pair struct{ before, after string }

type groupKey struct {
	key    string
	window time.Duration
}

// group is the steps of one key and window that count: those that were first go first.
type group struct {
	groupKey
	at   []time.Time
	sum  float64 // of 2^(-age/half), as of the last of them
	gone int     // since the sum was worked out anew
}

// queue is the steps of one window in their order.
type queue struct {
	window time.Duration
	steps  []int
}

func newTrail(m Model, p Parameters) *trail {
	t := &trail{first: -1, last: -1, by: map[groupKey]*group{}}
	if m == Decay {
		t.half = p.HalfLife
	}
	if m == Markov {
		t.pairs = map[pair]int64{}
	}
	return t
}

// add adds a step, which is not before any that was added.
func (t *trail) add(s Step, window time.Duration) {
	key := groupKey{s.Key, window}
	g := t.by[key]
	if g == nil {
		g = &group{groupKey: key}
		t.by[key] = g
		t.groups = append(t.groups, g)
	}
	if t.half > 0 {
		if len(g.at) > 0 {
			g.sum *= t.weight(s.At.Sub(g.at[len(g.at)-1]))
		}
		g.sum++
	}
	g.at = append(g.at, s.At)
	i := len(t.steps)
	t.steps = append(t.steps, mark{Step: s, group: g, prev: t.last, next: -1})
	if t.last >= 0 {
		t.steps[t.last].next = i
		t.follows(t.last, i, 1)
	} else {
		t.first = i
	}
	t.last = i
	t.n++
	at := slices.IndexFunc(t.windows, func(q *queue) bool { return q.window == window })
	if at < 0 {
		at = len(t.windows)
		t.windows = append(t.windows, &queue{window: window})
	}
	t.windows[at].steps = append(t.windows[at].steps, i)
}

// until drops the steps whose windows have passed.
func (t *trail) until(at time.Time) {
	for _, q := range t.windows {
		for len(q.steps) > 0 && at.Sub(t.steps[q.steps[0]].At) > q.window {
			t.drop(q.steps[0])
			q.steps = q.steps[1:]
		}
	}
}

func (t *trail) drop(i int) {
	s := &t.steps[i]
	t.n--
	if t.first == i {
		t.first = s.next
	}
	if t.last == i {
		t.last = s.prev
	}
	if s.prev >= 0 {
		t.follows(s.prev, i, -1)
		t.steps[s.prev].next = s.next
	}
	if s.next >= 0 {
		t.follows(i, s.next, -1)
		t.steps[s.next].prev = s.prev
	}
	if s.prev >= 0 && s.next >= 0 {
		t.follows(s.prev, s.next, 1)
	}
	g := s.group
	g.at = g.at[1:]
	if t.half <= 0 {
		return
	}
	// What is taken off is never more than what stays of each, but many of them may be: the
	// sum is worked out anew before what was lost by rounding shows.
	if g.gone++; g.gone < len(g.at) {
		g.sum -= t.weight(g.at[len(g.at)-1].Sub(s.At))
		return
	}
	g.sum, g.gone = 0, 0
	for _, at := range g.at {
		g.sum += t.weight(g.at[len(g.at)-1].Sub(at))
	}
}

func (t *trail) weight(age time.Duration) float64 { return math.Exp2(-float64(age) / float64(t.half)) }

func (t *trail) follows(i, j int, n int64) {
	if t.pairs == nil {
		return
	}
	p := pair{t.steps[i].Key, t.steps[j].Key}
	if t.pairs[p] += n; t.pairs[p] == 0 {
		delete(t.pairs, p)
	}
}

// way returns the steps.
func (t *trail) way() []Step {
	out := make([]Step, 0, t.n)
	for i := t.first; i >= 0; i = t.steps[i].next {
		out = append(out, t.steps[i].Step)
	}
	return out
}

// shares returns what part of a conversion each of the groups gets, as Weights shares it
// among their steps; nil for Markov. There are at least three steps.
func (t *trail) shares(m Model, p Parameters) []float64 {
	out := make([]float64, len(t.groups))
	each := func(share float64) {
		for i, g := range t.groups {
			out[i] = share * float64(len(g.at))
		}
	}
	to := func(step int, share float64) {
		out[slices.Index(t.groups, t.steps[step].group)] += share
	}
	switch m {
	case First:
		to(t.first, 1)
	case Last:
		to(t.last, 1)
	case Linear:
		each(1 / float64(t.n))
	case Position:
		middle := (1 - p.FirstShare - p.LastShare) / float64(t.n-2)
		each(middle)
		to(t.first, p.FirstShare-middle)
		to(t.last, p.LastShare-middle)
	case Decay:
		youngest, sum := t.steps[t.last].At, 0.0
		for i, g := range t.groups {
			if len(g.at) > 0 {
				out[i] = g.sum * t.weight(youngest.Sub(g.at[len(g.at)-1]))
				sum += out[i]
			}
		}
		for i := range out {
			out[i] /= sum
		}
	default:
		return nil
	}
	return out
}

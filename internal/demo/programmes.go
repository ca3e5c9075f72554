package demo

import (
	"math/rand/v2"
	"slices"
	"time"
)

// The events of what the shop tries out.
const (
	// ProgrammeEntered says that somebody came into one of the Programmes, and with which
	// arm: Holdout people are left alone.
	ProgrammeEntered = "Programme Entered"
	// ExperimentViewed says which of the buttons somebody saw.
	ExperimentViewed = "Experiment Viewed"
)

// The arms of programmes.
const (
	Holdout = "holdout"
	Treated = "treated"
)

// Programme is something that the shop did all year for the people of a segment, but for
// those whom it held out.
type Programme struct {
	Key, Segment string // Segment is the key of one of Definitions
	Name         string
	Hypothesis   string
	Held         int           // of 100 who are held out
	Window       time.Duration // within which an order counts
	Works        int           // of 100 treated people who order because of it
	// What the plan was made for.
	Baseline, Effect float64
}

// Programmes are for new signups, for those of a high lifetime value, and for those who
// may not come back.
var Programmes = []Programme{
	{
		Key: "welcome", Segment: "new-signups", Name: "Welcome new signups", Hypothesis: "Three letters after a signup bring more first orders within 30 days.",
		Held: 30, Window: days(30), Works: 11, Baseline: 0.09, Effect: 0.06,
	},
	{
		Key: "thank-you", Segment: "high-value", Name: "Thank the best customers", Hypothesis: "A letter by hand to whoever has spent 300 brings another order within 45 days.",
		Held: 50, Window: days(45), Works: 30, Baseline: 0.3, Effect: 0.3,
	},
	{
		Key: "win-back", Segment: "churn-risk", Name: "Win back", Hypothesis: "A voucher for whoever stays away 90 days after two orders brings one within 45 days.",
		Held: 50, Window: days(45), Works: 34, Baseline: 0.2, Effect: 0.3,
	},
}

// inHighValue is what somebody has spent who is in the segment of high value, in cents.
const inHighValue = 30_000

// purchase is an order of the history.
type purchase struct {
	at    time.Time
	cents int
}

// programmes leads a person through the programmes, after everything else of their life is
// known, in the order of time: what a programme brings about may lead into the next.
func (h *history) programmes() {
	p := h.p
	if p.signup.IsZero() || p.signup.After(h.to) {
		return
	}
	// Of its own: nothing else that happens to the person depends on it.
	p.rng = rand.New(rand.NewPCG(seed^'t', uint64(p.n)))
	h.enter(Programmes[0], p.signup.Add(time.Minute))
	h.bought = slices.SortedFunc(slices.Values(h.bought), func(a, b purchase) int { return a.at.Compare(b.at) })
	sum := 0
	for _, b := range h.bought {
		if sum += b.cents; sum >= inHighValue {
			h.enter(Programmes[1], b.at.Add(time.Hour))
			break
		}
	}
	h.bought = slices.SortedFunc(slices.Values(h.bought), func(a, b purchase) int { return a.at.Compare(b.at) })
	for i := 1; i < len(h.bought); i++ {
		away := h.bought[i].at.Add(days(90))
		if i+1 == len(h.bought) || h.bought[i+1].at.After(away) {
			h.enter(Programmes[2], away.Add(time.Hour))
			break
		}
	}
}

// enter draws an arm, and lets the programme have its effect.
func (h *history) enter(g Programme, at time.Time) {
	if at.After(h.to) {
		return
	}
	arm := Treated
	if h.p.rng.IntN(100) < g.Held {
		arm = Holdout
	}
	h.track(0, at, ProgrammeEntered, map[string]any{"programme": g.Key, "arm": arm})
	works, after := h.p.rng.IntN(100) < g.Works, days(1+0.8*h.p.rng.Float64()*(g.Window.Hours()/24-2))
	if arm == Holdout || !works {
		return
	}
	letter := campaign{"newsletter", "email", g.Key}
	h.via = &letter
	h.arrive(at.Add(after), 0)
	h.order(0, at.Add(after+4*time.Minute), h.cart(at.Add(after)), []product{h.fancy()})
	h.via = nil
}

// button shows one of two buttons to whoever comes to the checkout in the last six weeks,
// the same to the same person.
func (h *history) button(i int, at time.Time) {
	if at.Before(h.to.Add(-days(42))) {
		return
	}
	arm := "grey"
	if h.p.n%2 == 1 {
		arm = "green"
	}
	h.track(i, at, ExperimentViewed, map[string]any{"experiment": "checkout-button", "variation": arm})
}

// passersBy are people who follow an advertisement, look at one page and go.
func passersBy(n int, from, to time.Time) []message {
	rng := rand.New(rand.NewPCG(seed^'b', uint64(n)))
	p := &person{n: n, rng: rng, place: places[rng.IntN(len(places))]}
	var out []message
	for k := range passing {
		p.devices = []device{{anonymousID: p.uuid(string(rune('A' + k)))}}
		h := &history{p: p, to: to, id: func(int) string { return passerID(n, k) }}
		c := campaigns[rng.IntN(len(campaigns))]
		h.via = &c
		h.arrive(from.Add(time.Duration(rng.Int64N(int64(to.Sub(from))))), 0)
		out = append(out, h.messages...)
	}
	return out
}

// passing is how many such there are for each shopper.
const passing = 4

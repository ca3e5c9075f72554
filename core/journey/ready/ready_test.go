package ready_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/journey/ready"
)

// choices fills in all that a journey needs, "template.x" with "tpl_x".
func choices(j *ready.Journey, more ready.Choices) ready.Choices {
	out := ready.Choices{"value.timeZone": "Europe/Bucharest"}
	for _, need := range j.Needs() {
		kind, key, _ := strings.Cut(need, ".")
		out[need] = map[string]string{"template": "tpl_", "segment": "seg_", "pool": "pool-", "value": ""}[kind] + key
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// TestLibrary: each is sound, says what it needs and can be drawn.
func TestLibrary(t *testing.T) {
	all, err := ready.Journeys()
	require.NoError(t, err)
	wishes := map[string]bool{}
	for _, j := range all {
		wishes[j.Wish] = true
		_, err := j.Define(nil)
		require.ErrorContains(t, err, "template.", j.Key)
		c := choices(j, ready.Choices{"value.interval": "P30D"})
		tree, err := j.Define(c)
		require.NoError(t, err, j.Key)
		d, err := journey.Parse(tree)
		require.NoError(t, err, j.Key)
		require.NotContains(t, journey.Text(d, nil), "$", j.Key)
		raw, err := journey.MarshalJSON(d)
		require.NoError(t, err)
		sends := 0
		for _, s := range j.Templates {
			require.Contains(t, string(raw), `"tpl_`+s.Key+`"`, j.Key)
			require.Contains(t, []string{"nurture", "onboarding", "re-engagement", "post-sale"}, s.Family)
		}
		for _, n := range d.Nodes {
			if m := n.Step.Message; m != nil {
				sends++
				for _, s := range j.Templates {
					if m.Template == "tpl_"+s.Key {
						require.Equal(t, s.Channel, m.Channel, j.Key)
					}
				}
			}
		}
		require.Equal(t, len(j.Templates), sends, j.Key)
		for _, s := range j.Segments {
			where, err := j.Condition(s.Key, c)
			require.NoError(t, err)
			_, err = condition.Parse(where)
			require.NoError(t, err, j.Key)
		}
	}
	for _, w := range []string{"W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9"} {
		require.True(t, wishes[w], w)
	}
	_, err = ready.Find("cart-recovery")
	require.NoError(t, err)
	_, err = ready.Find("nothing")
	require.ErrorContains(t, err, "cart-recovery")
}

// known is what a test knows of somebody beside their events.
type known struct{ traits bson.Raw }

func (k *known) ProfileID() string                        { return "prof_1" }
func (k *known) Location() *time.Location                 { return nil }
func (k *known) Ledgers(string) []*condition.Ledger       { return nil }
func (k *known) Records(_, _ string) []bson.Raw           { return nil }
func (k *known) Record() bson.Raw                         { return nil }
func (k *known) Member(string) (since time.Time, in bool) { return since, false }
func (k *known) ConsentStatus(string, string, time.Time) (string, time.Time) {
	return "UNKNOWN", time.Time{}
}

func (k *known) Trait(path string) (bson.RawValue, bool) {
	v, err := k.traits.LookupErr(strings.Split(path, ".")...)
	return v, err == nil
}

type one struct{ p *journey.Person }

func (o one) Each(_ context.Context, f func(*journey.Person) error) error { return f(o.p) }

// did is an event of the test's person: when after the beginning, and what.
func did(after time.Duration, name, properties string) *event.Event {
	e := &event.Event{Type: event.Track, Name: name, Timestamp: begin.Add(after)}
	if condition.IsSystemEvent(name) {
		e.Type = event.System
	}
	if err := bson.UnmarshalExtJSON([]byte(properties), false, &e.Properties); err != nil {
		panic(err)
	}
	return e
}

// begin is a Monday, 12:00 in Bucharest.
var begin = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// sends runs somebody through a ready journey for four months and returns what is
// sent when: "node +2d3h".
func sends(t *testing.T, key, traits string, more ready.Choices, reactions []journey.Reaction, events ...*event.Event) []string {
	t.Helper()
	j, err := ready.Find(key)
	require.NoError(t, err)
	c := choices(j, more)
	tree, err := j.Define(c)
	require.NoError(t, err)
	d, err := journey.Parse(tree)
	require.NoError(t, err)
	p, err := journey.Compile(d, "jrn_ready")
	require.NoError(t, err)
	o := journey.SimulateOptions{From: begin, To: begin.Add(120 * day), Trails: []string{"prof_1"}, Reactions: reactions, Segments: map[string]*condition.Program{}}
	for _, s := range j.Segments {
		where, err := j.Condition(s.Key, c)
		require.NoError(t, err)
		n, err := condition.Parse(where)
		require.NoError(t, err)
		o.Segments[c["segment."+s.Key]], err = condition.Compile(n, condition.Zone{})
		require.NoError(t, err)
	}
	k := &known{}
	require.NoError(t, bson.UnmarshalExtJSON([]byte(traits), false, &k.traits))
	s, err := journey.Simulate(t.Context(), p, one{&journey.Person{Profile: "prof_1", Events: events, Facts: func(time.Time) condition.Facts { return k }}}, o)
	require.NoError(t, err)
	out := []string{}
	for _, en := range s.Trails[0].Enrollments {
		for _, x := range en.Trail {
			if x.Did == journey.DidQueue {
				after := x.At.Sub(begin)
				out = append(out, fmt.Sprintf("%s +%dd%s", x.Node, after/day, after%day))
			}
		}
	}
	return out
}

func TestOnboarding(t *testing.T) {
	signup := did(0, "Signed Up", `{}`)
	require.Equal(t, []string{"welcome +0d0s", "guide-1 +1d0s", "guide-2 +4d0s", "offer +7d0s"}, sends(t, "onboarding", `{}`, nil, nil, signup))
	require.Equal(t, []string{"welcome +0d0s", "guide-1 +1d0s"}, sends(t, "onboarding", `{}`, nil, nil, signup, did(2*day, "Order Completed", `{}`)), "active after two days")
	require.Equal(t, []string{"welcome +0d0s", "guide-1 +1d0s"}, sends(t, "onboarding", `{}`, ready.Choices{"value.activation": "Project Created"}, nil, signup, did(hour, "Order Completed", `{}`), did(2*day, "Project Created", `{}`)))
	require.Len(t, sends(t, "onboarding", `{}`, nil, nil, signup, did(40*day, "Signed Up", `{}`)), 4, "once")
	require.Len(t, sends(t, "onboarding", `{}`, nil, nil, did(-day, "Order Completed", `{}`), signup), 4, "an order of before is none since")
}

func TestNurturing(t *testing.T) {
	lead, opens := did(0, "Signed Up", `{}`), journey.Reaction{Status: "OPENED", Share: 10_000, After: hour}
	traits := `{"email":"a@example.com"}`
	require.Equal(t, []string{"story +0d0s", "light +10d0s"}, sends(t, "nurturing", traits, nil, nil, lead), "passive")
	require.Equal(t, []string{"story +0d0s", "deep +1d1h0m0s", "case +5d1h0m0s"}, sends(t, "nurturing", traits, nil, []journey.Reaction{opens}, lead), "opens")
	require.Equal(t, []string{"story +0d0s", "deep +1d1h0m0s"}, sends(t, "nurturing", traits, nil, []journey.Reaction{opens, {Status: "CLICKED", Share: 10_000, After: 2 * hour}}, lead), "clicks: a call")
	require.Equal(t, []string{"story +0d0s"}, sends(t, "nurturing", traits, nil, nil, lead, did(5*day, "Order Completed", `{}`)), "won")
	require.Empty(t, sends(t, "nurturing", `{}`, nil, nil, lead), "no address, no lead")
}

func TestReactivation(t *testing.T) {
	ordered := did(-80*day, "Order Completed", `{}`)
	require.Equal(t, []string{"feedback +10d0s", "miss +17d0s", "offer +24d0s"}, sends(t, "reactivation", `{}`, nil, nil, ordered))
	require.Equal(t, []string{"feedback +10d0s", "miss +17d0s", "offer +24d0s", "loyalty +31d0s"}, sends(t, "reactivation", `{"loyaltyTier":"gold"}`, nil, nil, ordered))
	require.Equal(t, []string{"feedback +10d0s", "miss +17d0s"}, sends(t, "reactivation", `{"loyaltyTier":"gold"}`, nil, nil, ordered, did(20*day, "Order Completed", `{}`)), "an order ends it")
	require.Empty(t, sends(t, "reactivation", `{}`, nil, nil), "who never ordered has not stopped")
}

func TestCrossSell(t *testing.T) {
	more := ready.Choices{"value.durable": "MAT-1", "value.complement": "SHE-1"}
	bought := did(0, "Order Completed", `{"products":[{"sku":"PIL-1"},{"sku":"MAT-1"}]}`)
	// It was bought at noon, so that the next ten in the morning is on the day after.
	require.Equal(t, []string{"complement +14d22h0m0s"}, sends(t, "cross-sell", `{}`, more, nil, bought))
	require.Equal(t, []string{"complement +14d22h0m0s", "nudge +44d22h0m0s"}, sends(t, "cross-sell", `{}`, more, nil, bought, did(20*day, "Product Viewed", `{"sku":"SHE-1"}`))[:2])
	require.Empty(t, sends(t, "cross-sell", `{}`, more, nil, did(-100*day, "Order Completed", `{"products":[{"sku":"SHE-1"}]}`), bought), "has it already")
	require.Equal(t, []string{"complement +14d22h0m0s"}, sends(t, "cross-sell", `{}`, more, nil, bought, did(16*day, "Product Viewed", `{"sku":"SHE-1"}`), did(20*day, "Order Completed", `{"products":[{"sku":"SHE-1"}]}`)), "took it")
	require.Empty(t, sends(t, "cross-sell", `{}`, more, nil, did(0, "Order Completed", `{"products":[{"sku":"SHE-1"}]}`)))
}

func TestCartRecovery(t *testing.T) {
	added := did(0, "Product Added", `{"cart_id":"c1","sku":"a"}`)
	require.Equal(t, []string{"reminder +0d1h0m0s", "offer +1d0s", "last +3d0s"}, sends(t, "cart-recovery", `{}`, nil, nil, added))
	order := func(after time.Duration, cart string) *event.Event {
		return did(after, "Order Completed", `{"cart_id":"`+cart+`"}`)
	}
	require.Equal(t, []string{"reminder +0d1h0m0s"}, sends(t, "cart-recovery", `{}`, nil, nil, added, order(2*hour, "c1")), "an order at two hours means one")
	require.Empty(t, sends(t, "cart-recovery", `{}`, nil, nil, added, order(30*time.Minute, "c1")))
	require.Len(t, sends(t, "cart-recovery", `{}`, nil, nil, added, order(2*hour, "c2")), 3, "another cart")
	require.Equal(t, []string{"reminder +0d1h50m0s", "offer +1d50m0s", "last +3d50m0s"}, sends(t, "cart-recovery", `{}`, nil, nil, added, did(50*time.Minute, "Product Added", `{"cart_id":"c1","sku":"b"}`)), "an hour after the last thing")
	two := sends(t, "cart-recovery", `{}`, nil, nil, added, did(10*time.Minute, "Product Added", `{"cart_id":"c2"}`), order(5*hour, "c1"))
	require.Equal(t, []string{"reminder +0d1h0m0s", "reminder +0d1h10m0s", "offer +1d10m0s", "last +3d10m0s"}, two, "two carts are two")
}

func TestBehaviour(t *testing.T) {
	view := func(after time.Duration, sku string) *event.Event {
		return did(after, "Product Viewed", `{"sku":"`+sku+`"}`)
	}
	three := []*event.Event{view(0, "a"), view(day, "a"), view(day+hour, "b"), view(2*day, "a")}
	require.Equal(t, []string{"discount +2d1h0m0s"}, sends(t, "viewed-often", `{}`, nil, nil, three...))
	require.Equal(t, []string{"discount +2d1h0m0s"}, sends(t, "viewed-often", `{}`, nil, nil, append(three, view(3*day, "a"), view(4*day, "a"), view(5*day, "a"))...), "once")
	require.Empty(t, sends(t, "viewed-often", `{}`, nil, nil, append(three, did(2*day+time.Minute, "Product Added", `{"sku":"a"}`))...), "into the cart")
	require.Empty(t, sends(t, "viewed-often", `{}`, nil, nil, view(0, "a"), view(day, "a"), view(9*day, "a")), "not within a week of each other")

	page := func(after time.Duration) *event.Event { return did(after, "Page Viewed", `{}`) }
	require.Equal(t, []string{"offer +0d20m0s"}, sends(t, "session-demo", `{}`, nil, nil, page(0), page(10*time.Minute), page(20*time.Minute), page(25*time.Minute), page(3*day), page(3*day+time.Minute), page(3*day+2*time.Minute)))
	require.Empty(t, sends(t, "session-demo", `{}`, nil, nil, page(0), page(10*time.Minute), page(31*time.Minute)))

	ticket := func(after time.Duration, id string) *event.Event {
		return did(after, "Support Ticket Opened", `{"ticket_id":"`+id+`"}`)
	}
	require.Equal(t, []string{"survey +2d22h0m0s", "survey +12d22h0m0s"}, sends(t, "support-survey", `{}`, nil, nil, ticket(0, "1"), ticket(hour, "1"), ticket(10*day, "2")))
}

func TestTierReached(t *testing.T) {
	tier := func(after time.Duration, to, direction string) *event.Event {
		return did(after, "Tier Changed", `{"to":"`+to+`","direction":"`+direction+`"}`)
	}
	require.Equal(t, []string{"congratulate +0d0s", "invite +3d0s", "congratulate +40d0s", "invite +43d0s"},
		sends(t, "tier-reached", `{}`, nil, nil, tier(0, "silver", "UP"), tier(day, "", "DOWN"), tier(30*day, "silver", "UP"), tier(40*day, "gold", "UP")), "each tier once")
}

func TestNewsletterSample(t *testing.T) {
	subscribed := did(0, "Newsletter Subscribed", `{}`)
	require.Equal(t, []string{"promo +0d0s"}, sends(t, "newsletter-sample", `{}`, nil, nil, did(-29*day, "Order Completed", `{}`), subscribed, did(day, "Newsletter Subscribed", `{}`)))
	require.Equal(t, []string{"hello +0d0s"}, sends(t, "newsletter-sample", `{}`, nil, nil, did(-31*day, "Order Completed", `{}`), subscribed))
}

func TestReplenishment(t *testing.T) {
	order := func(after time.Duration, sku string) *event.Event {
		return did(after, "Order Completed", `{"products":[{"sku":"`+sku+`"}]}`)
	}
	interval := ready.Intervals([]ready.Purchase{
		{"a", "COF", begin.Add(-100 * day)}, {"a", "COF", begin.Add(-70 * day)}, {"a", "COF", begin.Add(-40 * day)}, {"a", "COF", begin.Add(-40*day + hour)},
		{"b", "COF", begin.Add(-90 * day)}, {"b", "COF", begin.Add(-62 * day)}, {"b", "COF", begin.Add(-2 * day)}, {"c", "COF", begin.Add(-60 * day)}, {"c", "COF", begin.Add(-35 * day)},
		{"a", "TEA", begin.Add(-60 * day)}, {"a", "TEA", begin.Add(-30 * day)},
	})
	require.Equal(t, map[string]time.Duration{"COF": 30 * day}, interval, "25, 28, 30, 30 and 60 days; of tea too little is known")
	more := ready.Choices{"value.sku": "COF", "value.interval": condition.Period{Elapsed: interval["COF"]}.String()}
	// Noon and thirty days, then nine in the morning: the clocks have been put forward by then.
	require.Equal(t, []string{"remind +30d20h0m0s"}, sends(t, "replenishment", `{}`, more, nil, order(0, "COF")))
	require.Equal(t, []string{"remind +50d20h0m0s"}, sends(t, "replenishment", `{}`, more, nil, order(0, "COF"), order(20*day, "COF"), order(25*day, "TEA")), "bought again: from then on")
}

package demo

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
)

// plans are what the coffee club offers.
var plans = []struct {
	key           string
	cents, months int
}{{"monthly", 1290, 1}, {"monthly", 1290, 1}, {"quarterly", 3490, 3}, {"yearly", 12900, 12}}

var staffNotes = []string{
	"Asked for a larger size.", "Brought back a pillow, took another.", "Wants to see the new lamps in spring.",
	"Compared mattresses, will decide at home.", "Prefers to be called in the evening.",
}

// Subscriptions returns the subscriptions of those of the first n people who hold
// one, as they are on the day of to: a function of n and the day, as Messages is.
func Subscriptions(n int, to time.Time) []object.Item {
	to = to.UTC().Truncate(24 * time.Hour)
	var out []object.Item
	for i := range n {
		p := newPerson(i, to.AddDate(0, -Months, 0), to)
		rng := rand.New(rand.NewPCG(seed^'s', uint64(i)))
		share := 12
		if p.loyal {
			share = 34
		}
		if p.signup.IsZero() || rng.IntN(100) >= share {
			continue
		}
		out = append(out, subscription(p, rng, to))
	}
	return out
}

func subscription(p *person, rng *rand.Rand, to time.Time) object.Item {
	plan := plans[rng.IntN(len(plans))]
	started := p.signup.Add(time.Duration(rng.Int64N(int64(30 * 24 * time.Hour)))).Truncate(24 * time.Hour)
	if started.After(to) {
		started = to
	}
	fields := map[string]any{
		"plan": plan.key, "price": money(plan.cents), "seats": 1 + rng.IntN(3)*rng.IntN(2),
		"started_at": started.Format(time.DateOnly),
	}
	renews := started
	for !renews.After(to) {
		renews = renews.AddDate(0, plan.months, 0)
	}
	switch k := rng.IntN(100); {
	case to.Sub(started) < 14*24*time.Hour:
		fields["status"], fields["renews_at"] = "trialing", started.AddDate(0, 0, 14).Format(time.DateOnly)
	case k < 9: // the last payment did not come: it is still due
		fields["status"], fields["renews_at"] = "past_due", to.AddDate(0, 0, -1-rng.IntN(20)).Format(time.DateOnly)
	case k < 24:
		fields["status"] = "cancelled"
	default:
		fields["status"], fields["renews_at"] = "active", renews.Format(time.DateOnly)
	}
	return object.Item{ExternalID: fmt.Sprintf("SUB-%05d", p.n), Fields: fields, Links: linked("holder", p)}
}

// Visits returns the store visits of the first n people up to the day of to. Some
// visitors have never ordered online.
func Visits(n int, to time.Time) []object.Item {
	to = to.UTC().Truncate(24 * time.Hour)
	from := to.AddDate(0, -Months, 0)
	var out []object.Item
	for i := range n {
		p := newPerson(i, from, to)
		rng := rand.New(rand.NewPCG(seed^'v', uint64(i)))
		if p.signup.IsZero() || rng.IntN(100) >= 35 {
			continue
		}
		at := p.signup.Add(days(2 + 50*rng.Float64()))
		for k := 0; at.Before(to); k++ {
			out = append(out, visit(p, k, rng, at))
			at = at.Add(days(20 + 90*rng.Float64()))
		}
	}
	return out
}

func visit(p *person, k int, rng *rand.Rand, at time.Time) object.Item {
	// Stores are open from 10 to 19 o'clock.
	at = at.Truncate(24 * time.Hour).Add(10*time.Hour + time.Duration(rng.IntN(9*60))*time.Minute)
	fields := map[string]any{"store": stores[rng.IntN(len(stores))], "at": at.Format(time.RFC3339)}
	if rng.IntN(100) < 60 {
		it := catalogue[rng.IntN(len(catalogue))]
		fields["spent"] = money(it.cents)
	}
	if rng.IntN(100) < 20 {
		fields["notes"] = staffNotes[rng.IntN(len(staffNotes))]
	}
	return object.Item{ExternalID: fmt.Sprintf("VIS-%05d-%d", p.n, k), Fields: fields, Links: linked("visitor", p)}
}

func money(cents int) map[string]any {
	return map[string]any{"amount": amount(cents), "currency": "EUR"}
}

// linked is a record's relation to a person, by the id that the shop knows them by.
func linked(relation string, p *person) map[string][]object.Link {
	return map[string][]object.Link{relation: {{Namespace: profile.UserID, Value: p.userID()}}}
}

// panel is who sits on the shop's product panel: a few loyal people who agreed to
// marketing.
func panel(n int, to time.Time) []event.Identifier {
	to = to.UTC().Truncate(24 * time.Hour)
	var out []event.Identifier
	for i := 0; i < n && len(out) < panelSize; i++ {
		p := newPerson(i, to.AddDate(0, -Months, 0), to)
		if p.loyal && p.consentEmail && !p.signup.IsZero() && to.Sub(p.signup) > 60*24*time.Hour {
			out = append(out, event.Identifier{Namespace: profile.UserID, Value: p.userID()})
		}
	}
	return out
}

const panelSize = 12

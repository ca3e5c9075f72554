package conditiontest_test

import (
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/condition/conditiontest"
)

// TestCalendarWindows checks at which millisecond windows of the calendar let go
// of an instant: it is in at, and out one millisecond later.
func TestCalendarWindows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ zone, window, event, last string }{
		{"UTC", `"last": "P1M"`, "2026-02-27T12:00:00Z", "2026-03-27T11:59:59.999Z"},
		{"UTC", `"last": "P1M"`, "2026-02-28T12:00:00Z", "2026-03-28T11:59:59.999Z"},
		{"UTC", `"last": "P1M"`, "2026-02-28T23:59:59.999Z", "2026-03-28T23:59:59.998Z"},
		{"UTC", `"last": "P1M"`, "2026-01-31T08:00:00Z", "2026-02-28T23:59:59.999Z"},
		{"UTC", `"last": "P1Y"`, "2024-02-29T08:00:00Z", "2025-02-28T23:59:59.999Z"},
		{"Europe/Bucharest", `"last": "P1D"`, "2026-03-28T12:00:00Z", "2026-03-29T11:59:59.999Z"},     // elapsed time
		{"Europe/Bucharest", `"last": "P1M"`, "2026-03-28T12:00:00Z", "2026-04-28T10:59:59.999Z"},     // 14:00 and 14:00
		{"Europe/Bucharest", `"calendar": "DAY"`, "2026-10-25T00:30:00Z", "2026-10-25T21:59:59.999Z"}, // a day of 25 hours
		{"Europe/Bucharest", `"calendar": "WEEK"`, "2026-10-25T00:30:00Z", "2026-10-25T21:59:59.999Z"},
		{"Europe/Bucharest", `"calendar": "QUARTER"`, "2026-10-25T00:30:00Z", "2026-12-31T21:59:59.999Z"},
		{"America/Santiago", `"calendar": "DAY"`, "2026-09-05T12:00:00Z", "2026-09-06T03:59:59.999Z"}, // there is no midnight
		{"Pacific/Apia", `"calendar": "DAY"`, "2011-12-29T12:00:00Z", "2011-12-30T09:59:59.999Z"},     // 31 December follows
	} {
		t.Run(c.zone+" "+c.window+" "+c.event, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			n, err := condition.ParseJSON(fmt.Appendf(nil, `{"event": {"name": "Order", "window": {%s}}}`, c.window))
			if err != nil {
				t.Fatal(err)
			}
			h := &conditiontest.History{Events: []conditiontest.Event{event(t, "1", "Order", c.event, `{}`)}}
			last := instant(t, c.last)
			for at, want := range map[time.Time]bool{last: true, last.Add(time.Millisecond): false} {
				if got := conditiontest.Evaluate(n, h, at, condition.Zone{Location: zone}); got != want {
					t.Errorf("at %s: %v, want %v", at, got, want)
				}
			}
		})
	}
}

// A person's own zone goes before the condition's, when it is known.
func TestZoneOfProfile(t *testing.T) {
	t.Parallel()
	n, err := condition.ParseJSON([]byte(`{"event": {"name": "Order", "window": {"calendar": "DAY"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	tokyo := time.FixedZone("JST", 9*3600)
	h := &conditiontest.History{Events: []conditiontest.Event{event(t, "1", "Order", "2026-11-20T14:00:00Z", `{}`)}}
	now := instant(t, "2026-11-20T16:00:00Z") // the day after in Tokyo
	ask := func() bool { return conditiontest.Evaluate(n, h, now, condition.Zone{OfProfile: true}) }
	if !ask() {
		t.Error("without a zone of its own, it is UTC: want the event today")
	}
	h.Location = tokyo
	if ask() {
		t.Error("in Tokyo the event was yesterday")
	}
}

// The generator draws what a check accepts, mostly, and repeats itself.
func TestRandom(t *testing.T) {
	t.Parallel()
	draws := 2000
	if testing.Short() {
		draws = 200
	}
	accepted, events := 0, 0
	for seed := range uint64(draws) {
		r, again := conditiontest.NewRandom(seed), conditiontest.NewRandom(seed)
		h := r.History(10)
		if h.String() != again.History(10).String() {
			t.Fatalf("seed %d draws two histories", seed)
		}
		events += len(h.Events)
		if _, err := condition.Parse(r.Condition(2)); err == nil {
			accepted++
		}
		for _, doc := range []bson.Raw{h.Traits, h.Field} {
			if err := doc.Validate(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if accepted < draws/2 || events < draws {
		t.Errorf("of %d draws %d conditions were accepted, and there were %d events", draws, accepted, events)
	}
	t.Logf("%d of %d conditions accepted, %d events", accepted, draws, events)
}

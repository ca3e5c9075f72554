package insight

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// What a metric does not depend on is not heard of, in another process too: what is heard
// next is always of what came last.
func TestAMetricHearsOnlyOfWhatItDependsOn(t *testing.T) {
	path, clock := filepath.Join(t.TempDir(), "headwater.db"), core.NewVirtualClock(rigStart)
	r := rigOver(t, openRig(t, path, clock), clock)
	other := rigOver(t, openRig(t, path, clock), clock)
	create := func(name string, d Definition) *Metric {
		d.Title = name
		m, _, err := r.Create(r.ctx, rigWS, name, d, name, false)
		require.NoError(t, err)
		return m
	}
	seen := create("seen", Definition{Unit: Count, Numerator: Measure{Value: Events, Event: "Seen"}})
	create("noise", Definition{Unit: Count, Numerator: Measure{Value: Events, Event: "Heard"}})
	create("spent_per_seen", Definition{Unit: Money, Currency: "EUR", Numerator: Measure{Value: Sum, Event: "Spent", Path: "amount", Currency: "currency"}, Denominator: &Measure{Value: Other, Metric: "seen"}})
	create("hearers", Definition{Unit: People, Numerator: Measure{Value: Distinct, Event: "Heard"}})
	r.counted()

	hub := store.NewHub(context.Background(), other.db)
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	listen := func(name string) func(why string) (collection, key string) {
		token, err := other.db.Now(r.ctx)
		require.NoError(t, err)
		filters, err := other.Watched(other.ctx, rigWS, name)
		require.NoError(t, err)
		stream, err := hub.Subscribe(r.ctx, token, filters...)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, stream.Close()) })
		return func(why string) (string, string) {
			t.Helper()
			ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
			defer cancel()
			c, err := stream.Next(ctx)
			require.NoError(t, err, why)
			return c.Collection, c.Key
		}
	}
	set, err := r.fresh(r.ctx, rigWS)
	require.NoError(t, err)
	measure := func(metric string) string { return set.metrics[metric].numerator.id }
	noise := func() {
		r.track("ana", "Heard", "2026-06-02T10:00:00Z", `{}`)
		r.track("bo", "Order Completed", "2026-06-02T10:00:00Z", `{"total":3,"currency":"EUR"}`)
		r.send(`{"type":"page","userId":"ana","timestamp":"2026-06-02T11:00:00Z"}`)
	}
	money, plain, people := listen("spent_per_seen"), listen("seen"), listen("hearers")
	heard := func(next func(string) (string, string), collection, begins, why string) {
		t.Helper()
		c, key := next(why)
		for c == heads.Spec.Name { // a definition was changed: what is complete is written anew
			c, key = next(why)
		}
		require.Equal(t, collection, c, why)
		require.True(t, strings.HasPrefix(key, store.Key(rigWS, begins)), "%s: %s", why, key)
	}
	noise()
	r.track("ana", "Seen", "2026-06-02T12:00:00Z", `{}`)
	heard(plain, "figure_rollups", measure("seen"), "its own events")
	heard(money, "figure_rollups", measure("seen"), "those of its denominator")
	heard(people, "figure_people", measure("hearers"), "people")
	noise()
	r.track("ana", "Spent", "2026-06-02T12:00:00Z", `{"amount":3,"currency":"GBP"}`)
	heard(money, "figure_rollups", measure("spent_per_seen"), "its numerator")
	noise()
	require.NoError(t, r.SetRates(r.ctx, rigWS, []ExchangeRate{{"GBP", "EUR", Date{2026, 1, 1}, newDecimal(2)}}))
	heard(money, "figure_rates", "GBP/EUR", "a rate")
	noise()
	_, _, err = r.Update(r.ctx, rigWS, "seen", seen.Version(), func(d *Definition) { d.Numerator.Event = "Looked" }, false)
	require.NoError(t, err)
	heard(plain, "metrics", "seen", "its definition")
	heard(money, "metrics", "seen", "the definition of its denominator")
	again := listen("seen")
	r.track("ana", "Looked", "2026-06-02T12:00:00Z", `{}`)
	changed, err := r.fresh(r.ctx, rigWS)
	require.NoError(t, err)
	heard(again, "figure_rollups", changed.metrics["seen"].numerator.id, "what the new definition counts")

	_, err = other.Watched(other.ctx, rigWS, "nothing")
	require.Equal(t, "METRIC", reason(err))
}

package budget

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/insight"
)

type witness struct{}

func (witness) Saw(context.Context, audit.Seen) error { return nil }
func (witness) Asked(string, string)                  {}

// looks is what somebody may see.
type looks []core.Category

func (l looks) View(context.Context) (*core.View, error) {
	v := &core.View{Purpose: "analytics", Data: map[core.Category]core.Decision{}, Permissions: map[string]core.Decision{"read": {Effect: core.Allow}, "design": {Effect: core.Allow}}}
	for _, c := range l {
		v.Data[c] = core.Decision{Effect: core.Allow}
	}
	return v, nil
}

func (r *rig) as(categories ...core.Category) context.Context {
	return core.WithActor(audit.WithWitness(r.t.Context(), witness{}), &core.Actor{Workspace: rigWS, ID: "key_1", Decider: looks(categories)})
}

// An alert tells nobody what the figure itself does not tell them.
func TestAlertsTellNoMoreThanFigures(t *testing.T) {
	r := newRig(t)
	const day = "2026-06-20"
	r.spent(day, "search", "100")
	r.sold("search", "359", day) // one person
	r.target("search", Target{Metric: "roas", Value: "4", Dimensions: map[string]string{"channel": "search"}})
	require.Equal(t, "3.59", r.alert("target/search").Value)
	seen := func(ctx context.Context) *Alert { return r.listed(ctx, "target/search") }
	require.Equal(t, "3.59", seen(r.ctx).Value)
	require.Empty(t, seen(r.as(core.Behaviour, core.Transaction)).Value, "of one person")
	require.Empty(t, seen(r.as(core.Behaviour, core.IdentifierID)).Value, "made of transactions")
	require.True(t, seen(r.as(core.Behaviour)).Open)

	// Nor can they find it out by aiming at it.
	_, err := r.SetTarget(r.as(core.Behaviour), rigWS, "mine", 0, Target{Metric: "roas", Value: "5"})
	require.Equal(t, core.Forbidden, core.CodeOf(err))
	_, err = r.SetTarget(r.as(core.Behaviour, core.Transaction), rigWS, "mine", 0, Target{Metric: "roas", Value: "5"})
	require.NoError(t, err)
	require.Nil(t, r.alert("target/mine"))
	for range 12 {
		r.sold("search", "1", day)
	}
	require.Equal(t, "3.71", r.alert("target/mine").Value)
	require.Equal(t, "3.71", r.listed(r.as(core.Behaviour, core.Transaction), "target/mine").Value)
}

// listed returns an alert as somebody sees it in the list.
func (r *rig) listed(ctx context.Context, id string) *Alert {
	r.t.Helper()
	page, err := r.ListAlerts(ctx, rigWS, "", core.Window{Limit: 10})
	require.NoError(r.t, err)
	for _, a := range page.Items {
		if a.AlertID() == id {
			return a
		}
	}
	return &Alert{}
}

// A figure whose days are those of another time zone is looked at too, over whole days.
func TestTargetsOfMetricsInOtherTimeZones(t *testing.T) {
	r := newRig(t)
	for _, zone := range []string{"Europe/Bucharest", "America/Los_Angeles", "Pacific/Auckland"} {
		name := map[string]string{"Europe/Bucharest": "east", "America/Los_Angeles": "west", "Pacific/Auckland": "far"}[zone]
		_, _, err := r.figures.Create(r.ctx, rigWS, name, insight.Definition{Title: name, Unit: insight.People, Numerator: insight.Measure{Value: insight.Distinct, Event: "Order Completed"}, TimeZone: zone}, name, false)
		require.NoError(t, err)
		r.target(name, Target{Metric: name, Value: "10", Days: 2})
	}
	_, err := r.figures.Refold(r.ctx, rigWS, true, nil)
	require.NoError(t, err)
	r.sold("search", "1", "2026-06-29")
	r.sold("search", "1", "2026-06-30")
	r.sold("search", "1", "2026-06-30")
	r.sold("search", "1", "2026-06-28")
	r.clock.Advance(14 * time.Hour) // 02:00 of July, UTC; 19:00 of June 30 in Los Angeles, where that day is not over
	for name, want := range map[string]string{"east": "3", "west": "2", "far": "3"} {
		a := r.alert("target/" + name)
		require.NotNil(t, a, name)
		require.Equal(t, want, a.Value, name)
	}
}

// tooMuch is figures of which one metric reads more than is answered.
type tooMuch struct{ Figures }

func (f tooMuch) Values(ctx context.Context, ws, metric string, from, to time.Time, by []string) ([]Cell, error) {
	if metric == "ltv" {
		return nil, core.Errorf(core.TooComplex, "TOO_MANY_EVENTS", "this reads too much")
	}
	return f.Figures.Values(ctx, ws, metric, from, to, by)
}

// One target that cannot be looked at does not keep the others from it.
func TestOneTargetThatCannotBeLookedAt(t *testing.T) {
	r := newRig(t)
	r.Figures = tooMuch{r.Figures}
	r.sold("search", "1", "2026-06-29")
	r.target("a", Target{Metric: "ltv", Value: "4"})
	r.target("b", Target{Metric: "orders", Value: "4"})
	require.NotNil(t, r.alert("target/b"))
}

package insight

import (
	"context"
	"fmt"

	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/segment"
)

func TestPeriodsAreThoseOfTheCalendar(t *testing.T) {
	r := newRig(t)
	r.counted()
	// Bucharest goes to summer time on 2026-03-29: that day has 23 hours.
	for _, at := range []string{"2026-03-28T21:59:00Z", "2026-03-28T22:00:00Z", "2026-03-29T20:59:00Z", "2026-03-29T21:00:00Z"} {
		r.track("ana", "Order Completed", at, `{"total":1}`)
	}
	zone, err := time.LoadLocation("Europe/Bucharest")
	require.NoError(t, err)
	days := r.ask("orders", func(q *Question) {
		q.Grain, q.TimeZone, q.From, q.To = Day, "Europe/Bucharest", time.Date(2026, 3, 28, 0, 0, 0, 0, zone), time.Date(2026, 3, 31, 0, 0, 0, 0, zone)
	})
	require.Equal(t, []string{"2026-03-27T22 1", "2026-03-28T22 2", "2026-03-29T21 1"}, shown(days))
	hours := r.ask("orders", func(q *Question) {
		q.Grain, q.From, q.To = Hour, at("2026-03-29T20:00:00Z"), at("2026-03-29T23:00:00Z")
	})
	require.Equal(t, []string{"2026-03-29T20 1", "2026-03-29T21 1", "2026-03-29T22 0"}, shown(hours))
	weeks := r.ask("orders", func(q *Question) {
		q.Grain, q.From, q.To = Week, at("2026-03-23T00:00:00Z"), at("2026-04-06T00:00:00Z")
	})
	require.Equal(t, []string{"2026-03-23T00 4", "2026-03-30T00 0"}, shown(weeks))

	from, to := earlier(at("2026-03-01T00:00:00Z"), at("2026-04-01T00:00:00Z"), time.UTC)
	require.Equal(t, "2026-02-01 2026-03-01", from.Format(time.DateOnly)+" "+to.Format(time.DateOnly))
	from, _ = earlier(at("2026-03-10T00:00:00Z"), at("2026-03-17T00:00:00Z"), time.UTC)
	require.Equal(t, "2026-03-03", from.Format(time.DateOnly))
}

func TestMoneyIsConvertedByTheRatesOfEachDay(t *testing.T) {
	r := newRig(t)
	r.counted()
	r.track("ana", "Order Completed", "2026-06-03T10:00:00Z", `{"total":10,"currency":"EUR"}`)
	r.track("ana", "Order Completed", "2026-06-04T10:00:00Z", `{"total":10,"currency":"USD"}`)
	_, err := r.Ask(r.ctx, rigWS, Question{Name: "revenue", From: at("2026-06-01T00:00:00Z"), To: at("2026-07-01T00:00:00Z"), Grain: Total})
	require.Equal(t, "CURRENCY_UNSET", reason(err))
	_, _, err = r.Update(r.ctx, rigWS, "revenue", 0, func(d *Definition) { d.Currency = "EUR" }, false)
	require.NoError(t, err)
	require.Equal(t, []string{"2026-06-01T00 INCOMPLETE [USD 2026-06-04]"}, shown(r.ask("revenue", nil)), "never a silent 0")
	usd := func(day int, rate string) ExchangeRate {
		return ExchangeRate{"USD", "EUR", Date{2026, 6, day}, dec(t, rate)}
	}
	require.NoError(t, r.SetRates(r.ctx, rigWS, []ExchangeRate{usd(5, "0.5")}))
	require.Equal(t, []string{"2026-06-01T00 INCOMPLETE [USD 2026-06-04]"}, shown(r.ask("revenue", nil)), "a rate of the day after")
	require.NoError(t, r.SetRates(r.ctx, rigWS, []ExchangeRate{usd(1, "0.9")}))
	require.Equal(t, []string{"2026-06-01T00 19"}, shown(r.ask("revenue", nil)))
}

func TestASegmentIsWhoIsInItNow(t *testing.T) {
	r := newRig(t)
	r.counted()
	out, err := r.segments.Create(r.ctx, rigWS, segment.CreateInput{Name: "Chosen", Kind: segment.Static})
	require.NoError(t, err)
	id := out.Segment.SegmentID()
	for _, who := range []string{"ana", "bo", "cy"} {
		p := r.send(`{"type":"page","userId":%q,"timestamp":"2026-06-01T08:00:00Z"}`, who).ProfileID
		if who != "cy" {
			_, err := r.segments.AddToList(r.ctx, rigWS, id, []segment.ListItem{{ProfileID: p}})
			require.NoError(t, err)
		}
	}
	r.track("ana", "Order Completed", "2026-06-02T10:00:00Z", `{"total":10,"currency":"EUR"}`)
	r.track("cy", "Order Completed", "2026-06-02T10:00:00Z", `{"total":99,"currency":"EUR"}`)
	in := func(q *Question) { q.Segment = id }
	require.Equal(t, []string{"2026-06-01T00 0.5"}, shown(r.ask("conversion_rate", in)), "ana of ana and bo")
	require.Equal(t, []string{"2026-06-01T00 10"}, shown(r.ask("revenue", in)))
	require.Equal(t, []string{"2026-06-01T00 1"}, shown(r.ask("new_customers", in)))
	require.Equal(t, []string{"2026-06-01T00 109"}, shown(r.ask("revenue", nil)))
	_, err = r.Ask(r.ctx, rigWS, Question{Name: "revenue", From: at("2026-06-01T00:00:00Z"), To: at("2026-07-01T00:00:00Z"), Segment: "seg_none"})
	require.Equal(t, "SEGMENT", reason(err))
}

func TestSketchesAreExactWhileTheyAreFewAndThenOffByAFewPercent(t *testing.T) {
	var s sketch
	for i := range MaxExact {
		h := hashOf("ws", fmt.Sprint(i))
		require.True(t, s.add(h, MaxExact))
		require.False(t, s.add(h, MaxExact))
	}
	require.True(t, s.exact())
	require.EqualValues(t, MaxExact, s.count())
	for _, n := range []int{1_000, 10_000, 200_000} {
		var a, b sketch
		for i := range n {
			a.add(hashOf("ws", fmt.Sprint(i)), MaxExact)
			b.add(hashOf("ws", fmt.Sprint(i+n/2)), MaxExact)
		}
		require.InEpsilon(t, n, a.count(), 4*StandardError)
		require.InDelta(t, float64(n)/2, float64(both(&a, &b)), 4*StandardError*1.5*float64(n))
		x, y := a.clone(), b.clone()
		x.union(&b, MaxExact)
		y.union(&a, MaxExact)
		require.Equal(t, x.bytes(), y.bytes(), "in whatever order")
		again := sketchOf(x.bytes(), true)
		require.Equal(t, x.count(), again.count())
	}
}

func TestCellsOfFewPeopleAreSuppressedAndNotToBeToldFromTotals(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		v := &values{rows: map[row]*value{}}
		for period := range 3 {
			for cell := range 4 {
				n := random.Int64N(25)
				d := newDecimal(n)
				v.rows[row{period, fmt.Sprint(cell)}] = &value{of: &d, state: OK, people: []int64{n}}
			}
		}
		v.suppress(10)
		byPeriod, byCell := map[int]int{}, map[string]int{}
		others := map[string]int{}
		for r, one := range v.rows {
			if one.state == Suppressed {
				require.Nil(t, one.of)
				byPeriod[r.period]++
				byCell[r.cell]++
			} else {
				require.False(t, one.people[0] > 0 && one.people[0] < 10)
				if one.people[0] > 0 {
					others[fmt.Sprint("p", r.period)]++
					others["c"+r.cell]++
				}
			}
		}
		for p, n := range byPeriod {
			require.True(t, n > 1 || others[fmt.Sprint("p", p)] == 0, "%d alone", p)
		}
		for c, n := range byCell {
			require.True(t, n > 1 || others["c"+c] == 0, "%s alone", c)
		}
	}
}

// looks is what an analyst may see: no identifiers in clear.
type looks map[core.Category]core.Effect

func (l looks) View(context.Context) (*core.View, error) {
	v := &core.View{Purpose: "analytics", Data: map[core.Category]core.Decision{}, Permissions: map[string]core.Decision{"read": {Effect: core.Allow}}}
	for c, e := range l {
		v.Data[c] = core.Decision{Effect: e}
	}
	return v, nil
}

func TestWhoMayNotReadWhatAMetricIsMadeOfMayNotAsk(t *testing.T) {
	r := newRig(t)
	r.counted()
	ctx := core.WithActor(t.Context(), &core.Actor{Workspace: rigWS, ID: "key_1", Decider: looks{core.Behaviour: core.Allow}})
	q := Question{Name: "revenue", From: at("2026-06-01T00:00:00Z"), To: at("2026-07-01T00:00:00Z"), Grain: Total}
	_, err := r.Ask(ctx, rigWS, q)
	require.Equal(t, core.Forbidden, core.CodeOf(err), "it is made of transactions")
	limited := core.WithActor(t.Context(), &core.Actor{Workspace: rigWS, ID: "key_1", Limits: core.Limits{Owners: []string{"ana"}}, Decider: looks{core.Behaviour: core.Allow}})
	q.Name = "visitors"
	_, err = r.Ask(limited, rigWS, q)
	require.Equal(t, "LIMITED", reason(err))
}

func TestFunnelsCohortsAndPaths(t *testing.T) {
	r := newRig(t)
	june := Whom{From: at("2026-06-01T00:00:00Z"), To: at("2026-07-01T00:00:00Z")}
	r.track("ana", "Viewed", "2026-06-01T10:00:00Z", `{}`)
	r.track("ana", "Bought", "2026-06-01T10:00:00Z", `{}`) // at the same moment: not after
	r.track("ana", "Carted", "2026-06-01T11:00:00Z", `{}`)
	r.track("ana", "Bought", "2026-06-01T12:00:00Z", `{}`)
	r.track("bo", "Viewed", "2026-06-02T10:00:00Z", `{}`)
	r.track("bo", "Carted", "2026-06-04T10:00:01Z", `{}`) // two days and a second later
	r.track("cy", "Carted", "2026-06-02T10:00:00Z", `{}`) // without the first
	r.track("di", "Viewed", "2026-06-09T10:00:00Z", `{}`)
	r.track("di", "Carted", "2026-06-10T10:00:00Z", `{}`)

	f, err := r.Funnel(r.ctx, rigWS, june, []Step{{Event: "Viewed"}, {Event: "Carted"}, {Event: "Bought"}}, 48*time.Hour)
	require.NoError(t, err)
	require.EqualValues(t, 4, f.People)
	require.InDelta(t, 1, f.Share, 0)
	require.Equal(t, []FunnelStep{
		{FewCount: FewCount{People: 3}}, {FewCount: FewCount{People: 2}, Median: time.Hour}, {FewCount: FewCount{People: 1}, Median: 2 * time.Hour},
	}, f.Steps)

	c, err := r.Cohorts(r.ctx, rigWS, june, Step{Event: "Viewed"}, Step{Event: "Carted"}, Week, "UTC")
	require.NoError(t, err)
	require.EqualValues(t, 2, c.Rows[0].Size.People)
	require.EqualValues(t, 2, c.Rows[0].Periods[0].People)
	require.EqualValues(t, 0, c.Rows[0].Periods[1].People)
	require.EqualValues(t, 1, c.Rows[1].Size.People)
	require.Len(t, c.Rows, 5)

	p, err := r.Paths(r.ctx, rigWS, june, Step{Event: "Viewed"}, 2, 10)
	require.NoError(t, err)
	require.Equal(t, []Path{{[]string{"Viewed", "Carted"}, 2}, {[]string{"Viewed", "Bought"}, 1}}, p.Rows)
}

package insight

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
)

// flooded has 10,000 values of a dimension that came once each, of forty people, v00001
// to v10000 by turns on the days of June, beside spring with twelve events of as many people
// and autumn with five.
func flooded(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.Costs = fixedCosts{{Day: Date{2026, 6, 2}, Currency: "EUR", Amount: newDecimal(3), Dimensions: map[string]string{"plan": "v08888"}}}
	for name, d := range map[string]Definition{
		"hits": seen("Hits", "Hit", Events), "hitters": seen("Hitters", "Hit", Distinct), "new_hitters": seen("New", "Hit", First),
		"wins":     {Unit: Ratio, Numerator: Measure{Value: Events, Event: "Win"}, Denominator: &Measure{Value: Events, Event: "Hit"}},
		"hit_cost": {Unit: Money, Currency: "EUR", Numerator: Measure{Value: Cost}, Denominator: &Measure{Value: Events, Event: "Hit"}},
		"kept":     {Unit: Ratio, Calc: Retention, Numerator: Measure{Value: Distinct, Event: "Hit"}},
	} {
		d.Title, d.Dimensions = name, []Dimension{{Key: "plan", Paths: []string{"properties.plan"}}}
		_, _, err := r.Create(r.ctx, rigWS, name, d, name, false)
		require.NoError(t, err, name)
	}
	r.counted()
	var batch []event.Input
	flush := func() {
		out, err := r.pipeline.Ingest(r.ctx, rigWS, "src_web", batch)
		require.NoError(t, err)
		for _, one := range out {
			require.NoError(t, faultOf(one.Err))
		}
		batch = batch[:0]
	}
	add := func(who, name, day, plan string) {
		r.ids++
		batch = append(batch, event.DecodeMessage(fmt.Appendf(nil, `{"type":"track","userId":%q,"event":%q,"timestamp":"2026-%sT10:00:00Z","properties":{"plan":%q}}`, who, name, day, plan),
			event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprint("k-", r.ids)}))
		if len(batch) == 500 {
			flush()
		}
	}
	for i := 1; i <= 10_000; i++ {
		add(fmt.Sprint("f", i%40), "Hit", fmt.Sprintf("06-%02d", i%30+1), fmt.Sprintf("v%05d", i))
	}
	for i := range 12 {
		add(fmt.Sprint("s", i), "Hit", "06-02", "spring")
		add(fmt.Sprint("s", i), "Win", "06-02", "spring")
		add(fmt.Sprint("s", i), "Win", "06-02", "spring")
	}
	for i := range 5 {
		add(fmt.Sprint("a", i), "Hit", "06-03", "autumn")
	}
	add("f9", "Win", "06-05", "v09999")
	add("s0", "Hit", "05-02", "spring")
	for i := range 4 {
		add(fmt.Sprint("a", i), "Hit", "05-02", "v09998")
	}
	flush()
	return r
}

func byPlan(q *Question) { q.By = []string{"plan"} }

// cellsOf returns the rows of an answer by the values of their dimension, and what they
// come to together.
func cellsOf(a *Answer) (by map[string]string, sum condition.Decimal) {
	by = map[string]string{}
	for i, text := range shown(a) {
		by[a.Rows[i].Dimensions[0]] = strings.TrimPrefix(text, "2026-06-01T00 "+a.Rows[i].Dimensions[0]+" ")
		if v := a.Rows[i].Value; v != nil {
			sum = sum.Add(*v)
		}
	}
	return by, sum
}

// Whoever sends any number of values of a dimension takes the figures from nobody: the
// largest are told apart, the others are one, and the sums are exact.
func TestAFloodOfValuesIsOneCell(t *testing.T) {
	r := flooded(t)
	check := func() {
		hits, sum := cellsOf(r.ask("hits", byPlan))
		require.Len(t, hits, 5000)
		require.Equal(t, "10017", sum.String())
		// Beside spring and autumn there is room for v00001 to v04997.
		for name, want := range map[string]string{"spring": "12", "autumn": "5", "v00001": "1", "v04997": "1", "v04998": "", OtherValues: "5003"} {
			require.Equal(t, want, hits[name], name)
		}
		require.Equal(t, []string{"2026-06-01T00 10017"}, shown(r.ask("hits", nil)))

		// 5,000 rows over 30 days leave room for 165 values.
		a := r.ask("hits", func(q *Question) { q.By, q.Grain = []string{"plan"}, Day })
		days := shown(a)
		_, sum = cellsOf(a)
		require.Len(t, days, 1+1+163+30)
		require.Equal(t, "10017", sum.String())
		for _, want := range []string{
			"2026-06-01T00 (other) 328", // v00180, v00210 … v09990
			"2026-06-02T00 spring 12", "2026-06-03T00 autumn 5", "2026-06-14T00 v00163 1", "2026-06-15T00 (other) 328",
		} {
			require.Contains(t, days, want)
		}

		// What was large in the period before is told apart too.
		hits, _ = cellsOf(r.ask("hits", func(q *Question) { q.By, q.Compare = []string{"plan"}, true }))
		for name, want := range map[string]string{"spring": "12 (1)", "v09998": "1 (4)", "v04996": "1", "v04997": "", OtherValues: "5003"} {
			require.Equal(t, want, hits[name], name)
		}

		people, _ := cellsOf(r.ask("hitters", byPlan))
		require.Equal(t, []string{"12", "5", "40"}, []string{people["spring"], people["autumn"], people[OtherValues]})

		// Both sides of a ratio tell the same values apart; v09999 has two events in all.
		wins, _ := cellsOf(r.ask("wins", byPlan))
		for name, want := range map[string]string{"spring": "2", "autumn": "0", "v09999": "1", "v04996": "0", "v04997": "", OtherValues: "0"} {
			require.Equal(t, want, wins[name], name)
		}
		// What has costs is told apart before anything else.
		costs, _ := cellsOf(r.ask("hit_cost", byPlan))
		for name, want := range map[string]string{"v08888": "3", "spring": "INSUFFICIENT_DATA", "v04997": "", OtherValues: "INSUFFICIENT_DATA"} {
			require.Equal(t, want, costs[name], name)
		}
		// Of the four of v09998 in May none came there again, nor did the others' five anywhere.
		kept, _ := cellsOf(r.ask("kept", byPlan))
		require.Equal(t, []string{"1", "0", "ZERO_DENOMINATOR"}, []string{kept["spring"], kept["v09998"], kept[OtherValues]})
	}
	check()
	firsts, sum := cellsOf(r.ask("new_hitters", byPlan))
	require.Len(t, firsts, 41+1) // f0 to f39 once each; eleven of spring and a4 of autumn: the others came in May
	require.Equal(t, "52", sum.String())

	// A process that knows nothing, and one after a rebuild, tell the same values apart.
	before := shown(r.ask("hits", byPlan))
	require.Equal(t, before, shown(rigOver(t, r.db, r.clock).ask("hits", byPlan)))
	r.forget()
	r.counted()
	check()
	require.Equal(t, before, shown(r.ask("hits", byPlan)))
}

// What is one cell of others is hidden where few people are behind it, and with it enough
// that no total tells what it was.
func TestOtherValuesOfFewPeopleAreHidden(t *testing.T) {
	v := &values{spans: []span{{}}, rows: map[row]*value{}}
	for cell, n := range map[string]int64{"spring": 40, "autumn": 12, OtherValues: 3} {
		v.rows[row{0, cell}] = &value{of: ptrOf(n), state: OK, people: []int64{n}}
	}
	v.suppress(10)
	require.Equal(t, []State{OK, Suppressed, Suppressed}, []State{v.rows[row{0, "spring"}].state, v.rows[row{0, "autumn"}].state, v.rows[row{0, OtherValues}].state})

	r := flooded(t)
	ctx := seeing(t, looks{core.Behaviour: core.Allow, core.Unclassified: core.Allow})
	a, err := r.Ask(ctx, rigWS, Question{Name: "hits", From: at("2026-06-01T00:00:00Z"), To: at("2026-07-01T00:00:00Z"), Grain: Total, By: []string{"plan"}})
	require.NoError(t, err)
	hits, _ := cellsOf(a)
	for name, want := range map[string]string{"spring": "12", "autumn": "SUPPRESSED", "v00001": "SUPPRESSED", OtherValues: "5003"} {
		require.Equal(t, want, hits[name], name)
	}
}

// However many names there are, a tally is bounded and keeps those that come often.
func TestATallyIsBoundedAndKeepsWhatIsFrequent(t *testing.T) {
	x := &tally{keep: 10, n: map[string]int64{}}
	total := int64(0)
	for i := range 2000 {
		x.add(fmt.Sprintf("v%04d", i), 1)
		if i%8 == 0 { // 250 of 2,250: more than one part in ten
			x.add("often", 1)
			total++
		}
		require.LessOrEqual(t, len(x.n), 20)
	}
	require.Equal(t, "often", x.sorted(nil)[0])
	require.Equal(t, []string{"c", "b", "a"}, (&tally{n: map[string]int64{"a": 1, "b": 5, "c": 1}}).sorted(map[string]bool{"c": true}))
	require.Positive(t, x.n["often"])
	require.LessOrEqual(t, x.n["often"], total)
}

// The union of sketches is the same however many people come at once.
func TestPeopleWhoComeTogetherAreThoseWhoComeOneByOne(t *testing.T) {
	for _, bound := range []int{64, 1 << 20} {
		var one, many sketch
		for i := range 40 {
			var s sketch
			for k := range 30 {
				h := hashOf("ws", fmt.Sprint((i*17+k*k)%400))
				s.add(h, 1<<20)
				one.add(h, bound)
			}
			had := many.clone()
			changed := many.union(&s, bound)
			require.Equal(t, !slices.Equal(had.few, many.few) || !slices.Equal(had.many, many.many), changed)
			require.Equal(t, one.few, many.few)
			require.Equal(t, one.many, many.many)
		}
	}
}

package insight

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/work"
)

// Where the clocks go forward at midnight a day begins at one o'clock.
func TestDaysWithoutMidnight(t *testing.T) {
	r := newRig(t)
	r.counted()
	for _, c := range []struct{ zone, day, begins string }{
		{"Atlantic/Azores", "2026-03-29", "2026-03-29T01:00:00Z"}, {"America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"}, {"Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00Z"},
	} {
		zone, err := time.LoadLocation(c.zone)
		require.NoError(t, err)
		day, err := ParseDate(c.day)
		require.NoError(t, err)
		require.Equal(t, c.begins, day.In(zone).UTC().Format(time.RFC3339), c.zone)
		require.True(t, midnight(day.In(zone), zone))
		a, err := r.Ask(r.ctx, rigWS, Question{Name: "orders", From: time.Date(2026, 1, 1, 0, 0, 0, 0, zone), To: time.Date(2027, 1, 1, 0, 0, 0, 0, zone), Grain: Day, TimeZone: c.zone})
		require.NoError(t, err, c.zone)
		require.Len(t, a.Rows, 365, c.zone)
	}
	// A person of that day is of that day.
	_, _, err := r.Create(r.ctx, rigWS, "seers", Definition{Title: "Seers", Unit: People, Numerator: Measure{Value: Distinct, Event: "Seen"}, TimeZone: "Atlantic/Azores"}, "k", false)
	require.NoError(t, err)
	r.counted()
	r.track("ana", "Seen", "2026-03-29T01:30:00Z", `{}`)
	zone, err := time.LoadLocation("Atlantic/Azores")
	require.NoError(t, err)
	a := r.ask("seers", func(q *Question) {
		q.From, q.To, q.Grain = time.Date(2026, 3, 28, 0, 0, 0, 0, zone), time.Date(2026, 3, 30, 0, 0, 0, 0, zone), Day
	})
	require.Equal(t, []string{"2026-03-28T01 0", "2026-03-29T01 1"}, shown(a))
}

// witness hears for the audit, and keeps nothing.
type witness struct{}

func (witness) Saw(context.Context, audit.Seen) error { return nil }
func (witness) Asked(string, string)                  {}

// seeing returns the context of an actor who sees some categories.
func seeing(t *testing.T, l looks) context.Context {
	t.Helper()
	return core.WithActor(audit.WithWitness(t.Context(), witness{}), &core.Actor{Workspace: rigWS, ID: "key_1", Decider: l})
}

// A condition on the context is a question about what stands there.
func TestConditionsOnTheContextNeedItsCategory(t *testing.T) {
	r := newRig(t)
	for name, path := range map[string]string{"at_home": "ip", "on_phone": "device.id", "named": "traits.email", "campaigned": "campaign.name"} {
		_, _, err := r.Create(r.ctx, rigWS, name, Definition{Title: name, Unit: Count, Numerator: Measure{Value: Events, Event: "Seen", Context: fmt.Sprintf(`[{"path":%q,"eq":"x"}]`, path)}}, name, false)
		require.NoError(t, err)
	}
	_, _, err := r.Create(r.ctx, rigWS, "by_phone", Definition{Title: "x", Unit: Count, Numerator: Measure{Value: Events, Event: "Seen"}, Dimensions: []Dimension{{Key: "phone", Paths: []string{"context.device.id"}}}}, "by_phone", false)
	require.NoError(t, err)
	r.counted()
	ctx := seeing(t, looks{core.Behaviour: core.Allow, core.Consent: core.Allow, core.Device: core.Allow})
	for name, want := range map[string]string{"at_home": "", "on_phone": "PROTECTED_FIELD", "named": "PROTECTED_FIELD", "campaigned": "", "by_phone": "PROTECTED_FIELD"} {
		_, err := r.Ask(ctx, rigWS, Question{Name: name, From: at("2026-06-01T00:00:00Z"), To: at("2026-07-01T00:00:00Z"), Grain: Total})
		require.Equal(t, want, reason(err), name)
	}
}

// A person who was two is one from their merge on, live as in a rebuild, and has one first
// order whichever part it came under.
func TestMergedPeopleAreOne(t *testing.T) {
	r := newRig(t)
	r.counted()
	r.send(`{"type":"track","anonymousId":"a1","event":"Order Completed","timestamp":"2026-05-02T10:00:00Z","properties":{"total":5,"currency":"EUR"}}`)
	r.send(`{"type":"track","userId":"u1","event":"Signed Up","timestamp":"2026-05-02T10:10:00Z","properties":{}}`)
	r.clock.Advance(time.Minute)
	r.send(`{"type":"identify","anonymousId":"a1","userId":"u1","timestamp":"2026-05-02T11:00:00Z"}`)
	r.clock.Advance(time.Minute)
	for _, who := range []string{`"anonymousId":"a1"`, `"userId":"u1"`, `"anonymousId":"a1","userId":"u1"`, `"userId":"u2"`} {
		r.send(`{"type":"page",%s,"timestamp":"2026-06-02T11:00:00Z"}`, who)
		r.send(`{"type":"track",%s,"event":"Order Completed","timestamp":"2026-06-03T10:00:00Z","properties":{"total":5,"currency":"EUR"}}`, who)
	}
	ask := func(name string) []string {
		return shown(r.ask(name, func(q *Question) { q.From, q.Grain = at("2026-05-01T00:00:00Z"), Month }))
	}
	for range 2 {
		require.Equal(t, []string{"2026-05-01T00 0", "2026-06-01T00 2"}, ask("visitors"))
		require.Equal(t, []string{"2026-05-01T00 1", "2026-06-01T00 2"}, ask("buyers"))
		require.Equal(t, []string{"2026-05-01T00 1", "2026-06-01T00 1"}, ask("new_customers"))
		report, err := r.Refold(r.ctx, rigWS, false, nil)
		require.NoError(t, err)
		require.Zero(t, report.Differences, "%v", report.Sample)
		live := r.canon()
		r.forget()
		r.counted()
		require.Equal(t, live, r.canon())
	}
}

// What two hidden rows have together must not be of few people either.
func TestWhatIsHiddenTogetherIsNotOfFew(t *testing.T) {
	v := &values{rows: map[row]*value{}}
	for cell, n := range map[string]int64{"a": 1, "b": 1, "c": 12, "d": 50} {
		v.rows[row{0, cell}] = &value{of: ptrOf(n), state: OK, people: []int64{n}}
	}
	v.suppress(10)
	for cell, want := range map[string]State{"a": Suppressed, "b": Suppressed, "c": Suppressed, "d": OK} {
		require.Equal(t, want, v.rows[row{0, cell}].state, cell)
	}
}

func ptrOf(n int64) *condition.Decimal { d := newDecimal(n); return &d }

// A campaign's costs stand beside its orders, whatever its name.
func TestCostsAndOrdersOfACampaignMeet(t *testing.T) {
	r := newRig(t)
	r.counted()
	long := strings.Repeat("autumn ", 20)
	r.Costs = fixedCosts{
		{Day: Date{2026, 6, 2}, Currency: "EUR", Amount: newDecimal(4), Dimensions: map[string]string{"campaign": long}},
		{Day: Date{2026, 6, 2}, Currency: "EUR", Amount: newDecimal(5), Dimensions: map[string]string{"campaign": "20123456789"}},
	}
	r.track("ana", "Order Completed", "2026-06-03T10:00:00Z", fmt.Sprintf(`{"total":8,"currency":"EUR","campaignId":%q}`, long))
	r.track("ana", "Order Completed", "2026-06-03T10:00:00Z", `{"total":20,"currency":"EUR","campaignId":"20123456789"}`)
	a := r.ask("roas", func(q *Question) { q.By = []string{"campaign"} })
	require.Equal(t, []string{"2026-06-01T00 (withheld) 4", "2026-06-01T00 " + strings.TrimSpace(long[:maxLabel]) + " 2"}, shown(a))
}

// A backfill that failed is not begun again at once, and not given up.
func TestABackfillThatFailedRests(t *testing.T) {
	r := newRig(t)
	jobs := func() []*work.Job {
		page, err := r.Jobs.List(r.ctx, rigWS, work.Filter{Kind: BackfillKind}, core.PageArgs{})
		require.NoError(t, err)
		return page.Items
	}
	require.NoError(t, r.Ensure(r.ctx, rigWS))
	failed := jobs()[0]
	failed.Status, failed.FinishedAt = work.Failed, r.clock.Now()
	require.NoError(t, work.Commit(r.ctx, r.db, work.JobDocs.Replace(failed)))
	for range 3 {
		require.NoError(t, r.Ensure(r.ctx, rigWS))
		require.Len(t, jobs(), 1)
	}
	r.clock.Advance(failedPause)
	require.NoError(t, r.Ensure(r.ctx, rigWS))
	require.Len(t, jobs(), 2)
}

// Whoever sees aggregates only is not told what one more person did.
func TestWhatIsToldUnaskedIsNotOfFew(t *testing.T) {
	r := newRig(t)
	r.counted()
	ctx := seeing(t, looks{core.Behaviour: core.Allow, core.Transaction: core.Allow})
	ask := func() *Answer {
		a, err := r.Ask(ctx, rigWS, Question{Name: "revenue", From: at("2026-06-01T00:00:00Z"), To: at("2026-07-01T00:00:00Z"), Grain: Total})
		require.NoError(t, err)
		return a
	}
	buy := func(from, to int) {
		for i := from; i < to; i++ {
			r.track(fmt.Sprint("u", i), "Order Completed", "2026-06-03T10:00:00Z", `{"total":10,"currency":"EUR"}`)
		}
	}
	buy(0, 12)
	first := ask()
	require.Equal(t, "120", first.Rows[0].Value.String())
	require.True(t, r.Tells(ask(), first))
	buy(0, 1)
	require.False(t, r.Tells(ask(), first), "one of the same people again")
	buy(12, 21)
	require.False(t, r.Tells(ask(), first), "nine more")
	buy(21, 22)
	require.True(t, r.Tells(ask(), first))
	all := func() *Answer { return r.ask("revenue", nil) }
	last := all()
	buy(22, 23)
	require.True(t, r.Tells(all(), last), "who sees everything hears of everything")
}

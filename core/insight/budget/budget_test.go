package budget

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const rigWS = "ws_RIG0000001"

// rig is costs and targets over real figures of real events.
type rig struct {
	*Service
	t        *testing.T
	ctx      context.Context
	clock    *core.VirtualClock
	pipeline *ingest.Pipeline
	figures  *insight.Service
	runner   *work.Runner
	ids      int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	clock := core.NewVirtualClock(time.Date(2026, 6, 30, 12, 0, 0, 0, time.UTC))
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db"), Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	specs := store.Specs()
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), object.Specs(), segment.Specs(), insight.Specs(), Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(context.Background(), specs...))
	events, people := event.NewService(db, clock), profile.NewService(db, clock)
	people.SetGate(profile.GateOptions{View: access.ViewOf, Events: events})
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: people})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, pipeline.Close(ctx))
	})
	runner := work.New(work.Options{Store: db, Clock: clock})
	s := New(Options{Store: db, Clock: clock, Runner: runner, Logger: slog.New(slog.DiscardHandler)})
	figures := insight.NewService(insight.Options{Store: db, Clock: clock, Profiles: people, Events: events, Costs: s, Targets: s})
	s.Figures = Of(figures)
	people.SetFold(profile.Folds{figures})
	ctx := core.WithActor(t.Context(), access.System(rigWS, "test"))
	_, err = figures.Refold(ctx, rigWS, true, nil)
	require.NoError(t, err)
	return &rig{Service: s, t: t, ctx: ctx, clock: clock, pipeline: pipeline, figures: figures, runner: runner}
}

func (r *rig) sold(channel, total string, day string) {
	r.t.Helper()
	r.ids++
	in := event.DecodeMessage(fmt.Appendf(nil, `{"type":"track","userId":"u%d","event":"Order Completed","timestamp":"%sT10:00:00Z","properties":{"total":%s,"currency":"EUR","channel":%q}}`, r.ids, day, total, channel),
		event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprintf("m-%d", r.ids)})
	out, err := r.pipeline.Ingest(r.ctx, rigWS, "src_web", []event.Input{in})
	require.NoError(r.t, err)
	require.Equal(r.t, event.Accepted, out[0].Status, "%v", out[0].Err)
}

func (r *rig) spent(day, channel, amount string) {
	r.t.Helper()
	got, err := r.Import(r.ctx, rigWS, "ads", []Cost{{Day: day, Currency: "EUR", Amount: amount, Channel: channel}}, false)
	require.NoError(r.t, err)
	require.Empty(r.t, got.Faults)
}

func (r *rig) target(key string, t Target) {
	r.t.Helper()
	_, err := r.SetTarget(r.ctx, rigWS, key, 0, t)
	require.NoError(r.t, err)
	r.forget()
}

// forget lets the next question read the targets anew.
func (r *rig) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.kept)
}

func (r *rig) alert(id string) *Alert {
	r.t.Helper()
	require.NoError(r.t, r.Check(r.ctx, rigWS))
	a, err := Alerts.Get(r.ctx, r.Store, store.Key(rigWS, id))
	require.NoError(r.t, err)
	return a
}

func dec(text string) condition.Decimal {
	d, ok := condition.ParseDecimal(text)
	if !ok {
		panic(text)
	}
	return d
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return core.AsError(err).Reason
}

// 3.59 of 4.0 alerts, 3.60 does not; it is cleared within half the tolerance, and not at
// the edge.
func TestEdge(t *testing.T) {
	target := &Target{Value: "4", Direction: AtLeast, Tolerance: UsualTolerance}
	for value, want := range map[string][2]bool{ // not open before, open before
		"3.59": {true, true}, "3.60": {false, true}, "3.79": {false, true}, "3.80": {false, false}, "4": {false, false},
	} {
		require.Equal(t, want[0], next(false, dec(value), dec("4"), target), value)
		require.Equal(t, want[1], next(true, dec(value), dec("4"), target), value)
	}
	most := &Target{Value: "20", Direction: AtMost, Tolerance: UsualTolerance}
	require.False(t, next(false, dec("22"), dec("20"), most))
	require.True(t, next(false, dec("22.01"), dec("20"), most))
	require.True(t, next(true, dec("21.01"), dec("20"), most))
	require.False(t, next(true, dec("21"), dec("20"), most))
}

// A target of a channel's return is looked at over real orders and costs.
func TestAlertsOverFigures(t *testing.T) {
	r := newRig(t)
	const day = "2026-06-20"
	r.spent(day, "search", "100")
	r.sold("search", "359", day)
	r.target("search", Target{Metric: "roas", Value: "4", Dimensions: map[string]string{"channel": "search"}})
	a := r.alert("target/search")
	require.NotNil(t, a)
	require.True(t, a.Open)
	require.Equal(t, "3.59", a.Value)
	require.Nil(t, a.Shift, "nobody is above a target")
	raised := a.RaisedAt

	r.clock.Advance(time.Hour)
	r.sold("search", "11", day) // 3.70: better, and not yet good
	a = r.alert("target/search")
	require.True(t, a.Open)
	require.Equal(t, raised, a.RaisedAt)
	r.sold("search", "15", day) // 3.85
	a = r.alert("target/search")
	require.False(t, a.Open)
	require.False(t, a.ClearedAt.IsZero())

	got, err := r.figures.Ask(r.ctx, rigWS, insight.Question{Name: "roas", From: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC), By: []string{"channel"}, Grain: insight.Total})
	require.NoError(t, err)
	require.Equal(t, "4", got.Rows[0].Target.String())
	require.Equal(t, "3.85", got.Rows[0].Value.String())

	require.NoError(t, r.DeleteTarget(r.ctx, rigWS, "search"))
	gone, err := Alerts.Get(r.ctx, r.Store, a.ID)
	require.NoError(t, err)
	require.Nil(t, gone)
}

// What a channel loses another gets, to the cent; a person decides once.
func TestShift(t *testing.T) {
	r := newRig(t)
	const day = "2026-06-20"
	for channel, c := range map[string][2]string{"search": {"1000.00", "3000"}, "social": {"500.01", "2250.045"}, "email": {"33.33", "266.64"}} {
		r.spent(day, channel, c[0])
		r.sold(channel, c[1], day)
	}
	for _, u := range Usual() {
		if u.Metric == "roas" {
			key := u.ID
			u.Meta = store.Meta{}
			r.target(key, u)
		}
	}
	a := r.alert("target/roas-search")
	require.True(t, a.Open)
	require.NotNil(t, a.Shift)
	spent, planned := dec("0"), dec("0")
	by := map[string]Move{}
	for _, m := range a.Shift.Moves {
		spent, planned = spent.Add(dec(m.Spent)), planned.Add(dec(m.Next))
		by[m.Channel] = m
	}
	require.Zero(t, spent.Cmp(planned), "%s %s", spent, planned)
	require.Equal(t, "800.00", by["search"].Next, "25 %% are missing, and 20 %% are taken at most")
	require.Equal(t, Proposed, a.Shift.Status)

	done, err := r.DecideShift(r.ctx, rigWS, a.AlertID(), true)
	require.NoError(t, err)
	require.Equal(t, Approved, done.Shift.Status)
	require.NotEmpty(t, done.Shift.DecidedBy)
	_, err = r.DecideShift(r.ctx, rigWS, a.AlertID(), false)
	require.Equal(t, "ALREADY_DECIDED", reason(err))
	_, err = r.DecideShift(r.ctx, rigWS, "target/none", false)
	require.Equal(t, "ALERT", reason(err))
	require.Equal(t, Approved, r.alert("target/roas-search").Shift.Status, "another check leaves the decision")
	require.Nil(t, shift([]channel{{"a", dec("10"), dec("1"), dec("2")}}), "nobody can take it")
}

// Imports that overlap add nothing; a wrong cost is told and costs the others nothing.
func TestImports(t *testing.T) {
	r := newRig(t)
	list := []Cost{
		{Day: "2026-06-01", Currency: "EUR", Amount: "10.50", Channel: "search"},
		{Day: "2026-06-02", Currency: "EUR", Amount: "0", Channel: "search"},
		{Day: "2026-06-02", Currency: "EUX", Amount: "1"},
		{Day: "2026-6-2", Currency: "EUR", Amount: "1"},
		{Day: "2026-06-02", Currency: "EUR", Amount: "-1"},
		{Day: "2026-06-01", Currency: "EUR", Amount: "4", Channel: "search"},
	}
	dry, err := r.Import(r.ctx, rigWS, "ads", list, true)
	require.NoError(t, err)
	require.Equal(t, 2, dry.Stored)
	got, err := r.Import(r.ctx, rigWS, "ads", list, false)
	require.NoError(t, err)
	require.Equal(t, 2, got.Stored)
	var faults []string
	for _, f := range got.Faults {
		faults = append(faults, f.Reason+" "+f.Path[1])
	}
	require.Equal(t, []string{"CURRENCY 2", "DATE 3", "AMOUNT 4", "COST_TWICE 5"}, faults)
	again, err := r.Import(r.ctx, rigWS, "ads", []Cost{list[0], {Day: "2026-06-02", Currency: "EUR", Amount: "7", Channel: "search"}, {Day: "2026-06-03", Currency: "EUR", Amount: "1", Channel: "search"}}, false)
	require.NoError(t, err)
	require.Equal(t, []int{1, 1, 1}, []int{again.Stored, again.Changed, again.Same})
	spent, err := r.Spent(r.ctx, rigWS, insight.Date{Year: 2026, Month: 6, Day: 1}, insight.Date{Year: 2026, Month: 6, Day: 3})
	require.NoError(t, err)
	sum := dec("0")
	for _, s := range spent {
		sum = sum.Add(s.Amount)
	}
	require.Equal(t, "17.5", sum.String())
	_, err = r.Import(r.ctx, rigWS, "no spaces", list, false)
	require.Equal(t, "ACCOUNT", reason(err))
	_, err = r.Import(r.ctx, rigWS, "ads", nil, false)
	require.Equal(t, "COSTS", reason(err))
}

// A day that nobody told of is an alert until it is told.
func TestMissingDays(t *testing.T) {
	r := newRig(t)
	for _, day := range []string{"2026-06-24", "2026-06-25", "2026-06-28"} {
		r.spent(day, "search", "1")
	}
	a := r.alert("account/ads")
	require.True(t, a.Open)
	require.Equal(t, Gap, a.Kind)
	require.Equal(t, []string{"2026-06-26", "2026-06-27"}, a.Days)
	r.spent("2026-06-26", "search", "0")
	r.spent("2026-06-27", "social", "3")
	a = r.alert("account/ads")
	require.False(t, a.Open)
	require.Empty(t, a.Days)
}

func TestTargetsThatCannotBe(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		t      Target
		reason string
	}{
		"metric":    {Target{Metric: "none", Value: "1"}, "METRIC"},
		"value":     {Target{Metric: "roas", Value: "0"}, "TARGET_VALUE"},
		"direction": {Target{Metric: "roas", Value: "1", Direction: "UP"}, "DIRECTION"},
		"tolerance": {Target{Metric: "roas", Value: "1", Tolerance: 10_000}, "TOLERANCE"},
		"days":      {Target{Metric: "roas", Value: "1", Days: 400}, "DAYS"},
		"dimension": {Target{Metric: "roas", Value: "1", Dimensions: map[string]string{"weather": "rain"}}, "DIMENSION"},
	} {
		_, err := r.SetTarget(r.ctx, rigWS, "x", 0, c.t)
		require.Equal(t, c.reason, reason(err), name)
	}
	r.target("x", Target{Metric: "roas", Value: "1", Tolerance: Exactly})
	_, err := r.SetTarget(r.ctx, rigWS, "x", 0, Target{Metric: "roas", Value: "1"})
	require.Equal(t, "VERSION_CONFLICT", reason(err))
	list, err := r.ListTargets(r.ctx, rigWS)
	require.NoError(t, err)
	require.Zero(t, list[0].Tolerance)
}

// The first target begins the check that is made each day.
func TestDaily(t *testing.T) {
	r := newRig(t)
	r.spent("2026-06-20", "search", "100")
	r.sold("search", "100", "2026-06-20")
	r.target("search", Target{Metric: "roas", Value: "4", Dimensions: map[string]string{"channel": "search"}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.runner.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	r.clock.Advance(15 * time.Hour)
	require.Eventually(t, func() bool {
		a, err := Alerts.Get(r.ctx, r.Store, store.Key(rigWS, "target/search"))
		require.NoError(t, err)
		return a != nil && a.Open
	}, 20*time.Second, 5*time.Millisecond)
}

package experiment

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
)

const rigWS = "ws_RIG0000001"

var rigStart = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// rig is one process over a store, under a clock that the test moves.
type rig struct {
	*Service
	t        testing.TB
	ctx      context.Context
	clock    *core.VirtualClock
	db       store.Store
	pipeline *ingest.Pipeline
	people   *profile.Service
	runner   *work.Runner
	mu       sync.Mutex
	ids      int
}

func newRig(t testing.TB) *rig {
	t.Helper()
	clock := core.NewVirtualClock(rigStart)
	db, err := sqlite.Open(context.Background(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db"), Clock: clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close(context.Background())) })
	specs := store.Specs()
	for _, list := range [][]*store.Spec{event.Specs(), profile.Specs(), work.Specs(), ingest.Specs(), Specs()} {
		specs = append(specs, list...)
	}
	require.NoError(t, db.Declare(context.Background(), specs...))
	return rigOver(t, db, clock)
}

// rigOver is another process over the same store.
func rigOver(t testing.TB, db store.Store, clock *core.VirtualClock) *rig {
	t.Helper()
	events, people := event.NewService(db, clock), profile.NewService(db, clock)
	pipeline := ingest.New(ingest.Options{Store: db, Clock: clock, Events: events, Profiles: people})
	runner := work.New(work.Options{Store: db, Clock: clock})
	s := NewService(Options{Store: db, Clock: clock, Profiles: people, Jobs: work.NewJobs(runner), View: func(context.Context, string, []string, string) (*core.View, error) { return nil, nil }})
	people.SetFold(profile.Folds{s})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		require.NoError(t, pipeline.Close(ctx))
	})
	ctx := core.WithActor(t.Context(), access.System(rigWS, "test"))
	return &rig{Service: s, t: t, ctx: ctx, clock: clock, db: db, pipeline: pipeline, people: people, runner: runner}
}

// send ingests messages, which happen now, and returns the profile of the first.
func (r *rig) send(messages ...string) string {
	r.t.Helper()
	var inputs []event.Input
	for _, m := range messages {
		r.mu.Lock()
		r.ids++
		id := fmt.Sprintf("m-%p-%d", r, r.ids)
		r.mu.Unlock()
		inputs = append(inputs, event.DecodeMessage([]byte(m), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: id}))
	}
	out, err := r.pipeline.Ingest(r.ctx, rigWS, "src_web", inputs)
	require.NoError(r.t, err)
	for _, o := range out {
		require.Contains(r.t, []event.Status{event.Accepted, event.Duplicate}, o.Status, "%v", o.Err)
	}
	return out[0].ProfileID
}

func saw(user, arm string) string {
	return fmt.Sprintf(`{"type":"track","event":"Experiment Viewed","userId":%q,"properties":{"experiment":"checkout","variation":%q}}`, user, arm)
}

func bought(user string, total float64) string {
	return fmt.Sprintf(`{"type":"track","event":"Order Completed","userId":%q,"properties":{"total":%v}}`, user, total)
}

// small is a plan that 13 people in each arm are enough for: from 10 to 60 per cent.
func small() Plan {
	return Plan{
		Kind: OfConversion, Mode: Fixed, Event: "Order Completed", Window: 24 * time.Hour, Baseline: 0.1, Effect: 0.5, Alpha: 0.05, Power: 0.8,
		Arms:       []Arm{{"control", 1}, {"green", 1}},
		Assignment: Assignment{Via: ViaEvent, Event: "Experiment Viewed", ArmPath: "properties.variation", KeyPath: "properties.experiment", Key: "checkout"},
	}
}

// started makes and starts an experiment and goes on to where it counts.
func (r *rig) started(p Plan) *Experiment {
	r.t.Helper()
	e, err := r.Create(r.ctx, rigWS, Input{Name: "Green button", Plan: p}, "key")
	require.NoError(r.t, err)
	e, err = r.Start(r.ctx, rigWS, e.ExperimentID(), nil)
	require.NoError(r.t, err)
	r.clock.Advance(2 * notice)
	r.Drop(rigWS)
	return e
}

func (r *rig) resultOf(e *Experiment) *Result {
	r.t.Helper()
	out, err := r.Result(r.ctx, rigWS, e.ExperimentID())
	require.NoError(r.t, err)
	return out
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return core.AsError(err).Reason
}

func TestNoWinnerBeforeThePlanIsFull(t *testing.T) {
	r := newRig(t)
	e := r.started(small())
	n := int(e.Size.PerArm)
	require.Less(t, n, 30)
	id := e.ExperimentID()
	for i := range n - 1 { // one too few in each arm; green converts always, control never
		r.send(saw(fmt.Sprint("c", i), "control"), saw(fmt.Sprint("g", i), "green"), bought(fmt.Sprint("g", i), 1))
	}
	require.Equal(t, Insufficient, r.resultOf(e).State)
	r.clock.Advance(25 * time.Hour)
	got := r.resultOf(e)
	require.Equal(t, Insufficient, got.State)
	require.Empty(t, got.Comparisons)
	require.Equal(t, int64(1), got.Arms[0].Missing)
	_, err := r.Conclude(r.ctx, rigWS, id, nil, Conclusion{Winner: "green"})
	require.Equal(t, "INSUFFICIENT_DATA", reason(err))
	require.ErrorContains(t, err, "1 are missing")

	r.send(saw("cLast", "control"), saw("gLast", "green"), bought("gLast", 1))
	require.Equal(t, Insufficient, r.resultOf(e).State, "their window is not over")
	r.clock.Advance(25 * time.Hour)
	got = r.resultOf(e)
	require.Equal(t, Significant, got.State)
	require.Equal(t, "green", got.Winner)
	require.Equal(t, int64(n), got.Arms[1].Hits)
	require.InDelta(t, 1, got.Comparisons[0].Estimate, 1e-12)

	// More people change nothing: it is judged on those whom the plan asked for.
	for i := range 3 * n {
		r.send(saw(fmt.Sprint("C", i), "control"), saw(fmt.Sprint("G", i), "green"), bought(fmt.Sprint("C", i), 1))
	}
	r.clock.Advance(25 * time.Hour)
	later := r.resultOf(e)
	require.Equal(t, got.Comparisons, later.Comparisons)
	require.Equal(t, int64(4*n), later.Arms[0].Ready)

	_, err = r.Conclude(r.ctx, rigWS, id, nil, Conclusion{Winner: "control"})
	require.Equal(t, "NO_WINNER", reason(err))
	_, err = r.Conclude(r.ctx, rigWS, id, nil, Conclusion{Winner: "blue"})
	require.Equal(t, []string{"winner"}, core.AsError(err).Path)
	done, err := r.Conclude(r.ctx, rigWS, id, nil, Conclusion{Winner: "green"})
	require.NoError(t, err)
	require.Equal(t, Concluded, done.Status)
	again, err := r.Conclude(r.ctx, rigWS, id, nil, Conclusion{Winner: "green"})
	require.NoError(t, err)
	require.Equal(t, done.V, again.V)
	// What comes after the end is nothing, and the result stays.
	r.Drop(rigWS)
	r.send(saw("after", "control"))
	require.Equal(t, later.Arms, r.resultOf(done).Arms)
}

func TestPlanIsFrozenAtTheStart(t *testing.T) {
	r := newRig(t)
	in := Input{Name: "x", Plan: small()}
	e, err := r.Create(r.ctx, rigWS, in, "k")
	require.NoError(t, err)
	same, err := r.Create(r.ctx, rigWS, in, "k")
	require.NoError(t, err)
	require.Equal(t, e.ID, same.ID)
	in.Name = "y"
	_, err = r.Create(r.ctx, rigWS, in, "k")
	require.Equal(t, "IDEMPOTENCY_KEY_USED", reason(err))
	require.Equal(t, NotStarted, r.resultOf(e).State)
	_, err = r.Conclude(r.ctx, rigWS, e.ExperimentID(), nil, Conclusion{Reason: "enough"})
	require.Equal(t, "NOT_RUNNING", reason(err))

	e, err = r.Update(r.ctx, rigWS, e.ExperimentID(), 1, func(in *Input) { in.Plan.Baseline, in.Plan.Effect = 0.2, 0.05 })
	require.NoError(t, err)
	require.Equal(t, int64(1031), e.Size.PerArm)
	_, err = r.Update(r.ctx, rigWS, e.ExperimentID(), 1, func(*Input) {})
	require.Equal(t, "VERSION_CONFLICT", reason(err))
	_, err = r.Update(r.ctx, rigWS, e.ExperimentID(), 2, func(in *Input) { in.Plan.Effect = 0.9 })
	require.Equal(t, []string{"plan", "effect"}, core.AsError(err).Path)
	e, err = r.Start(r.ctx, rigWS, e.ExperimentID(), nil)
	require.NoError(t, err)
	require.Equal(t, e.Plan.Hash(), e.Hash)
	require.Len(t, e.Hash, 64)
	_, err = r.Update(r.ctx, rigWS, e.ExperimentID(), e.V, func(in *Input) { in.Plan.Alpha = 0.1 })
	require.Equal(t, core.Conflict, core.AsError(err).Code)
	require.Equal(t, "FROZEN", reason(err))
	again, err := r.Start(r.ctx, rigWS, e.ExperimentID(), nil)
	require.NoError(t, err)
	require.Equal(t, e.V, again.V)
	other := e.Plan
	other.Power = 0.9
	require.NotEqual(t, other.Hash(), e.Hash)
	_, err = r.Conclude(r.ctx, rigWS, e.ExperimentID(), nil, Conclusion{})
	require.Equal(t, []string{"reason"}, core.AsError(err).Path)
	e, err = r.Conclude(r.ctx, rigWS, e.ExperimentID(), nil, Conclusion{Reason: "the shop was rebuilt"})
	require.NoError(t, err)
	require.Equal(t, Stopped, e.Status)
	n, err := r.Count(r.ctx, rigWS)
	require.NoError(t, err)
	require.Equal(t, int64(1), n)
}

func TestSampleRatioMismatchHasNoVerdict(t *testing.T) {
	r := newRig(t)
	e := r.started(small())
	for i := range 90 {
		r.send(saw(fmt.Sprint("g", i), "green"), bought(fmt.Sprint("g", i), 1))
	}
	for i := range 30 {
		r.send(saw(fmt.Sprint("c", i), "control"))
	}
	r.clock.Advance(25 * time.Hour)
	got := r.resultOf(e)
	require.Equal(t, RatioMismatch, got.State)
	require.Empty(t, got.Comparisons)
	_, err := r.Conclude(r.ctx, rigWS, e.ExperimentID(), nil, Conclusion{Winner: "green"})
	require.Equal(t, "SAMPLE_RATIO_MISMATCH", reason(err))
}

func TestWhoCountsWhere(t *testing.T) {
	r := newRig(t)
	e, err := r.Create(r.ctx, rigWS, Input{Name: "x", Plan: small()}, "key")
	require.NoError(t, err)
	r.send(saw("early", "green")) // before the start
	e, err = r.Start(r.ctx, rigWS, e.ExperimentID(), nil)
	require.NoError(t, err)
	r.clock.Advance(2 * notice)
	r.Drop(rigWS)
	r.send(bought("before", 1))
	r.send(saw("both", "control"))
	r.clock.Advance(time.Second)
	r.send(saw("before", "green"))                  // converted before: does not count
	r.send(saw("both", "green"), bought("both", 1)) // the first arm counts
	r.send(saw("odd", "purple"))
	r.send(`{"type":"track","event":"Experiment Viewed","userId":"other","properties":{"experiment":"menu","variation":"green"}}`)
	r.send(saw("late", "green"))
	r.clock.Advance(25 * time.Hour)
	r.send(bought("late", 1)) // after the window
	got := r.resultOf(e)
	require.Equal(t, []int64{1, 2}, []int64{got.Arms[0].Exposed, got.Arms[1].Exposed})
	require.Equal(t, []int64{1, 0}, []int64{got.Arms[0].Hits, got.Arms[1].Hits})
	require.Equal(t, int64(1), got.Crossed)
	require.Equal(t, int64(1), got.Strange)
}

// An exposure of a visitor counts with what the customer did, once they are one, and as
// long as they are.
func TestMergesArePutTogether(t *testing.T) {
	r := newRig(t)
	e := r.started(small())
	visitor := r.send(`{"type":"track","event":"Experiment Viewed","anonymousId":"phone","properties":{"experiment":"checkout","variation":"green"}}`)
	r.clock.Advance(time.Second)
	customer := r.send(saw("ana", "control"), bought("ana", 1))
	r.clock.Advance(25 * time.Hour)
	hits := func() []int64 {
		got := r.resultOf(e)
		return []int64{got.Arms[0].Exposed, got.Arms[0].Hits, got.Arms[1].Exposed, got.Arms[1].Hits, got.Crossed}
	}
	require.Equal(t, []int64{1, 1, 1, 0, 0}, hits())
	m, err := r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: customer, LoserID: visitor, Reason: "the same"})
	require.NoError(t, err)
	require.Equal(t, []int64{0, 0, 1, 1, 1}, hits())
	_, err = r.people.Unmerge(r.ctx, rigWS, profile.UnmergeInput{MergeID: m.Merge.MergeID()})
	require.NoError(t, err)
	require.Equal(t, []int64{1, 1, 1, 0, 0}, hits())
}

// walked is a journey that tests tell of.
type walked struct {
	arms   []Arm
	passed []Passed
}

func (w *walked) Arms(context.Context, string, string, string) ([]Arm, error) { return w.arms, nil }
func (w *walked) Passed(_ context.Context, _, _, _ string, _ time.Time, f func(Passed) error) error {
	for _, p := range w.passed {
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// The sample segments' lift against a holdout, by hand: of 1,000 and 100 people 120 and
// 10 bought. Thirty of them are merged with a part that only the journey knows.
func TestHoldoutOfAJourney(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 1,100 people")
	}
	r := newRig(t)
	w := &walked{arms: []Arm{{"held", 9}, {"in", 91}}}
	r.SetJourneys(w)
	p := small()
	p.Arms = []Arm{{"held", 100}, {"in", 1000}}
	p.Assignment = Assignment{Via: ViaJourney, Journey: "jrn_1", Node: "hold"}
	e, err := r.Create(r.ctx, rigWS, Input{Name: "x", Plan: p}, "key")
	require.NoError(t, err)
	_, err = r.Start(r.ctx, rigWS, e.ExperimentID(), nil)
	require.Equal(t, "ARMS", reason(err))
	require.ErrorContains(t, err, "held 9, in 91")
	w.arms = []Arm{{"held", 1}, {"in", 10}}
	e, err = r.Start(r.ctx, rigWS, e.ExperimentID(), nil)
	require.NoError(t, err)
	r.clock.Advance(2 * notice)
	r.Drop(rigWS)
	// Judged as it stands: by the always valid test, so that all are.
	_, err = r.change(r.ctx, rigWS, e.ExperimentID(), nil, func(x *Experiment) error { x.Size.PerArm = 100; x.Plan.Mode = Sequential; return nil })
	require.NoError(t, err)
	ids := make([]string, 1100)
	for i := 0; i < len(ids); i += 100 {
		var inputs []event.Input
		for k := i; k < i+100; k++ {
			m := fmt.Sprintf(`{"type":"track","event":"Seen","userId":"u%d"}`, k)
			inputs = append(inputs, event.DecodeMessage([]byte(m), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprint("s", k)}))
		}
		out, err := r.pipeline.Ingest(r.ctx, rigWS, "src_web", inputs)
		require.NoError(t, err)
		for k, o := range out {
			ids[i+k] = o.ProfileID
		}
	}
	var orders []string
	for i, id := range ids {
		arm := "in"
		if i < 100 {
			arm = "held"
		}
		w.passed = append(w.passed, Passed{Part: id, Arm: arm, At: r.clock.Now()})
		if i < 10 || i >= 100 && i < 220 {
			orders = append(orders, bought(fmt.Sprint("u", i), 1))
		}
	}
	r.clock.Advance(time.Minute)
	r.send(orders...)
	r.clock.Advance(25 * time.Hour)
	got := r.resultOf(e)
	require.Equal(t, []int64{100, 1000}, []int64{got.Arms[0].Judged, got.Arms[1].Judged})
	require.InDelta(t, 0.02, got.Comparisons[0].Estimate, 1e-12)
	require.InDelta(t, 0.2, got.Comparisons[0].Lift, 1e-12)
	require.Equal(t, NotSignificant, got.State)
	// Two who passed are one: the earlier counts.
	_, err = r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: ids[500], LoserID: ids[501], Reason: "the same"})
	require.NoError(t, err)
	_, err = r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: ids[100], LoserID: ids[101], Reason: "the same"})
	require.NoError(t, err)
	got = r.resultOf(e)
	require.Equal(t, int64(998), got.Arms[1].Judged)
	require.Equal(t, int64(119), got.Arms[1].Hits)
}

// A split of a journey with the same salt and arms gives the same arms.
func TestBucketsAreTheJourneys(t *testing.T) {
	arms := []Arm{{"a", 30}, {"b", 50}, {"c", 20}}
	split := &journey.Split{Salt: "salt", Arms: []journey.Arm{{Name: "a", Weight: 30}, {Name: "b", Weight: 50}, {Name: "c", Weight: 20}}}
	counts := map[string]float64{}
	for i := range 20000 {
		id := fmt.Sprint("prof_", i)
		arm := ArmOf(arms, "salt", id)
		require.Equal(t, journey.ArmOf(split, id), arm)
		counts[arm]++
	}
	require.InDelta(t, 10000, counts["b"], 300)
}

func TestValuesByBuckets(t *testing.T) {
	r := newRig(t)
	p := small()
	p.Kind, p.ValuePath, p.Baseline, p.Deviation, p.Effect = OfValue, "properties.total", 0, 1, 2
	p.Assignment = Assignment{Via: ViaBucket, Event: "Cart Viewed", Salt: "s"}
	e := r.started(p)
	for i := range 60 {
		user := fmt.Sprint("u", i)
		id := r.send(fmt.Sprintf(`{"type":"track","event":"Cart Viewed","userId":%q}`, user))
		worth := 10 + float64(i%3)
		if ArmOf(p.Arms, "s", id) == "green" {
			worth += 5
		}
		r.send(bought(user, worth/2), bought(user, worth/2)) // both count
	}
	r.clock.Advance(25 * time.Hour)
	got := r.resultOf(e)
	require.Equal(t, Significant, got.State)
	require.Equal(t, "green", got.Winner)
	require.Less(t, math.Abs(got.Comparisons[0].Estimate-5), 1.5)
	require.Equal(t, "WELCH_T_FIELLER", got.Comparisons[0].Method)
}

func TestBanditIsNoTest(t *testing.T) {
	r := newRig(t)
	p := small()
	p.Mode = Bandit
	e := r.started(p)
	for i := range 20 {
		r.send(saw(fmt.Sprint("c", i), "control"), saw(fmt.Sprint("g", i), "green"), bought(fmt.Sprint("g", i), 1))
	}
	r.clock.Advance(25 * time.Hour)
	got := r.resultOf(e)
	require.Equal(t, NoTest, got.State)
	require.Greater(t, got.Arms[1].Chance, 0.99)
	require.Equal(t, 10000, got.Arms[0].Weight+got.Arms[1].Weight)
	require.Empty(t, got.Winner)
}

func TestTwoProcessesCountOnce(t *testing.T) {
	r := newRig(t)
	e := r.started(small())
	other := rigOver(t, r.db, r.clock)
	var wg sync.WaitGroup
	for _, p := range []*rig{r, other} {
		wg.Go(func() {
			for i := range 20 {
				for _, m := range []string{saw(fmt.Sprint("u", i), []string{"control", "green"}[i%2]), bought(fmt.Sprint("u", i), 1)} {
					in := event.DecodeMessage([]byte(m), event.Defaults{ReceivedAt: r.clock.Now(), MessageID: fmt.Sprint("same", i, strings.Contains(m, "Viewed"))})
					_, err := p.pipeline.Ingest(r.ctx, rigWS, "src_web", []event.Input{in})
					require.NoError(t, err)
				}
			}
		})
	}
	wg.Wait()
	got := r.resultOf(e)
	require.Equal(t, []int64{10, 10}, []int64{got.Arms[0].Exposed, got.Arms[1].Exposed})
	n, err := Facts.Count(r.ctx, r.db, store.Query{Workspace: rigWS})
	require.NoError(t, err)
	require.Equal(t, int64(40), n)
}

func TestMeasuredByAJob(t *testing.T) {
	r := newRig(t)
	e := r.started(small())
	r.send(saw("u", "green"))
	j, err := r.Measure(r.ctx, rigWS, e.ExperimentID(), "k")
	require.NoError(t, err)
	require.NotNil(t, j)
	ctx, cancel := context.WithCancel(r.ctx)
	done := make(chan error)
	go func() { done <- r.runner.Run(ctx) }()
	require.Eventually(t, func() bool {
		stored, err := Results.Get(r.ctx, r.db, e.ID)
		return err == nil && stored != nil && stored.Result.Arms[1].Exposed == 1
	}, 20*time.Second, 20*time.Millisecond)
	cancel()
	<-done
}

func TestPlansAreChecked(t *testing.T) {
	for path, spoil := range map[string]func(*Plan){
		"kind": func(p *Plan) { p.Kind = "X" }, "mode": func(p *Plan) { p.Mode = "X" }, "event": func(p *Plan) { p.Event = " " },
		"valuePath": func(p *Plan) { p.ValuePath = "properties.x" }, "window": func(p *Plan) { p.Window = 0 }, "arms": func(p *Plan) { p.Arms = p.Arms[:1] },
		"arms/1/name": func(p *Plan) { p.Arms[1].Name = "control" }, "arms/0/weight": func(p *Plan) { p.Arms[0].Weight = 0 },
		"baseline": func(p *Plan) { p.Baseline = 0 }, "effect": func(p *Plan) { p.Effect = 0.95 }, "alpha": func(p *Plan) { p.Alpha = 0 }, "power": func(p *Plan) { p.Power = 1 },
		"assignment/via": func(p *Plan) { p.Assignment.Via = "X" }, "assignment/armPath": func(p *Plan) { p.Assignment.ArmPath = "variation" },
		"assignment/campaign": func(p *Plan) { p.Assignment = Assignment{Via: ViaCampaign, Campaign: "x"} },
		"assignment/journey":  func(p *Plan) { p.Assignment = Assignment{Via: ViaJourney, Journey: "jrn_1"} },
		"assignment/salt":     func(p *Plan) { p.Assignment = Assignment{Via: ViaBucket, Event: "x"} },
	} {
		p := small()
		spoil(&p)
		_, err := p.Check()
		require.Error(t, err, path)
		require.Equal(t, path, strings.Join(core.AsError(err).Path, "/"))
	}
}

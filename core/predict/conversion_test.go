package predict

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/predict/logistic"
	"github.com/headwater-cdp/headwater/core/segment"
)

// twoSignals are settings with two signals and a trait.
func twoSignals() *Settings {
	s := Usual()
	s.ID = settingsKey(rigWS)
	s.Signals = []Signal{{"click", "Message Clicked"}, {"page", "Page Viewed"}}
	s.Fits = []FitTrait{{Key: "small_firm", Path: "employees", Is: "1-10"}}
	s.fits = s.Fits
	return &s
}

// truth are the coefficients that made people become customers, in the order of
// featureKeys; the last is the intercept.
var truth = []float64{0.9, 0.06, 0.5, 0.03, -0.05, 0.01, 0.8, -3.5}

// leads makes people who do things at random, and become customers by truth: at the end of
// each period the numbers decide what happens in the next.
func leads(set *Settings, n int, today int32, rng *rand.Rand) []*Outlook {
	var out []*Outlook
	for i := range n {
		o := newOutlook(fmt.Sprintf("%s/prof_%06d", rigWS, i))
		p := o.part(fmt.Sprintf("prof_%06d", i))
		small := rng.IntN(2)
		p.know(Known{"small_firm", today - 400, float64(small)})
		keen := [2]float64{0.02 + 0.1*rng.Float64(), 0.05 + 0.15*rng.Float64()}
		for day := today - 400; day <= today; day++ {
			for k, chance := range keen {
				if rng.Float64() < chance {
					p.act(set.Signals[k].Key, day)
				}
			}
		}
		walk, _ := set.pathOf(o, StageOutcome, "customer")
		for k := maxPeriods; k >= 1; k-- {
			day := today - int32(k*30)
			row, ok := walk.at(day)
			if !ok {
				continue
			}
			odds := truth[len(truth)-1]
			for j, v := range row {
				odds += truth[j] * v
			}
			if rng.Float64() < logistic.Sigmoid(odds) {
				p.reach("customer", day+1+int32(rng.IntN(30)))
				break
			}
		}
		out = append(out, o)
	}
	return out
}

func taught(t *testing.T, set *Settings, people []*Outlook, today int32) (*Model, *learning) {
	t.Helper()
	l := &learning{set: set, today: today, share: 1, params: &ConversionParams{
		Outcome: StageOutcome, Stage: "customer", Days: 30, Rev: set.signalRev(), Keys: set.featureKeys(),
	}}
	for _, o := range people {
		l.take(o)
	}
	require.Empty(t, l.missing())
	m := &Model{Kind: Conversions}
	require.NoError(t, l.fit(m))
	return m, l
}

func TestConversionFindsWhatMadeCustomers(t *testing.T) {
	set, today := twoSignals(), dayOf(rigStart)
	people := leads(set, 4000, today, rand.New(rand.NewPCG(3, 5)))
	m, l := taught(t, set, people, today)
	for j, key := range m.Conversion.Keys {
		require.InDelta(t, truth[j], m.Conversion.Fit.Coef[j], 4*m.Conversion.Fit.Errors[j+1]+1e-3, key)
		require.Less(t, m.Conversion.Fit.Errors[j+1], 0.15, key)
	}
	require.InDelta(t, truth[7], m.Conversion.Fit.Intercept, 4*m.Conversion.Fit.Errors[0])
	q := m.Quality
	require.Greater(t, q["holdoutAUC"], 0.65)
	require.Less(t, q["holdoutLogLoss"], q["naiveLogLoss"])
	require.Less(t, q["holdoutBrier"], q["naiveBrier"])
	require.Len(t, m.Reliability, 10)
	rows := 0
	for i, b := range m.Reliability {
		rows += b.Rows
		require.InDelta(t, b.Predicted, b.Observed, 0.12, "tenth %d", i)
	}
	require.Equal(t, len(l.rows[0]), rows)

	// What judges is later than everything that the judged model knew.
	blind := *l
	blind.turned[0] = slices.Clone(l.turned[0])
	for i := range blind.turned[0] {
		blind.turned[0][i] = i%2 == 0
	}
	other := &Model{}
	require.NoError(t, blind.fit(other))
	require.InDelta(t, 0.5, other.Quality["holdoutAUC"], 0.05, "outcomes made up afterwards are not foretold")

	row := l.rows[0][0]
	chance, _ := m.Conversion.chance(row)
	why := m.Conversion.reasons(row)
	sum := why.Baseline
	for _, c := range why.Contributions {
		sum += c.By
	}
	require.InDelta(t, math.Log(chance/(1-chance)), sum, 1e-9, "reasons add up to the log odds")
	require.Equal(t, "LOG_ODDS", why.Scale)
}

func TestWhatHappensLaterChangesNothing(t *testing.T) {
	set, today := twoSignals(), dayOf(rigStart)
	people := leads(set, 2500, today, rand.New(rand.NewPCG(8, 5)))
	before, _ := taught(t, set, people, today)
	// Whoever became a customer says afterwards that the firm is small, and clicks daily.
	late := 0
	for _, o := range people {
		p := &o.Parts[0]
		if len(p.Steps) == 0 {
			continue
		}
		for day := p.Steps[0].Day; day <= today; day++ {
			late++
			p.act("click", day)
			p.know(Known{"small_firm", day, 1})
		}
	}
	require.Greater(t, late, 1000)
	after, _ := taught(t, set, people, today)
	require.Equal(t, before, after)

	// The day before is another matter.
	for _, o := range people {
		if p := &o.Parts[0]; len(p.Steps) > 0 {
			p.know(Known{"small_firm", p.Steps[0].Day - 31, 1})
		}
	}
	leaky, _ := taught(t, set, people, today)
	require.Greater(t, leaky.Conversion.Fit.Coef[6], after.Conversion.Fit.Coef[6])
}

func TestRowsAreOfWhatWasKnown(t *testing.T) {
	set := twoSignals()
	o := newOutlook(rigWS + "/prof_1")
	for _, day := range []int32{10, 95, 99, 100, 101} {
		o.part("prof_1").act("click", day)
	}
	o.part("prof_2").act("click", 99) // another part says the same day
	o.part("prof_2").act("page", 100)
	o.part("prof_1").know(Known{"small_firm", 20, 1})
	o.part("prof_1").know(Known{"small_firm", 101, 0})
	o.part("prof_1").reach("customer", 120)
	o.part("prof_1").reach("lead", 50)
	p, ok := set.pathOf(o, StageOutcome, "customer")
	require.True(t, ok)
	row, ok := p.at(100)
	require.True(t, ok)
	// Clicks on 95, 99 and 100; on none of the 83 days before those; one page; today; 90 days
	// known; a small firm.
	require.Equal(t, []float64{3, 0, 1, 0, 0, 90.0 / 7, 1}, row)
	row, ok = p.at(102)
	require.True(t, ok)
	require.Equal(t, []float64{3, 1, 1, 0, 1, 92.0 / 7, 0}, row)
	require.True(t, p.turnsIn(100, 20))
	require.False(t, p.turnsIn(99, 20))
	_, ok = p.at(120)
	require.False(t, ok, "a customer by then")
	_, ok = p.at(9)
	require.False(t, ok, "nobody knew of them")
	o.Parts[0].Steps = nil
	p, _ = set.pathOf(o, StageOutcome, "customer")
	_, ok = p.at(190)
	require.True(t, ok)
	_, ok = p.at(191)
	require.False(t, ok, "for 90 days nothing was heard of them")
	o.part("prof_1").add(order{day: 150})
	p, _ = set.pathOf(o, OrderOutcome, "")
	require.Equal(t, int32(150), p.turns)
}

func TestSignalsMustBeSound(t *testing.T) {
	for reason, change := range map[string]func(*Settings){
		"SIGNAL_KEY":       func(s *Settings) { s.Signals[1].Key = "click" },
		"EVENT":            func(s *Settings) { s.Signals[1].Event = "Order Completed" },
		"TOO_MANY_SIGNALS": func(s *Settings) { s.Signals = make([]Signal, 11) },
		"PATHS":            func(s *Settings) { s.Fits[0].Path = "" },
		"OUTCOME":          func(s *Settings) { s.Outcome = "LUCK" },
		"HORIZON":          func(s *Settings) { s.OutcomeDays = 3 },
	} {
		s := twoSignals()
		change(s)
		err := s.check()
		require.NotNil(t, err, reason)
		require.Equal(t, reason, err.Reason)
	}
	require.Nil(t, twoSignals().check())
}

// moves says that somebody came to a stage of the way to a customer, as core/lead does.
func (r *rig) moves(who, stage string) {
	r.t.Helper()
	r.ids++
	props := bson.D{{Key: "from", Value: ""}, {Key: "to", Value: stage}}
	_, err := r.Committer.CommitAll(r.ctx, rigWS, []event.SystemEvent{{
		ProfileID: r.person(who).ProfileID(), Input: saying(stageChanged, fmt.Sprint("stage:", r.ids), props, props),
	}})
	require.NoError(r.t, err)
}

func TestLeadsBecomeCustomers(t *testing.T) {
	r := newRig(t)
	for path, c := range map[string]core.Category{"employees": core.Demographic, "health": core.Special} {
		_, err := r.events.SetField(r.ctx, rigWS, event.FieldUpdate{Owner: event.OwnerTrait, Path: path, ExpectedVersion: ptr(int64(0)), Category: &c})
		require.NoError(t, err)
	}
	r.clock.Advance(time.Minute)
	set := func(version int64, fits ...FitTrait) error {
		_, job, err := r.SetSettings(r.ctx, rigWS, version, func(s *Settings) {
			s.Signals = []Signal{{"demo", "Demo Watched"}, {"page", "Pricing Viewed"}}
			s.Fits = fits
		})
		if job != nil {
			r.done(job)
		}
		return err
	}
	for _, path := range []string{"health", "never_heard_of"} {
		err := set(0, FitTrait{Key: "x", Path: path})
		require.Equal(t, "FIT_CATEGORY", core.AsError(err).Reason, path)
	}
	require.NoError(t, set(0, FitTrait{Key: "small_firm", Path: "employees", Is: "1-10"}))
	few := r.train(Conversions, true)
	require.Equal(t, Insufficient, few.Status)
	require.Contains(t, few.Missing[0], "0 people have given a signal; a model needs 200")

	// Whoever watches a demo mostly orders within a month, others rarely.
	rng := rand.New(rand.NewPCG(2, 2))
	now := r.clock.Now()
	say := func(who, event string, ago int) {
		r.say(now.AddDate(0, 0, -ago), `{"type":"track","userId":%q,"event":%q}`, who, event)
	}
	for i := range 700 {
		who, ago := fmt.Sprint("lead-", i), 2+rng.IntN(180)
		small := []string{"1-10", "11-50"}[i%2]
		r.say(now.AddDate(0, 0, -ago), `{"type":"identify","userId":%q,"traits":{"employees":%q,"health":"ill"}}`, who, small)
		say(who, "Pricing Viewed", ago)
		chance := 0.15
		if i%3 == 0 {
			say(who, "Demo Watched", ago)
			chance = 0.9
		}
		for at := ago - 30; at > 0; at -= 30 {
			say(who, "Pricing Viewed", at)
		}
		if after := 1 + rng.IntN(40); rng.Float64() < chance && after <= ago {
			r.buys(who, ago-after, 50, "lamp")
		}
	}
	for _, who := range []string{"keen", "idle", "asks-not"} {
		say(who, "Pricing Viewed", 3)
	}
	say("keen", "Demo Watched", 2)
	say("asks-not", "Demo Watched", 2)
	r.flush()
	_, err := r.words.Record(r.ctx, rigWS, consent.RecordInput{ProfileID: r.person("asks-not").ProfileID(), Purpose: consent.Analytics, Status: consent.Denied, IdempotencyKey: "no"})
	require.NoError(t, err)
	_, err = r.segments.Create(r.ctx, rigWS, segment.CreateInput{
		Name: "ripe", Kind: segment.Predictive, Where: map[string]any{"prediction": map[string]any{"path": LeadConversion, "gte": 0.3}}, IdempotencyKey: "ripe",
	})
	require.NoError(t, err)
	in := func(who string) bool {
		stays, err := r.segments.MembershipsOf(r.ctx, rigWS, r.person(who).ProfileID(), false)
		require.NoError(t, err)
		return len(stays) > 0
	}

	m := r.train(Conversions, true)
	require.Equal(t, Active, m.Status, "%v", m.Missing)
	require.Equal(t, OrderOutcome, m.Conversion.Outcome, "nobody has a stage")
	require.Equal(t, int64(1), m.Size.Barred)
	require.Less(t, m.Quality["holdoutLogLoss"], m.Quality["naiveLogLoss"])
	require.Equal(t, []string{"demo_last_7_days", "demo_8_to_90_days", "page_last_7_days", "page_8_to_90_days", "days_since_last_signal", "weeks_known", "small_firm"}, m.Conversion.Keys)
	keen, idle := r.predicted("keen")[LeadConversion], r.predicted("idle")[LeadConversion]
	require.Equal(t, OK, keen.State, "%v", keen.Missing)
	require.Equal(t, m.ModelID(), keen.Model)
	require.Greater(t, keen.Value, 2*idle.Value)
	require.True(t, in("keen"), "%v", keen.Value)
	require.False(t, in("idle"))
	require.Equal(t, Suppressed, r.predicted("asks-not")[LeadConversion].State)
	r.clean()
	scored, err := r.ModelOf(r.ctx, rigWS, m.ModelID())
	require.NoError(t, err)
	require.Len(t, scored.Drift, len(m.Conversion.Keys))

	// A signal changes what is predicted at once, and another one on the same day nothing.
	r.clock.Advance(time.Minute)
	r.say(r.clock.Now(), `{"type":"track","userId":"idle","event":"Demo Watched"}`)
	r.flush()
	r.settle()
	require.Greater(t, r.predicted("idle")[LeadConversion].Value, idle.Value)
	require.True(t, in("idle"))
	o, err := Outlooks.Get(r.ctx, r.Store, r.person("idle").ID)
	require.NoError(t, err)
	r.say(r.clock.Now(), `{"type":"track","userId":"idle","event":"Demo Watched"}`)
	r.flush()
	same, err := Outlooks.Get(r.ctx, r.Store, r.person("idle").ID)
	require.NoError(t, err)
	require.Equal(t, o.V, same.V)

	// Whoever orders is a lead no more.
	r.clock.Advance(time.Minute)
	r.buys("keen", 0, 50, "lamp")
	r.flush()
	r.settle()
	require.Equal(t, []string{"this person is a customer already"}, r.predicted("keen")[LeadConversion].Missing)
	require.False(t, in("keen"))
	r.clean()

	// A trait that nobody may be judged by any more takes the model with it.
	special := core.Special
	_, err = r.events.SetField(r.ctx, rigWS, event.FieldUpdate{Owner: event.OwnerTrait, Path: "employees", ExpectedVersion: nil, Category: &special})
	require.NoError(t, err)
	r.Drop(rigWS)
	require.Contains(t, r.predicted("idle")[LeadConversion].Missing[0], "train it anew")
	again := r.train(Conversions, true)
	require.Equal(t, Active, again.Status, "%v", again.Missing)
	require.NotContains(t, again.Conversion.Keys, "small_firm")
	o, err = Outlooks.Get(r.ctx, r.Store, r.person("lead-0").ID)
	require.NoError(t, err)
	require.Empty(t, o.Parts[0].Known, "and what was kept of it is gone")

	// As soon as anybody has a stage, that is what counts.
	r.moves("lead-1", "mql")
	staged := r.train(Conversions, true)
	require.Equal(t, Insufficient, staged.Status)
	require.Contains(t, staged.Missing[0], "came to the stage customer")
	r.clean()
}

package predict

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/segment"
)

func TestTooLittleIsNoModel(t *testing.T) {
	r := newRig(t)
	r.buys("ana", 10, 20, "coffee")
	r.flush()
	p := r.predicted("ana")[CLV]
	require.Equal(t, Few, p.State)
	require.Equal(t, []string{"no model was trained yet"}, p.Missing)
	m := r.train(Orders, true)
	require.Equal(t, Insufficient, m.Status)
	require.Equal(t, []string{
		"1 people have ordered; a model needs 500", "the orders span 0 days; a model needs 180", "nobody has ordered on three days; a model needs people who have",
	}, m.Missing)
	require.Equal(t, m.Missing, r.predicted("ana")[CLV].Missing)
	_, _, err := r.Activate(r.ctx, rigWS, m.ModelID(), m.V)
	require.Equal(t, "MODEL_UNUSABLE", core.AsError(err).Reason)
	require.Equal(t, Insufficient, r.train(Baskets, true).Status)
}

// One shop for all that needs one: making it takes the longest.
func TestShop(t *testing.T) {
	r := newRig(t)
	r.shop(560)
	for i := range 8 { // of somebody who comes every 25 days, and of one who has stopped to
		r.buys("regular", 200-25*i, 50, "coffee")
		r.buys("gone", 390-10*i, 50, "lamp")
	}
	r.buys("once", 100, 30, "mattress-90")
	r.say(r.clock.Now(), `{"type":"identify","userId":"visitor","traits":{"name":"V"}}`)
	r.flush()

	out, err := r.segments.Create(r.ctx, rigWS, segment.CreateInput{
		Name: "leaving", Kind: segment.Predictive, Where: map[string]any{"prediction": map[string]any{"path": ChurnRisk, "gte": 0.8}}, IdempotencyKey: "leaving",
	})
	require.NoError(t, err)
	members := func() int64 {
		n, err := r.segments.CountMembers(r.ctx, rigWS, out.Segment.SegmentID())
		require.NoError(t, err)
		return n
	}
	require.Zero(t, members())

	m := r.train(Orders, true)
	require.Equal(t, Active, m.Status, "%v", m.Missing)
	require.Equal(t, int64(1), m.Number)
	require.Equal(t, int64(563), m.Size.Buyers)
	require.Less(t, m.Quality["holdoutMAE"], m.Quality["naiveMAE"], "the model says more than that people go on as before")
	require.Greater(t, m.Quality["holdoutAUC"], 0.6)
	require.InDelta(t, 0, m.Quality["holdoutBias"], 0.35)
	require.NotNil(t, m.Params.Spend)

	t.Run("predictions", func(t *testing.T) {
		regular, gone, once := r.predicted("regular"), r.predicted("gone"), r.predicted("once")
		require.Equal(t, OK, regular[ChurnRisk].State)
		require.Less(t, regular[ChurnRisk].Value, 0.5)
		require.Greater(t, gone[ChurnRisk].Value, 0.9)
		require.Equal(t, "HIGH", gone[ChurnRisk].Reasons.Band)
		require.InDelta(t, 1, gone[ChurnRisk].Value+gone[PAlive].Value, 1e-9)
		require.Greater(t, regular[CLV].Value, 10*gone[CLV].Value)
		require.Equal(t, Few, once[ChurnRisk].State)
		require.Equal(t, OK, once[ExpectedOrders].State)
		require.Equal(t, []string{"this person has not ordered"}, r.predicted("visitor")[CLV].Missing)
		next := time.Unix(int64(regular[NextOrderAt].Value), 0)
		require.True(t, next.After(r.clock.Now()) && next.Before(r.clock.Now().AddDate(0, 2, 0)), "%v", next)
		for _, person := range []map[string]Prediction{regular, gone} {
			for name, p := range person {
				if name == BestHour || name == BestHourChance || name == LeadConversion { // of another model
					continue
				}
				require.Equal(t, m.ModelID(), p.Model)
				sum := p.Reasons.Baseline
				for _, c := range p.Reasons.Contributions {
					sum += c.By
				}
				require.InDelta(t, p.Value, sum, 1e-6*math.Max(1, math.Abs(p.Value)), "the reasons of %s add up to it", name)
				if p.Low != nil {
					require.LessOrEqual(t, *p.Low, *p.High)
				}
			}
		}
	})
	t.Run("conditions", func(t *testing.T) {
		require.Positive(t, members())
		stays, err := r.segments.MembershipsOf(r.ctx, rigWS, r.person("gone").ProfileID(), false)
		require.NoError(t, err)
		require.Len(t, stays, 1)
		before := members()
		r.clock.Advance(time.Minute)  // of two predictions at one instant neither is the later one
		r.buys("gone", 0, 50, "lamp") // and comes back
		r.flush()
		r.settle()
		require.Less(t, r.predicted("gone")[ChurnRisk].Value, 0.8, "an order changes what is predicted")
		require.Equal(t, before-1, members())
		r.clean()
	})
	t.Run("objection", func(t *testing.T) {
		r.clock.Advance(time.Minute)
		id := r.person("regular").ProfileID()
		_, err := r.words.Record(r.ctx, rigWS, consent.RecordInput{ProfileID: id, Purpose: consent.Analytics, Status: consent.Denied, IdempotencyKey: "no"})
		require.NoError(t, err)
		require.Equal(t, Suppressed, r.predicted("regular")[CLV].State)
		o, err := Outlooks.Get(r.ctx, r.Store, rigWS+"/"+id)
		require.NoError(t, err)
		require.True(t, o.Barred)
		for _, told := range o.told() {
			require.Zero(t, told.Value, "gone in the commit of the objection")
			require.Nil(t, told.Why)
		}
		r.settle()
		o, err = Outlooks.Get(r.ctx, r.Store, rigWS+"/"+id)
		require.NoError(t, err)
		for _, told := range o.told() {
			require.True(t, told.Gone, "and withdrawn from conditions")
		}
		r.clock.Advance(time.Minute)
		r.buys("regular", 0, 50, "coffee")
		r.flush()
		r.settle()
		require.Equal(t, Suppressed, r.predicted("regular")[CLV].State)
		r.clean()
		_, err = r.words.Record(r.ctx, rigWS, consent.RecordInput{ProfileID: id, Purpose: consent.Analytics, Status: consent.Granted, IdempotencyKey: "yes"})
		require.NoError(t, err)
		r.settle()
		require.Equal(t, OK, r.predicted("regular")[CLV].State)
		r.clean()
	})
	t.Run("versions", func(t *testing.T) {
		second := r.train(Orders, false)
		require.Equal(t, int64(2), second.Number)
		require.Equal(t, Candidate, second.Status)
		now, job, err := r.Activate(r.ctx, rigWS, second.ModelID(), second.V)
		require.NoError(t, err)
		require.Equal(t, Active, now.Status)
		r.done(job)
		first, err := r.ModelOf(r.ctx, rigWS, m.ModelID())
		require.NoError(t, err)
		require.Equal(t, Retired, first.Status)
		_, _, err = r.Activate(r.ctx, rigWS, first.ModelID(), 1)
		require.Equal(t, "VERSION_CONFLICT", core.AsError(err).Reason)
		back, job, err := r.Activate(r.ctx, rigWS, first.ModelID(), first.V)
		require.NoError(t, err)
		require.Equal(t, Active, back.Status)
		r.done(job)
		page, err := r.List(r.ctx, rigWS, Orders, core.Window{Limit: 10})
		require.NoError(t, err)
		require.Len(t, page.Items, 2)
		scored, err := r.ModelOf(r.ctx, rigWS, first.ModelID())
		require.NoError(t, err)
		require.Len(t, scored.Drift, 3)
		require.Less(t, scored.Drift["orders_after_first"], 0.1, "the same people")
	})
	t.Run("baskets", func(t *testing.T) {
		require.Equal(t, Active, r.train(Baskets, true).Status)
		advice, err := r.Recommend(r.ctx, rigWS, r.person("once").ProfileID(), 10)
		require.NoError(t, err)
		require.Equal(t, OK, advice.State)
		require.Equal(t, "sheets", advice.List[0].SKU)
		for _, a := range advice.List {
			require.NotContains(t, a.SKU, "mattress", "whoever has a mattress needs no other")
			require.Positive(t, a.Because[0].Lift)
		}
		due, state, _, err := r.Replenish(r.ctx, rigWS, r.person("regular").ProfileID())
		require.NoError(t, err)
		require.Equal(t, OK, state)
		require.Equal(t, "coffee", due[0].SKU)
		require.Equal(t, dayTime(dayOf(r.clock.Now())), due[0].BoughtAt)
		require.Equal(t, due[0].BoughtAt.AddDate(0, 0, int(math.Round(due[0].MedianDays))), due[0].DueAt)
		set, err := r.SettingsOf(r.ctx, rigWS)
		require.NoError(t, err)
		set, job, err := r.SetSettings(r.ctx, rigWS, set.V, func(s *Settings) {
			s.Edges = []Edge{{Substitute, "mattress-90", "sheets"}, {Complement, "mattress-90", "pillow"}, {Upgrade, "mattress-90", "mattress-140"}}
		})
		require.NoError(t, err)
		require.Nil(t, job, "what an order is has not changed")
		require.Equal(t, int64(1), set.Version())
		time.Sleep(settingsAge)
		advice, err = r.Recommend(r.ctx, rigWS, r.person("once").ProfileID(), 10)
		require.NoError(t, err)
		got := []string{}
		for _, a := range advice.List {
			got = append(got, a.SKU)
		}
		require.ElementsMatch(t, []string{"mattress-140", "pillow"}, got[:2])
		require.NotContains(t, got, "sheets")
	})
	t.Run("another event", func(t *testing.T) {
		r.clock.Advance(time.Minute)
		set, err := r.SettingsOf(r.ctx, rigWS)
		require.NoError(t, err)
		_, job, err := r.SetSettings(r.ctx, rigWS, set.V, func(s *Settings) { s.Event = "Booking Paid" })
		require.NoError(t, err)
		r.done(job)
		r.settle()
		require.Equal(t, Few, r.predicted("regular")[CLV].State)
		require.Zero(t, members(), "what was predicted is withdrawn")
		r.clean()
	})
}

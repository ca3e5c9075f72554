package lead

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
)

// usualModel scores by who somebody is and what they do.
func usualModel() Model {
	return Model{
		Threshold: 50, CoolBelow: 30,
		Rules: []Rule{
			{Key: "boss", Name: "Decides", Kind: Fit, Points: 20, Where: `{"trait":{"path":"title","in":["CEO","CTO"]}}`},
			{Key: "student", Name: "Student", Kind: Fit, Points: -25, Where: `{"trait":{"path":"school","exists":true}}`},
			{Key: "demo", Name: "Asked for a demo", Kind: Engagement, Points: 30, Event: "Demo Requested", Decay: HalfLife, DecayDays: 30},
			{Key: "visit", Name: "Visits", Kind: Engagement, Points: 5, Event: "Pricing Viewed", Decay: Linear, DecayDays: 10, Cap: 20},
			{Key: "left", Name: "Unsubscribed", Kind: Engagement, Points: -15, Event: "Left"},
		},
	}
}

func TestReasonsAddUp(t *testing.T) {
	r := newRig(t)
	r.set(usualModel())
	ana := r.send(`{"type":"identify","userId":"ana","traits":{"title":"CEO"}}`)
	require.EqualValues(t, 20, r.score(ana))
	r.track("ana", "Demo Requested")
	for range 6 { // 30, of which 20 count
		r.track("ana", "Pricing Viewed")
	}
	require.EqualValues(t, 70, r.score(ana))
	r.track("ana", "Left")
	require.EqualValues(t, 55, r.score(ana))
	r.clock.Advance(time.Second)
	r.send(`{"type":"identify","userId":"ana","traits":{"title":null,"school":"X"}}`)
	require.EqualValues(t, 10, r.score(ana))
	s, _, err := r.ScoreOf(r.ctx, rigWS, ana)
	require.NoError(t, err)
	require.Equal(t, []Reason{
		{"student", "Student", Fit, -25, 0}, {"demo", "Asked for a demo", Engagement, 30, 1},
		{"visit", "Visits", Engagement, 20, 6}, {"left", "Unsubscribed", Engagement, -15, 1},
	}, s.Reasons)

	r.clock.Advance(5 * day)
	s, _, err = r.ScoreOf(r.ctx, rigWS, ana)
	require.NoError(t, err)
	require.EqualValues(t, 27, s.Reasons[1].Points) // 30 · 2^(−5/30) = 26.73
	require.EqualValues(t, 15, s.Reasons[2].Points) // 6 · 5 · 5/10
	r.clock.Advance(25 * day)
	r.score(ana)
	r.clean()
}

// An event that comes late counts as if it had come in time.
func TestLateEvents(t *testing.T) {
	r := newRig(t)
	r.set(usualModel())
	r.clock.Advance(60 * day)
	ana := r.send(`{"type":"track","userId":"ana","event":"Demo Requested","timestamp":"2026-04-09T12:00:00Z"}`) // 30 days ago
	require.EqualValues(t, 15, r.score(ana))
	r.track("ana", "Demo Requested")
	require.EqualValues(t, 45, r.score(ana))
	r.send(`{"type":"track","userId":"ana","event":"Demo Requested","timestamp":"2026-04-09T12:00:00Z"}`)
	require.EqualValues(t, 60, r.score(ana))
	r.send(`{"type":"track","userId":"ana","event":"Pricing Viewed","timestamp":"2026-04-09T12:00:00Z"}`)
	require.EqualValues(t, 60, r.score(ana))
	r.clean()
}

func TestOneTellingPerCrossing(t *testing.T) {
	r := newRig(t)
	r.set(usualModel())
	ana := r.send(`{"type":"identify","userId":"ana","traits":{"title":"CTO"}}`)
	r.track("ana", "Demo Requested") // 50
	r.track("ana", "Left")           // and 35 before anybody has swept
	require.Empty(t, r.told(ana))
	other := rigOver(t, r.Store, r.clock)
	var wg sync.WaitGroup
	for _, p := range []*rig{r, other, r, other} {
		wg.Go(p.sweepAll)
	}
	wg.Wait()
	require.Equal(t, []string{NameQualified}, r.told(ana))
	r.track("ana", "Demo Requested") // above again: not under 30 in between
	r.sweepAll()
	require.Equal(t, []string{NameQualified}, r.told(ana))
	r.track("ana", "Left")
	r.track("ana", "Left")
	r.track("ana", "Left") // 20
	r.sweepAll()
	require.Equal(t, []string{NameQualified, NameCooled}, r.told(ana))
	r.track("ana", "Demo Requested")
	r.sweepAll()
	r.sweepAll()
	require.Equal(t, []string{NameQualified, NameCooled, NameQualified}, r.told(ana))
	r.clean()
}

// Time alone makes somebody cool, and the sweep looks then and not before.
func TestDecayIsNoticed(t *testing.T) {
	r := newRig(t)
	r.set(usualModel())
	r.track("ana", "Demo Requested")
	ana := r.track("ana", "Demo Requested") // 60
	r.sweepAll()
	require.Equal(t, []string{NameQualified}, r.told(ana))
	// 60 · 2^(−t/30) < 29.5 after 30.73 days.
	r.clock.Advance(30*day + 17*time.Hour)
	r.sweepAll()
	require.Equal(t, []string{NameQualified}, r.told(ana))
	r.clock.Advance(time.Hour)
	r.sweepAll()
	require.Equal(t, []string{NameQualified, NameCooled}, r.told(ana))
	looks := 0
	for range 400 { // until nothing is left of it
		r.clock.Advance(day)
		_, l, err := r.ScoreOf(r.ctx, rigWS, ana)
		require.NoError(t, err)
		if !l.Due.IsZero() && !l.Due.After(r.clock.Now()) {
			looks++
		}
		r.sweepAll()
	}
	require.Less(t, looks, 40, "each point is published once, and no day without a change")
	require.Zero(t, r.score(ana))
	_, l, err := r.ScoreOf(r.ctx, rigWS, ana)
	require.NoError(t, err)
	require.True(t, l.Due.IsZero())
	last, _ := l.published()
	require.Zero(t, last)
	r.clean()
}

// The score is there for conditions, by the prediction of its name.
func TestSegmentsAskForTheScore(t *testing.T) {
	r := newRig(t)
	r.set(usualModel())
	res, err := r.segments.Create(r.ctx, rigWS, segment.CreateInput{
		Name: "Hot", Kind: segment.Predictive, IdempotencyKey: "1",
		Where: map[string]any{"prediction": map[string]any{"path": PredictionName, "gte": 40}},
	})
	require.NoError(t, err)
	id := res.Segment.SegmentID()
	ana := r.send(`{"type":"identify","userId":"ana","traits":{"title":"CEO"}}`)
	r.sweepAll()
	in := func() bool {
		list, err := segment.Memberships.Get(r.ctx, r.Store, rigWS+"/"+id+"/"+ana)
		require.NoError(t, err)
		return list != nil
	}
	require.False(t, in())
	r.clock.Advance(time.Second)
	r.track("ana", "Demo Requested")
	r.sweepAll() // it qualifies: told and published at once
	require.True(t, in())
	r.track("ana", "Left")
	r.sweepAll()
	require.True(t, in(), "a score is published at most every five minutes")
	r.clock.Advance(5 * time.Minute)
	r.sweepAll()
	require.False(t, in())
}

func TestRecordsFit(t *testing.T) {
	r := newRig(t)
	_, err := r.objects.CreateType(r.ctx, rigWS, object.TypeInput{
		Key: "deal", Name: "Deal", Plural: "Deals", Fields: []object.FieldInput{{Key: "amount", Label: "Amount", Type: object.Integer}},
		Relations: []object.RelationInput{{Key: "buyer", Label: "Buyer"}},
	})
	require.NoError(t, err)
	m := usualModel()
	m.Rules = append(m.Rules, Rule{Key: "deal", Name: "Has a deal", Kind: Fit, Points: 40, Where: `{"object":{"type":"deal","where":[{"path":"amount","gte":100}]}}`})
	r.set(m)
	ana := r.send(`{"type":"identify","userId":"ana","traits":{"name":"Ana"}}`)
	write := func(amount int) {
		out, err := r.objects.Upsert(r.ctx, rigWS, "deal", []object.Item{{
			ExternalID: "d1", Fields: map[string]any{"amount": amount},
			Links: map[string][]object.Link{"buyer": {{Namespace: object.ProfileNamespace, Value: ana}}},
		}})
		require.NoError(t, err)
		require.Nil(t, out[0].Err)
		r.sweepAll()
	}
	write(150)
	require.EqualValues(t, 40, r.score(ana))
	write(50)
	require.Zero(t, r.score(ana))
}

// A model that changes scores everybody from their past; counts of rules that stay, stay.
func TestModelChanges(t *testing.T) {
	r := newRig(t)
	ana := r.track("ana", "Demo Requested")
	r.track("ana", "Webinar")
	require.Zero(t, r.score(ana))
	r.set(usualModel())
	require.EqualValues(t, 30, r.score(ana))
	m := usualModel()
	m.Rules[2].Points = 40
	m.Rules = append(m.Rules, Rule{Key: "web", Name: "Webinar", Kind: Engagement, Points: 10, Event: "Webinar", Where: `[{"path":"plan","eq":"pro"}]`})
	r.set(m)
	require.EqualValues(t, 50, r.score(ana))
	r.sweepAll()
	require.Equal(t, []string{NameQualified}, r.told(ana))
	r.clean()
	r.set(Model{})
	r.sweepAll()
	require.Zero(t, r.score(ana))
	require.Equal(t, []string{NameQualified, NameCooled}, r.told(ana))
}

func TestMergeAndUnmerge(t *testing.T) {
	r := newRig(t)
	r.set(usualModel())
	anon := r.send(`{"type":"track","anonymousId":"dev","event":"Demo Requested"}`)
	ana := r.track("ana", "Demo Requested")
	require.EqualValues(t, 30, r.score(ana))
	merged := r.send(`{"type":"identify","userId":"ana","anonymousId":"dev"}`)
	require.EqualValues(t, 60, r.score(merged))
	r.sweepAll()
	require.Equal(t, []string{NameQualified}, r.told(merged))
	r.clean()
	merges, err := r.people.Merges(r.ctx, rigWS, merged)
	require.NoError(t, err)
	_, err = r.people.Unmerge(r.ctx, rigWS, profile.UnmergeInput{MergeID: merges[0].MergeID()})
	require.NoError(t, err)
	require.EqualValues(t, 30, r.score(ana))
	require.EqualValues(t, 30, r.score(anon))
	r.clean()
}

// Points that are given by hand or by a journey are given once for each key, fade and are
// bounded as their rule says, and are among the reasons that add up to the score.
func TestAdjustments(t *testing.T) {
	r := newRig(t)
	ana := r.send(`{"type":"identify","userId":"ana","traits":{"title":"clerk"}}`)
	give := func(in Adjustment) bool {
		t.Helper()
		in.ProfileID = ana
		changed, err := r.Adjust(r.ctx, rigWS, in)
		require.NoError(t, err)
		return changed
	}
	demo := func(key string) Adjustment { return Adjustment{Rule: "demo", By: "jrn_X/points", Key: key} }
	_, err := r.Adjust(r.ctx, rigWS, Adjustment{ProfileID: ana, Rule: "demo", Key: "k0"})
	require.Equal(t, "RULE_UNKNOWN", reason(err), "there is no model")
	require.True(t, give(Adjustment{Points: 7, Reason: "a call", By: "jrn_X/call", Key: "k1"}))
	require.EqualValues(t, 7, r.score(ana))
	r.sweepAll() // it is published, though there is no model yet
	_, l, err := r.ScoreOf(r.ctx, rigWS, ana)
	require.NoError(t, err)
	last, _ := l.published()
	require.EqualValues(t, 7, last)

	r.set(usualModel())
	require.True(t, give(demo("k2")))
	require.False(t, give(demo("k2")), "the same again")
	other := rigOver(t, r.Store, r.clock)
	var wg sync.WaitGroup
	for _, p := range []*rig{r, other, r, other} { // and at once
		wg.Go(func() {
			_, err := p.Adjust(p.ctx, rigWS, Adjustment{ProfileID: ana, Rule: "demo", By: "jrn_X/points", Key: "k3"})
			require.NoError(t, err)
		})
	}
	wg.Wait()
	require.EqualValues(t, 67, r.score(ana))
	for i := range 6 {
		give(Adjustment{Rule: "visit", Key: "v" + string(rune('0'+i))})
	}
	require.EqualValues(t, 87, r.score(ana), "the rule contributes 20 at most")
	require.True(t, give(Adjustment{Points: -2, Reason: "a mistake", By: "jrn_X/call", Key: "k4"}))
	s, _, err := r.ScoreOf(r.ctx, rigWS, ana)
	require.NoError(t, err)
	require.Equal(t, []Reason{
		{"demo", "Asked for a demo", Engagement, 60, 2}, {"visit", "Visits", Engagement, 20, 6}, {"jrn_X/call", "a mistake", Engagement, 5, 2},
	}, s.Reasons)
	r.clock.Advance(30 * day)
	require.EqualValues(t, 35, r.score(ana), "half of the demos, none of the visits, what was given")
	r.sweepAll()
	r.clean()

	for want, in := range map[string]Adjustment{
		"IDEMPOTENCY_KEY_USED": {ProfileID: ana, Points: 8, Reason: "a call", By: "jrn_X/call", Key: "k1"},
		"RULE_UNKNOWN":         {ProfileID: ana, Rule: "boss", Key: "k9"}, // about fit
		"KEY":                  {ProfileID: ana, Points: 1, Reason: "x"},
		"POINTS":               {ProfileID: ana, Rule: "demo", Points: 1, Reason: "x", Key: "k9"},
		"REASON":               {ProfileID: ana, Points: 1, Key: "k9"},
	} {
		_, err := r.Adjust(r.ctx, rigWS, in)
		require.Equal(t, want, reason(err))
	}

	// Merged and parted, each side keeps what it was given.
	bob := r.send(`{"type":"track","anonymousId":"dev","event":"Seen"}`)
	_, err = r.Adjust(r.ctx, rigWS, Adjustment{ProfileID: bob, Points: 4, Reason: "a visit", By: "jrn_X/call", Key: "b1"})
	require.NoError(t, err)
	merged := r.send(`{"type":"identify","userId":"ana","anonymousId":"dev"}`)
	require.EqualValues(t, 39, r.score(merged))
	merges, err := r.people.Merges(r.ctx, rigWS, merged)
	require.NoError(t, err)
	_, err = r.people.Unmerge(r.ctx, rigWS, profile.UnmergeInput{MergeID: merges[0].MergeID()})
	require.NoError(t, err)
	require.EqualValues(t, 35, r.score(ana))
	require.EqualValues(t, 4, r.score(bob))
	r.clean()
}

func TestModelIsChecked(t *testing.T) {
	r := newRig(t)
	for want, change := range map[string]func(*Model){
		"POINTS":            func(m *Model) { m.Rules[0].Points = 0 },
		"FIT_CONDITION":     func(m *Model) { m.Rules[0].Where = `{"event":{"name":"x"}}` },
		"CONDITION_MISSING": func(m *Model) { m.Rules[0].Where = "" },
		"DECAY_DAYS":        func(m *Model) { m.Rules[2].DecayDays = 0 },
		"COOL_BELOW":        func(m *Model) { m.CoolBelow = 51 },
		"RULE_KEY":          func(m *Model) { m.Rules[1].Key = "boss" },
		"STAGE_UNKNOWN":     func(m *Model) { m.Stage = "nowhere" },
		"UNKNOWN_KIND":      func(m *Model) { m.Rules[0].Where = `{"nonsense":{}}` },
	} {
		m := usualModel()
		change(&m)
		_, _, err := r.SetModel(r.ctx, rigWS, 0, func(x *Model) { m.Meta = x.Meta; *x = m })
		if want == "UNKNOWN_KIND" {
			require.Error(t, err)
			continue
		}
		require.Equal(t, want, reason(err))
	}
	_, _, err := r.SetModel(r.ctx, rigWS, 7, func(*Model) {})
	require.Equal(t, "VERSION_CONFLICT", reason(err))
}

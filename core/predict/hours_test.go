package predict

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
)

// engages says that somebody opened a message on each of the last days at an hour (UTC).
func (r *rig) engages(who string, days, hour int) {
	r.t.Helper()
	var list []event.SystemEvent
	id := r.person(who).ProfileID()
	now := r.clock.Now()
	for d := range days {
		r.ids++
		at := time.Date(now.Year(), now.Month(), now.Day()-1-d, hour, 10, 0, 0, time.UTC)
		list = append(list, event.SystemEvent{ProfileID: id, Input: event.Input{
			Type: event.System, Name: condition.MessageEvent("OPENED"), MessageID: fmt.Sprint("open-", r.ids), Timestamp: at, Sum: []byte("1"),
		}})
	}
	_, err := r.pipeline.CommitAll(r.ctx, rigWS, list)
	require.NoError(r.t, err)
}

func (r *rig) knows(who string, traits string) {
	r.t.Helper()
	r.say(r.clock.Now(), `{"type":"identify","userId":%q,"traits":{%s}}`, who, traits)
}

func TestHours(t *testing.T) {
	r := newRig(t)
	people := 40
	for i := range people {
		r.knows(fmt.Sprint("reader-", i), `"timezone":"Europe/Berlin"`)
	}
	r.knows("silent", `"timezone":"Europe/Berlin"`)
	r.knows("traveller", `"timezone":"Europe/Berlin"`)
	r.flush()
	require.Equal(t, Few, r.predicted("silent")[BestHour].State)
	require.Equal(t, []string{"no model was trained yet", "this person has opened, clicked or answered in 0 hours of days; without a model 5 are needed"}, r.predicted("silent")[BestHour].Missing)
	usual, err := r.UsualHours(r.ctx, rigWS)
	require.NoError(t, err)
	require.Nil(t, usual)

	m := r.train(Hours, true)
	require.Equal(t, Insufficient, m.Status)
	require.Equal(t, []string{"0 people have opened, clicked or answered; a model needs 30", "there are 0 engagements; a model needs 200"}, m.Missing)

	// Without a model their own suffices: at 06 UTC it is 07 in Berlin in winter.
	r.engages("traveller", 5, 6)
	r.settle()
	require.Equal(t, OK, r.predicted("traveller")[BestHour].State)
	require.InDelta(t, 7, r.predicted("traveller")[BestHour].Value, 0)
	require.Empty(t, r.predicted("traveller")[BestHour].Model)

	for i := range people { // two in three at 18, and the others at an hour of their own
		hour := 17
		if i%3 == 0 {
			hour = 5 + i/3
		}
		r.engages(fmt.Sprint("reader-", i), 20, hour)
	}
	m = r.train(Hours, true)
	require.Equal(t, Active, m.Status, "%v", m.Missing)
	require.EqualValues(t, people+1, m.Size.Engaged)
	require.EqualValues(t, 20*people+5, m.Size.Engagements)
	require.Equal(t, 18, m.Hours.Shares.Best())
	time.Sleep(modelAge)
	q := m.Quality
	require.InDelta(t, -math.Log(24), q["uniformLogLikelihood"], 1e-12)
	require.Greater(t, q["workspaceLogLikelihood"], q["uniformLogLikelihood"])
	require.Greater(t, q["holdoutLogLikelihood"], q["workspaceLogLikelihood"]+0.3, "people have hours of their own")
	require.Greater(t, q["holdoutHits"], 0.95)

	t.Run("predictions", func(t *testing.T) {
		p := r.predicted("reader-0")
		require.InDelta(t, 6, p[BestHour].Value, 0)
		require.Equal(t, m.ModelID(), p[BestHour].Model)
		chance := p[BestHourChance]
		require.Less(t, *chance.Low, chance.Value)
		require.Greater(t, *chance.High, chance.Value)
		for _, f := range []Prediction{p[BestHour], chance} {
			sum := f.Reasons.Baseline
			for _, c := range f.Reasons.Contributions {
				sum += c.By
			}
			require.InDelta(t, chance.Value, sum, 1e-9)
			require.InDelta(t, 20, f.Reasons.Contributions[0].Is, 0)
		}
		silent := r.predicted("silent")[BestHour]
		require.Equal(t, OK, silent.State, "what holds of everybody")
		require.InDelta(t, 18, silent.Value, 0)
		list, err := r.BestHours(r.ctx, rigWS, []*profile.Profile{r.person("reader-0"), nil, r.person("silent")})
		require.NoError(t, err)
		require.Equal(t, 6, list[0].Shares.Best())
		require.EqualValues(t, 20, list[0].Signals)
		require.Equal(t, "Europe/Berlin", list[0].Zone)
		require.Equal(t, 18, list[1].Shares.Best())
		require.Zero(t, list[2].Signals)
		r.clean()
	})
	t.Run("conditions", func(t *testing.T) {
		out, err := r.segments.Create(r.ctx, rigWS, segment.CreateInput{
			Name: "early", Kind: segment.Predictive, Where: map[string]any{"prediction": map[string]any{"path": BestHour, "lt": 12}}, IdempotencyKey: "early",
		})
		require.NoError(t, err)
		r.settle()
		n, err := r.segments.CountMembers(r.ctx, rigWS, out.Segment.SegmentID())
		require.NoError(t, err)
		require.EqualValues(t, 1+6, n, "the traveller, and those whose own hour is 6 to 11")
	})
	t.Run("another process", func(t *testing.T) {
		other := rigOver(t, r.Store, r.clock)
		require.InDelta(t, 6, other.predicted("reader-0")[BestHour].Value, 0)
		r.clock.Advance(time.Minute)
		other.engages("silent", 12, 20)
		r.settle()
		require.InDelta(t, 21, r.predicted("silent")[BestHour].Value, 0)
		r.clean()
	})
	t.Run("another zone", func(t *testing.T) {
		r.clock.Advance(time.Minute)
		r.knows("traveller", `"timezone":"Asia/Tokyo"`)
		r.flush()
		r.settle()
		require.InDelta(t, 15, r.predicted("traveller")[BestHour].Value, 0, "the hours are those of the clock where they are now")
		r.clean()
	})
	t.Run("activity", func(t *testing.T) {
		r.clock.Advance(time.Minute)
		r.knows("looker", `"timezone":"Europe/Berlin"`)
		for d := range 40 {
			for q := range 3 {
				at := r.clock.Now().AddDate(0, 0, -d).Truncate(24 * time.Hour).Add(21*time.Hour + time.Duration(q)*15*time.Minute - 24*time.Hour)
				r.say(at, `{"type":"page","userId":"looker","name":"Home"}`)
			}
		}
		r.flush()
		r.settle()
		p := r.predicted("looker")[BestHour]
		require.Equal(t, OK, p.State)
		require.InDelta(t, 10, p.Reasons.Contributions[1].Is, 0, "one day in four is noted, and once an hour")
		r.clean()
	})
	t.Run("merge", func(t *testing.T) {
		r.clock.Advance(time.Minute)
		r.knows("twin-a", `"timezone":"Europe/Berlin","email":"a@example.com"`)
		r.knows("twin-b", `"timezone":"Europe/Berlin","email":"b@example.com"`)
		r.flush()
		r.engages("twin-b", 9, 21)
		r.settle()
		r.clock.Advance(time.Minute) // what was told last is what the merged person's is held against
		r.engages("twin-a", 6, 8)
		r.settle()
		require.InDelta(t, 9, r.predicted("twin-a")[BestHour].Value, 0)
		r.clock.Advance(time.Minute)
		a, b := r.person("twin-a").ProfileID(), r.person("twin-b").ProfileID()
		merged, err := r.people.Merge(r.ctx, rigWS, profile.MergeInput{WinnerID: a, LoserID: b, Reason: "one person"})
		require.NoError(t, err)
		r.settle()
		p := r.predicted("twin-a")[BestHour]
		require.InDelta(t, 22, p.Value, 0)
		require.InDelta(t, 15, p.Reasons.Contributions[0].Is, 0)
		r.clean()
		r.clock.Advance(time.Minute)
		_, err = r.people.Unmerge(r.ctx, rigWS, profile.UnmergeInput{MergeID: merged.Merge.MergeID()})
		require.NoError(t, err)
		r.settle()
		require.InDelta(t, 9, r.predicted("twin-a")[BestHour].Value, 0)
		require.InDelta(t, 22, r.predicted("twin-b")[BestHour].Value, 0)
		r.clean()
	})
	t.Run("objection", func(t *testing.T) {
		r.clock.Advance(time.Minute)
		p := r.person("reader-0")
		_, err := r.words.Record(r.ctx, rigWS, consent.RecordInput{ProfileID: p.ProfileID(), Purpose: consent.Analytics, Status: consent.Denied, IdempotencyKey: "no"})
		require.NoError(t, err)
		require.Equal(t, Suppressed, r.predicted("reader-0")[BestHour].State)
		list, err := r.BestHours(r.ctx, rigWS, []*profile.Profile{p})
		require.NoError(t, err)
		require.Zero(t, list[0].Signals, "of them nothing is known any more, in the commit of the objection")
		require.Equal(t, 18, list[0].Shares.Best())
		r.settle()
		r.clean()
	})
	t.Run("told in events", func(t *testing.T) {
		var last *event.Event
		require.NoError(t, r.people.EachEventOf(r.ctx, rigWS, r.person("reader-1").Parts, func(e *event.Event) error {
			if a, ok := Advise(e); ok && a != nil {
				last = e
			}
			return nil
		}))
		require.NotNil(t, last)
		a, _ := Advise(last)
		list, err := r.BestHours(r.ctx, rigWS, []*profile.Profile{r.person("reader-1")})
		require.NoError(t, err)
		require.Equal(t, list[0], a, "a simulation reads what a journey does")
	})
}

// A model of hours tells how far those of recent engagements are from its training's, where
// there are enough.
func TestHoursDrift(t *testing.T) {
	r := newRig(t)
	const people = 40
	engage := func(late, early int) {
		for i := range people {
			r.engages(fmt.Sprint("reader-", i), 20, []int{late, early}[i%2])
		}
	}
	for i := range people {
		r.knows(fmt.Sprint("reader-", i), `"timezone":"Asia/Tokyo"`) // nine hours ahead, all year
	}
	r.flush()
	engage(8, 23) // 17 and 8 there
	m := r.train(Hours, true)
	require.Equal(t, Active, m.Status, "%v", m.Missing)
	require.Equal(t, [][]float64{{0, 0, 0.5, 0, 0, 0.5, 0, 0}}, m.Shares)
	score := func() *Model {
		job, err := r.Jobs.Start(r.ctx, ScoreKind, rigWS, nil, "")
		require.NoError(t, err)
		r.done(job)
		m, err := r.ModelOf(r.ctx, rigWS, m.ModelID())
		require.NoError(t, err)
		return m
	}
	same := score()
	require.Equal(t, map[string]float64{"hour": 0}, same.Drift)

	// Those of the morning come at eight in the evening: 0.5 − 0.0001 of it all has gone
	// from one bin, and is in another, 5000 times what is taken for nothing.
	r.clock.Advance(40 * 24 * time.Hour)
	engage(8, 11)
	moved := score()
	require.InDelta(t, 2*0.4999*math.Log(5000), moved.Drift["hour"], 1e-9)
	require.True(t, moved.DriftAt.After(same.DriftAt))

	// Of a time in which hardly anybody engaged nothing is said.
	r.clock.Advance(40 * 24 * time.Hour)
	r.engages("reader-0", 20, 3)
	require.Equal(t, moved.DriftAt, score().DriftAt)
}

// What is kept of somebody is bounded, whatever the order in which it comes, and the latest
// stays.
func TestMomentsAreBounded(t *testing.T) {
	base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var forth, back Part
	for i := range 3 * maxEngaged {
		forth.note(momentOf(base.Add(time.Duration(i)*time.Hour), 1))
		forth.note(momentOf(base.Add(time.Duration(i)*time.Hour), 0))
	}
	for i := 3*maxEngaged - 1; i >= 0; i-- {
		back.note(momentOf(base.Add(time.Duration(i)*time.Hour), 0))
		back.note(momentOf(base.Add(time.Duration(i)*time.Hour), 1))
	}
	require.Equal(t, forth.Moments, back.Moments)
	require.Len(t, forth.Moments, maxEngaged+maxActive)
	require.False(t, forth.note(momentOf(base, 1)), "one that is too old is none")
	require.Len(t, forth.Moments, maxEngaged+maxActive)
	s := signalOf(momentOf(base.Add(16*time.Minute), 2))
	require.Equal(t, base.Add(15*time.Minute), s.At)
	require.EqualValues(t, 2, s.Kind)
}

package sendhour

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return v
}

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	require.NoError(t, err)
	return z
}

// A posterior worked out by hand: a prior of 12 signals of which half lie at 9 and half at
// 20; two opens at 20 o'clock, now and one half-life ago, a click at 21, four pages of one
// visit at 9.
func TestPosterior(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	now := at(t, "2026-09-01T18:30:00Z")                       // 20:30 there
	before := at(t, "2026-09-01T18:30:00Z").Add(-HalfLife)     // in summer time too: 20:30
	clicked := at(t, "2026-09-01T19:10:00Z").Add(-24 * 3600e9) // 21:10
	prior := Prior{Weight: 12}
	prior.Shares[9], prior.Shares[20] = 0.5, 0.5
	e := Count([]Signal{
		{now, Opened}, {now.Add(-time.Minute), Opened}, // one hour of one day
		{before, Opened}, {clicked, Clicked},
		{at(t, "2026-09-01T07:00:00Z"), Active}, {at(t, "2026-09-01T07:15:00Z"), Active}, {at(t, "2026-09-01T07:30:00Z"), Active}, {at(t, "2026-09-01T07:45:00Z"), Active},
		{now.Add(time.Second), Opened}, // is not yet
	}, berlin, now)
	require.EqualValues(t, 3, e.Engagements)
	require.EqualValues(t, 1, e.Activities)
	decay := func(d time.Duration) float64 { return math.Exp2(-d.Hours() / (90 * 24)) }
	opens, click := 1+0.5, 2*decay(now.Sub(clicked))
	page := 0.25 * decay(now.Sub(at(t, "2026-09-01T07:00:00Z")))
	p := prior.With(e)
	want := map[int]float64{
		8: page / 4, 9: 6 + page/2, 10: page / 4,
		19: opens / 4, 20: 6 + opens/2 + click/4, 21: opens/4 + click/2, 22: click / 4,
	}
	for h, a := range p.Alpha {
		require.InDelta(t, want[h], a, 1e-9, "hour %d", h)
	}
	require.InDelta(t, 12+opens+click+page, p.Total, 1e-9)
	require.Equal(t, 20, p.Means().Best())
	require.InDelta(t, 1, p.Means().Sum(), 1e-12)
	engaged, active := p.Moved(20)
	require.InDelta(t, p.Means()[20], 0.5+engaged+active, 1e-12, "the reasons add up")
	require.Negative(t, active)
}

// The interval of a share is that of Beta(α, A − α): of Beta(1, 23) it is 1 − (1 − q)^(1/23).
func TestInterval(t *testing.T) {
	p := Prior{Shares: Uniform().Shares, Weight: 24}.With(Evidence{})
	low, high := p.Interval(3, 0.1)
	require.InDelta(t, 1-math.Pow(0.9, 1.0/23), low, 1e-9)
	require.InDelta(t, 1-math.Pow(0.1, 1.0/23), high, 1e-9)
	none := Prior{Weight: 3}
	none.Shares[4] = 1
	low, high = none.With(Evidence{}).Interval(4, 0.1)
	require.Equal(t, []float64{1, 1}, []float64{low, high})
	require.Equal(t, 0, Uniform().With(Evidence{}).Means().Best(), "of equal ones the earliest")
}

func TestSmoothIsCircular(t *testing.T) {
	var s Shares
	s[0] = 4
	got := Smooth(s)
	require.Equal(t, []float64{1, 2, 1, 4}, []float64{got[23], got[0], got[1], got.Sum()})
}

// A prior of two people: one of twenty engagements at 8, of which ten count, one of two at 18.
func TestPool(t *testing.T) {
	var a, b Shares
	a[8], b[18] = 20, 2
	var p Pool
	p.Add(a)
	p.Add(b)
	p.Add(Shares{})
	got := p.Shares()
	require.InDelta(t, (5.0+1)/36, got[8], 1e-12)
	require.InDelta(t, (2.5+1)/36, got[7], 1e-12)
	require.InDelta(t, (1.0+1)/36, got[18], 1e-12)
	require.InDelta(t, 1, got.Sum(), 1e-12)
}

// Where each has an hour of their own the prior stands for little, where all are alike for much.
func TestFitWeight(t *testing.T) {
	uniform := Uniform().Shares
	own, alike := NewFit(uniform), NewFit(uniform)
	for i := range 48 {
		var one, all Shares
		one[i%24] = 24
		for h := range all {
			all[h] = 1
		}
		own.Add(one)
		alike.Add(all)
	}
	require.Equal(t, 1.0, own.Weight())
	require.Equal(t, 256.0, alike.Weight())
	require.EqualValues(t, UsualWeight, NewFit(uniform).Weight())
	// Pólya's likelihood of two engagements at one hour with a share of 1/24: (w/24)(w/24 + 1)/(w(w + 1)).
	two := NewFit(uniform)
	var pair Shares
	pair[5] = 2
	two.Add(pair)
	for i, w := range Weights {
		require.InDelta(t, math.Log(w/24*(w/24+1)/(w*(w+1))), two.sums[i], 1e-9)
	}
}

func TestNext(t *testing.T) {
	berlin, howe := zone(t, "Europe/Berlin"), zone(t, "Australia/Lord_Howe")
	likes := func(hours ...int) (s Shares) {
		for i, h := range hours {
			s[h] = float64(len(hours) - i)
		}
		return s
	}
	for _, c := range []struct {
		name, now string
		within    time.Duration
		zone      *time.Location
		shares    Shares
		later     bool
		want      string
	}{
		{"today", "2026-06-01T06:20:00Z", day, berlin, likes(9), false, "2026-06-01T07:00:00Z"},
		{"it is that hour", "2026-06-01T07:20:00Z", day, berlin, likes(9), false, "2026-06-01T07:20:00Z"},
		{"that hour is over for today", "2026-06-01T07:20:00Z", day, berlin, likes(9), true, "2026-06-02T07:00:00Z"},
		{"as it begins", "2026-06-01T07:00:00Z", day, berlin, likes(9), true, "2026-06-02T07:00:00Z"},
		{"the best within six hours", "2026-06-01T12:20:00Z", 6 * time.Hour, berlin, likes(9, 17, 16), false, "2026-06-01T15:00:00Z"},
		{"to the end of it", "2026-06-01T12:00:00Z", 6 * time.Hour, berlin, likes(20), false, "2026-06-01T18:00:00Z"},
		{"and not beyond", "2026-06-01T11:59:59Z", 6 * time.Hour, berlin, likes(20, 15), false, "2026-06-01T13:00:00Z"},
		{"the skipped hour, within a day", "2026-03-28T21:00:00Z", 20 * time.Hour, berlin, likes(2, 7), false, "2026-03-29T05:00:00Z"},
		{"the skipped hour, within two", "2026-03-28T21:00:00Z", 2 * day, berlin, likes(2, 7), false, "2026-03-30T00:00:00Z"},
		{"after the skipped hour", "2026-03-29T00:30:00Z", day, berlin, likes(3), false, "2026-03-29T01:00:00Z"},
		{"the hour that is there twice", "2026-10-24T20:00:00Z", day, berlin, likes(2), false, "2026-10-25T00:00:00Z"},
		{"the second time is none", "2026-10-25T00:30:00Z", 2 * day, berlin, likes(2), true, "2026-10-26T01:00:00Z"},
		{"a day of 25 hours", "2026-10-24T20:00:00Z", day, berlin, likes(22), true, "2026-10-25T21:00:00Z"},
		{"half an hour skipped", "2026-10-03T14:00:00Z", day, howe, likes(2), false, "2026-10-03T15:30:00Z"},
		{"half an hour twice", "2026-04-04T13:20:00Z", day, howe, likes(2), false, "2026-04-04T15:30:00Z"},
		{"five and a half hours ahead", "2026-06-01T00:00:00Z", day, zone(t, "Asia/Kolkata"), likes(9), false, "2026-06-01T03:30:00Z"},
		{"no hour begins", "2026-06-01T07:20:00Z", time.Minute, berlin, likes(3), true, "2026-06-01T08:00:00Z"},
		{"all alike: now", "2026-06-01T07:20:00Z", day, berlin, Uniform().Shares, false, "2026-06-01T07:20:00Z"},
		{"a week is no longer than a day", "2026-06-01T07:20:00Z", 7 * day, berlin, likes(8), false, "2026-06-02T06:00:00Z"},
	} {
		got, hour := Next(at(t, c.now), c.within, c.zone, c.shares, c.later)
		require.Equal(t, c.want, got.UTC().Format(time.RFC3339), c.name)
		require.Equal(t, got.In(c.zone).Hour(), hour, c.name)
	}
	require.Equal(t, berlin, (&Advice{}).Location(berlin))
	require.Equal(t, howe, (&Advice{Zone: "Australia/Lord_Howe"}).Location(berlin))
	require.Equal(t, berlin, (&Advice{Zone: "Nowhere/None"}).Location(berlin))
}

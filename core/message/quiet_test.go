package message

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuietHoursOverTheClockChanges(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Bucharest")
	require.NoError(t, err)
	night := Quiet{From: "21:00", To: "08:00"}
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
		require.NoError(t, err)
		return v
	}
	for name, c := range map[string]struct {
		q    Quiet
		now  time.Time
		want time.Time
	}{
		"evening":                  {night, at("2026-06-10 21:00"), at("2026-06-11 08:00")},
		"after midnight":           {night, at("2026-06-11 07:59"), at("2026-06-11 08:00")},
		"at the end":               {night, at("2026-06-11 08:00"), time.Time{}},
		"before":                   {night, at("2026-06-10 20:59"), time.Time{}},
		"the short night":          {night, at("2026-03-28 23:00"), at("2026-03-29 08:00")}, // 8 hours
		"the long night":           {night, at("2026-10-24 23:00"), at("2026-10-25 08:00")}, // 10 hours
		"ends where there is none": {Quiet{From: "01:00", To: "03:30"}, at("2026-03-29 02:00"), at("2026-03-29 04:00")},
		"the hour that is twice":   {Quiet{From: "03:00", To: "04:00"}, time.Date(2026, 10, 25, 1, 30, 0, 0, time.UTC), at("2026-10-25 04:00")},
	} {
		got := c.q.until(zone, c.now)
		require.True(t, got.Equal(c.want), "%s: %v, want %v", name, got.In(zone), c.want)
	}
	require.Equal(t, 8*time.Hour, night.until(zone, at("2026-03-28 23:00")).Sub(at("2026-03-28 23:00")))
	require.Equal(t, 10*time.Hour, night.until(zone, at("2026-10-24 23:00")).Sub(at("2026-10-24 23:00")))
	// Hours that follow each other are one stretch.
	s := Settings{Quiets: []Quiet{{From: "20:00", To: "22:00"}, {From: "22:00", To: "07:00"}, {Channel: SMS, From: "07:00", To: "09:00"}}}
	require.True(t, s.quietUntil(Email, zone, at("2026-06-10 21:00")).Equal(at("2026-06-11 07:00")))
	require.True(t, s.quietUntil(SMS, zone, at("2026-06-10 21:00")).Equal(at("2026-06-11 09:00")))
}

func TestCapsRollingAndCalendar(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, zone) // a Sunday on which the clock is set back
	places := []Place{
		{Message: "a", At: now.Add(-25 * time.Hour), Channel: Email, Purpose: "marketing"},
		{Message: "b", At: now.Add(-2 * time.Hour), Channel: Email, Purpose: "marketing"},
		{Message: "c", At: now.Add(-time.Hour), Channel: SMS, Purpose: "operations"},
	}
	vip := int64(5)
	m := func(channel string, prio int64) *Message {
		x := &Message{Channel: channel, Purpose: "marketing", Priority: prio}
		x.ID = "ws/m"
		return x
	}
	for name, c := range map[string]struct {
		cap   Cap
		m     *Message
		full  bool
		until time.Time
	}{
		"rolling has room":     {Cap{Channel: Email, Limit: 2, Rolling: 24 * time.Hour}, m(Email, 0), false, time.Time{}},
		"rolling is full":      {Cap{Channel: Email, Limit: 2, Rolling: 26 * time.Hour}, m(Email, 0), true, time.Time{}},
		"rolling waits":        {Cap{Channel: Email, Limit: 1, Rolling: 24 * time.Hour, Defer: true}, m(Email, 0), true, places[1].At.Add(24*time.Hour + time.Millisecond)},
		"day":                  {Cap{Limit: 2, Calendar: PerDay}, m(Email, 0), true, time.Time{}},
		"day waits to its end": {Cap{Limit: 2, Calendar: PerDay, Defer: true}, m(Email, 0), true, time.Date(2026, 11, 2, 0, 0, 0, 0, zone)},
		"week from Monday":     {Cap{Limit: 3, Calendar: PerWeek}, m(Email, 0), true, time.Time{}},
		"month begins today":   {Cap{Limit: 3, Calendar: PerMonth}, m(Email, 0), false, time.Time{}},
		"other channel":        {Cap{Channel: Push, Limit: 1, Rolling: 48 * time.Hour}, m(Email, 0), false, time.Time{}},
		"purposes":             {Cap{Purposes: []string{"operations"}, Limit: 1, Rolling: 48 * time.Hour}, m(Email, 0), false, time.Time{}},
		"priority passes":      {Cap{Limit: 1, Rolling: 48 * time.Hour, Exempt: &vip}, m(Email, 5), false, time.Time{}},
		"priority too low":     {Cap{Limit: 1, Rolling: 48 * time.Hour, Exempt: &vip}, m(Email, 4), true, time.Time{}},
	} {
		s := Settings{Caps: []Cap{c.cap}}
		full, until := s.room(c.m, places, zone, now)
		require.Equal(t, c.full, full != nil, name)
		require.True(t, until.Equal(c.until), "%s: %v, want %v", name, until, c.until)
	}
	// A place of one's own does not stand in one's way: it goes again under its key.
	own := m(Email, 0)
	s := Settings{Caps: []Cap{{Limit: 1, Rolling: time.Hour * 24}}}
	full, _ := s.room(own, []Place{{Message: own.MessageID(), At: now, Channel: Email, Purpose: "marketing"}}, zone, now)
	require.Nil(t, full)
}

func TestRobots(t *testing.T) {
	sent := time.Now()
	m := &Message{Timeline: []Happened{{Type: WasSent, At: sent}}}
	person := "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15"
	for _, c := range []struct {
		v    Visit
		want string
	}{
		{Visit{Method: "GET", UserAgent: person, At: sent.Add(time.Hour)}, ""},
		{Visit{Method: "GET", UserAgent: "Mozilla/5.0 (Windows NT 5.1) Firefox/11.0 (via ggpht.com GoogleImageProxy)", At: sent.Add(time.Hour)}, ""},
		{Visit{Method: "HEAD", UserAgent: person, At: sent.Add(time.Hour)}, "HEAD"},
		{Visit{Method: "GET", UserAgent: "Mozilla/5.0", At: sent.Add(time.Hour)}, "PREFETCH"},
		{Visit{Method: "GET", UserAgent: person, Prefetch: true, At: sent.Add(time.Hour)}, "PREFETCH"},
		{Visit{Method: "GET", UserAgent: "BarracudaCentral", At: sent.Add(time.Hour)}, "USER_AGENT"},
		{Visit{Method: "GET", UserAgent: person, At: sent.Add(time.Second)}, "TOO_FAST"},
	} {
		require.Equal(t, c.want, robot(m, c.v), c.v)
	}
}

func TestStopWords(t *testing.T) {
	var s Settings
	for text, want := range map[string]bool{"STOP": true, " stop. ": true, "Stop all": true, "please stop it": false, "stopwatch": false, "": false, "Arrêt!": true} {
		require.Equal(t, want, s.stops(text), text)
	}
	s.StopWords = []string{"GATA"}
	require.True(t, s.stops("gata"))
	require.False(t, s.stops("STOP"))
}

package condition

import (
	"math/rand/v2"
	"testing"
	"time"
)

func local(t *testing.T, at int64, loc *time.Location) string {
	t.Helper()
	return time.UnixMilli(at).In(loc).Format("2006-01-02T15:04:05.999Z07:00")
}

// What now less a period is, and until when what lay there then was inside.
func TestPeriodsBack(t *testing.T) {
	const bucharest, newYork = "Europe/Bucharest", "America/New_York"
	for _, c := range []struct{ zone, now, period, want string }{
		{"UTC", "2026-03-15T10:00:00Z", "P1M", "2026-02-15T10:00:00Z"},
		{"UTC", "2026-03-28T23:59:59.999Z", "P1M", "2026-02-28T23:59:59.999Z"},
		{"UTC", "2026-03-29T00:00:00Z", "P1M", "2026-02-28T23:59:59.999Z"},
		{"UTC", "2026-03-31T10:00:00Z", "P1M", "2026-02-28T23:59:59.999Z"},
		{"UTC", "2026-04-01T00:00:00Z", "P1M", "2026-03-01T00:00:00Z"},
		{"UTC", "2024-03-31T10:00:00Z", "P1M", "2024-02-29T23:59:59.999Z"},
		{"UTC", "2024-03-29T10:00:00Z", "P1M", "2024-02-29T10:00:00Z"},
		{"UTC", "2024-02-29T10:00:00Z", "P1Y", "2023-02-28T23:59:59.999Z"},
		{"UTC", "2024-02-29T10:00:00Z", "P4Y", "2020-02-29T10:00:00Z"},
		{"UTC", "2026-01-15T10:00:00Z", "P2M", "2025-11-15T10:00:00Z"},
		{"UTC", "2026-05-31T10:00:00Z", "P1M1D", "2026-04-30T10:00:00Z"}, // the day first
		// Elapsed time takes no notice of clocks; months do.
		{bucharest, "2026-03-29T12:00:00+03:00", "P1D", "2026-03-28T11:00:00+02:00"},
		{bucharest, "2026-04-15T12:00:00+03:00", "P1M", "2026-03-15T12:00:00+02:00"},
		{bucharest, "2026-11-15T12:00:00+02:00", "P1M", "2026-10-15T12:00:00+03:00"},
		{newYork, "2026-03-08T12:00:00-04:00", "P1D", "2026-03-07T11:00:00-05:00"},
		{newYork, "2026-11-08T12:00:00-05:00", "P1M", "2026-10-08T12:00:00-04:00"},
		// A wall time that the clocks skipped is the instant at which they did.
		{bucharest, "2026-04-29T03:30:00+03:00", "P1M", "2026-03-29T04:00:00+03:00"},
		{bucharest, "2026-04-29T02:59:59.999+03:00", "P1M", "2026-03-29T02:59:59.999+02:00"},
		{newYork, "2026-04-08T02:30:00-04:00", "P1M", "2026-03-08T03:00:00-04:00"},
		// One that came twice is the first.
		{bucharest, "2026-11-25T03:30:00+02:00", "P1M", "2026-10-25T03:30:00+03:00"},
		{newYork, "2026-12-01T01:30:00-05:00", "P1M", "2026-11-01T01:30:00-04:00"},
		// In the hour that comes twice it holds still the second time.
		{bucharest, "2026-10-25T03:30:00+03:00", "P1M", "2026-09-25T03:30:00+03:00"},
		{bucharest, "2026-10-25T03:00:00+02:00", "P1M", "2026-09-25T03:59:59.999+03:00"},
		{bucharest, "2026-10-25T03:30:00+02:00", "P1M", "2026-09-25T03:59:59.999+03:00"},
		{bucharest, "2026-10-25T04:00:00+02:00", "P1M", "2026-09-25T04:00:00+03:00"},
		{newYork, "2026-11-01T01:59:00-05:00", "P1M", "2026-10-01T01:59:59.999-04:00"},
	} {
		loc := zone(t, c.zone)
		p, _ := ParsePeriod(c.period)
		now := instantIn(t, c.now).UnixMilli()
		start := p.minus(now, loc)
		if got := local(t, start, loc); got != c.want {
			t.Errorf("%s: %s − %s is %s, want %s", c.zone, c.now, c.period, got, c.want)
		}
		// past is the first instant at which minus is there.
		leaves := p.past(start, loc)
		if leaves > now || p.minus(leaves, loc) < start || p.minus(leaves-1, loc) >= start {
			t.Errorf("%s: %s leaves %s at %s", c.zone, local(t, start, loc), c.period, local(t, leaves, loc))
		}
	}
}

func TestPeriodsOn(t *testing.T) {
	for _, c := range []struct{ zone, now, period, want string }{
		{"UTC", "2026-01-28T10:00:00Z", "P1M", "2026-02-28T10:00:00Z"},
		{"UTC", "2026-01-31T10:00:00Z", "P1M", "2026-02-28T23:59:59.999Z"},
		{"UTC", "2024-02-29T10:00:00Z", "P1Y", "2025-02-28T23:59:59.999Z"},
		{"Europe/Bucharest", "2026-02-28T03:30:00+02:00", "P1M1D", "2026-03-29T04:30:00+03:00"},
		{"Europe/Bucharest", "2026-02-28T12:00:00+02:00", "P1M1DT1H", "2026-03-29T14:00:00+03:00"},
		{"America/New_York", "2026-02-08T02:30:00-05:00", "P1M", "2026-03-08T03:00:00-04:00"},
	} {
		loc := zone(t, c.zone)
		p, _ := ParsePeriod(c.period)
		if got := local(t, p.plus(instantIn(t, c.now).UnixMilli(), loc), loc); got != c.want {
			t.Errorf("%s: %s + %s is %s, want %s", c.zone, c.now, c.period, got, c.want)
		}
	}
}

// Where units of the calendar begin, whatever the clocks do at midnight.
func TestCalendarUnits(t *testing.T) {
	for _, c := range []struct {
		zone, now string
		unit      Calendar
		from, to  string
	}{
		{"UTC", "2026-11-22T10:00:00Z", Day, "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"UTC", "2026-11-22T10:00:00Z", Week, "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"}, // a Sunday
		{"UTC", "2026-11-23T00:00:00Z", Week, "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"},
		{"UTC", "2024-02-29T10:00:00Z", Month, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"UTC", "2026-12-31T23:59:59.999Z", Quarter, "2026-10-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"UTC", "2026-06-30T10:00:00Z", Quarter, "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"},
		{"UTC", "2026-12-31T10:00:00Z", Year, "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		// Days of 23 and of 25 hours.
		{"Europe/Bucharest", "2026-03-29T12:00:00+03:00", Day, "2026-03-29T00:00:00+02:00", "2026-03-30T00:00:00+03:00"},
		{"Europe/Bucharest", "2026-10-25T12:00:00+02:00", Day, "2026-10-25T00:00:00+03:00", "2026-10-26T00:00:00+02:00"},
		{"America/New_York", "2026-03-08T01:00:00-05:00", Day, "2026-03-08T00:00:00-05:00", "2026-03-09T00:00:00-04:00"},
		{"America/New_York", "2026-11-01T23:00:00-05:00", Week, "2026-10-26T00:00:00-04:00", "2026-11-02T00:00:00-05:00"},
		{"Europe/Bucharest", "2026-03-29T12:00:00+03:00", Month, "2026-03-01T00:00:00+02:00", "2026-04-01T00:00:00+03:00"},
		// No midnight: the day begins with its first instant, at one.
		{"America/Santiago", "2026-09-06T12:00:00-03:00", Day, "2026-09-06T01:00:00-03:00", "2026-09-07T00:00:00-03:00"},
		// At midnight the clocks go back to 23:00: it is still the day before.
		{"America/Santiago", "2026-04-04T23:30:00-04:00", Day, "2026-04-04T00:00:00-03:00", "2026-04-05T00:00:00-04:00"},
		// Midnight twice, in Havana: the first.
		{"America/Havana", "2026-11-01T12:00:00-05:00", Day, "2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00"},
	} {
		loc := zone(t, c.zone)
		s := newStretch(&Window{Calendar: c.unit})
		now := instantIn(t, c.now).UnixMilli()
		after, until := s.at(clock{now, loc})
		if got := local(t, after+1, loc); got != c.from || until != now {
			t.Errorf("%s: %s at %s begins at %s, want %s", c.zone, c.unit, c.now, got, c.from)
		}
		if got := local(t, s.leaves(after+1, loc), loc); got != c.to {
			t.Errorf("%s: %s at %s ends at %s, want %s", c.zone, c.unit, c.now, got, c.to)
		}
		if got := s.leaves(now, loc); got != instantIn(t, c.to).UnixMilli() {
			t.Errorf("%s: what is at %s leaves at %s, want %s", c.zone, c.now, local(t, got, loc), c.to)
		}
	}
}

// Windows never move back, and leaves and enters say to the millisecond when they
// pass an instant.
func TestStretchesAreMonotone(t *testing.T) {
	var windows []*Window
	for _, text := range []string{"P1M", "P1Y", "P1M1DT1H", "P30D", "PT90M"} {
		p, _ := ParsePeriod(text)
		long := Period{Months: p.Months + 1, Elapsed: p.Elapsed}
		windows = append(windows, &Window{Last: &p}, &Window{AgoFrom: &long, AgoTo: &p})
	}
	for _, c := range []Calendar{Day, Week, Month, Quarter, Year} {
		windows = append(windows, &Window{Calendar: c})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"UTC", "Europe/Bucharest", "America/New_York", "America/Santiago", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia"} {
		loc := zone(t, name)
		base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		if name == "Pacific/Apia" {
			base = time.Date(2011, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli() // it skipped a day
		}
		for _, w := range windows {
			s := newStretch(w)
			lastAfter, lastUntil := int64(always), int64(always)
			for now := base; now < base+400*day; now += 17 * 60_000 * (1 + r.Int64N(60)) {
				after, until := s.at(clock{now, loc})
				if after < lastAfter || until < lastUntil {
					t.Fatalf("%s: %+v moves back at %s", name, *w, local(t, now, loc))
				}
				lastAfter, lastUntil = after, until
				at := now + r.Int64N(hour)
				if leaves := s.leaves(at, loc); inside(s, at, leaves, loc) || !inside(s, at, leaves-1, loc) && s.enters(at, loc) < leaves {
					t.Fatalf("%s: %+v: %s leaves at %s", name, *w, local(t, at, loc), local(t, leaves, loc))
				}
				if enters := s.enters(at, loc); enters < s.leaves(at, loc) && (!inside(s, at, enters, loc) || inside(s, at, enters-1, loc)) {
					t.Fatalf("%s: %+v: %s enters at %s", name, *w, local(t, at, loc), local(t, enters, loc))
				}
			}
		}
	}
}

func inside(s *stretch, at, now int64, loc *time.Location) bool {
	after, until := s.at(clock{now, loc})
	return after < at && at <= until
}

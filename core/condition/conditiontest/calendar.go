package conditiontest

import (
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

// ago is now less the period.
func (v view) ago(p condition.Period) time.Time {
	return shift(v.now.Add(-p.Elapsed), -p.Months, v.zone)
}

// later is t and the period.
func (v view) later(t time.Time, p condition.Period) time.Time {
	return shift(t, p.Months, v.zone).Add(p.Elapsed)
}

// shift moves an instant by months of the calendar: to the same time of day on the
// same day of the month or, when the month has no such day, to its last
// millisecond.
func shift(t time.Time, months int, zone *time.Location) time.Time {
	if months == 0 {
		return t
	}
	l := wall(t, zone)
	first := time.Date(l.Year(), l.Month()+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	days := first.AddDate(0, 1, -1).Day()
	if l.Day() > days {
		return firstShown(first.AddDate(0, 1, 0).Add(-time.Millisecond), zone)
	}
	sinceMidnight := l.Sub(time.Date(l.Year(), l.Month(), l.Day(), 0, 0, 0, 0, time.UTC))
	return firstShown(first.AddDate(0, 0, l.Day()-1).Add(sinceMidnight), zone)
}

// reading is what a clock in the zone shows, as if it were the time in UTC.
func reading(t time.Time, zone *time.Location) time.Time {
	l := t.In(zone)
	y, m, d := l.Date()
	return time.Date(y, m, d, l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), time.UTC)
}

// wall is the latest time that a clock in the zone has shown by t: when clocks are
// put back it stands still until they have caught up.
func wall(t time.Time, zone *time.Location) time.Time {
	l := reading(t, zone)
	began, _ := t.In(zone).ZoneBounds()
	if began.IsZero() || t.Sub(began) > 48*time.Hour {
		return l
	}
	if earlier := wall(began.Add(-time.Millisecond), zone); earlier.After(l) {
		return earlier
	}
	return l
}

// firstShown is the first millisecond at which a clock in the zone has shown w or, where the
// clock skips w, what comes after it. It halves the days around w until it is there.
func firstShown(w time.Time, zone *time.Location) time.Time {
	no, yes := w.Add(-50*time.Hour), w.Add(50*time.Hour)
	for yes.Sub(no) > time.Millisecond {
		middle := no.Add((yes.Sub(no) / 2).Truncate(time.Millisecond))
		if wall(middle, zone).Before(w) {
			no = middle
		} else {
			yes = middle
		}
	}
	return yes
}

// began is the first instant of the calendar unit that now lies in.
func (v view) began(c condition.Calendar) time.Time {
	y, m, d := wall(v.now, v.zone).Date()
	switch c {
	case condition.Week:
		for time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Weekday() != time.Monday {
			d--
		}
	case condition.Month:
		d = 1
	case condition.Quarter:
		for m%3 != 1 {
			m--
		}
		d = 1
	case condition.Year:
		m, d = 1, 1
	}
	return firstShown(time.Date(y, m, d, 0, 0, 0, 0, time.UTC), v.zone)
}

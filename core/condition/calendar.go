package condition

import (
	"math"
	"time"
)

// Instants are whole milliseconds since 1970, as in the ledgers. What is finer
// counts as the next millisecond.
const (
	never  = math.MaxInt64 // later than everything
	always = math.MinInt64 // earlier than everything

	hour = int64(time.Hour / time.Millisecond)
	day  = 24 * hour
)

// clock is an instant and the time zone in which calendar units are counted.
type clock struct {
	now int64
	loc *time.Location
}

// offset returns the zone's offset from UTC at an instant.
func offset(at int64, loc *time.Location) int64 {
	_, seconds := time.UnixMilli(at).In(loc).Zone()
	return int64(seconds) * 1000
}

// wall returns the local time at an instant, written as the instant at which UTC
// shows the same. It never goes back: when the clocks are put back it stands at the
// last millisecond before, until they have caught up.
func wall(at int64, loc *time.Location) int64 {
	if loc == time.UTC {
		return at
	}
	t := time.UnixMilli(at).In(loc)
	_, seconds := t.Zone()
	w := at + int64(seconds)*1000
	if start, _ := t.ZoneBounds(); !start.IsZero() && at-start.UnixMilli() < day {
		last := start.UnixMilli() - 1
		w = max(w, last+offset(last, loc))
	}
	return w
}

// resolve returns the first instant at which the local time is w, or, when the
// clocks skip it, the instant at which they are put forward. It is monotone.
func resolve(w int64, loc *time.Location) int64 {
	if loc == time.UTC {
		return w
	}
	early := w - 16*hour // no zone is further from UTC
	before, after := offset(early, loc), offset(w+16*hour, loc)
	if before == after {
		return w - before
	}
	_, end := time.UnixMilli(early).In(loc).ZoneBounds()
	change := end.UnixMilli()
	switch {
	case w-before < change:
		return w - before
	case w-after >= change:
		return w - after
	}
	return change
}

// addMonths moves a local time by months: to the same time on the same day of the
// month, or, when the month has no such day, to its last millisecond. Were it the
// same time on the month's last day, a window of a month would move back at
// midnight from 28 to 29 March. It is monotone.
func addMonths(w int64, months int) int64 {
	y, m, d := time.UnixMilli(w).UTC().Date()
	first := time.Date(y, m+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	if next := first.AddDate(0, 1, 0); d > next.AddDate(0, 0, -1).Day() {
		return next.UnixMilli() - 1
	}
	return first.UnixMilli() + int64(d-1)*day + mod(w, day)
}

func mod(a, b int64) int64 { return ((a % b) + b) % b }

// millis rounds a duration up to milliseconds.
func millis(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}

// milli rounds an instant up to milliseconds.
func milli(t time.Time) int64 {
	if ms := t.UnixMilli(); t.Nanosecond()%int(time.Millisecond) == 0 {
		return ms
	} else {
		return ms + 1
	}
}

// minus is an instant less the period: the elapsed time first, then the months.
func (p Period) minus(at int64, loc *time.Location) int64 {
	at -= millis(p.Elapsed)
	if p.Months == 0 {
		return at
	}
	return resolve(addMonths(wall(at, loc), -p.Months), loc)
}

// plus is an instant and the period: the months first, then the elapsed time.
func (p Period) plus(at int64, loc *time.Location) int64 {
	if p.Months != 0 {
		at = resolve(addMonths(wall(at, loc), p.Months), loc)
	}
	return at + millis(p.Elapsed)
}

// past returns the first instant from which on now − period is at or after at.
func (p Period) past(at int64, loc *time.Location) int64 {
	if p.Months == 0 {
		return at + millis(p.Elapsed)
	}
	return reach(at, p.plus(at, loc), func(now int64) int64 { return p.minus(now, loc) })
}

// ahead returns the first instant from which on now + period is at or after at.
func (p Period) ahead(at int64, loc *time.Location) int64 {
	if p.Months == 0 {
		return at - millis(p.Elapsed)
	}
	return reach(at, p.minus(at, loc), func(now int64) int64 { return p.plus(now, loc) })
}

// reach returns the smallest n with f(n) >= at, f being monotone, near a guess.
func reach(at, guess int64, f func(int64) int64) int64 {
	if f(guess) >= at && f(guess-1) < at {
		return guess
	}
	low, high := guess, guess
	for step := day; f(low) >= at; step *= 2 {
		low -= step
	}
	for step := day; f(high) < at; step *= 2 {
		high += step
	}
	for low+1 < high { // f(low) < at <= f(high)
		if mid := low + (high-low)/2; f(mid) >= at {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// began returns the local midnight with which the unit began that holds the local
// time w, and the one with which the next begins.
func (c Calendar) began(w int64) (this, next int64) {
	t := time.UnixMilli(w).UTC()
	y, m, d := t.Date()
	var from, to time.Time
	date := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	switch c {
	case Week:
		monday := d - (int(t.Weekday())+6)%7
		from, to = date(y, m, monday), date(y, m, monday+7)
	case Month:
		from, to = date(y, m, 1), date(y, m+1, 1)
	case Quarter:
		q := m - (m-1)%3
		from, to = date(y, q, 1), date(y, q+3, 1)
	case Year:
		from, to = date(y, 1, 1), date(y+1, 1, 1)
	default:
		from, to = date(y, m, d), date(y, m, d+1)
	}
	return from.UnixMilli(), to.UnixMilli()
}

package condition

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// moment is a date that a value tells: an instant, or a day of the calendar.
type moment struct {
	at    time.Time // in UTC; of a day, its midnight there
	civil bool
}

// The instants that dates are taken for: years 0 to 9999, as in RFC 3339.
var (
	firstMoment = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	lastMoment  = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli() - 1
)

// momentOf reads a BSON date, a text in the form of RFC 3339, or one that is a date
// only ("2024-02-29"), which stands for the day in the condition's time zone.
func momentOf(v bson.RawValue) (moment, bool) {
	switch v.Type {
	case bson.TypeDateTime:
		if ms, ok := dateOf(v); ok && ms >= firstMoment && ms <= lastMoment {
			return moment{at: time.UnixMilli(ms).UTC()}, true
		}
	case bson.TypeString:
		text, ok := textOf(v)
		if !ok || len(text) < 10 || len(text) > 40 || text[4] != '-' {
			return moment{}, false
		}
		if len(text) == 10 {
			t, err := time.Parse(time.DateOnly, string(text))
			return moment{at: t, civil: true}, err == nil
		}
		t, err := time.Parse(time.RFC3339, string(text))
		return moment{at: t.UTC()}, err == nil
	}
	return moment{}, false
}

func dateOf(v bson.RawValue) (int64, bool) {
	if len(v.Value) < 8 {
		return 0, false
	}
	return v.DateTimeOK()
}

// instant returns the moment's instant; of a day, the first of it in the zone.
func (m moment) instant(loc *time.Location) time.Time {
	if m.civil {
		return time.UnixMilli(resolve(m.at.UnixMilli(), loc))
	}
	return m.at
}

// day returns the moment's month and day in the zone.
func (m moment) day(loc *time.Location) (time.Month, int) {
	t := m.at
	if !m.civil {
		t = t.In(loc)
	}
	_, month, d := t.Date()
	return month, d
}

// within tells whether t lies in the stretch next to now, and when that changes.
func (r Relative) within(t int64, c clock) (bool, int64) {
	if r.Past != nil {
		switch {
		case t > c.now:
			return false, t
		case t > r.Past.minus(c.now, c.loc):
			return true, r.Past.past(t, c.loc)
		}
		return false, never
	}
	switch {
	case t <= c.now:
		return false, never
	case t <= r.Next.plus(c.now, c.loc):
		return true, t
	}
	return false, r.Next.ahead(t, c.loc)
}

// olderThan tells whether t is at or before now − period.
func (p Period) olderThan(t int64, c clock) (bool, int64) {
	if t <= p.minus(c.now, c.loc) {
		return true, never
	}
	return false, p.past(t, c.loc)
}

// anniversary tells whether a day's return lies in the stretch next to now. A day
// returns each year, in the years before its date too, at the midnight with which
// it begins; 29 February returns on 28 February in common years.
func (r Relative) anniversary(month time.Month, d int, c clock) (met bool, next int64) {
	year := time.UnixMilli(wall(c.now, c.loc)).UTC().Year()
	next = never
	for y := year - 2; y <= year+2; y++ {
		day := d
		if month == time.February && d == 29 && time.Date(y, 3, 0, 0, 0, 0, 0, time.UTC).Day() == 28 {
			day = 28
		}
		at := resolve(time.Date(y, month, day, 0, 0, 0, 0, time.UTC).UnixMilli(), c.loc)
		in, change := r.within(at, c)
		if met = met || in; change > c.now {
			next = min(next, change)
		}
	}
	return met, next
}

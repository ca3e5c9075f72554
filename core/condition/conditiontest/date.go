package conditiontest

import (
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

// date is an instant or, when alone, a day of the calendar in whatever zone.
type date struct {
	at    time.Time
	alone bool
}

// dateOf reads a text in the form of RFC 3339, in full or its date alone.
func dateOf(v any) (date, bool) {
	text, ok := v.(string)
	if !ok {
		return date{}, false
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return date{at: t}, true
	}
	t, err := time.Parse(time.DateOnly, text)
	return date{at: t, alone: true}, err == nil
}

// first is the first instant of the date.
func (v view) first(d date) time.Time {
	if d.alone {
		return firstShown(d.at, v.zone)
	}
	return d.at
}

// nextToNow tells whether an instant lies in (now − past, now] or (now, now + next].
func (v view) nextToNow(r condition.Relative, t time.Time) bool {
	if r.Past != nil {
		return t.After(v.ago(*r.Past)) && !t.After(v.now)
	}
	return t.After(v.now) && !t.After(v.later(v.now, *r.Next))
}

// anniversary tells whether the midnight at which the date's day of the year begins
// lies next to now in some year.
func (v view) anniversary(r condition.Relative, d date) bool {
	_, month, day := d.at.In(v.zone).Date()
	if d.alone {
		_, month, day = d.at.Date()
	}
	for year := v.now.Year() - 3; year <= v.now.Year()+3; year++ {
		midnight := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		if midnight.Month() != month { // no 29 February
			midnight = midnight.AddDate(0, 0, -1)
		}
		if v.nextToNow(r, firstShown(midnight, v.zone)) {
			return true
		}
	}
	return false
}

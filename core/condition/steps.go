package condition

import "time"

// After returns the instant a period after another: the months first, in the time
// zone (nil is UTC), then the elapsed time. A day that the month does not have is
// the last millisecond of its last one. What is finer than a millisecond counts as
// the next one.
func (p Period) After(at time.Time, loc *time.Location) time.Time {
	if loc == nil {
		loc = time.UTC
	}
	return time.UnixMilli(p.plus(milli(at), loc)).UTC()
}

// Longest is the most elapsed time that the period can take.
func (p Period) Longest() time.Duration { return p.longest() }

// LocalInstant returns the first instant at which the clocks of a time zone show
// what those of UTC show at local; when the zone's clocks skip that, the instant at
// which they are put forward.
func LocalInstant(local time.Time, loc *time.Location) time.Time {
	return time.UnixMilli(resolve(milli(local), loc)).UTC()
}

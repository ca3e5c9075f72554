package sendhour

import "time"

// Advice is what is known of somebody's hours when something is to be sent to them.
type Advice struct {
	Shares Shares
	// Zone is the name of the zone by whose clock the hours are; "" where that is the
	// recipient's.
	Zone string
	// Signals is on how many engagements of their own it rests; 0 for what holds of everybody
	// in the workspace.
	Signals int64
}

// Location is the zone by whose clock the hours are: usual where the advice names none.
func (a *Advice) Location(usual *time.Location) *time.Location {
	if a.Zone == "" {
		return usual
	}
	if zone, err := time.LoadLocation(a.Zone); err == nil && a.Zone != "Local" {
		return zone
	}
	return usual
}

const (
	quarter = 15 * time.Minute // every zone's clock differs from UTC by a multiple of it
	day     = 24 * time.Hour
)

// end returns when a time has passed. Days are those of the zone's clock: each has all the
// hours of the day that the clock shows, be it 23 hours long or 25.
func end(now time.Time, within time.Duration, zone *time.Location) time.Time {
	if within < day {
		return now.Add(within)
	}
	days := min(within/day, 2) // after two each hour has come, whatever the clock skips
	l := now.In(zone)
	rest := within % day
	return time.Date(l.Year(), l.Month(), l.Day()+int(days), l.Hour(), l.Minute(), l.Second(), l.Nanosecond(), zone).Add(rest)
}

// Next returns the instant, from now until a time has passed, at which the best of the hours
// that there are begins by the clock of a zone: now, where that is the hour that it is. later
// leaves that hour out. Never early, and of an hour that is there twice it is the first. Where
// no hour begins in that time it is the first that does after it.
func Next(now time.Time, within time.Duration, zone *time.Location, shares Shares, later bool) (at time.Time, hour int) {
	hour = now.In(zone).Hour()
	at = now
	found := !later
	was, until := hour, end(now, within, zone)
	for t := now.Truncate(quarter).Add(quarter); ; t = t.Add(quarter) {
		if t.After(until) && found {
			return at, hour
		}
		h := t.In(zone).Hour()
		if h == was {
			continue
		}
		// Where the clock is put back an hour comes a second time.
		again := t.Add(-quarter).In(zone).Hour() == (h+1)%24
		was = h
		if !again && (!found || shares[h] > shares[hour]+1e-12) {
			at, hour, found = t, h, true
		}
	}
}

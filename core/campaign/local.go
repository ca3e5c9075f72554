package campaign

import "time"

// wallLayout is how a time on somebody's own clock is written.
const wallLayout = "2006-01-02T15:04"

// localTime returns when a clock in a zone first shows a wall time or, where it skips that
// one, a later one: never early. Of a time that it shows twice that is the first.
func localTime(wall time.Time, zone *time.Location) time.Time {
	naive := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), 0, 0, time.UTC)
	shows := func(t time.Time) bool {
		l := t.In(zone)
		return time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC).Equal(naive)
	}
	var best, skipped time.Time
	for _, near := range []time.Time{naive.Add(-26 * time.Hour), naive.Add(26 * time.Hour)} {
		_, offset := near.In(zone).Zone()
		at := naive.Add(-time.Duration(offset) * time.Second)
		if shows(at) {
			if best.IsZero() || at.Before(best) {
				best = at
			}
			continue
		}
		// By the offset before the change it would be after it: the change is the first
		// instant at which the clock is past the time.
		if from, _ := at.In(zone).ZoneBounds(); !from.IsZero() && from.Before(at) && at.Sub(from) < 26*time.Hour {
			skipped = from.UTC()
		}
	}
	switch {
	case !best.IsZero():
		return best
	case !skipped.IsZero():
		return skipped
	}
	return naive
}

// localDue returns when somebody in a zone is written to: at the wall time, or, when that
// has passed, at once or at that time of the next day.
func localDue(wall time.Time, zone *time.Location, passed Passed, now time.Time) time.Time {
	at := localTime(wall, zone)
	if !at.Before(now) {
		return at
	}
	if passed == PassedNow {
		return now
	}
	// The first of their days on which it is still to come.
	here := now.In(zone)
	for day := 0; ; day++ {
		next := time.Date(here.Year(), here.Month(), here.Day()+day, wall.Hour(), wall.Minute(), 0, 0, time.UTC)
		if at := localTime(next, zone); !at.Before(now) {
			return at
		}
	}
}

// ceil rounds up to the store's millisecond: never early.
func ceil(t time.Time) time.Time {
	if f := t.UTC().Truncate(time.Millisecond); f.Before(t) {
		return f.Add(time.Millisecond)
	}
	return t.UTC().Truncate(time.Millisecond)
}

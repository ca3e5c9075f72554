package message

import (
	"time"

	"github.com/headwater-cdp/headwater/core/profile"
)

// clockTime reads a time of day, "21:30", as minutes.
func clockTime(s string) (int, bool) {
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != 5 {
		return 0, false
	}
	return t.Hour()*60 + t.Minute(), true
}

// zoneOf returns where a person is: by their trait, else by the workspace's.
func (t *Settings) zoneOf(p *profile.Profile) *time.Location {
	path := t.ZoneTrait
	if path == "" {
		path = "timezone"
	}
	if p != nil {
		if trait := p.TraitAt(path); trait != nil {
			if name, ok := trait.Value.StringValueOK(); ok && name != "" && name != "Local" {
				if zone := location(name); zone != nil {
					return zone
				}
			}
		}
	}
	if zone := location(t.TimeZone); zone != nil {
		return zone
	}
	return time.UTC
}

var zones cache[*time.Location]

// location returns a zone by its name, or nil.
func location(name string) *time.Location {
	zones.mu.Lock()
	have, ok := zones.kept[name]
	zones.mu.Unlock()
	if ok {
		return have.value
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		zone = nil
	}
	zones.mu.Lock()
	defer zones.mu.Unlock()
	if zones.kept == nil || len(zones.kept) > 2000 {
		zones.kept = map[string]cached[*time.Location]{}
	}
	zones.kept[name] = cached[*time.Location]{value: zone}
	return zone
}

// quietUntil returns when the quiet hours end within which an instant lies; zero when it
// lies in none.
func (t *Settings) quietUntil(channel string, zone *time.Location, now time.Time) time.Time {
	var until time.Time
	for try := 0; try < len(t.Quiets)+1; try++ { // hours that begin where others end go on
		at, moved := now, false
		if !until.IsZero() {
			at = until
		}
		for _, q := range t.Quiets {
			if q.Channel != "" && q.Channel != channel {
				continue
			}
			if end := q.until(zone, at); end.After(at) {
				until, moved = end, true
				break
			}
		}
		if !moved {
			break
		}
	}
	return until
}

// until returns the end of the hours within which an instant lies, or zero. The clock on
// the wall decides, on the days it is set forward and back too: an hour that is there
// twice is quiet twice, and hours that end at a time that is not there end at the first
// one after it.
func (q Quiet) until(zone *time.Location, now time.Time) time.Time {
	from, ok1 := clockTime(q.From)
	to, ok2 := clockTime(q.To)
	if !ok1 || !ok2 {
		return time.Time{}
	}
	local := now.In(zone)
	at := local.Hour()*60 + local.Minute()
	days := 0
	switch {
	case from < to && at >= from && at < to:
	case from > to && at >= from:
		days = 1
	case from > to && at < to:
	default:
		return time.Time{}
	}
	return wall(local.Year(), local.Month(), local.Day()+days, to, zone, now)
}

// wall returns the first instant after now at which a clock in the zone shows a minute of a
// day or a later one of that day.
func wall(year int, month time.Month, day, minute int, zone *time.Location, now time.Time) time.Time {
	end := time.Date(year, month, day, 0, minute, 0, 0, zone)
	shown := func(t time.Time) int {
		l := t.In(zone)
		want := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		have := time.Date(l.Year(), l.Month(), l.Day(), 0, 0, 0, 0, time.UTC)
		return int(have.Sub(want)/time.Minute) + l.Hour()*60 + l.Minute()
	}
	// Where the clock is set forward over the minute, Date gives an instant on either side.
	for back := end.Add(-2 * time.Hour).Truncate(time.Minute); back.Before(end.Add(2 * time.Hour)); back = back.Add(time.Minute) {
		if back.After(now) && shown(back) >= minute {
			return back.UTC()
		}
	}
	return end.UTC()
}

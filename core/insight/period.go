package insight

import (
	"sort"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// Grain is how long the periods of an answer are.
type Grain string

// The grains. Periods are those of the calendar of a time zone; weeks begin on Monday.
const (
	Hour    Grain = "HOUR"
	Day     Grain = "DAY"
	Week    Grain = "WEEK"
	Month   Grain = "MONTH"
	Quarter Grain = "QUARTER"
	Year    Grain = "YEAR"
	Total   Grain = "TOTAL" // one period from the beginning to the end
)

// span is a period [from, to).
type span struct{ from, to time.Time }

// floor returns the beginning of the period that holds an instant.
func (g Grain) floor(t time.Time, zone *time.Location) time.Time {
	l := t.In(zone)
	y, m, d := l.Date()
	switch g {
	case Hour:
		return t.Truncate(time.Hour)
	case Week:
		d -= (int(l.Weekday()) + 6) % 7
	case Month:
		d = 1
	case Quarter:
		m, d = m-(m-1)%3, 1
	case Year:
		m, d = 1, 1
	}
	return dayBegins(y, m, d, zone)
}

// dayBegins returns the first moment of a calendar day. Where the clocks go forward at
// midnight (the Azores, Chile) there is no midnight, and time.Date may say the hour before.
func dayBegins(y int, m time.Month, d int, zone *time.Location) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, zone)
	if t.Hour() > 12 {
		if _, end := t.ZoneBounds(); !end.IsZero() {
			return end.In(zone)
		}
	}
	return t
}

// step returns the beginning of the period n periods after the one that begins at t.
func (g Grain) step(t time.Time, n int, zone *time.Location) time.Time {
	y, m, d := t.In(zone).Date()
	switch g {
	case Hour:
		return t.Add(time.Duration(n) * time.Hour)
	case Week:
		d += 7 * n
	case Month:
		m += time.Month(n)
	case Quarter:
		m += time.Month(3 * n)
	case Year:
		y += n
	default:
		d += n
	}
	return dayBegins(y, m, d, zone)
}

// maxPeriods is how many periods an answer has at most.
const maxPeriods = 2000

// cut cuts [from, to) into periods; the first and the last may be shorter than others.
func (g Grain) cut(from, to time.Time, zone *time.Location) ([]span, *core.Error) {
	switch g {
	case Total:
		return []span{{from, to}}, nil
	case Hour, Day, Week, Month, Quarter, Year:
	default:
		return nil, core.Errorf(core.Invalid, "GRAIN", "a grain is HOUR, DAY, WEEK, MONTH, QUARTER, YEAR or TOTAL").At("grain")
	}
	var out []span
	for begin := g.floor(from, zone); begin.Before(to); {
		end := g.step(begin, 1, zone)
		s := span{begin, end}
		if s.from.Before(from) {
			s.from = from
		}
		if s.to.After(to) {
			s.to = to
		}
		if out = append(out, s); len(out) > maxPeriods {
			return nil, core.Errorf(core.TooComplex, "TOO_MANY_PERIODS", "this is more than %d periods; take a longer grain or a shorter time", maxPeriods).At("grain")
		}
		begin = end
	}
	return out, nil
}

// earlier returns the period of the same length before [from, to), by the calendar: whole
// months before whole months, else as many days or hours before.
func earlier(from, to time.Time, zone *time.Location) (time.Time, time.Time) {
	f, t := from.In(zone), to.In(zone)
	if Month.floor(f, zone).Equal(f) && Month.floor(t, zone).Equal(t) {
		months := (t.Year()-f.Year())*12 + int(t.Month()) - int(f.Month())
		return Month.step(f, -months, zone), f
	}
	if days, ok := wholeDays(f, t, zone); ok {
		return Day.step(f, -days, zone), f
	}
	return from.Add(-to.Sub(from)), from
}

// before returns what [from, to) is compared with, period by period. Weeks are compared
// with weeks as long, and as far into them: as many whole weeks before as it touches.
func (g Grain) before(from, to time.Time, zone *time.Location) (time.Time, time.Time) {
	if g != Week {
		return earlier(from, to, zone)
	}
	f, t := from.In(zone), to.In(zone)
	days := int(dayOf(t.Add(-1), zone) - dayOf(f, zone) + 1)
	back := -7 * ((days + 6) / 7)
	shift := func(t time.Time) time.Time {
		if midnight(t, zone) {
			return Day.step(t, back, zone)
		}
		return t.AddDate(0, 0, back)
	}
	return shift(f), shift(t)
}

// wholeDays returns how many calendar days lie between two instants; false when they are
// not midnights.
func wholeDays(from, to time.Time, zone *time.Location) (int, bool) {
	if !midnight(from, zone) || !midnight(to, zone) {
		return 0, false
	}
	return int(dayOf(to, zone) - dayOf(from, zone)), true
}

func midnight(t time.Time, zone *time.Location) bool { return Day.floor(t, zone).Equal(t) }

// periods finds the period of an instant.
type periods struct {
	spans []span
	last  int
}

// of returns the index of the period that holds a unix time; false when none does.
func (p *periods) of(unix int64) (int, bool) {
	if i := p.last; i < len(p.spans) && unix >= p.spans[i].from.Unix() && unix < p.spans[i].to.Unix() {
		return i, true
	}
	i := sort.Search(len(p.spans), func(i int) bool { return p.spans[i].to.Unix() > unix })
	if i == len(p.spans) || unix < p.spans[i].from.Unix() {
		return 0, false
	}
	p.last = i
	return i, true
}

// until returns the index of the first period that ends after a unix time.
func (p *periods) until(unix int64) (int, bool) {
	i := sort.Search(len(p.spans), func(i int) bool { return p.spans[i].to.Unix() > unix })
	return i, i < len(p.spans)
}

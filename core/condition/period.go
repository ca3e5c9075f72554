package condition

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The longest periods: a hundred years.
const (
	maxMonths  = 1200
	maxElapsed = 36525 * 24 * time.Hour
	oneDay     = 24 * time.Hour
)

var periodForm = regexp.MustCompile(`^P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:(T)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,10})(?:\.(\d{1,3}))?S)?)?$`)

// ParsePeriod reads an ISO 8601 duration: years, months, weeks, days, hours,
// minutes and seconds to the millisecond, longer than nothing and at most a
// hundred years. False for anything else.
func ParsePeriod(text string) (Period, bool) {
	m := periodForm.FindStringSubmatch(text)
	if m == nil || strings.HasSuffix(text, "T") {
		return Period{}, false
	}
	at := func(i int) int64 {
		n, _ := strconv.ParseInt(m[i], 10, 64) // "" is 0; the form holds the digits within bounds
		return n
	}
	months := at(1)*12 + at(2)
	// Bounded piece by piece, for the sum of the largest would overflow.
	days, hours, minutes, seconds := at(3)*7+at(4), at(6), at(7), at(8)
	const hoursMost = int64(maxElapsed / time.Hour)
	if months > maxMonths || days*24 > hoursMost || hours > hoursMost || minutes > hoursMost*60 || seconds > hoursMost*3600 {
		return Period{}, false
	}
	millis, _ := strconv.ParseInt((m[9] + "000")[:3], 10, 64)
	p := Period{
		Months: int(months),
		Elapsed: time.Duration(days)*oneDay + time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute +
			time.Duration(seconds)*time.Second + time.Duration(millis)*time.Millisecond,
	}
	if p == (Period{}) || p.Elapsed > maxElapsed || p.longest() > maxElapsed+oneDay*(maxMonths/12+40) {
		return Period{}, false
	}
	return p, true
}

// String writes the period as ISO 8601, equal ones alike: P2W is P14D, PT24H is P1D.
func (p Period) String() string {
	var b strings.Builder
	part := func(n int, unit string) {
		if n > 0 {
			fmt.Fprintf(&b, "%d%s", n, unit)
		}
	}
	b.WriteByte('P')
	part(p.Months/12, "Y")
	part(p.Months%12, "M")
	part(int(p.Elapsed/oneDay), "D")
	rest := (p.Elapsed % oneDay).Truncate(time.Millisecond)
	if rest > 0 {
		b.WriteByte('T')
	}
	part(int(rest/time.Hour), "H")
	part(int(rest%time.Hour/time.Minute), "M")
	if rest %= time.Minute; rest > 0 {
		b.WriteString(strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d.%03d", rest/time.Second, rest%time.Second/time.Millisecond), "0"), ".") + "S")
	}
	return b.String()
}

// longest is the most elapsed time that the period can take.
func (p Period) longest() time.Duration {
	if p.Months == 0 {
		return p.Elapsed
	}
	days := p.Months/12*366 + p.Months%12*31
	return p.Elapsed + time.Duration(days)*oneDay + oneDay // a zone's clock may change by up to a day
}

// shortest is the least.
func (p Period) shortest() time.Duration {
	if p.Months == 0 {
		return p.Elapsed
	}
	days := p.Months/12*365 + p.Months%12*30
	if p.Months%12 > 0 {
		days -= 2 // February
	}
	return p.Elapsed + time.Duration(days-1)*oneDay
}

// exceeds tells whether the period is longer than another whatever the day (where a
// clock skips an hour they may coincide).
func (p Period) exceeds(other Period) bool {
	if p.Months >= other.Months && p.Elapsed >= other.Elapsed {
		return p != other
	}
	return p.shortest() > other.longest()
}

// period reads a Duration that may be left out.
func (r *reader) period(m map[string]any, key string) *Period {
	if m[key] == nil {
		return nil
	}
	var p *Period
	r.at(key, func() { p = r.periodOf(m[key]) })
	return p
}

func (r *reader) periodOf(v any) *Period {
	s, ok := r.text(v, MaxName)
	if !ok {
		return nil
	}
	p, ok := ParsePeriod(s)
	if !ok {
		r.fault(ReasonDuration, `an ISO 8601 duration is expected that is longer than nothing and at most a hundred years, such as "P30D", "P1M" or "PT12H"`)
		return nil
	}
	return &p
}

// instant reads a DateTime that may be left out.
func (r *reader) instant(m map[string]any, key string) time.Time {
	var t time.Time
	if m[key] != nil {
		r.at(key, func() { t, _ = r.instantOf(m[key]) })
	}
	return t
}

func (r *reader) instantOf(v any) (time.Time, bool) {
	t, ok := v.(time.Time)
	if !ok {
		s, ok := r.text(v, MaxName)
		if !ok {
			return time.Time{}, false
		}
		t, _ = time.Parse(time.RFC3339Nano, s) // the zero time is out of bounds
	}
	if t = t.UTC(); t.Year() < 1000 || t.Year() > 9999 {
		r.fault(ReasonTime, `a time in the form of RFC 3339 is expected, with its zone, such as "2026-11-01T09:00:00Z"`)
		return time.Time{}, false
	}
	return t, true
}

package scalar

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// MarshalDateTime writes an instant as RFC 3339 in UTC.
func MarshalDateTime(t time.Time) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) {
		if t.IsZero() {
			_, _ = io.WriteString(w, "null")
			return
		}
		_, _ = io.WriteString(w, strconv.Quote(t.UTC().Format(time.RFC3339Nano)))
	})
}

// UnmarshalDateTime reads RFC 3339. The zone is required: a time without one is
// a different instant for everybody who reads it.
func UnmarshalDateTime(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, errDateTime
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, errDateTime
	}
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return time.Time{}, errDateTime
	}
	return t.UTC(), nil
}

var errDateTime = badValue(`a DateTime is RFC 3339 with a zone, such as "2026-11-21T09:30:00Z"`)

// durationForm is ISO 8601 without years and months, whose length depends on
// the calendar.
var durationForm = regexp.MustCompile(`^P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,8})H)?(?:(\d{1,8})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?$`)

var errDuration = badValue(`a Duration is ISO 8601 in weeks, days, hours, minutes and seconds, such as "P1DT12H"`)

// MarshalDuration writes an elapsed time as ISO 8601 in hours, minutes and
// seconds, "PT36H".
func MarshalDuration(d time.Duration) graphql.Marshaler {
	return graphql.WriterFunc(func(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(formatDuration(d))) })
}

func formatDuration(d time.Duration) string {
	if d <= 0 {
		return "PT0S"
	}
	s := "PT"
	if h := d / time.Hour; h > 0 {
		s += strconv.FormatInt(int64(h), 10) + "H"
	}
	if m := d % time.Hour / time.Minute; m > 0 {
		s += strconv.FormatInt(int64(m), 10) + "M"
	}
	if sec := d % time.Minute; sec > 0 {
		text := fmt.Sprintf("%d.%09d", sec/time.Second, sec%time.Second) // a float would not hold every one
		s += strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "S"
	}
	return s
}

// UnmarshalDuration reads ISO 8601. A day has 24 hours.
func UnmarshalDuration(v any) (time.Duration, error) {
	s, ok := v.(string)
	if !ok {
		return 0, errDuration
	}
	m := durationForm.FindStringSubmatch(s)
	if m == nil || s[len(s)-1] == 'P' || s[len(s)-1] == 'T' {
		return 0, errDuration
	}
	units := []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second}
	var total float64
	for i, u := range units {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.ParseFloat(m[i+1], 64)
		if err != nil {
			return 0, errDuration
		}
		total += n * float64(u)
	}
	if total > float64(100*365*24*time.Hour) {
		return 0, errDuration
	}
	return time.Duration(total), nil
}

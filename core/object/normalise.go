package object

import (
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// plain reports whether text may be stored: UTF-8 without NUL bytes.
func plain(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// printable reports whether text may be part of a key or a link: no control
// characters, not empty, not long.
func printable(s string) bool {
	return s != "" && len(s) <= MaxExternalID && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// normaliseEmail trims and lower-cases; what cannot be an address is refused, by
// the lengths of RFC 5321 and the form of its domain.
func normaliseEmail(s string) (string, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	local, domain, at := strings.Cut(s, "@")
	if !at || local == "" || len(local) > 64 || len(s) > 254 || !printable(s) || !strings.Contains(domain, ".") ||
		strings.ContainsAny(s, " \"'<>(),;:\\[]") || strings.ContainsFunc(s, unicode.IsSpace) {
		return "", false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.Contains(label, "@") {
			return "", false
		}
	}
	return s, true
}

// normalisePhone writes an international number as E.164. Without the country it
// could be anybody's: it is refused.
func normalisePhone(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if len(s) < 4 || len(s) > 40 || !printable(s) {
		return "", false
	}
	n, err := phonenumbers.Parse(s, "ZZ")
	if err != nil || n.GetExtension() != "" || !phonenumbers.IsPossibleNumber(n) {
		return "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), true
}

// normaliseURL takes absolute addresses with a host.
func normaliseURL(s string) (string, bool) {
	s = strings.TrimSpace(s)
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" || !plain(s) {
		return "", false
	}
	return s, true
}

const (
	dateLayout = "2006-01-02"
	// stampLayout has one width, so that the order of texts is that of times.
	stampLayout = "2006-01-02T15:04:05.000Z"
)

func normaliseDate(s string) (string, bool) {
	t, err := time.Parse(dateLayout, s)
	return s, err == nil && t.Year() > 0
}

// normaliseStamp writes a time of RFC 3339 in UTC, cut to the millisecond.
func normaliseStamp(s string) (string, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return "", false
	}
	return stampText(t)
}

func stampText(t time.Time) (string, bool) {
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return "", false
	}
	return t.Truncate(time.Millisecond).Format(stampLayout), true
}

func normaliseCurrency(s string) (string, bool) {
	if len(s) != 3 {
		return "", false
	}
	for i := range 3 {
		if s[i] < 'A' || s[i] > 'Z' {
			return "", false
		}
	}
	return s, true
}

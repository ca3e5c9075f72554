package profile

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"

	"github.com/headwater-cdp/headwater/core/event"
)

// maxValue is the longest identifier, in bytes. It is part of a key.
const maxValue = 256

// normalise returns the form under which a value is known in its namespace. ok is
// false when it names nobody: the namespace is unknown, the value is blocked,
// empty, too long, not text, or not what the namespace holds.
func (r *rules) normalise(namespace, value string) (id event.Identifier, ok bool) {
	n := r.namespaces[namespace]
	if n == nil || len(value) > 4*maxValue {
		return id, false
	}
	switch namespace {
	case Email:
		value, ok = normaliseEmail(value)
	case Phone:
		value, ok = normalisePhone(value, r.region)
	default:
		value, ok = normaliseOther(value)
	}
	if !ok || n.blocked[value] || n.blocked[strings.ToLower(value)] {
		return id, false
	}
	return event.Identifier{Namespace: namespace, Value: value}, true
}

// normaliseOther trims spaces. Case is kept: ids are the customer's own.
func normaliseOther(v string) (string, bool) {
	v = strings.TrimSpace(v)
	return v, v != "" && len(v) <= maxValue && printable(v)
}

// normaliseEmail trims and lower-cases. What cannot be an address is refused: one
// @ with something on both sides, no spaces, the lengths of RFC 5321, and a domain
// of non-empty labels.
func normaliseEmail(v string) (string, bool) {
	v = strings.ToLower(strings.TrimSpace(v))
	local, domain, ok := strings.Cut(v, "@")
	if !ok || local == "" || len(local) > 64 || domain == "" || len(v) > 254 || !printable(v) {
		return "", false
	}
	if strings.ContainsAny(v, " \t\"'<>(),;:\\[]") || strings.ContainsFunc(v, unicode.IsSpace) || strings.Contains(domain, "@") {
		return "", false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
	}
	return v, strings.Contains(domain, ".")
}

// normalisePhone writes a number as E.164. A number with an extension belongs to
// a desk, not to a person.
func normalisePhone(v, region string) (string, bool) {
	v = strings.TrimSpace(v)
	if len(v) < 4 || len(v) > 40 || !printable(v) {
		return "", false
	}
	if region == "" {
		region = "ZZ"
	}
	n, err := phonenumbers.Parse(v, region)
	if err != nil || n.GetExtension() != "" || !phonenumbers.IsPossibleNumber(n) {
		return "", false
	}
	return phonenumbers.Format(n, phonenumbers.E164), true
}

// printable refuses text that is not UTF-8 or holds control characters, NUL above
// all: a key holds none.
func printable(v string) bool {
	if !utf8.ValidString(v) {
		return false
	}
	for _, c := range v {
		if c < 0x20 || c == 0x7f || (c >= 0x80 && unicode.IsControl(c)) {
			return false
		}
	}
	return true
}

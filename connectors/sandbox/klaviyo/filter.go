package klaviyo

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// filter is one comparison of the vendor's filter language: op(field,value).
type filter struct {
	op     string
	field  string
	values []string // more than one with any
}

var filterCall = regexp.MustCompile(`^([a-z-]+)\(([A-Za-z_.]+),(.*)\)$`)

// parseFilter reads equals(a,"b"),greater-than(c,2026-01-01T00:00:00Z), alone or within
// and(…). Only what is in allowed ("field" to its operators) is taken.
func parseFilter(text string, allowed map[string][]string) ([]filter, *fault) {
	if text == "" {
		return nil, nil
	}
	wrong := func(why string) *fault {
		f := invalid(why, "")
		f.Source = object{"parameter": "filter"}
		return f
	}
	if inner, is := strings.CutPrefix(text, "and("); is && strings.HasSuffix(inner, ")") {
		text = strings.TrimSuffix(inner, ")")
	}
	var filters []filter
	for _, part := range splitTop(text) {
		m := filterCall.FindStringSubmatch(part)
		if m == nil {
			return nil, wrong("A filter is operator(field,value).")
		}
		f := filter{op: m[1], field: m[2]}
		ops, known := allowed[f.field]
		if !known || !slices.Contains(ops, f.op) {
			return nil, wrong(fmt.Sprintf("'%s' cannot be filtered by '%s'.", f.field, f.op))
		}
		if f.op == "any" {
			if err := json.Unmarshal([]byte(strings.ReplaceAll(m[3], "'", `"`)), &f.values); err != nil {
				return nil, wrong("'any' takes a list of strings.")
			}
		} else {
			value := m[3]
			if strings.HasPrefix(value, `"`) {
				if err := json.Unmarshal([]byte(value), &value); err != nil {
					return nil, wrong("A string stands in quotes.")
				}
			} else {
				value = strings.Trim(value, "'")
			}
			f.values = []string{value}
		}
		if strings.Contains(f.op, "-") {
			if _, err := time.Parse(time.RFC3339, f.values[0]); err != nil {
				return nil, wrong(fmt.Sprintf("'%s' is compared with a time such as 2026-01-31T12:00:00Z.", f.field))
			}
		}
		filters = append(filters, f)
	}
	return filters, nil
}

// splitTop splits at commas outside brackets and quotes.
func splitTop(text string) []string {
	var parts []string
	depth, quoted, begin := 0, false, 0
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, text[begin:i])
			begin = i + 1
		}
	}
	return append(parts, text[begin:])
}

// text compares a string.
func (f filter) text(value string) bool { return slices.Contains(f.values, value) }

// instant compares a time.
func (f filter) instant(t time.Time) bool {
	limit, err := time.Parse(time.RFC3339, f.values[0])
	if err != nil || t.IsZero() {
		return false
	}
	switch f.op {
	case "greater-than":
		return t.After(limit)
	case "greater-or-equal":
		return !t.Before(limit)
	case "less-than":
		return t.Before(limit)
	}
	return !t.After(limit)
}

const suppressed = "subscriptions.email.marketing.suppression."

// profileFilters is what profiles can be filtered by.
var profileFilters = map[string][]string{
	"id": {"any", "equals"}, "email": {"any", "equals"}, "phone_number": {"any", "equals"}, "external_id": {"any", "equals"},
	"created": {"greater-than", "less-than"}, "updated": {"greater-than", "less-than"},
	suppressed + "reason":    {"equals"},
	suppressed + "timestamp": {"greater-or-equal", "greater-than", "less-or-equal", "less-than"},
}

// match says whether a profile passes all filters.
func (p *profile) match(filters []filter) bool {
	for _, f := range filters {
		var pass bool
		switch f.field {
		case "id":
			pass = f.text(p.id)
		case "created":
			pass = f.instant(p.created)
		case "updated":
			pass = f.instant(p.updated)
		case suppressed + "reason":
			pass = slices.ContainsFunc(p.suppressions, func(s suppression) bool { return f.text(s.Reason) })
		case suppressed + "timestamp":
			pass = slices.ContainsFunc(p.suppressions, func(s suppression) bool { return f.instant(s.At) })
		default:
			value, set := p.fields[f.field].(string)
			pass = set && slices.ContainsFunc(f.values, func(v string) bool { return normal(f.field, v) == value })
		}
		if !pass {
			return false
		}
	}
	return true
}

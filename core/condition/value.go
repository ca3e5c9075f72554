package condition

import (
	"encoding/json"
	"maps"
	"slices"
	"unicode/utf8"
)

const maxValueDepth = 8

// class is the kind of thing that an operand is.
type class string

const (
	classNumber class = "number"
	classText   class = "text"
	classBool   class = "boolean"
	classMoney  class = "money"
	classObject class = "object"
	classArray  class = "array"
	classNull   class = "null"
)

// classOf tells what a value is that jsonValue made. Money is an object too.
func classOf(v any) class {
	switch v.(type) {
	case json.Number:
		return classNumber
	case string:
		return classText
	case bool:
		return classBool
	case []any:
		return classArray
	case map[string]any:
		return classObject
	}
	return classNull
}

// jsonValue reads any JSON into nil, bool, json.Number, string, []any and
// map[string]any. It says what is wrong with it and then returns false.
func (r *reader) jsonValue(v any) (any, bool) {
	left := MaxValue
	out, ok := jsonTree(v, maxValueDepth, &left)
	if !ok {
		r.fault(ReasonOperand, "an operand is JSON of at most %d bytes and %d levels, its numbers of at most %d characters", MaxValue, maxValueDepth, MaxDigits)
		return nil, false
	}
	r.weigh(MaxValue - left)
	return out, true
}

func jsonTree(v any, depth int, left *int) (any, bool) {
	if *left--; *left < 0 || depth < 0 {
		return nil, false
	}
	switch v := v.(type) {
	case nil, bool:
		return v, true
	case string:
		*left -= len(v)
		return v, *left >= 0 && utf8.ValidString(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var ok bool
			if out[i], ok = jsonTree(v[i], depth-1, left); !ok {
				return nil, false
			}
		}
		return out, true
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			val, ok := jsonTree(v[key], depth-1, left)
			if *left -= len(key); !ok || *left < 0 || !utf8.ValidString(key) {
				return nil, false
			}
			out[key] = val
		}
		return out, true
	}
	lit, ok := literal(v, false)
	*left -= len(lit)
	return json.Number(lit), ok && *left >= 0
}

// money reads {amount, currency}, its amount as a number. False when v is no money.
func money(v any) (m map[string]any, ok bool) {
	in, ok := v.(map[string]any)
	if !ok || len(in) != 2 {
		return nil, false
	}
	currency, ok := in["currency"].(string)
	lit, exact := literal(in["amount"], true)
	if !ok || !exact || !currencyCode(currency) {
		return nil, false
	}
	return map[string]any{"amount": json.Number(lit), "currency": currency}, true
}

// currencyCode tells whether a text has the form of ISO 4217.
func currencyCode(s string) bool {
	if len(s) != 3 {
		return false
	}
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}

package salesforce

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// restTime is how the REST API writes a time, bulkTime how a CSV has it.
const (
	restTime = "2006-01-02T15:04:05.000-0700"
	bulkTime = "2006-01-02T15:04:05.000Z07:00"
)

// clean checks what a client wants to write and gives each value its type. A nil
// clears the field.
func (t *table) clean(in map[string]any, inserting bool) (map[string]any, *fault) {
	values := make(map[string]any, len(in)+4)
	for name, raw := range in {
		if name == "attributes" {
			continue
		}
		f, ok := t.object.field(name)
		if !ok {
			return nil, failed(http.StatusBadRequest, "INVALID_FIELD",
				fmt.Sprintf("No such column '%s' on sobject of type %s", name, t.object.name))
		}
		if f.readOnly {
			return nil, failed(http.StatusBadRequest, "INVALID_FIELD_FOR_INSERT_UPDATE",
				fmt.Sprintf("Unable to create/update fields: %s. Please check the security settings of this field and verify that it is read/write for your profile or permission set.", f.name), f.name)
		}
		v, bad := f.parse(raw)
		if bad != nil {
			return nil, bad
		}
		values[f.name] = v
	}
	var missing []string
	for _, f := range t.object.fields {
		v, named := values[f.name]
		if f.required && v == nil && (inserting || named) {
			missing = append(missing, f.name)
		}
	}
	if missing != nil {
		return nil, failed(http.StatusBadRequest, "REQUIRED_FIELD_MISSING",
			"Required fields are missing: ["+strings.Join(missing, ", ")+"]", missing...)
	}
	if inserting {
		for name, v := range values {
			if v == nil {
				delete(values, name)
			}
		}
	}
	return values, nil
}

// parse gives a value from JSON the field's type.
func (f field) parse(raw any) (any, *fault) {
	if raw == nil || raw == "" {
		if f.kind == "boolean" {
			return false, nil
		}
		return nil, nil
	}
	switch f.kind {
	case "boolean":
		if b, ok := raw.(bool); ok {
			return b, nil
		}
		return nil, f.unreadable(raw, "boolean")
	case "int", "double", "currency", "percent":
		var n float64
		switch v := raw.(type) {
		case json.Number:
			n, _ = v.Float64()
		case float64:
			n = v
		default:
			return nil, f.unreadable(raw, "number")
		}
		if math.IsInf(n, 0) || f.kind == "int" && !whole(n) {
			return nil, failed(400, "NUMBER_OUTSIDE_VALID_RANGE", fmt.Sprintf("%s: value outside of valid range on numeric field: %v", f.label, raw), f.name)
		}
		return n, nil
	case "date":
		s, _ := raw.(string)
		if _, err := time.Parse(time.DateOnly, s[:min(len(s), 10)]); err != nil {
			return nil, f.unreadable(raw, "date")
		}
		return s[:10], nil
	case "datetime":
		s, _ := raw.(string)
		at, ok := parseTime(s)
		if !ok {
			return nil, f.unreadable(raw, "datetime")
		}
		return at, nil
	}
	s, ok := raw.(string)
	if !ok {
		return nil, f.unreadable(raw, "string")
	}
	return f.words(s)
}

// words checks a value that is text.
func (f field) words(s string) (any, *fault) {
	switch f.kind {
	case "email":
		if a, err := mail.ParseAddress(s); err != nil || a.Address != s || !strings.Contains(s[strings.LastIndexByte(s, '@'):], ".") {
			return nil, failed(400, "INVALID_EMAIL_ADDRESS", fmt.Sprintf("%s: invalid email address: %s", f.label, s), f.name)
		}
	case "reference":
		if id15(s) == "" {
			return nil, failed(400, "MALFORMED_ID", fmt.Sprintf("%s: id value of incorrect type: %s", f.label, s), f.name)
		}
		return id18(s), nil
	case "picklist":
		if !slices.Contains(f.picklist, s) {
			return nil, failed(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", fmt.Sprintf("%s: bad value for restricted picklist field: %s", f.label, s), f.name)
		}
	}
	if n := f.limit(); utf8.RuneCountInString(s) > n {
		return nil, failed(400, "STRING_TOO_LONG", fmt.Sprintf("%s: data value too large: %s (max length=%d)", f.label, s, n), f.name)
	}
	return s, nil
}

func (f field) limit() int {
	switch f.kind {
	case "email":
		return 80
	case "phone":
		return 40
	case "url":
		return 255
	case "textarea":
		return 32000
	}
	return f.length
}

func (f field) unreadable(raw any, kind string) *fault {
	b, _ := json.Marshal(raw)
	return failed(400, "JSON_PARSER_ERROR", fmt.Sprintf("Cannot deserialize instance of %s from %s value %s or request may be missing a required field at [line:1, column:1]", kind, valueKind(raw), b))
}

func valueKind(raw any) string {
	switch raw.(type) {
	case string:
		return "VALUE_STRING"
	case bool:
		return "VALUE_TRUE"
	case map[string]any:
		return "START_OBJECT"
	case []any:
		return "START_ARRAY"
	}
	return "VALUE_NUMBER_INT"
}

func parseTime(s string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999-0700"} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC().Truncate(time.Second), true
		}
	}
	return time.Time{}, false
}

// fromText gives a value of a CSV the field's JSON type, so that parse checks it.
func (f field) fromText(s string) any {
	switch {
	case s == "#N/A":
		return nil
	case f.kind == "boolean":
		if b, err := strconv.ParseBool(strings.ToLower(s)); err == nil {
			return b
		}
	case f.kind == "int" || f.kind == "double" || f.kind == "currency" || f.kind == "percent":
		if n, err := strconv.ParseFloat(s, 64); err == nil {
			return n
		}
	}
	return s
}

// asJSON is a value in an answer of the REST API.
func asJSON(v any) any {
	if t, ok := v.(time.Time); ok {
		return t.Format(restTime)
	}
	return v
}

// asText is a value in a CSV.
func asText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case time.Time:
		return v.Format(bulkTime)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	}
	return fmt.Sprint(v)
}

package salesforce

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// timeForms are the ways in which the vendor's two APIs write a time.
var timeForms = []string{"2006-01-02T15:04:05.999-0700", time.RFC3339Nano}

func parseTime(s string) (time.Time, bool) {
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// soqlTime is a time in a query.
func soqlTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// value is a field's value as records here have it: times in RFC 3339.
func (f *field) value(v any) any {
	if s, ok := v.(string); ok && f.Type == "datetime" {
		if t, ok := parseTime(s); ok {
			return t.Format(time.RFC3339Nano)
		}
	}
	return v
}

// text is a value of a CSV as JSON has it. An empty cell is null.
func (f *field) text(s string) any {
	if s == "" {
		return nil
	}
	switch kind, _ := f.form(); kind {
	case "boolean":
		return strings.EqualFold(s, "true")
	case "integer", "number":
		if json.Valid([]byte(s)) {
			return json.Number(s)
		}
	}
	return f.value(s)
}

// cell is a value in a CSV to the vendor: empty leaves a field alone, #N/A clears it.
func cell(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "#N/A", true
	case string:
		if v == "" {
			return "#N/A", true
		}
		return v, true
	case json.Number:
		return v.String(), true
	case bool, float64, int, int64:
		b, err := json.Marshal(v)
		return string(b), err == nil
	}
	return "", false
}

// record makes a record of a row, by field.
func (s *shape) record(row map[string]any, keep map[string]bool) sdk.Record {
	var r sdk.Record
	r.ID, _ = row["Id"].(string)
	r.Deleted, _ = row["IsDeleted"].(bool)
	if text, ok := row["SystemModstamp"].(string); ok {
		r.UpdatedAt, _ = parseTime(text)
	}
	if r.Deleted {
		r.Merged, _ = row["MasterRecordId"].(string)
		return r
	}
	r.Fields = make(map[string]any, len(row))
	for name, v := range row {
		if f := s.byName[name]; f != nil && keep[name] {
			r.Fields[name] = f.value(v)
		}
	}
	return r
}

// columns are the fields to select: those that are mapped and those that a pull
// needs, and the set of the former.
func (s *shape) columns(mapped []string) (all []string, keep map[string]bool, err error) {
	keep = map[string]bool{}
	if mapped == nil {
		for i := range s.Fields {
			if f := &s.Fields[i]; s.byName[f.Name] != nil && f.readable() {
				keep[f.Name] = true
			}
		}
	}
	for _, name := range mapped {
		f := s.byName[name]
		if f == nil || !f.readable() {
			return nil, nil, sdk.SchemaChanged(safe(name), "Salesforce has no such field on this object, or it is hidden from the user as whom we work: discover again, or give access to the field")
		}
		keep[name] = true
	}
	all = []string{"Id", "SystemModstamp", "IsDeleted"}
	if s.byName["MasterRecordId"] != nil {
		all = append(all, "MasterRecordId")
	}
	for i := range s.Fields {
		if name := s.Fields[i].Name; keep[name] && name != "Id" && name != "SystemModstamp" && name != "IsDeleted" && name != "MasterRecordId" {
			all = append(all, name)
		}
	}
	return all, keep, nil
}

// safe is a field's name when it is one, for messages.
func safe(name string) string {
	if fieldName.MatchString(name) {
		return name
	}
	return ""
}

// quote is a text in a query.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`).Replace(s) + "'"
}

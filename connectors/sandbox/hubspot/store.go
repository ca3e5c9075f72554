package hubspot

import (
	"fmt"
	"math"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is a record as it is at one moment; a change makes a new one. Every value is
// text, as the API has it.
type row struct {
	id       int64
	values   map[string]string
	created  time.Time
	updated  time.Time
	archived time.Time // zero: it is not
}

// table is all records of one type.
type table struct {
	kind    *objectType
	rows    map[int64]*row
	order   []int64                     // ids, ascending
	unique  map[string]map[string]int64 // property, value in lower case, id
	merged  map[int64]int64             // losers and their winners
	version int
	last    searched
}

// who says by whom a change was made, for webhooks.
type who struct{ source, id string }

var (
	byApp  = who{"INTEGRATION", appID}
	byHand = who{"CRM_UI", "userId:48150342"}
)

// store is the account's records. Its caller holds the lock.
type store struct {
	tables map[string]*table // by type id
	names  map[string]string // every name of a type and its id
	now    func() time.Time
	emit   func(change)
	made   int64
}

func newStore(now func() time.Time, emit func(change)) *store {
	s := &store{tables: map[string]*table{}, names: map[string]string{}, now: now, emit: emit, made: 100}
	for _, kind := range standard(now()) {
		s.add(kind)
	}
	return s
}

func (s *store) add(kind *objectType) {
	s.tables[kind.id] = &table{kind: kind, rows: map[int64]*row{}, unique: map[string]map[string]int64{}, merged: map[int64]int64{}}
	for _, name := range []string{kind.id, kind.singular, kind.plural} {
		s.names[name] = kind.id
	}
}

// table finds a type by any of its names.
func (s *store) table(name string) (*table, *fault) {
	if t := s.tables[s.names[strings.ToLower(name)]]; t != nil {
		return t, nil
	}
	return nil, invalid("Unable to infer object type from: %s", name)
}

// find returns a record that is not archived; a merged one is its winner.
func (t *table) find(id string) (*row, *fault) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, notFound()
	}
	for {
		winner, merged := t.merged[n]
		if !merged {
			break
		}
		n = winner
	}
	if r := t.rows[n]; r != nil && r.archived.IsZero() {
		return r, nil
	}
	return nil, notFound()
}

// lookup finds by a unique property, or by id when it names none.
func (t *table) lookup(property, value string) (*row, *fault) {
	if property == "" || property == "hs_object_id" {
		return t.find(value)
	}
	p, ok := t.kind.property(property)
	if !ok || !p.HasUniqueValue {
		return nil, invalid("Property %s is not a unique property on object type %s", property, t.kind.id)
	}
	if id, ok := t.unique[property][strings.ToLower(value)]; ok {
		return t.rows[id], nil
	}
	return nil, notFound()
}

// clean checks values that a client wants to write.
func (t *table) clean(in map[string]any) (map[string]string, *fault) {
	out := make(map[string]string, len(in))
	for name, raw := range in {
		p, ok := t.kind.property(name)
		if !ok {
			return nil, badValue(name, "PROPERTY_DOESNT_EXIST", fmt.Sprintf("Property %q does not exist", name))
		}
		if p.Modification.ReadOnlyValue {
			return nil, badValue(name, "READ_ONLY_VALUE", fmt.Sprintf("%q is a read only property; its value cannot be set.", name))
		}
		var value string
		switch v := raw.(type) {
		case nil:
		case string:
			value = v
		case bool:
			value = strconv.FormatBool(v)
		case fmt.Stringer: // json.Number
			value = v.String()
		default:
			return nil, invalid("Invalid input JSON on line 1, column 1: Cannot deserialize value of type `java.lang.String` from Object value")
		}
		value, bad := p.check(value)
		if bad != nil {
			return nil, bad
		}
		out[name] = value
	}
	return out, nil
}

// check says whether a value is of the property's type, and how it is kept.
func (p property) check(value string) (string, *fault) {
	if value == "" {
		return "", nil
	}
	switch p.Type {
	case "number":
		if n, err := strconv.ParseFloat(value, 64); err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			return "", badValue(p.Name, "INVALID_LONG", fmt.Sprintf("%s was not a valid number.", value))
		}
	case "bool":
		if value != "true" && value != "false" {
			return "", badValue(p.Name, "INVALID_OPTION", fmt.Sprintf("%s was not one of the allowed options: [true, false]", value))
		}
	case "enumeration":
		var allowed []string
		for _, o := range p.Options {
			allowed = append(allowed, o.Value)
		}
		if !slices.Contains(allowed, value) {
			return "", badValue(p.Name, "INVALID_OPTION", fmt.Sprintf("%s was not one of the allowed options: [%s]", value, strings.Join(allowed, ", ")))
		}
	case "date", "datetime":
		at, ok := parseTime(value)
		if !ok {
			return "", badValue(p.Name, "INVALID_DATE", fmt.Sprintf("%s was not a valid date.", value))
		}
		if p.Type == "date" {
			return at.Format(time.DateOnly), nil
		}
		return stamp(at), nil
	}
	if p.Name == "email" {
		if a, err := mail.ParseAddress(value); err != nil || a.Address != value || !strings.Contains(value[strings.LastIndexByte(value, '@'):], ".") {
			return "", badValue(p.Name, "INVALID_EMAIL", fmt.Sprintf("Email address %s is invalid", value))
		}
		return strings.ToLower(value), nil
	}
	if len(value) > 65536 {
		return "", badValue(p.Name, "PROPERTY_VALUE_TOO_LONG", "The value is longer than 65536 characters")
	}
	return value, nil
}

// parseTime reads a day, a time or milliseconds since 1970.
func parseTime(s string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), true
	}
	for _, form := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// taken refuses a unique value that another record has.
func (t *table) taken(values map[string]string, self int64) *fault {
	for name, value := range values {
		if p, _ := t.kind.property(name); !p.HasUniqueValue || value == "" {
			continue
		}
		id, ok := t.unique[name][strings.ToLower(value)]
		if !ok || id == self {
			continue
		}
		if name == "email" {
			title := strings.ToUpper(t.kind.singular[:1]) + t.kind.singular[1:]
			return failed(409, "CONFLICT", fmt.Sprintf("%s already exists. Existing ID: %d", title, id))
		}
		return badValue(name, "CONFLICTING_UNIQUE_VALUE", fmt.Sprintf("%s already has that value.", strconv.FormatInt(id, 10)))
	}
	return nil
}

// put replaces a row and keeps the unique values in order.
func (t *table) put(r *row) {
	t.version++
	if old := t.rows[r.id]; old != nil {
		t.unlink(old)
	} else {
		at, _ := slices.BinarySearch(t.order, r.id)
		t.order = slices.Insert(t.order, at, r.id)
	}
	t.rows[r.id] = r
	if !r.archived.IsZero() {
		return
	}
	for _, p := range t.kind.properties {
		if value := r.values[p.Name]; p.HasUniqueValue && value != "" {
			if t.unique[p.Name] == nil {
				t.unique[p.Name] = map[string]int64{}
			}
			t.unique[p.Name][strings.ToLower(value)] = r.id
		}
	}
}

func (t *table) unlink(r *row) {
	for name, ids := range t.unique {
		if value := strings.ToLower(r.values[name]); ids[value] == r.id {
			delete(ids, value)
		}
	}
}

// create makes a record.
func (s *store) create(t *table, in map[string]any, by who) (*row, *fault) {
	values, bad := t.clean(in)
	if bad != nil {
		return nil, bad
	}
	if bad := t.taken(values, 0); bad != nil {
		return nil, bad
	}
	if sc := t.kind.schema; sc != nil {
		for _, name := range sc.RequiredProperties {
			if values[name] == "" {
				return nil, invalid("Error creating %s. Some required properties were not set.", strings.ToUpper(t.kind.singular))
			}
		}
	}
	s.made++
	now := s.now().Truncate(time.Millisecond)
	r := &row{id: s.made, values: values, created: now, updated: now}
	s.finish(t, r)
	t.put(r)
	s.emit(change{table: t, kind: "creation", row: r, by: by})
	for name := range in {
		s.emit(change{table: t, kind: "propertyChange", row: r, property: name, by: by})
	}
	return r, nil
}

// update changes the properties that are named. What changes nothing leaves the
// time of the last change as it was.
func (s *store) update(t *table, old *row, in map[string]any, by who) (*row, *fault) {
	values, bad := t.clean(in)
	if bad != nil {
		return nil, bad
	}
	if bad := t.taken(values, old.id); bad != nil {
		return nil, bad
	}
	r := &row{id: old.id, values: make(map[string]string, len(old.values)), created: old.created, updated: old.updated}
	for name, v := range old.values {
		r.values[name] = v
	}
	var changed []string
	for name, v := range values {
		if r.values[name] != v {
			r.values[name] = v
			changed = append(changed, name)
		}
	}
	if changed == nil {
		return old, nil
	}
	slices.Sort(changed)
	r.updated = s.now().Truncate(time.Millisecond)
	s.finish(t, r)
	t.put(r)
	for _, name := range changed {
		s.emit(change{table: t, kind: "propertyChange", row: r, property: name, by: by})
	}
	return r, nil
}

func (s *store) finish(t *table, r *row) {
	r.values["hs_object_id"] = strconv.FormatInt(r.id, 10)
	r.values["createdate"] = stamp(r.created)
	r.values[t.kind.changed] = stamp(r.updated)
}

// archive takes a record out of sight.
func (s *store) archive(t *table, old *row, by who) {
	r := *old
	r.archived = s.now().Truncate(time.Millisecond)
	t.put(&r)
	s.emit(change{table: t, kind: "deletion", row: &r, by: by})
}

// forget deletes a record for good.
func (s *store) forget(t *table, r *row, by who) {
	t.version++
	t.unlink(r)
	delete(t.rows, r.id)
	if at, ok := slices.BinarySearch(t.order, r.id); ok {
		t.order = slices.Delete(t.order, at, at+1)
	}
	s.emit(change{table: t, kind: "privacyDeletion", row: r, by: by})
}

// merge gives the winner what it does not have and makes the loser's id one of its own.
func (s *store) merge(t *table, winner, loser *row, by who) *row {
	r := &row{id: winner.id, values: make(map[string]string, len(winner.values)), created: winner.created, updated: s.now().Truncate(time.Millisecond)}
	for name, v := range loser.values {
		r.values[name] = v
	}
	for name, v := range winner.values {
		if v != "" {
			r.values[name] = v
		}
	}
	ids := strings.FieldsFunc(winner.values["hs_merged_object_ids"]+";"+loser.values["hs_merged_object_ids"], func(c rune) bool { return c == ';' })
	r.values["hs_merged_object_ids"] = strings.Join(append(ids, strconv.FormatInt(loser.id, 10)), ";")
	t.unlink(loser)
	delete(t.rows, loser.id)
	if at, ok := slices.BinarySearch(t.order, loser.id); ok {
		t.order = slices.Delete(t.order, at, at+1)
	}
	t.merged[loser.id] = winner.id
	s.finish(t, r)
	t.put(r)
	s.emit(change{table: t, kind: "merge", row: r, loser: loser.id, by: by})
	return r
}

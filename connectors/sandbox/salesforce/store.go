package salesforce

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// row is a record as it is at one moment: a change makes a new row, so that a
// query's result stays what it was.
type row struct {
	id      string
	values  map[string]any // by the field's own name: string, float64, bool, time.Time; nil is not there
	deleted bool
	purged  bool // no longer in the recycle bin
	at      time.Time
}

// get is a field's value; nil when it has none.
func (r *row) get(name string) any {
	switch name {
	case "Id":
		return r.id
	case "IsDeleted":
		return r.deleted
	case "SystemModstamp", "LastModifiedDate":
		return r.at
	}
	return r.values[name]
}

// table is all records of one object.
type table struct {
	object   *object
	rows     map[string]*row
	external map[string]string // lower-case external id to id, of what is not deleted
	made     int
}

// store is the organisation's records. Its caller holds the lock.
type store struct {
	tables map[string]*table // by lower-case name
	now    func() time.Time
	undo   []func() // while a transaction is open
	inside bool
}

func newStore(now func() time.Time) *store {
	s := &store{tables: map[string]*table{}, now: now}
	for _, o := range objects() {
		s.tables[strings.ToLower(o.name)] = &table{object: o, rows: map[string]*row{}, external: map[string]string{}}
	}
	return s
}

// stamp is the time of a change: the vendor keeps whole seconds.
func (s *store) stamp() time.Time { return s.now().UTC().Truncate(time.Second) }

// begin opens a transaction that end keeps or undoes.
func (s *store) begin() { s.inside, s.undo = true, nil }

func (s *store) end(keep bool) {
	if !keep {
		for _, undo := range slices.Backward(s.undo) {
			undo()
		}
	}
	s.inside, s.undo = false, nil
}

// put replaces a row and keeps the external ids in order.
func (s *store) put(t *table, r *row) {
	old := t.rows[r.id]
	if s.inside {
		s.undo = append(s.undo, func() {
			t.unlink(r)
			if old == nil {
				delete(t.rows, r.id)
				return
			}
			t.rows[r.id] = old
			t.link(old)
		})
	}
	if old != nil {
		t.unlink(old)
	}
	t.rows[r.id] = r
	t.link(r)
}

func (t *table) link(r *row) {
	if key, _ := r.values[externalID.name].(string); key != "" && !r.deleted {
		t.external[strings.ToLower(key)] = r.id
	}
}

func (t *table) unlink(r *row) {
	if key, _ := r.values[externalID.name].(string); key != "" && t.external[strings.ToLower(key)] == r.id {
		delete(t.external, strings.ToLower(key))
	}
}

// find returns a record that is there.
func (t *table) find(id string) (*row, *fault) {
	if id15(id) == "" {
		return nil, failed(400, "MALFORMED_ID", t.object.label+" ID: id value of incorrect type: "+id, "Id")
	}
	r := t.rows[id18(id)]
	switch {
	case r == nil || r.purged:
		return nil, notFound()
	case r.deleted:
		return nil, failed(404, "ENTITY_IS_DELETED", "entity is deleted", []string{}...)
	}
	return r, nil
}

// insert makes a record.
func (s *store) insert(t *table, in map[string]any) (string, *fault) {
	values, bad := t.clean(in, true)
	if bad != nil {
		return "", bad
	}
	if bad := s.unique(t, values, ""); bad != nil {
		return "", bad
	}
	t.made++
	r := &row{id: makeID(t.object.prefix, t.made), values: values, at: s.stamp()}
	r.values["CreatedDate"] = r.at
	t.compute(r)
	s.put(t, r)
	return r.id, nil
}

// update changes the fields that are named.
func (s *store) update(t *table, id string, in map[string]any) *fault {
	old, bad := t.find(id)
	if bad != nil {
		return bad
	}
	values, bad := t.clean(in, false)
	if bad != nil {
		return bad
	}
	if bad := s.unique(t, values, old.id); bad != nil {
		return bad
	}
	r := &row{id: old.id, values: make(map[string]any, len(old.values)), at: s.stamp()}
	for name, v := range old.values {
		r.values[name] = v
	}
	for name, v := range values {
		if v == nil {
			delete(r.values, name)
			continue
		}
		r.values[name] = v
	}
	t.compute(r)
	s.put(t, r)
	return nil
}

// upsert makes or changes the record with this external id.
func (s *store) upsert(t *table, key string, in map[string]any) (id string, created bool, bad *fault) {
	if id, ok := t.external[strings.ToLower(key)]; ok {
		return id, false, s.update(t, id, in)
	}
	with := make(map[string]any, len(in)+1)
	for name, v := range in {
		with[name] = v
	}
	with[externalID.name] = key
	id, bad = s.insert(t, with)
	return id, bad == nil, bad
}

// remove puts a record into the recycle bin, an account with its contacts and
// opportunities.
func (s *store) remove(t *table, id, mergedInto string) *fault {
	old, bad := t.find(id)
	if bad != nil {
		return bad
	}
	r := &row{id: old.id, values: old.values, deleted: true, at: s.stamp()}
	if mergedInto != "" {
		r.values = make(map[string]any, len(old.values)+1)
		for name, v := range old.values {
			r.values[name] = v
		}
		r.values["MasterRecordId"] = mergedInto
	}
	s.put(t, r)
	if t.object.name != "Account" || mergedInto != "" {
		return nil
	}
	for _, name := range []string{"contact", "opportunity"} {
		child := s.tables[name]
		for _, c := range child.rows {
			if c.values["AccountId"] == old.id && !c.deleted {
				if bad := s.remove(child, c.id, ""); bad != nil {
					return bad
				}
			}
		}
	}
	return nil
}

// purge takes a record out of the recycle bin for good.
func (s *store) purge(t *table, id string) *fault {
	r := t.rows[id18(id)]
	if r == nil || r.purged {
		return notFound()
	}
	s.put(t, &row{id: r.id, deleted: true, purged: true, at: s.stamp()})
	return nil
}

// unique refuses an external id that another record has.
func (s *store) unique(t *table, values map[string]any, self string) *fault {
	key, _ := values[externalID.name].(string)
	if key == "" {
		return nil
	}
	if other, ok := t.external[strings.ToLower(key)]; ok && other != self {
		return failed(400, "DUPLICATE_VALUE", fmt.Sprintf("duplicate value found: %s duplicates value on record with id: %s", externalID.name, other[:15]), []string{}...)
	}
	return nil
}

// compute fills what the vendor makes of other fields.
func (t *table) compute(r *row) {
	for _, f := range t.object.fields {
		if f.kind == "boolean" && !f.readOnly && r.values[f.name] == nil {
			r.values[f.name] = false
		}
	}
	if f, ok := t.object.field("Name"); ok && f.readOnly {
		first, _ := r.values["FirstName"].(string)
		last, _ := r.values["LastName"].(string)
		r.values["Name"] = strings.TrimSpace(first + " " + last)
	}
	if t.object.name == "Subscription__c" && r.values["Name"] == nil {
		r.values["Name"] = r.id
	}
	if t.object.name == "Lead" && r.values["IsConverted"] == nil {
		r.values["IsConverted"] = false
	}
}

// live returns the records in the order of their making, deleted ones on request.
func (t *table) live(deleted bool) []*row {
	rows := make([]*row, 0, len(t.rows))
	for _, r := range t.rows {
		if !r.purged && (deleted || !r.deleted) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(a.id, b.id) })
	return rows
}

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// makeID makes the n-th id of a prefix, 18 characters.
func makeID(prefix string, n int) string {
	tail := make([]byte, 9)
	for i := len(tail) - 1; i >= 0; i-- {
		tail[i] = digits[n%62]
		n /= 62
	}
	return id18(prefix + "gK0" + string(tail))
}

// id15 is the case-sensitive part of an id, or empty when it is not one.
func id15(id string) string {
	if len(id) != 15 && len(id) != 18 {
		return ""
	}
	for _, c := range id {
		if !strings.ContainsRune(digits, c) {
			return ""
		}
	}
	return id[:15]
}

// id18 adds the three characters that say which letters are capitals. What is no
// id stays what it is.
func id18(id string) string {
	short := id15(id)
	if short == "" {
		return id
	}
	suffix := make([]byte, 0, 3)
	for chunk := range 3 {
		n := 0
		for i := range 5 {
			if c := short[chunk*5+i]; c >= 'A' && c <= 'Z' {
				n |= 1 << i
			}
		}
		suffix = append(suffix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[n])
	}
	return short + string(suffix)
}

// number tells whether a value fits a whole-number field.
func whole(f float64) bool { return f == math.Trunc(f) && math.Abs(f) < 1<<31 }

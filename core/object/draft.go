package object

import (
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// draft is a record as an item would leave it.
type draft struct {
	t       *Type
	before  *Record // nil: there is none
	after   *Record
	outcome Outcome
	vals    map[string]bson.RawValue // of after
	changed []string                 // keys of fields and relations
	refs    []ref
	release []string          // keys of claims that the record gives up
	claims  []*store.ClaimDoc // that it takes
	fields  []string          // of claims: the keys of their fields
	people  []event.Identifier
	purge   bool // the record goes for good
}

// ref is a record that must exist.
type ref struct {
	key  string
	path []string // in the item
}

// draftItem works out what an item does to the record, which may be nil.
func (t *Type) draftItem(r *Record, it *Item, now time.Time) (*draft, *core.Error) {
	if t.Deleting != "" {
		return nil, errDeleting
	}
	if !printable(it.ExternalID) {
		return nil, invalid("EXTERNAL_ID", "an external id has 1 to %d bytes of text", MaxExternalID).At("externalId")
	}
	if err := it.expects(r); err != nil {
		return nil, err
	}
	if r != nil && r.Deleted() {
		return nil, core.Errorf(core.Conflict, "RECORD_DELETED", "the record is deleted; restore it first")
	}
	d := &draft{t: t, before: r, vals: t.values(r)}
	old := t.values(r)
	if err := d.setFields(it.Fields); err != nil {
		return nil, err.At("fields")
	}
	links, err := d.setLinks(it.Links)
	if err != nil {
		return nil, err.At("links")
	}
	if r == nil {
		d.defaults()
	}
	if err := t.complete(d.vals); err != nil {
		return nil, err.At("fields")
	}
	d.finish(old, links, it.ExternalID, now)
	if len(d.after.Values) > MaxRecord {
		return nil, invalid(ReasonRecordSize, "the values of a record have at most %d bytes, these have %d", MaxRecord, len(d.after.Values)).At("fields")
	}
	return d, nil
}

func (it *Item) expects(r *Record) *core.Error {
	have := int64(0)
	if r != nil {
		have = r.Version
	}
	if it.ExpectedVersion != nil && *it.ExpectedVersion != have {
		return stale("the record", have, *it.ExpectedVersion)
	}
	return nil
}

// setFields lays what the item says over the values.
func (d *draft) setFields(given any) *core.Error {
	if given == nil {
		return nil
	}
	doc, isRaw := given.(bson.Raw)
	if !isRaw {
		var err *core.Error
		if doc, err = event.FromJSON(given); err != nil {
			return err
		}
	}
	said := map[string]string{}
	for it := event.Elements(doc); it.Next(); {
		key, v := string(it.Key()), it.Value()
		f := d.t.Field(key)
		if f == nil {
			return unknownField(d.t, key).At(clipKey(key))
		}
		if other, twice := said[f.ID]; twice {
			return invalid("FIELD_TWICE", "%s and %s are the same field; say one of them", other, key).At(key)
		}
		said[f.ID] = key
		if v.Type == bson.TypeNull || v.Type == bson.TypeUndefined {
			delete(d.vals, f.ID)
			continue
		}
		stored, err := f.value(v)
		if err != nil {
			return err.At(key)
		}
		if err := d.onTrial(f.ID, stored); err != nil {
			return err.At(key)
		}
		d.vals[f.ID] = stored
	}
	return nil
}

// clipKey shortens a key that somebody else chose, for a path.
func clipKey(key string) string { return key[:min(len(key), MaxKey)] }

// onTrial asks whether a value would be good under the rules that are on trial.
func (d *draft) onTrial(id string, stored bson.RawValue) *core.Error {
	if d.t.Trial == nil {
		return nil
	}
	f := fieldByID(d.t.Trial.Fields, id)
	if f == nil {
		return errChanging
	}
	if f.Many {
		stored = asMany(stored)
	}
	now, err := f.value(stored)
	if err != nil || !sameValue(now, stored) {
		return errChanging
	}
	return nil
}

func (d *draft) defaults() {
	for i := range d.t.Fields {
		f := &d.t.Fields[i]
		if _, has := d.vals[f.ID]; !has && !f.Default.IsZero() && !f.Deprecated {
			d.vals[f.ID] = f.Default
		}
	}
}

// complete refuses values that lack a required field, by the rules in force and
// those on trial.
func (t *Type) complete(vals map[string]bson.RawValue) *core.Error {
	lacks := func(fields []Field) *Field {
		for i := range fields {
			f := &fields[i]
			if _, has := vals[f.ID]; f.Required && !f.Deprecated && !has && f.Default.IsZero() {
				return f
			}
		}
		return nil
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if _, has := vals[f.ID]; f.Required && !f.Deprecated && !has {
			return required(f).At(f.Key)
		}
	}
	if t.Trial != nil && lacks(t.Trial.Fields) != nil {
		return errChanging
	}
	return nil
}

// finish makes the record, and says what changed.
func (d *draft) finish(old map[string]bson.RawValue, links []string, externalID string, now time.Time) {
	at := now.UTC().Truncate(time.Millisecond)
	after := &Record{Type: d.t.Key, ExternalID: externalID, CreatedAt: at}
	if d.before != nil {
		c := *d.before
		after = &c
	} else {
		after.ID = RecordKey(d.t.Workspace(), d.t.Key, externalID)
	}
	var oldLinks []string
	if d.before != nil {
		oldLinks = d.before.Links
	}
	d.changed = d.t.differences(old, d.vals, oldLinks, links)
	after.Values, after.Schema, after.Links = d.t.encode(d.vals), d.t.Version, links
	after.Tokens = tokens(d.t, d.vals)
	d.after = after
	d.outcome = Created
	if d.before != nil {
		d.outcome = Updated
		if len(d.changed) == 0 {
			d.outcome, d.after = Unchanged, d.before
			return
		}
	}
	after.Version++
	after.UpdatedAt = at
	d.claimAndRefer(old)
}

// claimAndRefer fills in what the record claims, gives up and refers to, where it
// changed.
func (d *draft) claimAndRefer(old map[string]bson.RawValue) {
	ws, owner := d.t.Workspace(), store.Rest(d.after.ID)
	claim := func(f *Field, name string) {
		was, had := old[f.ID]
		is, has := d.vals[f.ID]
		if had && has && sameValue(was, is) {
			return
		}
		if had {
			d.release = append(d.release, claimOf(ws, d.t.Key, name, was, owner).ID)
		}
		if has {
			d.claims, d.fields = append(d.claims, claimOf(ws, d.t.Key, name, is, owner)), append(d.fields, f.Key)
		}
	}
	for i := range d.t.Fields {
		f := &d.t.Fields[i]
		if f.Claim != "" {
			claim(f, f.Claim)
		}
		if f.Type != Reference {
			continue
		}
		was, is := old[f.ID], d.vals[f.ID]
		if sameValue(was, is) || is.IsZero() {
			continue
		}
		if !f.Many {
			is = asMany(is)
		}
		for it := event.Elements(is.Value); it.Next(); {
			path := []string{"fields", f.Key}
			if f.Many {
				path = append(path, string(it.Key()))
			}
			d.refs = append(d.refs, ref{RecordKey(ws, f.Target, it.Value().StringValue()), path})
		}
	}
	if d.t.Trial != nil {
		for i := range d.t.Trial.Fields {
			if f := &d.t.Trial.Fields[i]; f.Claim != "" && d.t.fieldClaim(f.ID) != f.Claim {
				claim(f, f.Claim)
			}
		}
	}
	d.referLinks()
}

// referLinks adds the records that new links lead to.
func (d *draft) referLinks() {
	for i, token := range d.after.Links {
		if d.before != nil && slices.Contains(d.before.Links, token) {
			continue
		}
		l := parseLink(token)
		if r := d.t.Relation(l.Relation); r != nil && r.Target != "" {
			d.refs = append(d.refs, ref{RecordKey(d.t.Workspace(), r.Target, l.Value), []string{"links", l.Relation, strconv.Itoa(i)}})
		}
	}
}

// differences lists the keys of the fields and relations that differ, fields first.
func (t *Type) differences(old, now map[string]bson.RawValue, oldLinks, links []string) []string {
	var out []string
	for i := range t.Fields {
		a, hadA := old[t.Fields[i].ID]
		b, hasB := now[t.Fields[i].ID]
		if hadA != hasB || !sameValue(a, b) {
			out = append(out, t.Fields[i].Key)
		}
	}
	for i := range t.Relations {
		key := t.Relations[i].Key
		if !slices.Equal(linksOf(oldLinks, key), linksOf(links, key)) {
			out = append(out, key)
		}
	}
	return out
}

// linksOf returns the links of one relation.
func linksOf(links []string, relation string) []string {
	var out []string
	for _, token := range links {
		if parseLink(token).Relation == relation {
			out = append(out, token)
		}
	}
	return out
}

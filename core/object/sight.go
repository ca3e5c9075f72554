package object

import (
	"context"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
)

// Sight shows records as a gate lets them be seen. Use it for one answer.
type Sight struct{ gate Gate }

// Through returns the sight through a gate.
func Through(g Gate) Sight { return Sight{g} }

// Fields is Type.Document as far as it may be seen, with what is hidden: each field by
// its own category. Arrays are masked value by value.
func (s Sight) Fields(t *Type, r *Record) (bson.Raw, []core.Withheld) {
	if s.gate.Open() {
		return t.Document(r), nil
	}
	vals := t.values(r)
	pairs := make([]pair, 0, len(vals))
	var withheld []core.Withheld
	for i := range t.Fields {
		f := &t.Fields[i]
		v, ok := vals[f.ID]
		if !ok {
			continue
		}
		d := s.gate.Category(f.Category)
		if !d.Allowed() {
			withheld = append(withheld, core.Withheld{Path: "fields." + f.Key, Reason: reasonOf(d)})
			if v = s.mask(f, d, v); v.Type == bson.TypeNull {
				continue
			}
		}
		pairs = append(pairs, pair{f.Key, v})
	}
	return raw(pairs), withheld
}

// mask returns what stands for a field's value, null for nothing.
func (s Sight) mask(f *Field, d core.Decision, v bson.RawValue) bson.RawValue {
	none := bson.RawValue{Type: bson.TypeNull}
	if d.Hidden() {
		return none
	}
	kind := string(f.Category)
	switch f.Type {
	case Email:
		kind = "email" // the same pseudonym as the person's
	case Phone:
		kind = "phone"
	}
	if v.Type != bson.TypeArray || !f.Many {
		return s.gate.MaskValue(d, kind, v)
	}
	var out []bson.RawValue
	for it := event.Elements(v.Value); it.Next(); {
		if one := s.gate.MaskValue(d, kind, it.Value()); one.Type != bson.TypeNull {
			out = append(out, one)
		}
	}
	if len(out) == 0 {
		return none
	}
	t, value, err := bson.MarshalValue(out)
	if err != nil {
		return none
	}
	return bson.RawValue{Type: t, Value: value}
}

func reasonOf(d core.Decision) string {
	if d.Withheld == "" {
		return core.WithheldRole
	}
	return d.Withheld
}

// externalKind is what pseudonyms of records' external ids are of, before the type's key.
const externalKind = "object:"

// ExternalID is the record's external id as far as it may be seen; "" for nothing.
func (s Sight) ExternalID(r *Record) string {
	return s.gate.MaskText(s.gate.Category(core.IdentifierID), externalKind+r.Type, r.ExternalID)
}

// Links are the record's links but those to people who may not be seen, with the names of
// people and records as far as they may be: Value is "" where they may not.
func (s Sight) Links(ctx context.Context, t *Type, r *Record) ([]Link, error) {
	links, err := s.visible(ctx, r)
	if err != nil || s.gate.Open() {
		return links, err
	}
	for i := range links {
		l := &links[i]
		switch l.Namespace {
		case ProfileNamespace:
		case "":
			kind := externalKind
			if rel := t.Relation(l.Relation); rel != nil {
				kind += rel.Target
			}
			l.Value = s.gate.MaskText(s.gate.Category(core.IdentifierID), kind, l.Value)
		default:
			l.Value = s.gate.MaskText(s.gate.Category(namespaceCategory(l.Namespace)), l.Namespace, l.Value)
		}
	}
	// Their order told something of the values.
	slices.SortStableFunc(links, func(a, b Link) int {
		return strings.Compare(a.Relation+"\x00"+a.Namespace+"\x00"+a.Value, b.Relation+"\x00"+b.Namespace+"\x00"+b.Value)
	})
	return links, nil
}

// namespaceCategory is the category of the identifiers of a namespace, as people's.
func namespaceCategory(namespace string) core.Category {
	switch namespace {
	case "email", "phone":
		return core.Contact
	}
	return core.IdentifierID
}

// Withheld lists what of a record is hidden or masked, sorted by path: "externalId",
// "fields.KEY", "links".
func (s Sight) Withheld(t *Type, r *Record) []core.Withheld {
	if s.gate.Open() {
		return nil
	}
	var out []core.Withheld
	d := s.gate.Category(core.IdentifierID)
	if !d.Allowed() {
		out = append(out, core.Withheld{Path: "externalId", Reason: reasonOf(d)})
	}
	_, fields := s.Fields(t, r)
	slices.SortFunc(fields, func(a, b core.Withheld) int { return strings.Compare(a.Path, b.Path) })
	out = append(out, fields...)
	for _, l := range r.LinksOf() {
		c := core.IdentifierID
		if l.Namespace != "" {
			c = namespaceCategory(l.Namespace)
		}
		if d := s.gate.Category(c); l.Namespace != ProfileNamespace && !d.Allowed() {
			return append(out, core.Withheld{Path: "links", Reason: reasonOf(d)})
		}
	}
	return out
}

// Follows refuses to go along a relation or a reference whose values may not be read in
// clear.
func (s Sight) Follows(t *Type, relation string) error {
	c := core.IdentifierID // a relation's links are external ids
	if t.Relation(relation) == nil {
		f := t.Field(relation)
		if f == nil {
			return nil // which is said elsewhere
		}
		c = f.Category
	}
	if s.gate.Category(c).Allowed() {
		return nil
	}
	return protected([]string{relation}, []core.Category{c}).At("relation")
}

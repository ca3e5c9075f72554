package library

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/template"
)

// Stack implements Source over the registry of fields, people and records. What it
// returns is what the actor of the context may see under its purpose: everything for a
// part of the system.
type Stack struct {
	Events   *event.Service
	Profiles *profile.Service
	Objects  *object.Service
}

var _ Source = Stack{}

// vocabulary is what a workspace knows, as template.Lint asks for it.
type vocabulary struct {
	traits []string
	events []string // of all events
	types  map[string]*object.Type
}

// Vocabulary implements Source.
func (s Stack) Vocabulary(ctx context.Context, ws string) (template.Vocabulary, error) {
	defs, err := s.Events.FieldDefinitions(ctx, ws, "", "")
	if err != nil {
		return nil, err
	}
	types, err := s.Objects.Types(ctx, ws)
	if err != nil {
		return nil, err
	}
	v := &vocabulary{types: map[string]*object.Type{}}
	for _, d := range defs {
		if d.Owner == event.OwnerTrait {
			v.traits = append(v.traits, d.Path)
		} else {
			v.events = append(v.events, d.Path)
		}
	}
	for _, t := range types {
		v.types[t.Key] = t
	}
	return v, nil
}

// Type implements template.Vocabulary.
func (v *vocabulary) Type(key string) bool { return v.types[key] != nil }

// Field implements template.Vocabulary. What is not kept by fields (a coupon, the
// sender) is taken as it is said.
func (v *vocabulary) Field(r template.Read) bool {
	path := strings.Trim(strings.ReplaceAll(r.Path, "[]", ""), ".")
	known := func(list []string) bool {
		return path == "" || slices.ContainsFunc(list, func(k string) bool {
			return k == path || strings.HasPrefix(k, path+".") || strings.HasPrefix(path, k+".") // of money, a length, an element
		})
	}
	switch r.Root {
	case "profile":
		return known(v.traits)
	case "event":
		return known(v.events)
	case "object":
		t := v.types[r.Type]
		if t == nil {
			return false
		}
		keys := make([]string, len(t.Fields))
		for i := range t.Fields {
			keys[i] = t.Fields[i].Key
		}
		return known(append(keys, "externalId"))
	}
	return true
}

// Records implements Source.
func (s Stack) Records(ctx context.Context, ws, typ string, ids []string) ([]map[string]any, error) {
	found, err := s.Objects.GetMany(ctx, ws, typ, ids)
	if core.CodeOf(err) == core.NotFound { // the type has gone since
		return make([]map[string]any, len(ids)), nil
	}
	if err != nil {
		return nil, err
	}
	return s.fields(ctx, ws, typ, found)
}

// Related implements Source.
func (s Stack) Related(ctx context.Context, ws, profileID, typ, relation string, limit int) ([]map[string]any, error) {
	p, err := s.Profiles.Get(ctx, ws, profileID)
	if err != nil || p == nil {
		return nil, err
	}
	ids := make([]event.Identifier, 0, len(p.Identifiers))
	for _, h := range p.Identifiers {
		ids = append(ids, event.Identifier{Namespace: h.Namespace, Value: h.Value})
	}
	related, err := s.Objects.Related(ctx, ws, typ, ids, p.Parts)
	if err != nil {
		return nil, err
	}
	var found []*object.Record
	for _, r := range related {
		if r.Relation == relation && len(found) < limit {
			found = append(found, r.Record)
		}
	}
	return s.fields(ctx, ws, typ, found)
}

// fields returns what may be seen of records; nil for one that is gone or hidden.
func (s Stack) fields(ctx context.Context, ws, typ string, found []*object.Record) ([]map[string]any, error) {
	out := make([]map[string]any, len(found))
	for i, r := range found {
		if r != nil && r.Deleted() {
			found[i] = nil
		}
	}
	if err := s.Objects.Show(ctx, ws, found...); err != nil {
		return nil, err
	}
	t, err := s.Objects.Type(ctx, ws, typ)
	if err != nil {
		return nil, err
	}
	g, err := s.Profiles.Gate(ctx, ws)
	if err != nil {
		return nil, err
	}
	sight := object.Through(g)
	for i, r := range found {
		if r == nil {
			continue
		}
		doc, _ := sight.Fields(t, r)
		if out[i], err = plainDocument(doc); err != nil {
			return nil, err
		}
		if id := sight.ExternalID(r); id != "" {
			out[i]["externalId"] = id
		}
	}
	return out, nil
}

func plainDocument(doc bson.Raw) (map[string]any, error) {
	text, err := event.ToJSON(doc)
	if err != nil {
		return nil, err
	}
	return decode(text)
}

// decode reads a JSON object into what templates are given.
func decode(text []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	out := map[string]any{}
	if err := d.Decode(&out); err != nil {
		return nil, err
	}
	v, err := template.Plain(out)
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}

// Traits returns a person's traits as templates are given them, under profile.
func Traits(p *profile.Profile) (map[string]any, error) {
	text, err := profile.TraitsJSON(p, nil)
	if err != nil {
		return nil, err
	}
	return decode(text)
}

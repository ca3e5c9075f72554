package object

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// Vocabulary tells what conditions may say of the workspace's records, by the keys
// of their types.
func (s *Service) Vocabulary(ctx context.Context, ws string) (map[string]condition.ObjectVocabulary, error) {
	types, err := s.Types(ctx, ws)
	if err != nil {
		return nil, err
	}
	out := make(map[string]condition.ObjectVocabulary, len(types))
	for _, t := range types {
		out[t.Key] = t.vocabulary()
	}
	return out, nil
}

func (t *Type) vocabulary() condition.ObjectVocabulary {
	v := condition.ObjectVocabulary{Fields: map[string][]string{}, Categories: make(map[string]core.Category, len(t.Fields))}
	for i := range t.Fields {
		f := &t.Fields[i]
		for _, alias := range f.Aliases {
			f.tell(alias, v.Fields)
			v.Categories[alias] = f.Category
		}
	}
	for i := range t.Fields { // after the aliases: a key goes before what was one
		f := &t.Fields[i]
		f.tell(f.Key, v.Fields)
		v.Categories[f.Key] = f.Category
	}
	for _, rel := range t.Relations {
		if rel.Target == "" {
			v.Relations = append(v.Relations, rel.Key)
		}
	}
	return v
}

// valueTypes are the types of values as conditions call them. Dates and times are
// text that reads as an instant.
var valueTypes = map[FieldType][]string{
	Integer: {"integer"}, Decimal: {"decimal"}, Boolean: {"boolean"}, Money: {"object"}, Geo: {"object"},
	Date: {"datetime", "string"}, DateTime: {"datetime", "string"},
	JSON: {"object", "array", "string", "integer", "decimal", "boolean"},
}

// tell notes the types of a field's values under a key, and of what is in them.
func (f *Field) tell(key string, into map[string][]string) {
	types, ok := valueTypes[f.Type]
	if !ok {
		types = []string{"string"}
	}
	if f.Many {
		types = append([]string{"array"}, types...)
	}
	into[key] = types
	switch f.Type {
	case Money:
		into[key+".amount"], into[key+".currency"] = []string{"decimal"}, []string{"string"}
	case Geo:
		into[key+".lat"], into[key+".lon"] = []string{"decimal"}, []string{"decimal"}
	}
}

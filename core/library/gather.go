package library

import (
	"context"

	"github.com/headwater-cdp/headwater/core/template"
)

// Source is where lint and previews learn what data there is, and Gather reads the
// objects that templates look up. Whoever wires the server implements it over the
// registry of fields, profiles and records.
type Source interface {
	// Vocabulary tells what data a workspace has.
	Vocabulary(ctx context.Context, ws string) (template.Vocabulary, error)
	// Records returns the fields of the live records of a type with the external ids, in
	// their order, nil where there is none.
	Records(ctx context.Context, ws, typ string, ids []string) ([]map[string]any, error)
	// Related returns the fields of at most limit live records of a type that belong to a
	// person by a relation.
	Related(ctx context.Context, ws, profile, typ, relation string, limit int) ([]map[string]any, error)
}

// Gather fills in the objects that a template looks up, for the person with the profile
// id: data.Roots must be filled in already.
func (s *Service) Gather(ctx context.Context, ws, profile string, lookups map[string]template.Lookup, data *template.Data) error {
	if len(lookups) == 0 || s.Data == nil {
		return nil
	}
	if data.Objects == nil {
		data.Objects = make(map[string]any, len(lookups))
	}
	for name, l := range lookups {
		v, err := s.look(ctx, ws, profile, l, data.Roots)
		if err != nil {
			return fail(err)
		}
		data.Objects[name] = v
	}
	return nil
}

func (s *Service) look(ctx context.Context, ws, profile string, l template.Lookup, roots map[string]any) (any, error) {
	if l.Relation != "" {
		if profile == "" {
			return nil, nil
		}
		found, err := s.Data.Related(ctx, ws, profile, l.Type, l.Relation, l.Limit)
		return list(found), err
	}
	ids := l.IDs(roots)
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := s.Data.Records(ctx, ws, l.Type, ids)
	if err != nil || l.Many {
		return list(found), err
	}
	if len(found) == 0 || found[0] == nil {
		return nil, nil
	}
	return found[0], nil
}

func list(records []map[string]any) any {
	out := make([]any, 0, len(records))
	for _, r := range records {
		if r != nil {
			out = append(out, r)
		}
	}
	return out
}

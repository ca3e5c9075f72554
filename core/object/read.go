package object

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Get returns the record with an external id, a deleted one too, or nil. An unknown
// type is NOT_FOUND.
func (s *Service) Get(ctx context.Context, ws, typeKey, externalID string) (*Record, error) {
	out, err := s.GetMany(ctx, ws, typeKey, []string{externalID})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// GetMany is Get for at most 1000 records, in their order.
func (s *Service) GetMany(ctx context.Context, ws, typeKey string, externalIDs []string) ([]*Record, error) {
	if len(externalIDs) > readSlice {
		return nil, invalid("TOO_MANY", "ask for at most %d records at once", readSlice)
	}
	if _, err := s.Type(ctx, ws, typeKey); err != nil {
		return nil, err
	}
	keys := make([]string, len(externalIDs))
	for i, id := range externalIDs {
		keys[i] = RecordKey(ws, typeKey, id)
	}
	return s.read(ctx, ws, keys)
}

// ByIDs returns the records with the ids (rec_…), deleted ones too, in their order,
// nil where there is none. At most 1000.
func (s *Service) ByIDs(ctx context.Context, ws string, ids []string) ([]*Record, error) {
	if len(ids) > readSlice {
		return nil, invalid("TOO_MANY", "ask for at most %d records at once", readSlice)
	}
	out := make([]*Record, len(ids))
	var keys []string
	var places []int
	for i, id := range ids {
		if key := keyOfID(ws, id); key != "" {
			keys, places = append(keys, key), append(places, i)
		}
	}
	found, err := s.read(ctx, ws, keys)
	for j := range found {
		out[places[j]] = found[j]
	}
	return out, err
}

func (s *Service) read(ctx context.Context, ws string, keys []string) ([]*Record, error) {
	found, err := Records.GetMany(ctx, s.o.Store, keys)
	if err != nil {
		return nil, outward(err)
	}
	return found, s.Present(ctx, ws, found...)
}

// Related is a record with a relation by which it is related to a person.
type Related struct {
	Relation string
	Record   *Record
}

// maxRelated is how many records one person may have of a type before the rest is
// left out: those with the lowest keys stay.
const maxRelated = 10_000

// Related returns the live records of a type that are related to the person who has
// the identifiers and profile ids, once for each relation, ordered by key. An
// unknown type has none.
func (s *Service) Related(ctx context.Context, ws, typeKey string, ids []event.Identifier, parts []string) ([]*Related, error) {
	all, err := s.schema(ctx, ws)
	if err != nil {
		return nil, err
	}
	t := all.byKey[typeKey]
	if t == nil {
		return nil, nil
	}
	links := make([]Link, 0, len(ids)+len(parts))
	for _, id := range ids {
		links = append(links, Link{Namespace: id.Namespace, Value: id.Value})
	}
	for _, p := range parts {
		links = append(links, Link{Namespace: ProfileNamespace, Value: p})
	}
	found := map[string]*Record{}
	for _, r := range t.Relations {
		if r.Target != "" {
			continue
		}
		for _, l := range links {
			l.Relation = r.Key
			if err := s.linked(ctx, ws, LinkToken(typeKey, l), found); err != nil {
				return nil, outward(err)
			}
		}
	}
	var out []*Related
	for _, r := range found {
		t.present(r)
		for _, relation := range RelatedTo(r, ids, parts) {
			out = append(out, &Related{relation, r})
		}
	}
	slices.SortFunc(out, func(a, b *Related) int {
		if c := strings.Compare(a.Record.ID, b.Record.ID); c != 0 {
			return c
		}
		return strings.Compare(a.Relation, b.Relation)
	})
	return out, nil
}

// linked adds the live records with a link.
func (s *Service) linked(ctx context.Context, ws, token string, found map[string]*Record) error {
	if strings.IndexByte(token, 0) >= 0 {
		return nil // no link holds one
	}
	docs, err := Records.Find(ctx, s.o.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("links", token)}}, maxRelated)
	for _, r := range docs {
		if !r.Deleted() {
			found[r.ID] = r
		}
	}
	return err
}

// LinkedTo returns the live records that a record leads to by a relation to a type,
// or by a field that is a reference, in the order of their keys.
func (s *Service) LinkedTo(ctx context.Context, ws string, r *Record, relation string) ([]*Record, error) {
	t, err := s.Type(ctx, ws, r.Type)
	if err != nil {
		return nil, err
	}
	var keys []string
	if rel := t.Relation(relation); rel != nil && rel.Target != "" {
		for _, l := range r.LinksOf() {
			if l.Relation == relation {
				keys = append(keys, RecordKey(ws, rel.Target, l.Value))
			}
		}
	} else if f := t.Field(relation); f != nil && f.Type == Reference {
		if v, ok := t.values(r)[f.ID]; ok {
			for it := event.Elements(asMany(v).Value); it.Next(); {
				keys = append(keys, RecordKey(ws, f.Target, it.Value().StringValue()))
			}
		}
	} else {
		return nil, t.unknownRelation(relation)
	}
	slices.Sort(keys)
	found, err := s.read(ctx, ws, slices.Compact(keys))
	return slices.DeleteFunc(found, func(r *Record) bool { return r == nil || r.Deleted() }), err
}

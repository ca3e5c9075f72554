package object

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// TokensOf returns the link tokens by which records of any type may name a person who
// has the identifiers and the profile ids.
func (s *Service) TokensOf(ctx context.Context, ws string, ids []event.Identifier, parts []string) ([]string, error) {
	all, err := s.schema(ctx, ws)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, t := range all.all {
		for i := range t.Relations {
			r := &t.Relations[i]
			if r.Target != "" {
				continue
			}
			for _, id := range ids {
				out = append(out, LinkToken(t.Key, Link{Relation: r.Key, Namespace: id.Namespace, Value: id.Value}))
			}
			for _, part := range parts {
				out = append(out, LinkToken(t.Key, Link{Relation: r.Key, Namespace: ProfileNamespace, Value: part}))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// EraseOps returns the operations that take a person out of a record. A record that
// is about nobody else goes, with what it claims; one that others are linked to as well
// loses the links to the person and stays theirs.
func (s *Service) EraseOps(ctx context.Context, ws string, r *Record, ids []event.Identifier, parts []string) ([]store.Op, error) {
	var kept []string
	shared := false
	for _, token := range r.Links {
		l := parseLink(token)
		if l.Namespace != "" && names(l, ids, parts) {
			continue
		}
		kept = append(kept, token)
		shared = shared || l.Namespace != ""
	}
	if shared {
		c := *r
		c.Links = kept
		c.Version++
		c.UpdatedAt = s.o.Clock.Now().UTC()
		return []store.Op{Records.Replace(&c)}, nil
	}
	ops := []store.Op{Records.Delete(r)}
	t, err := s.Type(ctx, ws, r.Type)
	switch {
	case r.Deleted() || err != nil && core.AsError(err).Code == core.NotFound:
		return ops, nil // a type that is gone has released its claims, as has a deleted record
	case err != nil:
		return nil, err
	}
	after := *r
	after.Links = nil
	d := &draft{t: t, before: r, after: &after}
	d.claimAndRefer(t.values(r))
	claims, err := store.Claims.GetMany(ctx, s.o.Store, d.release)
	if err != nil {
		return nil, outward(err)
	}
	for _, c := range claims {
		if c != nil && c.Owner == store.Rest(r.ID) {
			ops = append(ops, store.Claims.Delete(c))
		}
	}
	return ops, nil
}

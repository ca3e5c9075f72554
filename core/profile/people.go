package profile

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
)

var _ object.People = (*Service)(nil)

// Resolve implements object.People.
func (s *Service) Resolve(ctx context.Context, ws string, refs []event.Identifier) ([]string, error) {
	out := make([]string, len(refs))
	var ids []string
	var named []event.Identifier
	var idAt, namedAt []int
	for i, r := range refs {
		if r.Namespace == object.ProfileNamespace {
			ids, idAt = append(ids, r.Value), append(idAt, i)
		} else {
			named, namedAt = append(named, r), append(namedAt, i)
		}
	}
	put := func(at []int, people []*Profile) {
		for i, p := range people {
			if p != nil {
				out[at[i]] = p.ProfileID()
			}
		}
	}
	for chunk := range slices.Chunk(ids, maxGet) {
		people, err := s.GetMany(ctx, ws, chunk)
		if err != nil {
			return nil, err
		}
		put(idAt, people)
		idAt = idAt[len(chunk):]
	}
	for chunk := range slices.Chunk(named, maxGet) {
		people, err := s.ByIdentifiers(ctx, ws, chunk)
		if err != nil {
			return nil, err
		}
		put(namedAt, people)
		namedAt = namedAt[len(chunk):]
	}
	return out, nil
}

package segment

import (
	"context"

	"github.com/headwater-cdp/headwater/core/store"
)

// ChangesAt returns the changes with the keys, in their order, nil where there is
// none any more: what a stream of Changes.Spec tells of.
func (s *Service) ChangesAt(ctx context.Context, keys []string) ([]*Change, error) {
	out, err := Changes.GetMany(ctx, s.db, keys)
	return out, fail(err)
}

// CountChanges returns how many changes Service.Changes lists. It walks them.
func (s *Service) CountChanges(ctx context.Context, ws, id string) (int64, error) {
	if !isSegment(id) {
		return 0, notFound("id")
	}
	n, err := Changes.Count(ctx, s.db, everyKey(ws, id+"/"))
	return n, fail(err)
}

// CountVersions returns how many versions a segment has.
func (s *Service) CountVersions(ctx context.Context, ws, id string) (int64, error) {
	if !isSegment(id) {
		return 0, notFound("id")
	}
	n, err := Versions.Count(ctx, s.db, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", id+"/")}})
	return n, fail(err)
}

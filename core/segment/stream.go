package segment

import (
	"context"
	"time"

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

// PresentMemberships is MembershipsOf without history for many people at once, given
// by the ids of their profiles as they are now.
func (s *Service) PresentMemberships(ctx context.Context, ws string, profileIDs []string) ([][]Stay, error) {
	keys := make([]string, len(profileIDs))
	for i, id := range profileIDs {
		keys[i] = store.Key(ws, id)
	}
	found, err := Behaviours.GetMany(ctx, s.db, keys)
	if err != nil {
		return nil, fail(err)
	}
	voc, err := s.vocabulary(ctx, ws)
	if err != nil {
		return nil, fail(err)
	}
	out := make([][]Stay, len(found))
	for i, b := range found {
		if b == nil {
			continue
		}
		for _, m := range b.Members {
			if seg := voc.segments[m.Segment]; seg != nil && seg.Status == Archived {
				continue
			}
			out[i] = append(out[i], Stay{SegmentID: m.Segment, EnteredAt: time.UnixMilli(m.Since).UTC()})
		}
	}
	return out, nil
}

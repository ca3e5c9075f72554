package segment

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// ChangesAt returns the changes with the keys, in their order, nil where there is
// none any more: what a stream of Changes.Spec tells of.
func (s *Service) ChangesAt(ctx context.Context, keys []string) ([]*Change, error) {
	out, err := Changes.GetMany(ctx, s.db, keys)
	return out, fail(err)
}

// Watch returns the segment whose members the actor may follow. Errors are those of
// Members.
func (s *Service) Watch(ctx context.Context, ws, id string) (*Segment, error) {
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	return by.among(id, "segmentId")
}

// Heard returns what a follower of a segment may hear of now: the changes in their places,
// nil for those about people who may not be seen. The gate is asked anew each time; an
// error ends the stream, since what the segment rests on may no longer be read.
func (s *Service) Heard(ctx context.Context, ws, id string, changes []*Change) ([]*Change, error) {
	_, whose, err := s.lookAt(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	out := make([]*Change, len(changes))
	var there []*Change
	var places []int
	for i, c := range changes {
		if c != nil && c.Segment == id {
			there, places = append(there, c), append(places, i)
		}
	}
	if err := keep(ctx, whose, there, func(c *Change) string { return c.Profile }); err != nil {
		return nil, fail(err)
	}
	for i, c := range there {
		out[places[i]] = c
	}
	return out, nil
}

// CountChanges returns how many changes Service.Changes lists. It walks them.
func (s *Service) CountChanges(ctx context.Context, ws, id string) (int64, error) {
	if !isSegment(id) {
		return 0, notFound("id")
	}
	_, whose, err := s.lookAt(ctx, ws, id)
	if err != nil {
		return 0, err
	}
	if whose.everybody() {
		n, err := Changes.Count(ctx, s.db, everyKey(ws, id+"/"))
		return n, fail(err)
	}
	var n int64
	var ids []string
	flush := func() error {
		ok, err := whose.admitsIDs(ctx, ids)
		for _, yes := range ok {
			if yes {
				n++
			}
		}
		ids = ids[:0]
		return err
	}
	err = Changes.Each(ctx, s.db, everyKey(ws, id+"/"), func(c *Change) error {
		if ids = append(ids, c.Profile); len(ids) < peopleChunk {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
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
	out := make([][]Stay, len(profileIDs))
	by, err := s.look(ctx, ws)
	if err != nil || !by.gate.Category(core.Behaviour).Allowed() {
		return out, err
	}
	whose, err := by.audience()
	if err != nil {
		return nil, fail(err)
	}
	ok, err := whose.admitsIDs(ctx, profileIDs)
	if err != nil {
		return nil, fail(err)
	}
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
	tells := by.teller(voc)
	for i, b := range found {
		if b != nil && ok[i] {
			out[i] = present(voc, b, tells)
		}
	}
	return out, nil
}

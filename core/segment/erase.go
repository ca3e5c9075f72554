package segment

import (
	"context"

	"github.com/headwater-cdp/headwater/core/store"
)

// EraseOps returns the operations that end what segments still know of erased people,
// given by the ids of their profiles: memberships end with the cause ERASURE and say
// nothing of whose they were. None when nothing is left. They conflict when a
// definition changed meanwhile; then ask again.
func (s *Service) EraseOps(ctx context.Context, ws string, ids []string) ([]store.Op, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = store.Key(ws, id)
	}
	found, err := Behaviours.GetMany(ctx, s.db, keys)
	if err != nil {
		return nil, fail(err)
	}
	var left []*Behaviour
	for _, b := range found {
		if b != nil {
			left = append(left, b)
		}
	}
	if len(left) == 0 {
		return nil, nil
	}
	t, err := s.fresh(ctx, ws)
	if err != nil {
		return nil, fail(err)
	}
	o := s.newOutcome(t, s.clock.Now())
	o.ended = maxEnd - min(maxEnd, 60)
	for _, b := range left {
		if o.ended < maxEnd {
			o.end(b, CauseErasure)
		}
	}
	return o.all(), nil
}

package segment

import (
	"context"

	"github.com/headwater-cdp/headwater/core/store"
)

// Follower is who is told of people that enter and leave segments, in the commit in
// which they do; core/journey is one. What it follows is read together with the
// definitions, and whoever changes it publishes (Publish): a commit that was made from
// what held before is refused.
type Follower interface {
	// Follow returns what is followed in a workspace now.
	Follow(ctx context.Context, ws string) (Following, error)
}

// Following is what a Follower wants to be told of at one revision. It is not changed,
// and answers from memory.
type Following interface {
	// Moved returns operations to be committed with a change of a membership, few or none.
	// Its profile is "" for somebody who is erased.
	Moved(c *Change) []store.Op
}

// SetFollower sets who follows; before the service is used.
func (s *Service) SetFollower(f Follower) { s.follower = f }

// Following returns what is followed in a workspace, as the definitions say that
// membership is derived from now, nil for nothing; and what is to be committed with
// that which rests on it: it fails when there is something newer.
func (s *Service) Following(ctx context.Context, ws string) (Following, store.Op, error) {
	t, err := s.set(ctx, ws)
	if err != nil {
		return nil, store.Op{}, fail(err)
	}
	return t.follows, s.check(t), nil
}

// Suspect says that what is followed may have changed: it was found to, when something
// that rested on it was to be committed.
func (s *Service) Suspect(ws string) { s.suspect(ws) }

package message

import (
	"context"
	"strconv"

	"github.com/headwater-cdp/headwater/core/work"
)

// DispatchKind is the kind of the tasks that dispatch: one for each lane of a workspace
// that has ever sent over the channel.
const DispatchKind = "message.dispatch"

// ensure sees to it that the lanes of a channel are dispatched.
func (s *Service) ensure(ctx context.Context, ws, channel string) error {
	key := ws + "/" + channel
	s.mu.Lock()
	done := s.ensured[key]
	s.mu.Unlock()
	if done {
		return nil
	}
	for shard := range lanes {
		it := work.Item{Kind: DispatchKind, Workspace: ws, Name: channel + "." + strconv.Itoa(shard), DueAt: s.Clock.Now()}
		if err := work.Ensure(ctx, s.Store, it); err != nil {
			return storeError("store the dispatch", err)
		}
	}
	s.mu.Lock()
	s.ensured[key] = true
	s.mu.Unlock()
	return nil
}

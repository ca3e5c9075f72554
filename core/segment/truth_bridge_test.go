package segment

import (
	"context"

	"github.com/headwater-cdp/headwater/core/store"
)

// SweepNow does what is due in a workspace, as the tasks would.
func (s *Service) SweepNow(ctx context.Context, ws string) error {
	for shard := range int64(sweepShards) {
		if _, err := s.sweepShard(ctx, ws, shard, func(ops []store.Op) error { return s.commit(ctx, ops) }); err != nil {
			return err
		}
	}
	return nil
}

// MaintainedSize returns a segment's size as it is kept.
func (s *Service) MaintainedSize(ctx context.Context, ws, id string) (int64, error) {
	sums, err := store.Sum(ctx, s.db, ws, sizeCounter(id))
	return sums["members"], err
}

package segment

import (
	"context"
	"fmt"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Stalled reports whether a segment is BUILDING and nobody builds it: its job failed
// or was cancelled. It keeps the members that it had, and whoever something happens
// to is asked by its new definition; the others wait until Restore starts another
// job, or that of another segment comes by them.
func (s *Service) Stalled(ctx context.Context, ws string, seg *Segment) (bool, error) {
	if seg.Status != Building {
		return false, nil
	}
	for _, status := range []work.Status{work.Queued, work.Running} {
		jobs, err := work.JobDocs.Find(ctx, s.db, store.Query{
			Workspace: ws, Where: []store.Cond{store.Eq("kind", BackfillKind), store.Eq("status", string(status))},
		}, 0)
		if err != nil {
			return false, fail(fmt.Errorf("segment: read jobs: %w", err))
		}
		for _, j := range jobs {
			var in BackfillInput
			if err := j.DecodeInput(&in); err == nil && in.Segment == seg.SegmentID() {
				return false, nil
			}
		}
	}
	// A job may have ended, and another begun, between the segment and the jobs were
	// read: only of a segment that has stood still there is surely none.
	now, err := Segments.Get(ctx, s.db, seg.ID)
	if err != nil {
		return false, fail(fmt.Errorf("segment: read definition: %w", err))
	}
	return now != nil && now.Status == Building && now.V == seg.V, nil
}

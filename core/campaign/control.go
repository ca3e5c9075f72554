package campaign

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// When says when a campaign starts. Both empty is at once.
type When struct {
	At      time.Time // the instant; of a campaign without Local
	LocalAt string    // "2026-11-24T09:00" on everybody's own clock; of one with Local
}

// Schedule has a campaign start. The templates are pinned to what they say now. One that
// asks for approval is scheduled once somebody else has approved of just this; until then
// the request waits, and is returned.
func (s *Service) Schedule(ctx context.Context, ws, id string, when When, edit Edit) (*Campaign, *access.Approval, error) {
	if err := access.Allow(ctx, access.Send); err != nil {
		return nil, nil, err
	}
	var asks bool
	var pinned string
	c, err := s.change(ctx, ws, id, edit, "campaign.schedule", func(c *Campaign) ([]store.Op, error) {
		asks = false
		if c.Status != Draft && c.Status != Scheduled {
			return nil, errStatus(c, "scheduled")
		}
		if err := s.Segments.MayUse(ctx, ws, c.Definition.segments()); err != nil {
			return nil, err
		}
		if err := s.pin(ctx, ws, &c.Definition); err != nil {
			return nil, err
		}
		start, err := s.startOf(&c.Definition, when)
		if err != nil {
			return nil, err
		}
		hash, err := c.Definition.hash()
		if err != nil {
			return nil, err
		}
		var ops []store.Op
		if hash != c.Hash && c.Risky { // a newer text than was agreed to
			if ops, err = s.Access.VoidOps(ctx, ws, id); err != nil {
				return nil, err
			}
		}
		c.Hash, pinned = hash, hash
		if c.Risky {
			ok, err := s.Access.Approved(ctx, id, hash)
			if err != nil {
				return nil, err
			}
			if asks = !ok; asks {
				return ops, nil
			}
		}
		task, err := s.taskAt(ctx, ws, id, start)
		if err != nil {
			return nil, err
		}
		c.Status, c.StartsAt, c.LocalAt = Scheduled, start, when.LocalAt
		return append(ops, task), nil
	})
	if err != nil || !asks || edit.DryRun {
		return c, nil, err
	}
	a, err := s.Access.RequestApproval(ctx, id, pinned)
	return c, a, err
}

// startOf returns when a run begins.
func (s *Service) startOf(d *Definition, when When) (time.Time, error) {
	now := s.now()
	if !d.Local {
		if when.LocalAt != "" {
			return now, invalid("START", "the campaign is not sent at local times; say an instant").At("localAt")
		}
		if when.At.Before(now) {
			return now, nil
		}
		return ceil(when.At), nil
	}
	if !when.At.IsZero() || when.LocalAt == "" {
		return now, invalid("START", "the campaign is sent at local times; say which, such as 2026-11-24T09:00").At("localAt")
	}
	wall, err := time.Parse(wallLayout, when.LocalAt)
	if err != nil {
		return now, invalid("START", "a local time is written like 2026-11-24T09:00").At("localAt")
	}
	// Where it is that late first, and a while for writing down whom it is for.
	if first := wall.Add(-14*time.Hour - 15*time.Minute); first.After(now) {
		return first, nil
	}
	return now, nil
}

// taskAt returns the operation that has the campaign's task run at a time.
func (s *Service) taskAt(ctx context.Context, ws, id string, at time.Time) (store.Op, error) {
	t, err := work.Find(ctx, s.Store, ws, runKind, id)
	if err != nil {
		return store.Op{}, storeError("read the task", err)
	}
	if t != nil {
		return work.Move(t, at), nil
	}
	return work.Enqueue(work.Item{Kind: runKind, Workspace: ws, Name: id, DueAt: at}), nil
}

func (s *Service) dropTask(ctx context.Context, ws, id string) ([]store.Op, error) {
	t, err := work.Find(ctx, s.Store, ws, runKind, id)
	if err != nil {
		return nil, storeError("read the task", err)
	}
	if t == nil {
		return nil, nil
	}
	return []store.Op{work.Drop(t)}, nil
}

// decided takes part in the decision on a campaign.
func (s *Service) decided(ctx context.Context, a *access.Approval) ([]store.Op, func(), error) {
	c, err := s.Get(ctx, store.WorkspaceOf(a.ID), a.SubjectID)
	switch {
	case err != nil:
		return nil, nil, err
	case c == nil || c.Hash != a.ContentHash:
		return nil, nil, core.Errorf(core.Conflict, "CONTENT_CHANGED", "this is not what the approval was asked for; ask again").At("id")
	case a.Status == access.ApprovalApproved:
		family, err := s.Access.Family(ctx, c.Workspace())
		if err != nil {
			return nil, nil, err
		}
		if family.Same(actor(ctx), c.Author) || family.Same(c.Author, actor(ctx)) {
			return nil, nil, core.Errorf(core.Forbidden, "OWN_CHANGE", "who made the campaign does not approve of it, nor does a key that they made or rotated; somebody else does").At("id")
		}
	}
	return []store.Op{Campaigns.Check(c)}, nil, nil
}

// Pause holds a campaign. When it returns, nothing of it is queued or handed over any more.
// One that is done has queued everything; what was not handed over yet can still be held.
func (s *Service) Pause(ctx context.Context, ws, id string, edit Edit) (*Campaign, error) {
	if err := access.Allow(ctx, access.Send); err != nil {
		return nil, err
	}
	return s.change(ctx, ws, id, edit, "campaign.pause", func(c *Campaign) ([]store.Op, error) {
		if c.Status != Scheduled && c.Status != Running && c.Status != Done {
			return nil, errStatus(c, "paused")
		}
		c.Before, c.Status = c.Status, Paused
		return nil, nil
	})
}

// Resume lets a paused campaign go on.
func (s *Service) Resume(ctx context.Context, ws, id string, edit Edit) (*Campaign, error) {
	if err := access.Allow(ctx, access.Send); err != nil {
		return nil, err
	}
	return s.change(ctx, ws, id, edit, "campaign.resume", func(c *Campaign) ([]store.Op, error) {
		if c.Status != Paused {
			return nil, errStatus(c, "resumed")
		}
		c.Status, c.Before = c.Before, ""
		at := s.now()
		switch {
		case c.Status == Running:
			c.ResumedAt = at
		case c.Status == Scheduled && c.StartsAt.After(at):
			at = c.StartsAt
		}
		task, err := s.taskAt(ctx, ws, id, at)
		return []store.Op{task}, err
	})
}

// Cancel ends a campaign for good. When it returns, nothing of it is queued or handed over
// any more; what was handed over before is out.
func (s *Service) Cancel(ctx context.Context, ws, id string, edit Edit) (*Campaign, error) {
	if err := access.Allow(ctx, access.Send); err != nil {
		return nil, err
	}
	return s.change(ctx, ws, id, edit, "campaign.cancel", func(c *Campaign) ([]store.Op, error) {
		if c.Status == Cancelled {
			return nil, nil
		}
		if c.Status == Failed {
			return nil, errStatus(c, "cancelled")
		}
		c.Status, c.Before = Cancelled, ""
		task, err := s.taskAt(ctx, ws, id, s.now()) // who is still on the list comes off it
		return []store.Op{task}, err
	})
}

package insight

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/work"
)

// The kinds of the package's jobs.
const (
	BackfillKind = "figures.backfill" // counts what happened before a definition
	RebuildKind  = "figures.rebuild"  // compares everything; input and result are those of profile.FoldRebuildHandler
)

// BackfillInput is the input of a backfill.
type BackfillInput struct{}

// BackfillResult is its result.
type BackfillResult struct {
	Events int64 `bson:"events"` // read
	Cells  int64 `bson:"cells"`  // that they brought something to
}

func (s *Service) backfillJob(ctx context.Context, run *work.JobRun) error {
	report, err := s.Refold(ctx, run.Workspace(), true, func(n int64) error { return run.Step(ctx, n, 0, nil) })
	if err != nil {
		return err
	}
	return run.Result(BackfillResult{report.Events, report.Cells})
}

func (s *Service) rebuildJob(ctx context.Context, run *work.JobRun) error {
	var in profile.RebuildInput
	if err := run.Input(&in); err != nil {
		return err
	}
	if in.Mode != profile.ModeCheck && in.Mode != profile.ModeRebuild {
		return core.Errorf(core.Invalid, "MODE", "the mode must be CHECK or REBUILD").At("mode")
	}
	report, err := s.Refold(ctx, run.Workspace(), in.Mode == profile.ModeRebuild, func(n int64) error { return run.Step(ctx, n, 0, nil) })
	if err != nil {
		return err
	}
	return run.Result(profile.RebuildResult{Documents: report.Events, Differences: report.Differences, Sample: report.Sample})
}

// complete reports which of the measures count all of the past.
func (s *Service) complete(ctx context.Context, ws string, list []*measure) (bool, error) {
	h, err := s.head(ctx, ws)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(list, func(t *measure) bool {
		_, ok := slices.BinarySearch(h.Complete, t.id)
		return !ok
	}), nil
}

// Ensure starts the job that counts the past of a workspace, where something was not
// counted and none is under way.
func (s *Service) Ensure(ctx context.Context, ws string) error {
	c, err := s.set(ctx, ws)
	if err != nil {
		return err
	}
	all := make([]*measure, 0, len(c.all))
	for _, t := range c.all {
		all = append(all, t)
	}
	if ok, err := s.complete(ctx, ws, all); ok || err != nil || s.Jobs == nil {
		return err
	}
	for _, status := range []work.Status{work.Queued, work.Running} {
		page, err := s.Jobs.List(ctx, ws, work.Filter{Kind: BackfillKind, Status: status}, core.PageArgs{})
		if err != nil || len(page.Items) > 0 {
			return err
		}
	}
	// One that failed is not begun again at once: what it failed of may last.
	page, err := s.Jobs.List(ctx, ws, work.Filter{Kind: BackfillKind, Status: work.Failed}, core.PageArgs{First: new(1)})
	if err != nil {
		return err
	}
	for _, j := range page.Items {
		if s.now().Sub(j.FinishedAt) < failedPause {
			return nil
		}
	}
	_, err = s.Jobs.Start(ctx, BackfillKind, ws, BackfillInput{}, "")
	return err
}

// failedPause is how long after a backfill that failed the next begins by itself.
const failedPause = 10 * time.Minute

// ensureEvery is how often Run looks at each workspace.
const ensureEvery = 15 * time.Second

// Run sees to it that every workspace counts all of its past, until ctx ends: one that is
// new, and one from before a version that brought a metric. Once a day it has deleted what
// no metric counts any more.
func (s *Service) Run(ctx context.Context) error {
	for s.Workspaces != nil && ctx.Err() == nil {
		ids, err := s.Workspaces(ctx)
		if err != nil {
			s.Logger.Warn("insight: list workspaces", "error", err.Error())
		}
		for _, ws := range ids {
			as := core.WithActor(ctx, &core.Actor{Workspace: ws, ID: "system:figures"})
			if err := s.Ensure(as, ws); err != nil && ctx.Err() == nil {
				s.Logger.Warn("insight: backfill", "workspace", ws, "error", err.Error())
			}
			if err := s.purgeDaily(as, ws); err != nil && ctx.Err() == nil {
				s.Logger.Warn("insight: purge", "workspace", ws, "error", err.Error())
			}
		}
		_ = (core.SystemClock{}).Sleep(ctx, ensureEvery) // when it ends, so does the loop
	}
	return nil
}

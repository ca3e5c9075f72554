package profile

import (
	"context"
	"errors"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Refolded is what a Fold keeps of one profile against what the profile's events say.
type Refolded struct {
	Differences []string   // what differs, without any value; none: it is as it should be
	Ops         []store.Op // what puts it right
}

// Refold folds anew what a Fold keeps of a profile that was read.
type Refold func(ctx context.Context, p *Profile) (Refolded, error)

// CheckFold compares what a Fold keeps of everybody with a refold, and with ModeRebuild
// puts right what differs. It may run beside live ingest.
func (s *Service) CheckFold(ctx context.Context, ws string, mode RebuildMode, refold Refold) ([]Difference, error) {
	var out []Difference
	err := s.walkFold(ctx, ws, mode, "", refold, func(_ string, _ int, diffs []Difference) error {
		out = append(out, diffs...)
		return nil
	})
	return out, storeError("rebuild", err)
}

// FoldRebuildHandler returns the handler of a job that is CheckFold. Its input is a
// RebuildInput, its result a RebuildResult.
func FoldRebuildHandler(s *Service, refold Refold) work.JobHandler {
	return work.JobHandlerFunc(func(ctx context.Context, run *work.JobRun) error {
		var in RebuildInput
		if err := run.Input(&in); err != nil {
			return err
		}
		if in.Mode != ModeCheck && in.Mode != ModeRebuild {
			return core.Errorf(core.Invalid, "MODE", "the mode must be CHECK or REBUILD").At("mode")
		}
		var pos struct {
			At            string `bson:"at"`
			RebuildResult `bson:",inline"`
		}
		if _, err := run.Position(&pos); err != nil {
			return err
		}
		total, err := Profiles.Count(ctx, s.db, store.Query{Workspace: run.Workspace()})
		if err != nil {
			return err
		}
		err = s.walkFold(ctx, run.Workspace(), in.Mode, pos.At, refold, func(last string, n int, diffs []Difference) error {
			pos.At = last
			pos.Documents += int64(n)
			for _, d := range diffs {
				if pos.Differences++; len(pos.Sample) < 100 {
					pos.Sample = append(pos.Sample, d.String())
				}
			}
			return run.Step(ctx, pos.Documents, max(total, pos.Documents), pos)
		})
		if err != nil {
			return err
		}
		return run.Result(pos.RebuildResult)
	})
}

func (s *Service) walkFold(ctx context.Context, ws string, mode RebuildMode, from string, refold Refold, step func(last string, n int, diffs []Difference) error) error {
	return rebuildWalk(ctx, s, Profiles, ws, from, "", func(_, last string, n int, diffs []Difference) error { return step(last, n, diffs) },
		func(p *Profile) ([]Difference, error) {
			for range maxAttempts {
				diffs, again, err := s.checkFold(ctx, p.ID, mode, refold)
				if err != nil || !again {
					return diffs, err
				}
			}
			return []Difference{{p.ProfileID(), "busy"}}, nil
		})
}

// checkFold looks at one profile; again says that it has changed meanwhile.
func (s *Service) checkFold(ctx context.Context, key string, mode RebuildMode, refold Refold) (diffs []Difference, again bool, err error) {
	p, err := Profiles.Get(ctx, s.db, key)
	if err != nil || p == nil {
		return nil, false, err
	}
	r, err := refold(ctx, p)
	if err != nil || len(r.Differences) == 0 {
		return nil, false, err
	}
	for _, what := range r.Differences {
		diffs = append(diffs, Difference{p.ProfileID(), what})
	}
	if mode == ModeRebuild {
		err := work.Commit(ctx, s.db, append(r.Ops, Profiles.Check(p))...)
		if errors.Is(err, store.ErrConflict) {
			return nil, true, nil
		}
		return diffs, false, err
	}
	now, err := Profiles.Get(ctx, s.db, key)
	return diffs, err == nil && (now == nil || now.V != p.V), err
}

// EachEventOf calls f with the events of parts, each part's in the order of their times.
func (s *Service) EachEventOf(ctx context.Context, ws string, parts []string, f func(*event.Event) error) error {
	for _, part := range parts {
		q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"timestamp"}}
		if err := event.Events.Each(ctx, s.db, q, f); err != nil {
			return err
		}
	}
	return nil
}

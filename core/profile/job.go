package profile

import (
	"context"

	"github.com/headwater-cdp/headwater/core/work"
)

// JobRebuild is the kind of job that RebuildHandler does.
const JobRebuild = "rebuild"

// RebuildInput is the input of a rebuild job.
type RebuildInput struct {
	Mode RebuildMode `bson:"mode"`
}

// RebuildResult is the result of a rebuild job.
type RebuildResult struct {
	Documents   int64    `bson:"documents"`   // parts and profiles looked at
	Differences int64    `bson:"differences"` // found; in ModeRebuild put right, but for those of "parts"
	Sample      []string `bson:"sample"`      // up to 100 of them: "prof_…: traits.email"; never values
}

type rebuildPosition struct {
	At            string `bson:"at"`
	RebuildResult `bson:",inline"`
}

// RebuildHandler runs Rebuild over the job's workspace as a job: in slices, from
// where an earlier run came to.
func RebuildHandler(s *Service) work.JobHandler {
	return work.JobHandlerFunc(func(ctx context.Context, run *work.JobRun) error {
		var in RebuildInput
		if err := run.Input(&in); err != nil {
			return err
		}
		var pos rebuildPosition
		if _, err := run.Position(&pos); err != nil {
			return err
		}
		// What asked for the rebuild may be a rule that another process just changed.
		if _, err := s.readRules(ctx, run.Workspace()); err != nil {
			return storeError("read settings", err)
		}
		before := pos.Documents
		total, err := s.rebuildTotal(ctx, run.Workspace())
		if err != nil {
			return err
		}
		err = s.Rebuild(ctx, RebuildOptions{
			Workspace: run.Workspace(), Mode: in.Mode, From: pos.At,
			Step: func(ctx context.Context, p RebuildProgress) error {
				pos.At, pos.Documents = p.Position, before+p.Done
				for _, d := range p.Differences {
					if pos.Differences++; len(pos.Sample) < 100 {
						pos.Sample = append(pos.Sample, d.String())
					}
				}
				return run.Step(ctx, pos.Documents, max(total, pos.Documents), pos)
			},
		})
		if err != nil {
			return err
		}
		return run.Result(pos.RebuildResult)
	})
}

// rebuildTotal is how many documents a rebuild looks at.
func (s *Service) rebuildTotal(ctx context.Context, ws string) (int64, error) {
	parts, err := Parts.Count(ctx, s.db, everything(ws))
	if err != nil {
		return 0, storeError("count parts", err)
	}
	profiles, err := Profiles.Count(ctx, s.db, everything(ws))
	return parts + profiles, storeError("count profiles", err)
}

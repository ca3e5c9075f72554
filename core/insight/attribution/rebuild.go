package attribution

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// RebuildKind is the kind of the job that makes everybody's points anew by the present
// rules: see profile.FoldRebuildHandler.
const RebuildKind = "attribution.rebuild"

func (s *Service) handle() {
	if s.Jobs == nil {
		return
	}
	s.Jobs.Handle(RebuildKind, work.JobHandlerFunc(func(ctx context.Context, run *work.JobRun) error {
		// Until no process goes by the former rules any more.
		if err := (core.SystemClock{}).Sleep(ctx, 2*rulesAge); err != nil {
			return err
		}
		var in profile.RebuildInput
		if err := run.Input(&in); err != nil {
			return err
		}
		return profile.FoldRebuildHandler(s.Profiles, s.refold(in.Mode)).Run(ctx, run)
	}), 1)
	s.Jobs.Handle(ReportKind, work.JobHandlerFunc(s.report), 1)
}

// Check compares the points of everybody with what their events say.
func (s *Service) Check(ctx context.Context, ws string) ([]profile.Difference, error) {
	return s.Profiles.CheckFold(ctx, ws, profile.ModeCheck, s.refold(profile.ModeCheck))
}

// Rebuild is Check, and puts right what it finds.
func (s *Service) Rebuild(ctx context.Context, ws string) ([]profile.Difference, error) {
	return s.Profiles.CheckFold(ctx, ws, profile.ModeRebuild, s.refold(profile.ModeRebuild))
}

// maxRefold is how many operations one profile's rebuilding commits at once.
const maxRefold = 900

// refold returns a profile.Refold for a mode. A point goes with its event: one whose event is
// gone is a difference.
func (s *Service) refold(mode profile.RebuildMode) profile.Refold {
	return func(ctx context.Context, p *profile.Profile) (profile.Refolded, error) {
		return s.refoldOne(ctx, mode, p)
	}
}

func (s *Service) refoldOne(ctx context.Context, mode profile.RebuildMode, p *profile.Profile) (profile.Refolded, error) {
	var out profile.Refolded
	ws := p.Workspace()
	rules, err := s.rules(ctx, ws)
	if err != nil {
		return out, err
	}
	differ := func(key string, op store.Op) error {
		out.Differences = append(out.Differences, "points."+store.Rest(key))
		out.Ops = append(out.Ops, op)
		if len(out.Ops) < maxRefold || mode != profile.ModeRebuild {
			return nil
		}
		// A batch is full. Where the person has changed meanwhile nothing of it is written,
		// and the commit of the rest finds that out too.
		err := work.Commit(ctx, s.Store, append(out.Ops, profile.Profiles.Check(p))...)
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
		out.Ops = nil
		return nil
	}
	have := map[string]*Point{}
	for _, part := range p.Parts {
		err := Points.Each(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"at"}}, func(x *Point) error {
			have[x.ID] = x
			return nil
		})
		if err != nil {
			return out, fmt.Errorf("attribution: read points: %w", err)
		}
	}
	err = s.Profiles.EachEventOf(ctx, ws, p.Parts, func(e *event.Event) error {
		want, old := rules.pointOf(e), have[e.ID]
		delete(have, e.ID)
		switch {
		case want == nil && old == nil:
		case want == nil:
			return differ(e.ID, Points.Delete(old))
		case old == nil:
			return differ(e.ID, Points.Insert(want))
		default:
			want.V = old.V
			a, errA := Points.Encode(old)
			b, errB := Points.Encode(want)
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				return differ(e.ID, Points.Replace(want))
			}
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	for _, old := range have {
		if err := differ(old.ID, Points.Delete(old)); err != nil {
			return out, err
		}
	}
	return out, nil
}

// Deleted returns what must be committed with the deletion of an event: its point goes too.
func (s *Service) Deleted(ctx context.Context, _ string, e *event.Event) ([]store.Op, error) {
	p, err := Points.Get(ctx, s.Store, e.ID)
	if err != nil {
		return nil, fmt.Errorf("attribution: read a point: %w", err)
	}
	if p == nil {
		return nil, nil
	}
	return []store.Op{Points.Delete(p)}, nil
}

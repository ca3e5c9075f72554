package experiment

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// RebuildKind is the kind of the job that folds the facts of running experiments anew.
const RebuildKind = "experiment.rebuild"

// Check compares the facts of running experiments with what everybody's events say.
func (s *Service) Check(ctx context.Context, ws string) ([]profile.Difference, error) {
	return s.Profiles.CheckFold(ctx, ws, profile.ModeCheck, s.refold)
}

// Rebuild is Check, and puts right what it finds.
func (s *Service) Rebuild(ctx context.Context, ws string) ([]profile.Difference, error) {
	return s.Profiles.CheckFold(ctx, ws, profile.ModeRebuild, s.refold)
}

// refold is a profile.Refold. Of an experiment that has ended nothing is compared: its
// result was kept when it ended. Nor is a fact whose event was deleted since, which counts
// still. Whoever was drawn an arm by a bucket keeps it: since then they may have become one
// person with somebody whose id draws another.
func (s *Service) refold(ctx context.Context, p *profile.Profile) (profile.Refolded, error) {
	var out profile.Refolded
	live, err := s.live(ctx, p.Workspace())
	if err != nil || len(live) == 0 {
		return out, err
	}
	stored := map[string]*Fact{}
	for _, x := range live {
		for _, part := range p.Parts {
			q := store.Query{Workspace: p.Workspace(), Where: []store.Cond{store.Eq("x", x.ExperimentID()), store.Eq("part", part)}, Order: []string{"at"}}
			found, err := Facts.Find(ctx, s.Store, q, 0)
			if err != nil {
				return out, fmt.Errorf("experiment: read facts: %w", err)
			}
			for _, f := range found {
				stored[f.ID] = f
			}
		}
	}
	err = s.Profiles.EachEventOf(ctx, p.Workspace(), p.Parts, func(e *event.Event) error {
		for _, x := range live {
			key := store.Key(x.workspace(), x.ExperimentID(), store.Rest(e.ID))
			had, f := stored[key], x.factOf(e, p.ProfileID())
			delete(stored, key)
			if had != nil && f != nil && x.Plan.Assignment.Via == ViaBucket {
				f.Arm = had.Arm
			}
			what := "facts." + x.ExperimentID()
			switch {
			case had == nil && f != nil:
				out.Ops = append(out.Ops, Facts.Insert(f))
			case had != nil && f == nil:
				out.Ops = append(out.Ops, Facts.Delete(had))
			case had != nil && !had.same(f):
				f.Meta = had.Meta
				out.Ops = append(out.Ops, Facts.Replace(f))
			default:
				continue
			}
			out.Differences = append(out.Differences, what)
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	// What is left has no event among those of the person: deleted, or none ever.
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		f := stored[key]
		e, err := event.Events.Get(ctx, s.Store, store.Key(p.Workspace(), eventOf(f)))
		if err != nil {
			return out, fmt.Errorf("experiment: read an event: %w", err)
		}
		if e != nil && e.Part != f.Part {
			out.Ops, out.Differences = append(out.Ops, Facts.Delete(f)), append(out.Differences, "facts."+f.Experiment)
		}
	}
	return out, nil
}

// eventOf returns the id of the event that a fact is of.
func eventOf(f *Fact) string { return store.Rest(f.ID)[len(f.Experiment)+1:] }

// same compares two facts of one event.
func (f *Fact) same(o *Fact) bool {
	return f.Experiment == o.Experiment && f.Part == o.Part && f.At.Equal(o.At) && f.Source == o.Source &&
		f.Exposed == o.Exposed && f.Arm == o.Arm && f.Hit == o.Hit && f.Value == o.Value
}

// rebuildHandler is the handler of RebuildKind.
func (s *Service) rebuildHandler() work.JobHandler {
	return profile.FoldRebuildHandler(s.Profiles, s.refold)
}

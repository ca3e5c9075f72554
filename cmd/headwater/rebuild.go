package main

import (
	"context"
	"fmt"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/insight/attribution"
	"github.com/headwater-cdp/headwater/core/insight/experiment"
	"github.com/headwater-cdp/headwater/core/lead"
	"github.com/headwater-cdp/headwater/core/loyalty"
	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
)

// rebuildCmd refolds the derived documents of one workspace or of all.
type rebuildCmd struct {
	storeFlags
	Workspace string `help:"Name of the workspace; all of them when not given."`
	Check     bool   `help:"Change nothing: compare what is stored with a refold, and end with 1 when they differ."`
}

// Run implements the command.
func (c *rebuildCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		if c.Workspace != "" {
			w, err := a.workspace(ctx, c.Workspace)
			if err != nil {
				return err
			}
			return c.one(ctx, a, w)
		}
		return eachWorkspace(ctx, a, func(w *access.Workspace) error { return c.one(ctx, a, w) })
	})
}

func (c *rebuildCmd) one(ctx context.Context, a *app, w *access.Workspace) error {
	in, what := profile.RebuildInput{Mode: profile.ModeRebuild}, "rebuilding"
	if c.Check {
		in.Mode, what = profile.ModeCheck, "checking"
	}
	if err := a.tell(ctx, w, "cli.rebuild", "profile,segment,loyalty,lead,prediction,attribution,experiment", map[string]string{"mode": string(in.Mode)}); err != nil {
		return err
	}
	// What people are in is folded from who they are.
	var differences int64
	for _, part := range []struct{ kind, of string }{{profile.JobRebuild, "profiles"}, {segment.RebuildKind, "segments"}, {loyalty.RebuildKind, "points"}, {lead.RebuildKind, "leads"}, {insight.RebuildKind, "figures"}, {attribution.RebuildKind, "touchpoints"}, {predict.RebuildKind, "predictions"}, {experiment.RebuildKind, "experiments"}} {
		j, err := a.jobs.Start(ctx, part.kind, w.ID, in, "")
		if err != nil {
			return err
		}
		if j, err = runJob(ctx, a, j, what+" "+part.of+" of "+w.Name); err != nil {
			return err
		}
		var res profile.RebuildResult
		if err := j.DecodeResult(&res); err != nil {
			return err
		}
		verb := "found"
		if !c.Check {
			verb = "put right"
		}
		fmt.Fprintf(a.e.out, "%s: %s: %d documents, %d differences %s\n", w.Name, part.of, res.Documents, res.Differences, verb)
		for _, d := range res.Sample {
			fmt.Fprintln(a.e.out, " ", d)
		}
		differences += res.Differences
	}
	if c.Check && differences > 0 {
		return core.Errorf(core.Conflict, "DIFFERENCES", "what is stored differs from the event log; run rebuild to put it right")
	}
	return nil
}

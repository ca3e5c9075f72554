package main

import (
	"context"

	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/insight/budget"
)

// figure wires what counts, and what was spent and is aimed at: before journeys, which
// complete the fold of profiles.
func (a *app) figure() {
	a.budget = budget.New(budget.Options{Store: a.store, Clock: a.e.clock, Runner: a.runner, Logger: a.e.log})
	a.figures = insight.NewService(insight.Options{
		Store: a.store, Clock: a.e.clock, Profiles: a.profiles, Segments: a.segments, Events: a.events, Jobs: a.jobs, Logger: a.e.log,
		May: a.mayAsk, Workspaces: func(ctx context.Context) ([]string, error) { return a.workspaceIDs(ctx) },
		Costs: a.budget, Targets: a.budget,
	})
	a.budget.Figures = budget.Of(a.figures)
}

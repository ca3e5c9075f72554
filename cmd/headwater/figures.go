package main

import (
	"context"

	"github.com/headwater-cdp/headwater/core/insight"
)

// figure wires what counts: before journeys, which complete the fold of profiles.
func (a *app) figure() {
	a.figures = insight.NewService(insight.Options{
		Store: a.store, Clock: a.e.clock, Profiles: a.profiles, Segments: a.segments, Events: a.events, Jobs: a.jobs, Logger: a.e.log,
		May: a.mayAsk, Workspaces: func(ctx context.Context) ([]string, error) { return a.workspaceIDs(ctx) },
	})
}

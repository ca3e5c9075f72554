package main

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/insight/budget"
	vendor "github.com/headwater-cdp/headwater/core/sync"
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

// adCosts keeps what a connection tells of costs.
func (a *app) adCosts(ctx context.Context, ws, account string, list []vendor.Cost) (vendor.CostsKept, error) {
	var out vendor.CostsKept
	var gone []string
	var costs []budget.Cost
	var places []int
	for i, c := range list {
		if c.Gone {
			gone = append(gone, c.Ref)
			continue
		}
		costs = append(costs, budget.Cost{Ref: c.Ref, Day: c.Day, Amount: c.Amount, Currency: c.Currency, Channel: c.Channel, Campaign: c.Campaign, Source: c.Source})
		places = append(places, i)
	}
	if len(gone) > 0 {
		n, err := a.budget.Retract(ctx, ws, account, gone)
		if err != nil {
			return out, err
		}
		out.Written += n
	}
	out.Faults = map[int]*core.Error{}
	for from := 0; from < len(costs); from += budget.MaxCosts {
		told, err := a.budget.Import(ctx, ws, account, costs[from:min(len(costs), from+budget.MaxCosts)], false)
		if err != nil {
			return out, err
		}
		out.Written += told.Stored + told.Changed
		for k, place := range told.Places {
			out.Faults[places[from+place]] = told.Faults[k]
		}
	}
	return out, nil
}

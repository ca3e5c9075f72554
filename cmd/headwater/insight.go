package main

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/insight/attribution"
	"github.com/headwater-cdp/headwater/core/insight/experiment"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/store"
)

// insight wires what is owed to what, and experiments.
func (a *app) insight() {
	a.credits = attribution.NewService(attribution.Options{
		Store: a.store, Clock: a.e.clock, Profiles: a.profiles, Jobs: a.jobs, View: a.policies.View,
	})
	a.trials = experiment.NewService(experiment.Options{
		Store: a.store, Clock: a.e.clock, Profiles: a.profiles, Jobs: a.jobs, View: a.policies.View,
	})
}

// deleted returns what goes with the deletion of an event: figures keep what it counted, and
// its touchpoint goes too.
func (a *app) deleted(ctx context.Context, ws string, e *event.Event) ([]store.Op, error) {
	kept, err := a.figures.Deleted(ctx, ws, e)
	if err != nil {
		return nil, err
	}
	gone, err := a.credits.Deleted(ctx, ws, e)
	return append(kept, gone...), err
}

// splits tells experiments of the arms of journeys.
type splits struct{ *journey.Service }

var _ experiment.Journeys = splits{}

// Arms implements experiment.Journeys: by the version by which people enter.
func (s splits) Arms(ctx context.Context, ws, id, node string) ([]experiment.Arm, error) {
	j, err := journey.Journeys.Get(ctx, s.Store, store.Key(ws, id))
	if err != nil || j == nil || j.Entry == 0 {
		return nil, err
	}
	v, err := s.Version(ctx, ws, id, j.Entry)
	if err != nil || v == nil {
		return nil, err
	}
	d, err := journey.ParseJSON([]byte(v.Definition))
	if err != nil {
		return nil, err
	}
	for _, n := range d.Nodes {
		split := n.Step.Split
		if split == nil {
			split = n.Step.Holdout
		}
		if n.ID != node || split == nil {
			continue
		}
		var out []experiment.Arm
		for _, arm := range split.Arms {
			out = append(out, experiment.Arm{Name: arm.Name, Weight: arm.Weight})
		}
		return out, nil
	}
	return nil, nil
}

// Passed implements experiment.Journeys. When somebody passed the node is in the trail of
// the enrollment; where that has grown too long to hold it, it is when they entered.
func (s splits) Passed(ctx context.Context, ws, id, node string, from time.Time, f func(experiment.Passed) error) error {
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("j", id), store.Gte("in", from)}}
	return journey.Enrollments.Each(ctx, s.Store, q, func(e *journey.Enrollment) error {
		arm, ok := e.State.Arms[node]
		if !ok {
			return nil
		}
		at := e.EnteredAt
		for _, p := range e.Trail {
			if p.Node == node && p.On == arm {
				at = p.At
				break
			}
		}
		return f(experiment.Passed{Part: e.Part, Arm: arm, At: at})
	})
}

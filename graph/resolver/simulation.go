package resolver

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// SimulateJourney answers Query.simulateJourney.
func (r query) SimulateJourney(ctx context.Context, journeyID string, version *int, from, to time.Time, people int) (*gen.JourneySimulation, error) {
	s, err := r.Resolver.Journeys.Rehearse(ctx, workspace(ctx), journey.RehearseInput{Journey: journeyID, Version: int64(value(version)), From: from, To: to, People: people})
	if err != nil {
		return nil, err
	}
	return simulation(s), nil
}

// DiffJourneyVersions answers Query.diffJourneyVersions.
func (r query) DiffJourneyVersions(ctx context.Context, journeyID string, before, after int, from, to time.Time, people int) (*gen.JourneyComparison, error) {
	c, err := r.Resolver.Journeys.CompareVersions(ctx, workspace(ctx), journey.RehearseInput{
		Journey: journeyID, Version: int64(before), From: from, To: to, People: people,
	}, int64(after))
	if err != nil {
		return nil, err
	}
	out := &gen.JourneyComparison{
		Before: simulation(c.Before), After: simulation(c.After), Same: int(c.Same), More: int(c.More), Fewer: int(c.Fewer), Other: int(c.Other),
		Examples: []*gen.ComparedPerson{},
	}
	for _, x := range c.Examples {
		p, err := loadProfile(ctx, x.Profile)
		if err != nil {
			return nil, err
		}
		out.Examples = append(out.Examples, &gen.ComparedPerson{Profile: p, Before: simulated(x.Before), After: simulated(x.After)})
	}
	return out, nil
}

func simulation(s *journey.Simulation) *gen.JourneySimulation {
	out := &gen.JourneySimulation{
		People: int(s.People), Reached: int(s.Reached), Entered: int(s.Entered), Nodes: []*gen.SimulatedNode{}, Sends: []*gen.SimulatedSends{},
		Ended: endedCounts(s.Ended), Warnings: pointers(s.Warnings),
	}
	for _, n := range s.Nodes {
		out.Nodes = append(out.Nodes, &gen.SimulatedNode{NodeID: n.Node, Entered: int(n.Entered), Inside: int(n.Inside), Left: int(n.Left), Sent: int(n.Sent)})
	}
	for _, d := range s.Sends {
		out.Sends = append(out.Sends, &gen.SimulatedSends{NodeID: d.Node, Day: d.Day, Sent: int(d.Sent)})
	}
	return out
}

func simulated(list []journey.Sent) []*gen.SimulatedMessage {
	out := make([]*gen.SimulatedMessage, len(list))
	for i, m := range list {
		out[i] = &gen.SimulatedMessage{NodeID: m.Node, At: m.At}
	}
	return out
}

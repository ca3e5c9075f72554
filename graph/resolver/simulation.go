package resolver

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// SimulateJourney answers Query.simulateJourney.
func (r query) SimulateJourney(ctx context.Context, journeyID string, version *int, from *time.Time, to time.Time, people int, inside *gen.InsidePolicy, nodes []*gen.NodeMapInput) (*gen.JourneySimulation, error) {
	s, err := r.Resolver.Journeys.Rehearse(ctx, workspace(ctx), rehearse(journeyID, value(version), from, to, people, inside, nodes))
	if err != nil {
		return nil, err
	}
	return simulation(s), nil
}

// DiffJourneyVersions answers Query.diffJourneyVersions.
func (r query) DiffJourneyVersions(ctx context.Context, journeyID string, before, after int, from *time.Time, to time.Time, people int, inside *gen.InsidePolicy, nodes []*gen.NodeMapInput) (*gen.JourneyComparison, error) {
	c, err := r.Resolver.Journeys.CompareVersions(ctx, workspace(ctx), rehearse(journeyID, before, from, to, people, inside, nodes), int64(after))
	if err != nil {
		return nil, err
	}
	return comparison(ctx, c)
}

// SimulationReport answers Query.simulationReport.
func (r query) SimulationReport(ctx context.Context, jobID string) (*gen.SimulationReport, error) {
	made, err := r.Resolver.Journeys.RehearsalOf(ctx, workspace(ctx), jobID)
	if err != nil || made == nil {
		return nil, err
	}
	if made.Simulation != nil {
		return &gen.SimulationReport{Simulation: simulation(made.Simulation)}, nil
	}
	c, err := comparison(ctx, made.Comparison)
	return &gen.SimulationReport{Comparison: c}, err
}

// RequestSimulation answers Mutation.requestSimulation.
func (r mutation) RequestSimulation(ctx context.Context, in gen.RequestSimulationInput) (*gen.RequestSimulationPayload, error) {
	out := &gen.RequestSimulationPayload{}
	var err error
	out.Job, err = r.Resolver.Journeys.RequestRehearsal(ctx, workspace(ctx),
		rehearse(in.JourneyID, value(in.Version), in.From, in.To, in.People, in.Inside, in.NodeMap), int64(value(in.After)), in.IdempotencyKey)
	out.UserErrors, err = problems(err)
	return out, err
}

func rehearse(id string, version int, from *time.Time, to time.Time, people int, inside *gen.InsidePolicy, nodes []*gen.NodeMapInput) journey.RehearseInput {
	return journey.RehearseInput{
		Journey: id, Version: int64(version), From: value(from), To: to, People: people, Inside: string(value(inside)), NodeMap: nodeMap(nodes),
	}
}

func comparison(ctx context.Context, c *journey.Comparison) (*gen.JourneyComparison, error) {
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
		People: int(s.People), Reached: int(s.Reached), Inside: int(s.Inside), Entered: int(s.Entered), Nodes: []*gen.SimulatedNode{}, Sends: []*gen.SimulatedSends{},
		Ended: endedCounts(s.Ended), Warnings: pointers(s.Warnings),
	}
	for _, n := range s.Nodes {
		one := &gen.SimulatedNode{NodeID: n.Node, Began: int(n.Began), Entered: int(n.Entered), Inside: int(n.Inside), Left: int(n.Left), Sent: int(n.Sent)}
		if n.Version != 0 {
			one.Version = ptr(int(n.Version))
		}
		out.Nodes = append(out.Nodes, one)
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

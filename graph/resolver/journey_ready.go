package resolver

import (
	"context"
	"encoding/json"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/journey/ready"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
)

// ReadyJourneys answers Query.readyJourneys.
func (query) ReadyJourneys(context.Context) ([]*gen.ReadyJourney, error) {
	all, err := ready.Journeys()
	out := make([]*gen.ReadyJourney, len(all))
	for i, j := range all {
		out[i] = &gen.ReadyJourney{Key: j.Key, Name: j.Name, About: j.About, Needs: j.Needs()}
	}
	return out, err
}

// InstallReadyJourney answers Mutation.installReadyJourney.
func (r mutation) InstallReadyJourney(ctx context.Context, in gen.InstallReadyJourneyInput) (*gen.InstallReadyJourneyPayload, error) {
	choices, err := choicesOf(in.Choices)
	var made *ready.Installed
	if err == nil {
		i := ready.Installer{Library: r.Library, Segments: r.Segments, Loyalty: r.Rewards, Journeys: r.Journeys}
		made, err = i.Install(ctx, workspace(ctx), ready.Request{
			Key: in.Key, Choices: choices, NeedsApproval: value(in.NeedsApproval), Another: value(in.Another), IdempotencyKey: in.IdempotencyKey,
		})
	}
	out := &gen.InstallReadyJourneyPayload{Templates: []string{}, Segments: []string{}, Pools: []string{}}
	if out.UserErrors, err = problems(err); err != nil || out.UserErrors != nil {
		return out, err
	}
	out.Journey = made.Journey
	out.Templates, out.Segments, out.Pools = append(out.Templates, made.Templates...), append(out.Segments, made.Segments...), append(out.Pools, made.Pools...)
	return out, nil
}

// choicesOf reads an object of texts.
func choicesOf(raw scalar.JSON) (ready.Choices, error) {
	out := ready.Choices{}
	if raw.IsNull() {
		return out, nil
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, core.Errorf(core.Invalid, "CHOICES", "choices are an object of texts").At("choices")
	}
	for name, v := range object {
		text, ok := v.(string)
		if !ok {
			return nil, core.Errorf(core.Invalid, "CHOICES", "a choice is a text").At("choices", name)
		}
		out[name] = text
	}
	return out, nil
}

package demo

import (
	"context"
	"fmt"

	"github.com/headwater-cdp/headwater/core/insight/experiment"
	"github.com/headwater-cdp/headwater/core/journey"
)

// lead makes the journey by which a programme goes on from now on, and the experiment that
// looks at it: whoever enters the segment is held out or gets the letter.
func (j Journeys) lead(ctx context.Context, ws string, g Programme, segment, template string) error {
	arms := []experiment.Arm{{Name: Holdout, Weight: g.Held}, {Name: Treated, Weight: 100 - g.Held}}
	node := func(id, kind string, step any) map[string]any {
		return map[string]any{"id": id, "step": map[string]any{kind: step}}
	}
	var drawn []any
	for _, a := range arms {
		drawn = append(drawn, map[string]any{"name": a.Name, "weight": int64(a.Weight)})
	}
	made, _, err := j.Installer.Journeys.Create(ctx, ws, journey.CreateInput{
		Name: g.Name, Description: g.Hypothesis, Tags: []string{"demo"}, IdempotencyKey: "demo/programme/" + g.Key,
		Definition: map[string]any{
			"timeZone": "UTC", "reentry": "ONCE", "onOverdue": "SKIP",
			"nodes": []any{
				node("in", "entry", map[string]any{"segmentEntered": segment}),
				node("held", "holdout", map[string]any{"salt": g.Key, "arms": drawn}),
				node("letter", "message", map[string]any{"templateId": template, "channel": "EMAIL", "purpose": "marketing"}),
				node("out", "exit", true),
			},
			"edges": []any{
				map[string]any{"from": "in", "to": "held"}, map[string]any{"from": "held", "on": Treated, "to": "letter"},
				map[string]any{"from": "letter", "to": "out"},
			},
		},
	})
	if err != nil {
		return fmt.Errorf("draw %s: %w", g.Key, err)
	}
	if made.Mode == journey.Draft {
		if _, err := j.Installer.Journeys.Publish(ctx, ws, journey.PublishInput{ID: made.JourneyID()}); err != nil {
			return fmt.Errorf("publish %s: %w", g.Key, err)
		}
	}
	in := g.plan()
	in.Name += ", from now on"
	in.Plan.Assignment = experiment.Assignment{Via: experiment.ViaJourney, Journey: made.JourneyID(), Node: "held"}
	e, err := j.Trials.Create(ctx, ws, in, experimentKey("journey/"+g.Key))
	if err != nil {
		return fmt.Errorf("plan %s: %w", g.Key, err)
	}
	if e.Status == experiment.Draft {
		_, err = j.Trials.Start(ctx, ws, e.ExperimentID(), nil)
	}
	return err
}

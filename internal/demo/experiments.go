package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/insight/experiment"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// past is a clock that stands where the history begins.
type past struct {
	core.SystemClock
	at time.Time
}

// Now implements core.Clock.
func (p past) Now() time.Time { return p.at }

// plan is the experiment by which the shop looks at what a programme brings.
func (g Programme) plan() experiment.Input {
	return experiment.Input{Name: g.Name, Hypothesis: g.Hypothesis, Plan: experiment.Plan{
		Kind: experiment.OfConversion, Mode: experiment.Fixed, Event: "Order Completed", Window: g.Window,
		Baseline: g.Baseline, Effect: g.Effect, Alpha: 0.05, Power: 0.8,
		Arms: []experiment.Arm{{Name: Holdout, Weight: g.Held}, {Name: Treated, Weight: 100 - g.Held}},
		Assignment: experiment.Assignment{
			Via: experiment.ViaEvent, Event: ProgrammeEntered, ArmPath: "properties.arm", KeyPath: "properties.programme", Key: g.Key,
		},
	}}
}

// checkout is an experiment that has not enough people yet.
var checkout = experiment.Input{
	Name: "Green checkout button", Hypothesis: "A green button brings more of those with a cart to an order the same day.",
	Plan: experiment.Plan{
		Kind: experiment.OfConversion, Mode: experiment.Fixed, Event: "Order Completed", Window: 24 * time.Hour, Baseline: 0.3, Effect: 0.03, Alpha: 0.05, Power: 0.8,
		Arms: []experiment.Arm{{Name: "grey", Weight: 50}, {Name: "green", Weight: 50}},
		Assignment: experiment.Assignment{
			Via: experiment.ViaEvent, Event: ExperimentViewed, ArmPath: "properties.variation", KeyPath: "properties.experiment", Key: "checkout-button",
		},
	},
}

func experiments() map[string]experiment.Input {
	out := map[string]experiment.Input{"checkout-button": checkout}
	for _, g := range Programmes {
		out[g.Key] = g.plan()
	}
	return out
}

func experimentKey(key string) string { return "demo/experiment/" + key }

// Try starts the shop's experiments where its history begins: the shop has had Headwater
// all year, and what happens counts as the history is loaded. It must not be loaded yet.
func Try(ctx context.Context, w Workspace, s store.Store, profiles *profile.Service) error {
	begin := midnight(w.LastDay).AddDate(0, -Months, 0)
	then := experiment.NewService(experiment.Options{Store: s, Clock: past{at: begin.Add(-time.Hour)}, Profiles: profiles})
	for key, in := range experiments() {
		made, err := then.Create(ctx, w.ID, in, experimentKey(key))
		if err != nil {
			return fmt.Errorf("plan %s: %w", key, err)
		}
		if made.Status != experiment.Draft {
			continue
		}
		if _, err := then.Start(ctx, w.ID, made.ExperimentID(), nil); err != nil {
			return fmt.Errorf("start %s: %w", key, err)
		}
	}
	return nil
}

// conclude ends the first programme's experiment, when it has a winner: nobody is held out
// any more.
func (f Figures) conclude(ctx context.Context, w Workspace) error {
	g := Programmes[0]
	id := core.HashID(core.PrefixExperiment, w.ID, experimentKey(g.Key))
	e, err := f.Trials.Get(ctx, w.ID, id)
	if err != nil || e == nil || e.Status != experiment.Running {
		return err
	}
	r, err := f.Trials.Result(ctx, w.ID, id)
	if err != nil || r.Winner == "" {
		return err
	}
	_, err = f.Trials.Conclude(ctx, w.ID, id, nil, experiment.Conclusion{Winner: r.Winner, Reason: "It brings first orders: everybody gets the letters from now on."})
	return err
}

package resolver

import (
	"context"
	"math"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/insight/experiment"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

type experimentFields struct{ *Resolver }

// Experiment implements gen.ResolverRoot.
func (r *Resolver) Experiment() gen.ExperimentResolver { return experimentFields{r} }

// Experiment answers Query.experiment.
func (r query) Experiment(ctx context.Context, id string) (*experiment.Experiment, error) {
	return r.Trials.Get(ctx, workspace(ctx), id)
}

// Experiments answers Query.experiments.
func (r query) Experiments(ctx context.Context, first *int, after *string, last *int, before *string) (*view.ExperimentConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Trials.List(ctx, ws, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Trials.Count(ctx, ws) }), nil
}

// ExperimentPlan answers Query.experimentPlan.
func (r query) ExperimentPlan(_ context.Context, baseline, effect, alpha, power scalar.Decimal, arms int) (*gen.ExperimentSize, error) {
	if arms < 2 || arms > 10 {
		return nil, core.Errorf(core.Invalid, "ARMS", "an experiment compares 2 to 10 arms").At("arms")
	}
	var x [4]float64
	for i, path := range []string{"baseline", "effect", "alpha", "power"} {
		var err error
		if x[i], err = floatOf([]*scalar.Decimal{&baseline, &effect, &alpha, &power}[i], 0, path); err != nil {
			return nil, err
		}
	}
	size, err := experiment.SampleSize(x[0], x[0]+x[1], x[2], x[3], arms-1)
	if err != nil {
		return nil, err
	}
	return sizeOf(size), nil
}

func sizeOf(s experiment.Size) *gen.ExperimentSize {
	return &gen.ExperimentSize{Formula: gen.ExperimentFormula(s.Formula), Exact: *fraction(s.Exact), PerArm: int(s.PerArm), Alpha: *fraction(s.Alpha)}
}

// Hypothesis answers Experiment.hypothesis.
func (experimentFields) Hypothesis(_ context.Context, e *experiment.Experiment) (*string, error) {
	return text(e.Hypothesis), nil
}

// Status answers Experiment.status.
func (experimentFields) Status(_ context.Context, e *experiment.Experiment) (gen.ExperimentStatus, error) {
	return gen.ExperimentStatus(e.Status), nil
}

// Size answers Experiment.size.
func (experimentFields) Size(_ context.Context, e *experiment.Experiment) (*gen.ExperimentSize, error) {
	return sizeOf(e.Size), nil
}

// Hash answers Experiment.hash.
func (experimentFields) Hash(_ context.Context, e *experiment.Experiment) (*string, error) {
	return text(e.Hash), nil
}

// StartedAt answers Experiment.startedAt.
func (experimentFields) StartedAt(_ context.Context, e *experiment.Experiment) (*time.Time, error) {
	return instant(e.StartedAt), nil
}

// EndedAt answers Experiment.endedAt.
func (experimentFields) EndedAt(_ context.Context, e *experiment.Experiment) (*time.Time, error) {
	return instant(e.EndedAt), nil
}

// Winner answers Experiment.winner.
func (experimentFields) Winner(_ context.Context, e *experiment.Experiment) (*string, error) {
	return text(e.Winner), nil
}

// Reason answers Experiment.reason.
func (experimentFields) Reason(_ context.Context, e *experiment.Experiment) (*string, error) {
	return text(e.Reason), nil
}

// Plan answers Experiment.plan.
func (experimentFields) Plan(_ context.Context, e *experiment.Experiment) (*gen.ExperimentDesign, error) {
	p, a := &e.Plan, &e.Plan.Assignment
	out := &gen.ExperimentDesign{
		Kind: gen.ExperimentKind(p.Kind), Mode: gen.ExperimentMode(p.Mode), Event: p.Event, ValuePath: text(p.ValuePath), Window: p.Window,
		Effect: *fraction(p.Effect), Alpha: *fraction(p.Alpha), Power: *fraction(p.Power),
		Assignment: &gen.ExperimentAssignment{
			Via: gen.ExperimentVia(a.Via), Event: text(a.Event), ArmPath: text(a.ArmPath), KeyPath: text(a.KeyPath), Key: text(a.Key), Salt: text(a.Salt),
			CampaignID: text(a.Campaign), JourneyID: text(a.Journey), NodeID: text(a.Node),
		},
	}
	if p.Kind == experiment.OfConversion {
		out.Baseline = fraction(p.Baseline)
	} else {
		out.Deviation = fraction(p.Deviation)
	}
	for _, arm := range p.Arms {
		out.Arms = append(out.Arms, &gen.ExperimentArm{Name: arm.Name, Weight: arm.Weight})
	}
	return out, nil
}

// Result answers Experiment.result.
func (r experimentFields) Result(ctx context.Context, e *experiment.Experiment) (*gen.ExperimentResult, error) {
	x, err := r.Trials.Result(ctx, workspace(ctx), e.ExperimentID())
	if err != nil || x == nil {
		return nil, err
	}
	hide, err := r.Trials.Shield(ctx, workspace(ctx), x)
	if err != nil {
		return nil, err
	}
	out := &gen.ExperimentResult{
		State: gen.ExperimentState(x.State), AsOf: x.AsOf, Winner: text(x.Winner), Arms: []*gen.ExperimentArmResult{}, Comparisons: []*gen.ExperimentComparison{},
		SampleRatioP: *fraction(x.Ratio.P), Crossed: int(x.Crossed), Strange: int(x.Strange),
	}
	for _, a := range x.Arms {
		g := &gen.ExperimentArmResult{Name: a.Name, Exposed: int(a.Exposed), Ready: int(a.Ready), Judged: int(a.Judged), Missing: int(a.Missing), Suppressed: hide}
		if !hide {
			g.Converted, g.Mean = ptr(int(a.Hits)), fraction(a.Mean)
			if x.State == experiment.NoTest {
				g.Chance, g.Weight = fraction(a.Chance), ptr(a.Weight)
			}
		}
		out.Arms = append(out.Arms, g)
	}
	for _, c := range x.Comparisons {
		g := &gen.ExperimentComparison{Arm: c.Arm, Method: c.Method}
		if !hide {
			g.Difference, g.P, g.Significant, g.Interval = fraction(c.Estimate), fraction(c.P), ptr(c.Significant), intervalOf(&c.Interval)
			if c.HasLift {
				g.Lift, g.LiftInterval = fraction(c.Lift), intervalOf(c.LiftInterval)
			}
		}
		out.Comparisons = append(out.Comparisons, g)
	}
	return out, nil
}

func intervalOf(i *experiment.Interval) *gen.ExperimentInterval {
	if i == nil {
		return nil
	}
	out := &gen.ExperimentInterval{}
	if !math.IsInf(i.Low, 0) {
		out.Low = fraction(i.Low)
	}
	if !math.IsInf(i.High, 0) {
		out.High = fraction(i.High)
	}
	return out
}

// designOf reads a plan.
func designOf(in *gen.ExperimentDesignInput) (experiment.Plan, error) {
	p := experiment.Plan{Kind: experiment.Kind(in.Kind), Mode: experiment.Mode(in.Mode), Event: in.Event, ValuePath: value(in.ValuePath), Window: in.Window}
	for _, a := range in.Arms {
		p.Arms = append(p.Arms, experiment.Arm{Name: a.Name, Weight: a.Weight})
	}
	if a := in.Assignment; a != nil {
		p.Assignment = experiment.Assignment{
			Via: experiment.Via(a.Via), Event: value(a.Event), ArmPath: value(a.ArmPath), KeyPath: value(a.KeyPath), Key: value(a.Key), Salt: value(a.Salt),
			Campaign: value(a.CampaignID), Journey: value(a.JourneyID), Node: value(a.NodeID),
		}
	}
	for _, x := range []struct {
		to   *float64
		from *scalar.Decimal
		path string
	}{{&p.Baseline, in.Baseline, "baseline"}, {&p.Deviation, in.Deviation, "deviation"}, {&p.Effect, &in.Effect, "effect"}, {&p.Alpha, &in.Alpha, "alpha"}, {&p.Power, &in.Power, "power"}} {
		f, err := floatOf(x.from, 0, x.path)
		if err != nil {
			return p, core.AsError(err).At("plan")
		}
		*x.to = f
	}
	return p, nil
}

// CreateExperiment answers Mutation.createExperiment.
func (r mutation) CreateExperiment(ctx context.Context, in gen.CreateExperimentInput) (*gen.CreateExperimentPayload, error) {
	out := &gen.CreateExperimentPayload{}
	plan, err := designOf(in.Plan)
	if err == nil {
		out.Experiment, err = r.Trials.Create(ctx, workspace(ctx), experiment.Input{Name: in.Name, Hypothesis: value(in.Hypothesis), Plan: plan}, in.IdempotencyKey)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// UpdateExperiment answers Mutation.updateExperiment.
func (r mutation) UpdateExperiment(ctx context.Context, in gen.UpdateExperimentInput) (*gen.UpdateExperimentPayload, error) {
	out := &gen.UpdateExperimentPayload{}
	var plan experiment.Plan
	var err error
	if in.Plan != nil {
		plan, err = designOf(in.Plan)
	}
	if err == nil {
		out.Experiment, err = r.Trials.Update(ctx, workspace(ctx), in.ID, int64(in.ExpectedVersion), func(x *experiment.Input) {
			if in.Name != nil {
				x.Name = *in.Name
			}
			if in.Hypothesis != nil {
				x.Hypothesis = *in.Hypothesis
			}
			if in.Plan != nil {
				x.Plan = plan
			}
		})
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// seen returns the version that the caller saw; nil when it did not say.
func seen(version *int) *int64 {
	if version == nil {
		return nil
	}
	return ptr(int64(*version))
}

// StartExperiment answers Mutation.startExperiment.
func (r mutation) StartExperiment(ctx context.Context, in gen.StartExperimentInput) (*gen.StartExperimentPayload, error) {
	out := &gen.StartExperimentPayload{}
	var err error
	out.Experiment, err = r.Trials.Start(ctx, workspace(ctx), in.ID, seen(in.ExpectedVersion))
	out.UserErrors, err = problems(err)
	return out, err
}

// ConcludeExperiment answers Mutation.concludeExperiment.
func (r mutation) ConcludeExperiment(ctx context.Context, in gen.ConcludeExperimentInput) (*gen.ConcludeExperimentPayload, error) {
	out := &gen.ConcludeExperimentPayload{}
	var err error
	out.Experiment, err = r.Trials.Conclude(ctx, workspace(ctx), in.ID, seen(in.ExpectedVersion), experiment.Conclusion{Winner: value(in.Winner), Reason: value(in.Reason)})
	out.UserErrors, err = problems(err)
	return out, err
}

// MeasureExperiment answers Mutation.measureExperiment.
func (r mutation) MeasureExperiment(ctx context.Context, in gen.MeasureExperimentInput) (*gen.MeasureExperimentPayload, error) {
	out := &gen.MeasureExperimentPayload{}
	var err error
	out.Job, err = r.Trials.Measure(ctx, workspace(ctx), in.ID, in.IdempotencyKey)
	out.UserErrors, err = problems(err)
	return out, err
}

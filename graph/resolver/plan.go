package resolver

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
)

// TrackingPlan answers Query.trackingPlan.
func (r query) TrackingPlan(ctx context.Context) (*event.Plan, error) {
	return r.Resolver.Events.Plan(ctx, workspace(ctx))
}

// SetTrackingPlan answers Mutation.setTrackingPlan.
func (r mutation) SetTrackingPlan(ctx context.Context, in gen.SetTrackingPlanInput) (*gen.SetTrackingPlanPayload, error) {
	u := event.PlanUpdate{Unplanned: in.Unplanned, ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)}
	for _, rule := range in.Rules {
		u.Rules = append(u.Rules, event.PlanRule{
			Event: rule.Event, Schema: string(rule.Schema), Action: rule.Action, Description: value(rule.Description),
		})
	}
	plan, err := r.Events.SetPlan(ctx, workspace(ctx), u)
	out := &gen.SetTrackingPlanPayload{TrackingPlan: plan}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// UpdatedBy answers TrackingPlan.updatedBy.
func (r planFields) UpdatedBy(_ context.Context, p *event.Plan) (*string, error) {
	return text(p.UpdatedBy), nil
}

// Schema answers PlanRule.schema.
func (r ruleFields) Schema(_ context.Context, rule *event.PlanRule) (scalar.JSON, error) {
	return scalar.JSON(rule.Schema), nil
}

// Description answers PlanRule.description.
func (r ruleFields) Description(_ context.Context, rule *event.PlanRule) (*string, error) {
	return text(rule.Description), nil
}

// FieldDefinitions answers Query.fieldDefinitions.
func (r query) FieldDefinitions(ctx context.Context, owner, prefix *string) ([]*event.FieldDefinition, error) {
	list, err := r.Resolver.Events.FieldDefinitions(ctx, workspace(ctx), value(owner), value(prefix))
	return pointers(list), err
}

// SetFieldDefinition answers Mutation.setFieldDefinition.
func (r mutation) SetFieldDefinition(ctx context.Context, in gen.SetFieldDefinitionInput) (*gen.SetFieldDefinitionPayload, error) {
	u := event.FieldUpdate{Owner: in.Owner, Path: in.Path, ExpectedVersion: long(in.ExpectedVersion)}
	u.Description, _ = patched(in.Description, "description", new(string))
	var f *event.FieldDefinition
	var err error
	if u.May, err = recategorise(ctx, in.Owner, in.Path); err != nil {
		return nil, err
	}
	if u.Category, err = patched(in.Category, "category", nil); err == nil {
		f, err = r.Events.SetField(ctx, workspace(ctx), u)
	}
	out := &gen.SetFieldDefinitionPayload{FieldDefinition: f}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// recategorise refuses to let a field be declared to hold what the actor may read while
// it holds what they may not: whoever may read neither or both may. What becomes of the
// field is written in the audit log.
func recategorise(ctx context.Context, owner, path string) (func(from, to core.Category) error, error) {
	gate, err := gateOf(ctx)
	if err != nil {
		return nil, err
	}
	return func(from, to core.Category) error {
		if !gate.Category(from).Allowed() && gate.Category(to).Allowed() {
			return core.Errorf(core.Forbidden, "PROTECTED_FIELD",
				"the field holds %s data, which this key may not read in clear for this purpose: somebody who may must say that it holds %s", from, to).At("input", "category")
		}
		audit.Detail(ctx, "owner", owner)
		audit.Detail(ctx, "path", path)
		audit.Detail(ctx, "from", string(from))
		audit.Detail(ctx, "to", string(to))
		return nil
	}, nil
}

// Type answers FieldDefinition.type.
func (r fieldFields) Type(_ context.Context, f *event.FieldDefinition) (string, error) {
	return f.Types.String(), nil
}

// Description answers FieldDefinition.description.
func (r fieldFields) Description(_ context.Context, f *event.FieldDefinition) (*string, error) {
	return text(f.Field.Description), nil
}

// SampleValues answers FieldDefinition.sampleValues.
func (r fieldFields) SampleValues(ctx context.Context, f *event.FieldDefinition, prefix *string) ([]scalar.JSON, error) {
	gate, err := gateOf(ctx)
	if err != nil || !gate.Samples(f.Category) {
		return nil, err
	}
	if f.Category != core.None && len(f.Samples) == 0 {
		return nil, nil
	}
	out := []scalar.JSON{}
	for _, v := range f.Samples {
		if s, ok := v.StringValueOK(); prefix != nil && (!ok || !strings.HasPrefix(s, *prefix)) {
			continue
		}
		b, err := event.ValueToJSON(v)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

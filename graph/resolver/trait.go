package resolver

import (
	"context"
	"strconv"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// TraitRules answers Query.traitRules.
func (r query) TraitRules(ctx context.Context) ([]*profile.TraitRule, error) {
	rules, err := r.Resolver.Profiles.Rules(ctx, workspace(ctx))
	return pointers(rules.Traits), err
}

// PhoneRegion answers Query.phoneRegion.
func (r query) PhoneRegion(ctx context.Context) (*gen.PhoneRegion, error) {
	rules, err := r.Resolver.Profiles.Rules(ctx, workspace(ctx))
	if err != nil {
		return nil, err
	}
	return phoneRegion(rules), nil
}

func phoneRegion(rules profile.Rules) *gen.PhoneRegion {
	return &gen.PhoneRegion{Region: text(rules.Region), Version: int(rules.Version)}
}

// SetTraitRule answers Mutation.setTraitRule. The rebuild begins even when the rule
// was there already: an earlier call may have failed between the two.
func (r mutation) SetTraitRule(ctx context.Context, in gen.SetTraitRuleInput) (*gen.SetTraitRulePayload, error) {
	ws, out := workspace(ctx), &gen.SetTraitRulePayload{}
	err := r.known(ctx, ws, in.Sources)
	var rules profile.Rules
	if err == nil {
		rules, err = r.Profiles.SetTraitRule(ctx, ws, profile.TraitRule{Trait: in.Trait, Sources: in.Sources},
			profile.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)})
	}
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.SetTraitRulePayload{UserErrors: errs}, err
	}
	for i := range rules.Traits {
		if rules.Traits[i].Trait == profile.TraitPath(in.Trait) {
			out.TraitRule = &rules.Traits[i]
		}
	}
	if value(in.DryRun) {
		return out, nil
	}
	out.Job, err = r.Jobs.Start(ctx, profile.JobRebuild, ws, profile.RebuildInput{Mode: profile.ModeRebuild}, "")
	return out, err
}

// known refuses ids of sources that there are not: the rule would rank nothing.
func (r mutation) known(ctx context.Context, ws string, sources []string) error {
	for i, id := range sources {
		src, err := r.Events.Source(ctx, ws, id)
		if err != nil {
			return err
		}
		if src == nil {
			return core.Errorf(core.NotFound, "SOURCE", "no source has this id").At("sources", strconv.Itoa(i))
		}
	}
	return nil
}

// SetPhoneRegion answers Mutation.setPhoneRegion.
func (r mutation) SetPhoneRegion(ctx context.Context, in gen.SetPhoneRegionInput) (*gen.SetPhoneRegionPayload, error) {
	rules, err := r.Profiles.SetRegion(ctx, workspace(ctx), value(in.Region), profile.Edit{ExpectedVersion: long(in.ExpectedVersion)})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.SetPhoneRegionPayload{UserErrors: errs}, err
	}
	return &gen.SetPhoneRegionPayload{PhoneRegion: phoneRegion(rules)}, nil
}

package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// ReleaseIdentifier answers Mutation.releaseIdentifier.
func (r mutation) ReleaseIdentifier(ctx context.Context, in gen.ReleaseIdentifierInput) (*gen.ReleaseIdentifierPayload, error) {
	gate, err := gateOf(ctx)
	if err != nil {
		return nil, err
	}
	done, err := r.Desk.Release(ctx, workspace(ctx), privacy.ReleaseInput{
		ProfileID: in.ProfileID, Identifier: *in.Identifier, Reason: in.Reason, IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun),
	})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.ReleaseIdentifierPayload{UserErrors: errs}, err
	}
	out := &gen.ReleaseIdentifierPayload{LeavesNoIdentifier: done.Bare, Traits: append([]string{}, done.Traits...), Profile: gate.Show(ctx, done.Profile)}
	if !value(in.DryRun) {
		out.Release = gate.MaskRelease(done.Releases[0])
	}
	return out, nil
}

// RestoreIdentifier answers Mutation.restoreIdentifier.
func (r mutation) RestoreIdentifier(ctx context.Context, in gen.RestoreIdentifierInput) (*gen.RestoreIdentifierPayload, error) {
	gate, err := gateOf(ctx)
	if err != nil {
		return nil, err
	}
	done, err := r.Desk.Restore(ctx, workspace(ctx), privacy.RestoreInput{ReleaseID: in.ReleaseID, Reason: in.Reason, DryRun: value(in.DryRun)})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.RestoreIdentifierPayload{UserErrors: errs}, err
	}
	return &gen.RestoreIdentifierPayload{Release: gate.MaskRelease(done.Restored[0]), Profile: gate.Show(ctx, done.Profile)}, nil
}

// Releases answers Profile.releases.
func (r profileFields) Releases(ctx context.Context, p *profile.Profile) ([]*profile.Release, error) {
	gate, err := gateOf(ctx)
	if err != nil {
		return nil, err
	}
	return gate.ShowReleases(ctx, p)
}

type releaseFields struct{ *Resolver }

// IdentifierRelease returns the resolvers of the fields of that type.
func (r *Resolver) IdentifierRelease() gen.IdentifierReleaseResolver { return releaseFields{r} }

// Namespace answers IdentifierRelease.namespace.
func (releaseFields) Namespace(_ context.Context, r *profile.Release) (string, error) {
	return r.Named().Namespace, nil
}

// Value answers IdentifierRelease.value: what the gate left of it.
func (releaseFields) Value(_ context.Context, r *profile.Release) (*string, error) {
	return text(r.Named().Value), nil
}

// Reason answers IdentifierRelease.reason: what the gate left of it.
func (releaseFields) Reason(_ context.Context, r *profile.Release) (*string, error) {
	return text(r.Reason), nil
}

// RequestID answers IdentifierRelease.requestId.
func (releaseFields) RequestID(_ context.Context, r *profile.Release) (*string, error) {
	return text(r.Request), nil
}

func identifiers(list []*event.Identifier) []event.Identifier {
	out := make([]event.Identifier, 0, len(list))
	for _, id := range list {
		out = append(out, *id)
	}
	return out
}

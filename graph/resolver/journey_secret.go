package resolver

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// WebhookSecrets answers Query.webhookSecrets.
func (r query) WebhookSecrets(ctx context.Context) ([]*journey.Secret, error) {
	return r.Resolver.Journeys.ListSecrets(ctx, workspace(ctx))
}

// SetWebhookSecret answers Mutation.setWebhookSecret.
func (r mutation) SetWebhookSecret(ctx context.Context, in gen.SetWebhookSecretInput) (*gen.SetWebhookSecretPayload, error) {
	s, err := r.Resolver.Journeys.SetSecret(ctx, workspace(ctx), in.Name, in.Secret, long(&in.ExpectedVersion))
	out := &gen.SetWebhookSecretPayload{Secret: s}
	out.UserErrors, err = problems(err)
	return out, err
}

type secretFields struct{ *Resolver }

// WebhookSecret implements gen.ResolverRoot.
func (r *Resolver) WebhookSecret() gen.WebhookSecretResolver { return secretFields{r} }

// LastUsedAt answers WebhookSecret.lastUsedAt.
func (r secretFields) LastUsedAt(_ context.Context, s *journey.Secret) (*time.Time, error) {
	return instant(s.UsedAt), nil
}

// Prefix answers WebhookSecret.prefix.
func (r secretFields) Prefix(_ context.Context, s *journey.Secret) (*string, error) {
	return text(s.Prefix), nil
}

// Fingerprint answers WebhookSecret.fingerprint.
func (r secretFields) Fingerprint(_ context.Context, s *journey.Secret) (string, error) {
	return s.Print, nil
}

// PreviousUntil answers WebhookSecret.previousUntil.
func (r secretFields) PreviousUntil(_ context.Context, s *journey.Secret) (*time.Time, error) {
	return instant(s.OldUntil), nil
}

// CreateWebhookSecret answers Mutation.createWebhookSecret.
func (r mutation) CreateWebhookSecret(ctx context.Context, in gen.CreateWebhookSecretInput) (*gen.CreateWebhookSecretPayload, error) {
	s, shown, err := r.Resolver.Journeys.CreateSecret(ctx, workspace(ctx), journey.SecretInput{
		Name: in.Name, Value: value(in.Secret), IdempotencyKey: in.IdempotencyKey,
	})
	out := &gen.CreateWebhookSecretPayload{Secret: s, Value: text(shown)}
	out.UserErrors, err = problems(err)
	return out, err
}

// RotateWebhookSecret answers Mutation.rotateWebhookSecret.
func (r mutation) RotateWebhookSecret(ctx context.Context, in gen.RotateWebhookSecretInput) (*gen.RotateWebhookSecretPayload, error) {
	overlap := journey.UsualOverlap
	if in.Overlap != nil {
		overlap = *in.Overlap
	}
	s, shown, err := r.Resolver.Journeys.RotateSecret(ctx, workspace(ctx), journey.RotateInput{
		Name: in.Name, Value: value(in.Secret), Overlap: overlap, ExpectedVersion: int64(in.ExpectedVersion),
	})
	out := &gen.RotateWebhookSecretPayload{Secret: s, Value: text(shown)}
	out.UserErrors, err = problems(err)
	return out, err
}

// DeleteWebhookSecret answers Mutation.deleteWebhookSecret.
func (r mutation) DeleteWebhookSecret(ctx context.Context, in gen.DeleteWebhookSecretInput) (*gen.DeleteWebhookSecretPayload, error) {
	err := r.Resolver.Journeys.DeleteSecret(ctx, workspace(ctx), in.Name, int64(in.ExpectedVersion), value(in.DryRun))
	out := &gen.DeleteWebhookSecretPayload{}
	if err == nil && !value(in.DryRun) {
		out.Name = &in.Name
	}
	out.UserErrors, err = problems(err)
	return out, err
}

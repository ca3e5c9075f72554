package resolver

import (
	"context"

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

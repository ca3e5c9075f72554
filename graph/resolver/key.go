package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Keys answers Query.keys.
func (r query) Keys(ctx context.Context, first *int, after *string, last *int, before *string) (*view.KeyConnection, error) {
	page, err := r.Access.Keys(ctx, "", core.PageArgs{First: first, After: after, Last: last, Before: before})
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Access.CountKeys(ctx, "") }), nil
}

// CreateKey answers Mutation.createKey.
func (r mutation) CreateKey(ctx context.Context, in gen.CreateKeyInput) (*gen.CreateKeyPayload, error) {
	k := access.NewKey{
		Name: in.Name, Roles: in.Roles, Source: value(in.Source), Purposes: in.Purposes, Purpose: value(in.Purpose),
		Scopes: in.Scopes, ExpiresAt: value(in.ExpiresAt), Quota: access.Quota{PerSecond: value(in.EventsPerSecond)},
		Limits: limits(in.Limits), IdempotencyKey: value(in.IdempotencyKey),
	}
	var after func()
	var err error
	if k.Also, after, err = r.Events.Collecting(ctx, workspace(ctx), k.Source, k.Purposes); err != nil {
		errs, err := problems(err)
		return &gen.CreateKeyPayload{UserErrors: errs}, err
	}
	made, err := r.Access.CreateKey(ctx, k)
	after()
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.CreateKeyPayload{UserErrors: errs, Warnings: []string{}}, err
	}
	out := &gen.CreateKeyPayload{Key: made.Key, Secret: &made.Secret, Warnings: []string{}}
	// The key is made, and its secret is shown this once: a warning that cannot be told is
	// left out.
	if open, err := r.Policies.OpenPurpose(ctx, made.Key.Workspace, made.Key.Roles, made.Key.Purposes, made.Key.Purpose); err == nil && open {
		out.Warnings = append(out.Warnings, openPurpose)
	}
	return out, nil
}

// openPurpose is the warning of a key that may be used for everything.
const openPurpose = "a request with this key that names no purpose in X-Purpose acts for operations, for which no consent is asked: " +
	"it reads the addresses of people who withdrew theirs for marketing too; give the key purposes, such as marketing"

// RotateKey answers Mutation.rotateKey.
func (r mutation) RotateKey(ctx context.Context, in gen.RotateKeyInput) (*gen.RotateKeyPayload, error) {
	grace := access.DefaultGrace
	if in.Grace != nil {
		grace = *in.Grace
	}
	made, err := r.Access.RotateKey(ctx, "", in.ID, grace)
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.RotateKeyPayload{UserErrors: errs}, err
	}
	return &gen.RotateKeyPayload{Key: made.Key, Secret: &made.Secret}, nil
}

// RevokeKey answers Mutation.revokeKey.
func (r mutation) RevokeKey(ctx context.Context, in gen.RevokeKeyInput) (*gen.RevokeKeyPayload, error) {
	k, err := r.Access.RevokeKey(ctx, "", in.ID)
	out := &gen.RevokeKeyPayload{Key: k}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// Purpose answers Key.purpose.
func (r keyFields) Purpose(_ context.Context, k *access.Key) (*string, error) {
	return text(k.Purpose), nil
}

// Source answers Key.source.
func (r keyFields) Source(ctx context.Context, k *access.Key) (*event.Source, error) {
	if k.Source == "" {
		return nil, nil
	}
	return r.Events.Source(ctx, workspace(ctx), k.Source)
}

// EventsPerSecond answers Key.eventsPerSecond.
func (r keyFields) EventsPerSecond(_ context.Context, k *access.Key) (*float64, error) {
	if k.Quota.PerSecond == 0 {
		return nil, nil
	}
	return &k.Quota.PerSecond, nil
}

// Limits answers Key.limits.
func (r keyFields) Limits(_ context.Context, k *access.Key) (*core.Limits, error) {
	return limitsOf(k.Limits), nil
}

// RotatedTo answers Key.rotatedTo.
func (r keyFields) RotatedTo(_ context.Context, k *access.Key) (*string, error) {
	return text(k.RotatedTo), nil
}

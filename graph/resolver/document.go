package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// PolicyDocuments answers Query.policyDocuments.
func (r query) PolicyDocuments(ctx context.Context, kind *gen.PolicyKind, first *int, after *string, last *int, before *string) (*view.PolicyDocumentConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws, of := workspace(ctx), string(value(kind))
	page, err := r.Consent.Documents(ctx, ws, of, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Consent.CountDocuments(ctx, ws, of) }), nil
}

// PolicyDocument answers Query.policyDocument.
func (r query) PolicyDocument(ctx context.Context, hash string) (*consent.Document, error) {
	return r.Consent.DocumentByHash(ctx, workspace(ctx), hash)
}

// Kind answers PolicyDocument.kind.
func (r documentFields) Kind(_ context.Context, d *consent.Document) (gen.PolicyKind, error) {
	return gen.PolicyKind(d.Kind), nil
}

// Format answers PolicyDocument.format.
func (r documentFields) Format(_ context.Context, d *consent.Document) (gen.PolicyFormat, error) {
	return gen.PolicyFormat(d.Format), nil
}

// Content answers PolicyDocument.content.
func (r documentFields) Content(ctx context.Context, d *consent.Document) (string, error) {
	return r.Consent.Content(ctx, workspace(ctx), d.Hash)
}

// PublishPolicyDocument answers Mutation.publishPolicyDocument.
func (r mutation) PublishPolicyDocument(ctx context.Context, in gen.PublishPolicyDocumentInput) (*gen.PublishPolicyDocumentPayload, error) {
	d, err := r.Consent.Publish(ctx, workspace(ctx), consent.PublishInput{
		Kind: string(in.Kind), Locale: in.Locale, Title: in.Title, Format: string(in.Format), Content: in.Content, ChangeLog: value(in.ChangeLog),
		Edit: consent.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)},
	})
	out := &gen.PublishPolicyDocumentPayload{PolicyDocument: d}
	out.UserErrors, err = problems(err)
	return out, err
}

// CreatePreferencesLink answers Mutation.createPreferencesLink.
func (r mutation) CreatePreferencesLink(ctx context.Context, in gen.CreatePreferencesLinkInput) (*gen.CreatePreferencesLinkPayload, error) {
	err := r.asksConsent(ctx, workspace(ctx), in.ProfileID) // whoever has the link reads what it shows
	var l *consent.Link
	if err == nil {
		l, err = r.Consent.PreferencesLink(ctx, workspace(ctx), in.ProfileID, nil)
	}
	out := &gen.CreatePreferencesLinkPayload{}
	if out.UserErrors, err = problems(err); err != nil || out.UserErrors != nil {
		return out, err
	}
	out.URL, out.ExpiresAt = &l.URL, &l.ExpiresAt
	return out, told(ctx, in.ProfileID)
}

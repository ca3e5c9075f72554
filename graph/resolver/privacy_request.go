package resolver

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// RequestAccess answers Mutation.requestAccess.
func (r mutation) RequestAccess(ctx context.Context, in gen.RequestAccessInput) (*gen.RequestAccessPayload, error) {
	q, err := r.Desk.Open(ctx, workspace(ctx), privacy.OpenInput{
		Type: privacy.Access, ProfileID: value(in.ProfileID), Identifier: in.Identifier, ReceivedAt: in.ReceivedAt, Reason: value(in.Reason),
		Assignee: value(in.Assignee), IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun),
	})
	errs, err := problems(err)
	return &gen.RequestAccessPayload{Request: q, UserErrors: errs}, err
}

// RequestPortability answers Mutation.requestPortability.
func (r mutation) RequestPortability(ctx context.Context, in gen.RequestPortabilityInput) (*gen.RequestPortabilityPayload, error) {
	q, err := r.Desk.Open(ctx, workspace(ctx), privacy.OpenInput{
		Type: privacy.Portability, ProfileID: value(in.ProfileID), Identifier: in.Identifier, ReceivedAt: in.ReceivedAt, Reason: value(in.Reason),
		Assignee: value(in.Assignee), IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun),
	})
	errs, err := problems(err)
	return &gen.RequestPortabilityPayload{Request: q, UserErrors: errs}, err
}

// RequestRectification answers Mutation.requestRectification.
func (r mutation) RequestRectification(ctx context.Context, in gen.RequestRectificationInput) (*gen.RequestRectificationPayload, error) {
	var traits bson.Raw
	if len(in.Traits) > 0 && string(in.Traits) != "null" {
		raw, fault := event.FromJSON([]byte(in.Traits))
		if fault != nil {
			errs, err := problems(fault.At("traits"))
			return &gen.RequestRectificationPayload{UserErrors: errs}, err
		}
		traits = raw
	}
	add := identifiers(in.AddIdentifiers)
	if in.AddIdentifier != nil {
		add = append(add, *in.AddIdentifier)
	}
	q, err := r.Desk.Open(ctx, workspace(ctx), privacy.OpenInput{
		Type: privacy.Rectification, ProfileID: value(in.ProfileID), Identifier: in.Identifier, ReceivedAt: in.ReceivedAt, Reason: value(in.Reason),
		Assignee: value(in.Assignee), IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun), Traits: traits, Add: add, Release: identifiers(in.ReleaseIdentifiers),
	})
	errs, err := problems(err)
	return &gen.RequestRectificationPayload{Request: q, UserErrors: errs}, err
}

// RequestRestriction answers Mutation.requestRestriction.
func (r mutation) RequestRestriction(ctx context.Context, in gen.RequestRestrictionInput) (*gen.RequestRestrictionPayload, error) {
	q, err := r.Desk.Open(ctx, workspace(ctx), privacy.OpenInput{
		Type: privacy.Restriction, ProfileID: value(in.ProfileID), Identifier: in.Identifier, ReceivedAt: in.ReceivedAt, Reason: value(in.Reason),
		Assignee: value(in.Assignee), IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun), Purposes: in.Purposes,
	})
	errs, err := problems(err)
	return &gen.RequestRestrictionPayload{Request: q, UserErrors: errs}, err
}

// RequestObjection answers Mutation.requestObjection.
func (r mutation) RequestObjection(ctx context.Context, in gen.RequestObjectionInput) (*gen.RequestObjectionPayload, error) {
	q, err := r.Desk.Open(ctx, workspace(ctx), privacy.OpenInput{
		Type: privacy.Objection, ProfileID: value(in.ProfileID), Identifier: in.Identifier, ReceivedAt: in.ReceivedAt, Reason: value(in.Reason),
		Assignee: value(in.Assignee), IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun), Purposes: in.Purposes, Channel: value(in.Channel),
	})
	errs, err := problems(err)
	return &gen.RequestObjectionPayload{Request: q, UserErrors: errs}, err
}

// VerifyPrivacyRequest answers Mutation.verifyPrivacyRequest.
func (r mutation) VerifyPrivacyRequest(ctx context.Context, in gen.VerifyPrivacyRequestInput) (*gen.VerifyPrivacyRequestPayload, error) {
	step := privacy.Step{ID: in.ID, ExpectedVersion: long(in.ExpectedVersion)}
	q, err := r.Desk.Verify(ctx, workspace(ctx), privacy.VerifyInput{Step: step, By: value(in.VerifiedBy), How: in.Method})
	errs, err := problems(err)
	return &gen.VerifyPrivacyRequestPayload{Request: q, UserErrors: errs}, err
}

// ExtendPrivacyRequest answers Mutation.extendPrivacyRequest.
func (r mutation) ExtendPrivacyRequest(ctx context.Context, in gen.ExtendPrivacyRequestInput) (*gen.ExtendPrivacyRequestPayload, error) {
	step := privacy.Step{ID: in.ID, ExpectedVersion: long(in.ExpectedVersion)}
	q, err := r.Desk.Extend(ctx, workspace(ctx), privacy.ExtendInput{Step: step, Until: in.Until, Reason: in.Reason})
	errs, err := problems(err)
	return &gen.ExtendPrivacyRequestPayload{Request: q, UserErrors: errs}, err
}

// RefusePrivacyRequest answers Mutation.refusePrivacyRequest.
func (r mutation) RefusePrivacyRequest(ctx context.Context, in gen.RefusePrivacyRequestInput) (*gen.RefusePrivacyRequestPayload, error) {
	step := privacy.Step{ID: in.ID, ExpectedVersion: long(in.ExpectedVersion)}
	q, err := r.Desk.Refuse(ctx, workspace(ctx), privacy.RefuseInput{Step: step, Reason: in.Reason})
	errs, err := problems(err)
	return &gen.RefusePrivacyRequestPayload{Request: q, UserErrors: errs}, err
}

// AssignPrivacyRequest answers Mutation.assignPrivacyRequest.
func (r mutation) AssignPrivacyRequest(ctx context.Context, in gen.AssignPrivacyRequestInput) (*gen.AssignPrivacyRequestPayload, error) {
	step := privacy.Step{ID: in.ID, ExpectedVersion: long(in.ExpectedVersion)}
	q, err := r.Desk.Assign(ctx, workspace(ctx), step, value(in.Assignee))
	errs, err := problems(err)
	return &gen.AssignPrivacyRequestPayload{Request: q, UserErrors: errs}, err
}

// SetPrivacyTask answers Mutation.setPrivacyTask.
func (r mutation) SetPrivacyTask(ctx context.Context, in gen.SetPrivacyTaskInput) (*gen.SetPrivacyTaskPayload, error) {
	step := privacy.Step{ID: in.ID, ExpectedVersion: long(in.ExpectedVersion)}
	q, err := r.Desk.SetTask(ctx, workspace(ctx), privacy.TaskInput{Step: step, Target: in.Target, Status: in.Status, Evidence: value(in.Evidence)})
	errs, err := problems(err)
	return &gen.SetPrivacyTaskPayload{Request: q, UserErrors: errs}, err
}

// ClosePrivacyRequest answers Mutation.closePrivacyRequest.
func (r mutation) ClosePrivacyRequest(ctx context.Context, in gen.ClosePrivacyRequestInput) (*gen.ClosePrivacyRequestPayload, error) {
	step := privacy.Step{ID: in.ID, ExpectedVersion: long(in.ExpectedVersion)}
	q, err := r.Desk.Close(ctx, workspace(ctx), step, value(in.Note))
	errs, err := problems(err)
	return &gen.ClosePrivacyRequestPayload{Request: q, UserErrors: errs}, err
}

// ResumeProcessing answers Mutation.resumeProcessing.
func (r mutation) ResumeProcessing(ctx context.Context, in gen.ResumeProcessingInput) (*gen.ResumeProcessingPayload, error) {
	step := privacy.Step{ID: in.ID, ExpectedVersion: long(in.ExpectedVersion)}
	q, err := r.Desk.Resume(ctx, workspace(ctx), step, in.Reason)
	errs, err := problems(err)
	return &gen.ResumeProcessingPayload{Request: q, UserErrors: errs}, err
}

// handling returns what a desk did about a request; never nil.
func handling(q *privacy.Request) *privacy.Handling {
	if q.Handling == nil {
		return &privacy.Handling{}
	}
	return q.Handling
}

// Overdue answers PrivacyRequest.overdue.
func (r privacyFields) Overdue(_ context.Context, q *privacy.Request) (bool, error) {
	return q.Overdue(r.Clock.Now()), nil
}

// ProfileID answers PrivacyRequest.profileId.
func (r privacyFields) ProfileID(_ context.Context, q *privacy.Request) (*string, error) {
	return text(q.Profile), nil
}

// VerifiedAt answers PrivacyRequest.verifiedAt.
func (r privacyFields) VerifiedAt(_ context.Context, q *privacy.Request) (*time.Time, error) {
	return handling(q).VerifiedAt, nil
}

// VerificationMethod answers PrivacyRequest.verificationMethod.
func (r privacyFields) VerificationMethod(_ context.Context, q *privacy.Request) (*string, error) {
	return text(handling(q).VerifiedHow), nil
}

// ExtensionReason answers PrivacyRequest.extensionReason.
func (r privacyFields) ExtensionReason(_ context.Context, q *privacy.Request) (*string, error) {
	return text(handling(q).ExtensionReason), nil
}

// Refusal answers PrivacyRequest.refusal.
func (r privacyFields) Refusal(_ context.Context, q *privacy.Request) (*string, error) {
	return text(handling(q).Refusal), nil
}

// ClosingNote answers PrivacyRequest.closingNote.
func (r privacyFields) ClosingNote(_ context.Context, q *privacy.Request) (*string, error) {
	return text(handling(q).ClosingNote), nil
}

// Purposes answers PrivacyRequest.purposes.
func (r privacyFields) Purposes(_ context.Context, q *privacy.Request) ([]string, error) {
	return handling(q).Purposes, nil
}

// Paths answers PrivacyRequest.paths.
func (r privacyFields) Paths(_ context.Context, q *privacy.Request) ([]string, error) {
	return handling(q).Paths, nil
}

// ResumedAt answers PrivacyRequest.resumedAt.
func (r privacyFields) ResumedAt(_ context.Context, q *privacy.Request) (*time.Time, error) {
	return handling(q).ResumedAt, nil
}

// Downloads answers PrivacyRequest.downloads.
func (r privacyFields) Downloads(ctx context.Context, q *privacy.Request) ([]*gen.Download, error) {
	list, err := r.Desk.Downloads(ctx, q)
	out := []*gen.Download{}
	for _, d := range list {
		out = append(out, downloadOf(d))
	}
	return out, err
}

// Download answers PrivacyRequest.download: the file that holds everything.
func (r privacyFields) Download(ctx context.Context, q *privacy.Request) (*gen.Download, error) {
	list, err := r.Desk.Downloads(ctx, q)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return downloadOf(list[0]), nil
}

func downloadOf(d *privacy.Download) *gen.Download {
	return &gen.Download{URL: d.URL, ExpiresAt: d.ExpiresAt, Sha256: d.SHA256, Format: d.Format}
}

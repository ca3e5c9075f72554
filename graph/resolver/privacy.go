package resolver

import (
	"context"
	"encoding/json"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

type (
	privacyFields     struct{ *Resolver }
	privacyTaskFields struct{ *Resolver }
	receiptFields     struct{ *Resolver }
	planOfFields      struct{ *Resolver }
	holdFields        struct{ *Resolver }
)

// PrivacyRequest implements gen.ResolverRoot.
func (r *Resolver) PrivacyRequest() gen.PrivacyRequestResolver { return privacyFields{r} }

// PrivacyTask implements gen.ResolverRoot.
func (r *Resolver) PrivacyTask() gen.PrivacyTaskResolver { return privacyTaskFields{r} }

// ErasureReceipt implements gen.ResolverRoot.
func (r *Resolver) ErasureReceipt() gen.ErasureReceiptResolver { return receiptFields{r} }

// ErasurePlan implements gen.ResolverRoot.
func (r *Resolver) ErasurePlan() gen.ErasurePlanResolver { return planOfFields{r} }

// LegalHold implements gen.ResolverRoot.
func (r *Resolver) LegalHold() gen.LegalHoldResolver { return holdFields{r} }

// PrivacyRequest answers Query.privacyRequest.
func (r query) PrivacyRequest(ctx context.Context, id string) (*privacy.Request, error) {
	if core.IDPrefix(id) != core.PrefixPrivacy || !access.Can(ctx, access.Govern) {
		return nil, nil
	}
	return r.Desk.Get(ctx, workspace(ctx), id)
}

// legalHold returns a hold for Query.node.
func (r query) legalHold(ctx context.Context, id string) (*privacy.Hold, error) {
	if !access.Can(ctx, access.Govern) {
		return nil, nil
	}
	return r.Privacy.Hold(ctx, workspace(ctx), id)
}

// PrivacyRequests answers Query.privacyRequests.
func (r query) PrivacyRequests(ctx context.Context, status *privacy.RequestStatus, dueBefore *time.Time, first *int, after *string, last *int, before *string) (*view.PrivacyRequestConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws, f := workspace(ctx), privacy.RequestFilter{Status: value(status), DueBefore: value(dueBefore)}
	page, err := r.Desk.List(ctx, ws, f, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Desk.Count(ctx, ws, f) }), nil
}

// LegalHolds answers Query.legalHolds.
func (r query) LegalHolds(ctx context.Context, first *int, after *string, last *int, before *string) (*view.LegalHoldConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Privacy.LegalHolds(ctx, ws, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Privacy.CountHolds(ctx, ws) }), nil
}

// RequestErasure answers Mutation.requestErasure.
func (r mutation) RequestErasure(ctx context.Context, in gen.RequestErasureInput) (*gen.RequestErasurePayload, error) {
	done, err := r.Privacy.Erase(ctx, workspace(ctx), privacy.EraseInput{
		ProfileID: value(in.ProfileID), Identifier: in.Identifier, Reason: value(in.Reason), ReceivedAt: value(in.ReceivedAt),
		VerifiedBy: value(in.VerifiedBy), VerifiedHow: value(in.VerificationMethod), IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun),
	})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.RequestErasurePayload{UserErrors: errs}, err
	}
	return &gen.RequestErasurePayload{Request: done.Request, Job: done.Job, Plan: done.Plan}, nil
}

// PlaceLegalHold answers Mutation.placeLegalHold.
func (r mutation) PlaceLegalHold(ctx context.Context, in gen.PlaceLegalHoldInput) (*gen.PlaceLegalHoldPayload, error) {
	h, err := r.Privacy.PlaceHold(ctx, workspace(ctx), privacy.HoldInput{ProfileID: value(in.ProfileID), Identifier: in.Identifier, Reason: in.Reason})
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.PlaceLegalHoldPayload{UserErrors: errs}, err
	}
	return &gen.PlaceLegalHoldPayload{Hold: h}, nil
}

// LiftLegalHold answers Mutation.liftLegalHold.
func (r mutation) LiftLegalHold(ctx context.Context, in gen.LiftLegalHoldInput) (*gen.LiftLegalHoldPayload, error) {
	h, err := r.Privacy.LiftHold(ctx, workspace(ctx), in.ID, in.Reason)
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.LiftLegalHoldPayload{UserErrors: errs}, err
	}
	return &gen.LiftLegalHoldPayload{Hold: h}, nil
}

// Reason answers PrivacyRequest.reason.
func (r privacyFields) Reason(_ context.Context, q *privacy.Request) (*string, error) {
	return text(q.Reason), nil
}

// VerifiedBy answers PrivacyRequest.verifiedBy.
func (r privacyFields) VerifiedBy(_ context.Context, q *privacy.Request) (*string, error) {
	return text(q.VerifiedBy), nil
}

// Assignee answers PrivacyRequest.assignee.
func (r privacyFields) Assignee(_ context.Context, q *privacy.Request) (*string, error) {
	return text(q.Assignee), nil
}

// Tasks answers PrivacyRequest.tasks.
func (r privacyFields) Tasks(_ context.Context, q *privacy.Request) ([]*privacy.Task, error) {
	return pointers(q.Tasks), nil
}

// Job answers PrivacyRequest.job.
func (r privacyFields) Job(ctx context.Context, q *privacy.Request) (*work.Job, error) {
	if q.Job == "" {
		return nil, nil
	}
	return r.Jobs.Get(ctx, q.Workspace(), q.Job)
}

// Evidence answers PrivacyTask.evidence.
func (r privacyTaskFields) Evidence(_ context.Context, t *privacy.Task) (*string, error) {
	return text(t.Evidence), nil
}

// Retained answers ErasureReceipt.retained.
func (r receiptFields) Retained(_ context.Context, e *privacy.ErasureReceipt) (scalar.JSON, error) {
	return json.Marshal(e.Retained)
}

// Destinations answers ErasureReceipt.destinations.
func (r receiptFields) Destinations(_ context.Context, e *privacy.ErasureReceipt) ([]*privacy.Task, error) {
	return pointers(e.Destinations), nil
}

// ProfileID answers ErasurePlan.profileId.
func (r planOfFields) ProfileID(_ context.Context, p *privacy.Plan) (*string, error) {
	return text(p.ProfileID), nil
}

// Counts answers ErasurePlan.counts.
func (r planOfFields) Counts(_ context.Context, p *privacy.Plan) ([]*privacy.Count, error) {
	return pointers(p.Counts), nil
}

// Retained answers ErasurePlan.retained.
func (r planOfFields) Retained(_ context.Context, p *privacy.Plan) (scalar.JSON, error) {
	return json.Marshal(p.Retained)
}

// ProfileID answers LegalHold.profileId.
func (r holdFields) ProfileID(_ context.Context, h *privacy.Hold) (*string, error) {
	return text(h.Profile), nil
}

// LiftedBy answers LegalHold.liftedBy.
func (r holdFields) LiftedBy(_ context.Context, h *privacy.Hold) (*string, error) {
	return text(h.LiftedBy), nil
}

// LiftReason answers LegalHold.liftReason.
func (r holdFields) LiftReason(_ context.Context, h *privacy.Hold) (*string, error) {
	return text(h.LiftReason), nil
}

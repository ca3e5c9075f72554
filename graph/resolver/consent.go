package resolver

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// ConsentLedger answers Query.consentLedger.
func (r query) ConsentLedger(ctx context.Context, profileID string, first *int, after *string, last *int, before *string) (*view.ConsentEntryConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	if err := r.asksConsent(ctx, ws, profileID); err != nil {
		return nil, err
	}
	page, err := r.Consent.Ledger(ctx, ws, profileID, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Consent.CountLedger(ctx, ws, profileID) }), nil
}

// ConsentDecision answers Query.consentDecision.
func (r query) ConsentDecision(ctx context.Context, profileID, purpose string, channel *gen.Channel, asOf *time.Time) (*consent.Decision, error) {
	ws := workspace(ctx)
	if err := r.asksConsent(ctx, ws, profileID); err != nil {
		return nil, err
	}
	return r.Consent.Decide(ctx, ws, consent.Question{ProfileID: profileID, Purpose: purpose, Channel: string(value(channel)), AsOf: asOf})
}

// asksConsent refuses questions about the consent of somebody whom the actor may not
// know of, and tells the audit log of the others. That the person has not agreed to the
// purpose of the request is no reason to refuse: it is what is asked.
func (r *Resolver) asksConsent(ctx context.Context, ws, profileID string) error {
	if r.Profiles.Gated() {
		gate, err := r.Profiles.Gate(ctx, ws)
		if err != nil {
			return err
		}
		if !gate.Category(core.Consent).Allowed() {
			return core.Errorf(core.Forbidden, "PROTECTED_FIELD", "this key may not read what people agreed to, for the purpose of this request")
		}
		p, err := r.Profiles.Get(ctx, ws, profileID)
		if err != nil {
			return err
		}
		if !gate.Knows(ctx, p) {
			return errNoProfile
		}
	}
	return audit.Note(ctx, audit.Seen{Fields: []string{"consents"}, Profiles: []string{profileID}})
}

var errNoProfile = core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")

// speaksFor refuses to write down the word of somebody whom the actor may not know of.
// By an identifier anybody's word may be brought, as a form on a page does, but by whoever
// is limited to some people: they speak for those alone, and are told the same of an
// identifier that nobody holds.
func (r *Resolver) speaksFor(ctx context.Context, profileID *string, by *event.Identifier) error {
	if !r.Profiles.Gated() || profileID == nil && (by == nil || core.ActorFrom(ctx).Limits.None()) {
		return nil
	}
	id, missing := value(profileID), errNoProfile
	if profileID == nil {
		missing = core.Errorf(core.NotFound, "PROFILE", "nobody whom this key may see has this identifier").At("identifier")
		who, err := r.Consent.People.SubjectBy(ctx, workspace(ctx), *by)
		if err != nil {
			return err
		}
		if who == nil {
			return missing
		}
		id = who.ID
	}
	if ok, err := r.knows(ctx, id); err != nil || !ok {
		if err == nil {
			err = missing
		}
		return err
	}
	return nil
}

// knows reports whether the actor may know of a person.
func (r *Resolver) knows(ctx context.Context, profileID string) (bool, error) {
	gate, err := gateOf(ctx)
	if err != nil {
		return false, err
	}
	p, err := r.Profiles.Get(ctx, workspace(ctx), profileID)
	return err == nil && gate.Knows(ctx, p), err
}

// Channel answers ConsentEntry.channel.
func (r consentFields) Channel(_ context.Context, e *consent.Entry) (*gen.Channel, error) {
	if c := gen.Channel(e.Channel); c.IsValid() {
		return &c, nil
	}
	return nil, nil
}

// Status answers ConsentEntry.status.
func (r consentFields) Status(_ context.Context, e *consent.Entry) (gen.ConsentStatus, error) {
	if s := gen.ConsentStatus(e.Status); s.IsValid() {
		return s, nil
	}
	return gen.ConsentStatusUnknown, nil
}

// ExpiresAt answers ConsentEntry.expiresAt.
func (r consentFields) ExpiresAt(_ context.Context, e *consent.Entry) (*time.Time, error) {
	if e.ExpiresAt.IsZero() {
		return nil, nil
	}
	return &e.ExpiresAt, nil
}

// Evidence answers ConsentEntry.evidence.
func (r consentFields) Evidence(_ context.Context, e *consent.Entry) (scalar.JSON, error) {
	if len(e.Evidence) == 0 {
		return scalar.JSON("{}"), nil
	}
	return document(e.Evidence)
}

// RecordConsent answers Mutation.recordConsent.
func (r mutation) RecordConsent(ctx context.Context, in gen.RecordConsentInput) (*gen.RecordConsentPayload, error) {
	err := r.speaksFor(ctx, in.ProfileID, in.Identifier)
	var made *consent.Record
	if err == nil {
		made, err = r.Consent.Record(ctx, workspace(ctx), consent.RecordInput{
			ProfileID: value(in.ProfileID), Identifier: in.Identifier, Purpose: in.Purpose, Channel: string(value(in.Channel)),
			Status: string(value(in.Status)), At: in.At, ExpiresAt: in.ExpiresAt, Evidence: evidenceOf(in.Evidence),
			IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun),
		})
	}
	out := &gen.RecordConsentPayload{}
	if out.UserErrors, err = problems(err); err != nil || out.UserErrors != nil {
		return out, err
	}
	out.Entry, out.ProfileID, out.ConfirmationToken = made.Entry, r.namable(ctx, in.Identifier, made.ProfileID), text(made.Token)
	if made.Token != "" {
		out.ConfirmBefore = &made.TokenUntil
	}
	return out, told(ctx, made.ProfileID)
}

// ConfirmConsent answers Mutation.confirmConsent.
func (r mutation) ConfirmConsent(ctx context.Context, in gen.ConfirmConsentInput) (*gen.ConfirmConsentPayload, error) {
	made, err := r.Consent.Confirm(ctx, workspace(ctx), in.Token)
	out := &gen.ConfirmConsentPayload{}
	if out.UserErrors, err = problems(err); err != nil || out.UserErrors != nil {
		return out, err
	}
	out.Entry = made.Entry
	return out, told(ctx, made.ProfileID)
}

// WithdrawConsent answers Mutation.withdrawConsent.
func (r mutation) WithdrawConsent(ctx context.Context, in gen.WithdrawConsentInput) (*gen.WithdrawConsentPayload, error) {
	err := r.speaksFor(ctx, in.ProfileID, in.Identifier)
	var done *consent.Withdrawal
	if err == nil {
		done, err = r.Consent.Withdraw(ctx, workspace(ctx), consent.WithdrawInput{
			ProfileID: value(in.ProfileID), Identifier: in.Identifier, Purpose: value(in.Purpose), Channel: string(value(in.Channel)),
			Evidence: evidenceOf(in.Evidence), IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun),
		})
	}
	out := &gen.WithdrawConsentPayload{Entries: []*consent.Entry{}, InFlight: []*gen.MessageInFlight{}}
	if out.UserErrors, err = problems(err); err != nil || out.UserErrors != nil {
		return out, err
	}
	out.ProfileID = r.namable(ctx, in.Identifier, done.ProfileID)
	if !value(in.DryRun) {
		out.Entries = done.Entries
		for _, f := range done.InFlight {
			out.InFlight = append(out.InFlight, &gen.MessageInFlight{ID: f.ID, Channel: gen.Channel(f.Channel), Purpose: f.Purpose, HandedAt: f.HandedAt})
		}
	}
	return out, told(ctx, done.ProfileID)
}

// namable returns the id of a person, nil where an identifier found them by which the
// actor may not look people up, or whom they may not know of.
func (r *Resolver) namable(ctx context.Context, by *event.Identifier, profileID string) *string {
	if by != nil {
		if gate, err := gateOf(ctx); err != nil || gate.LookUp(by.Namespace) != nil {
			return nil
		}
		if ok, err := r.knows(ctx, profileID); r.Profiles.Gated() && (err != nil || !ok) {
			return nil
		}
	}
	return text(profileID)
}

// told tells the audit log whose word an answer shows.
func told(ctx context.Context, profileID string) error {
	if profileID == "" {
		return nil
	}
	return audit.Note(ctx, audit.Seen{Fields: []string{"consents"}, Profiles: []string{profileID}})
}

func evidenceOf(in *gen.ConsentEvidenceInput) *consent.Evidence {
	if in == nil {
		return nil
	}
	return &consent.Evidence{
		NoticeHash: in.NoticeHash, Locale: in.Locale, Surface: in.Surface, Method: in.Method, Raw: value(in.Raw), RawFormat: value(in.RawFormat),
	}
}

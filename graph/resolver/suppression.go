package resolver

import (
	"context"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// maxEntries is how many suppressions one call names one by one.
const maxEntries = 1000

// Suppressions answers Query.suppressions.
func (r query) Suppressions(ctx context.Context, filter *gen.SuppressionFilter, first *int, after *string, last *int, before *string) (*view.SuppressionConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	var f consent.SuppressionFilter
	if filter != nil {
		f = consent.SuppressionFilter{Identifier: filter.Identifier, Reason: string(value(filter.Reason)), Lifted: filter.Lifted}
		if filter.Channel != nil {
			channel := string(*filter.Channel)
			f.Channel = &channel
		}
	}
	if f.Identifier != nil {
		gate, err := gateOf(ctx)
		if err == nil {
			err = gate.LookUp(f.Identifier.Namespace) // else guesses could be confirmed
		}
		if err != nil {
			return nil, err
		}
		audit.Lookup(ctx, f.Identifier.Namespace, f.Identifier.Value)
	}
	ws := workspace(ctx)
	page, err := r.Consent.Suppressions(ctx, ws, f, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Consent.CountSuppressions(ctx, ws, f) }), nil
}

// Channel answers Suppression.channel.
func (r suppressionFields) Channel(_ context.Context, s *consent.Suppression) (*gen.Channel, error) {
	if c := gen.Channel(s.Channel); c.IsValid() {
		return &c, nil
	}
	return nil, nil
}

// Reason answers Suppression.reason.
func (r suppressionFields) Reason(_ context.Context, s *consent.Suppression) (*gen.SuppressionReason, error) {
	reason := gen.SuppressionReason(s.Reason)
	return &reason, nil
}

// Source answers Suppression.source.
func (r suppressionFields) Source(_ context.Context, s *consent.Suppression) (*string, error) {
	return text(s.Source), nil
}

// LiftedBy answers Suppression.liftedBy.
func (r suppressionFields) LiftedBy(_ context.Context, s *consent.Suppression) (*string, error) {
	return text(s.LiftedBy), nil
}

// LiftReason answers Suppression.liftReason.
func (r suppressionFields) LiftReason(_ context.Context, s *consent.Suppression) (*string, error) {
	return text(s.LiftReason), nil
}

// AddSuppressions answers Mutation.addSuppressions.
func (r mutation) AddSuppressions(ctx context.Context, in gen.AddSuppressionsInput) (*gen.AddSuppressionsPayload, error) {
	out := &gen.AddSuppressionsPayload{Suppressions: []*consent.Suppression{}}
	list, err := suppressInputs(in)
	if err == nil {
		err = r.suppress(ctx, in, list, out)
	}
	if errs, err := problems(err); err != nil || errs != nil {
		out.UserErrors = errs
		return out, err
	}
	return out, nil
}

// suppressInputs reads what an input names: its entries, then the lines of its list.
func suppressInputs(in gen.AddSuppressionsInput) ([]consent.SuppressInput, error) {
	if len(in.Entries) > maxEntries {
		return nil, core.Errorf(core.Invalid, "TOO_MANY", "name at most %d one by one; import more as a list", maxEntries).At("entries")
	}
	var list []consent.SuppressInput
	for _, e := range in.Entries {
		list = append(list, consent.SuppressInput{
			Identifier: *e.Identifier, Channel: string(value(e.Channel)), Reason: string(e.Reason), Source: value(e.Source), ExpiresAt: e.ExpiresAt,
		})
	}
	if in.CSV == nil {
		return list, nil
	}
	more, err := consent.ReadSuppressions(strings.NewReader(*in.CSV), consent.SuppressInput{
		Channel: string(value(in.Channel)), Reason: string(in.Reason), Source: value(in.Source),
	})
	if err != nil {
		return nil, core.AsError(err).At("csv")
	}
	return append(list, more...), nil
}

func (r mutation) suppress(ctx context.Context, in gen.AddSuppressionsInput, list []consent.SuppressInput, out *gen.AddSuppressionsPayload) error {
	made, err := r.Consent.Suppress(ctx, workspace(ctx), list, value(in.DryRun))
	if err != nil {
		return err
	}
	for i, one := range made {
		switch {
		case one.Err != nil && i < len(in.Entries):
			out.UserErrors = append(out.UserErrors, one.Err.At("input", "entries", strconv.Itoa(i)))
		case one.Err != nil:
			out.UserErrors = append(out.UserErrors, one.Err.At("input", "csv", strconv.Itoa(list[i].Line)))
		case one.Changed:
			out.Added++
		default:
			out.Unchanged++
		}
		if one.Err == nil && i < len(in.Entries) {
			out.Suppressions = append(out.Suppressions, one.Suppression)
		}
	}
	out.UserErrors = out.UserErrors[:min(len(out.UserErrors), 100)]
	return nil
}

// LiftSuppression answers Mutation.liftSuppression.
func (r mutation) LiftSuppression(ctx context.Context, in gen.LiftSuppressionInput) (*gen.LiftSuppressionPayload, error) {
	s, err := r.Consent.Lift(ctx, workspace(ctx), consent.LiftInput{
		ID: in.ID, Reason: in.Reason, Governs: access.Can(ctx, access.Govern),
		Edit: consent.Edit{ExpectedVersion: long(in.ExpectedVersion), DryRun: value(in.DryRun)},
	})
	out := &gen.LiftSuppressionPayload{Suppression: s}
	out.UserErrors, err = problems(err)
	return out, err
}

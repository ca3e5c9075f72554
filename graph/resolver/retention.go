package resolver

import (
	"context"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/privacy"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

type (
	retentionFields struct{ *Resolver }
	recordFileField struct{ *Resolver }
	anonymousField  struct{ *Resolver }
)

// AnonymousRow implements gen.ResolverRoot.
func (r *Resolver) AnonymousRow() gen.AnonymousRowResolver { return anonymousField{r} }

// Source answers AnonymousRow.source.
func (r anonymousField) Source(_ context.Context, a *privacy.Anonymous) (*string, error) {
	return text(a.Source), nil
}

// Values answers AnonymousRow.values.
func (r anonymousField) Values(_ context.Context, a *privacy.Anonymous) (scalar.JSON, error) {
	if len(a.Values) == 0 {
		return nil, nil
	}
	return event.ToJSON(a.Values)
}

// AnonymousRows answers Query.anonymousRows.
func (r query) AnonymousRows(ctx context.Context, from, to *time.Time, first *int, after *string, last *int, before *string) (*view.AnonymousRowConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Privacy.Anonymous(ctx, ws, value(from), value(to), w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) {
		return r.Privacy.CountAnonymous(ctx, ws, value(from), value(to))
	}), nil
}

// RetentionRule implements gen.ResolverRoot.
func (r *Resolver) RetentionRule() gen.RetentionRuleResolver { return retentionFields{r} }

// ProcessingRecord implements gen.ResolverRoot.
func (r *Resolver) ProcessingRecord() gen.ProcessingRecordResolver { return recordFileField{r} }

// RetentionRules answers Query.retentionRules.
func (r query) RetentionRules(ctx context.Context) ([]*privacy.RetentionRule, error) {
	return r.Desk.RetentionRules(ctx, workspace(ctx))
}

// Category answers RetentionRule.category.
func (r retentionFields) Category(_ context.Context, rule *privacy.RetentionRule) (*core.Category, error) {
	if rule.Category == "" {
		return nil, nil
	}
	return &rule.Category, nil
}

// Purpose answers RetentionRule.purpose.
func (r retentionFields) Purpose(_ context.Context, rule *privacy.RetentionRule) (*string, error) {
	return text(rule.Purpose), nil
}

// SetRetentionRule answers Mutation.setRetentionRule.
func (r mutation) SetRetentionRule(ctx context.Context, in gen.SetRetentionRuleInput) (*gen.SetRetentionRulePayload, error) {
	action := privacy.RetainDelete
	if in.Action != nil {
		action = *in.Action
	}
	rule, err := r.Desk.SetRule(ctx, workspace(ctx), value(in.ID), privacy.RetentionRule{
		Kind: in.Kind, Action: action, Names: in.Names, Category: value(in.Category), Purpose: value(in.Purpose),
		After: in.After, Enabled: in.Enabled == nil || *in.Enabled,
	}, long(in.ExpectedVersion))
	errs, err := problems(err)
	return &gen.SetRetentionRulePayload{Rule: rule, UserErrors: errs}, err
}

// RunRetention answers Mutation.runRetention.
func (r mutation) RunRetention(ctx context.Context, in gen.RunRetentionInput) (*gen.RunRetentionPayload, error) {
	j, err := r.Desk.RunRetention(ctx, workspace(ctx), value(in.DryRun), value(in.IdempotencyKey))
	errs, err := problems(err)
	return &gen.RunRetentionPayload{Job: j, UserErrors: errs}, err
}

// ProcessingRecord answers Query.processingRecord.
func (r query) ProcessingRecord(ctx context.Context, asOf *time.Time) (*privacy.ProcessingRecord, error) {
	return r.Desk.Record(ctx, workspace(ctx), asOf)
}

// Controller answers ProcessingRecord.controller.
func (r recordFileField) Controller(_ context.Context, p *privacy.ProcessingRecord) (scalar.JSON, error) {
	if string(p.Controller) == "null" {
		return nil, nil
	}
	return scalar.JSON(p.Controller), nil
}

// Activities answers ProcessingRecord.activities.
func (r recordFileField) Activities(_ context.Context, p *privacy.ProcessingRecord) (scalar.JSON, error) {
	return scalar.JSON(p.Activities), nil
}

// Download answers ProcessingRecord.download.
func (r recordFileField) Download(ctx context.Context, p *privacy.ProcessingRecord, format string) (*gen.Download, error) {
	d, err := r.Desk.RecordDownload(ctx, p, format)
	if err != nil {
		return nil, err
	}
	return downloadOf(d), nil
}

// SetController answers Mutation.setController.
func (r mutation) SetController(ctx context.Context, in gen.SetControllerInput) (*gen.SetControllerPayload, error) {
	c, err := r.Desk.SetController(ctx, workspace(ctx), privacy.Controller{
		Name: in.Name, Address: value(in.Address), Email: value(in.Email), Representative: value(in.Representative),
		Officer: value(in.DataProtectionOfficer), Security: in.Security,
	}, long(in.ExpectedVersion))
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.SetControllerPayload{UserErrors: errs}, err
	}
	p, err := r.Desk.Record(ctx, workspace(ctx), nil)
	version := int(c.V)
	return &gen.SetControllerPayload{Record: p, Version: &version}, err
}

// PrivacyFigures answers Query.privacyFigures.
func (r query) PrivacyFigures(ctx context.Context, from, to time.Time) (*gen.PrivacyFigures, error) {
	f, err := r.Desk.Figures(ctx, workspace(ctx), from, to)
	if err != nil {
		return nil, err
	}
	out := &gen.PrivacyFigures{
		Received: int(f.Received), Answered: int(f.Answered), Overdue: int(f.Overdue), Median: f.Median, P90: f.P90, InTime: share(f.InTime),
		ConsentsAt: f.ConsentsAt,
	}
	for _, c := range f.Consents {
		one := &gen.ConsentRate{Purpose: c.Purpose, Channel: text(c.Channel), Rate: share(c.Rate)}
		if c.Asked != nil {
			n := int(*c.Asked)
			one.Asked = &n
		}
		out.Consents = append(out.Consents, one)
	}
	return out, nil
}

// share writes a share to three places.
func share(f *float64) *scalar.Decimal {
	if f == nil {
		return nil
	}
	d := scalar.Decimal(strconv.FormatFloat(*f, 'f', 3, 64))
	return &d
}

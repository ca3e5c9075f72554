package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// missingRates tells which rates a metric lacks, or those that name no currency ("").
func (r *Resolver) missingRates(ctx context.Context, metric, instead string) ([]*gen.MissingRate, error) {
	list, err := r.Figures.MissingRates(ctx, workspace(ctx), metric, instead)
	out := make([]*gen.MissingRate, len(list))
	for i, m := range list {
		out[i] = &gen.MissingRate{From: m.From, To: m.To, Day: m.Day.String()}
	}
	return out, err
}

func (r *Resolver) reportingOf(ctx context.Context, in *insight.Reporting) (*gen.Reporting, error) {
	rates, err := r.missingRates(ctx, "", in.Currency)
	return &gen.Reporting{Currency: text(in.Currency), MissingRates: rates, Version: int(in.Version())}, err
}

// Reporting answers Query.reporting.
func (r query) Reporting(ctx context.Context) (*gen.Reporting, error) {
	in, err := r.Figures.ReportingOf(ctx, workspace(ctx))
	if err != nil {
		return nil, err
	}
	return r.reportingOf(ctx, in)
}

// SetReportingCurrency answers Mutation.setReportingCurrency.
func (r mutation) SetReportingCurrency(ctx context.Context, in gen.SetReportingCurrencyInput) (*gen.SetReportingCurrencyPayload, error) {
	out := &gen.SetReportingCurrencyPayload{}
	set, err := r.Figures.SetCurrency(ctx, workspace(ctx), value(in.Currency), int64(in.ExpectedVersion), in.DryRun)
	if err == nil {
		out.Reporting, err = r.reportingOf(ctx, set)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

package resolver

import (
	"context"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/insight/attribution"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
)

// fraction writes a number with six decimals.
func fraction(f float64) *scalar.Decimal {
	d := scalar.Decimal(strconv.FormatFloat(f, 'f', 6, 64))
	return &d
}

// floatOf reads a decimal; one that no float can hold is an error at path.
func floatOf(d *scalar.Decimal, otherwise float64, path string) (float64, error) {
	if d == nil {
		return otherwise, nil
	}
	f, err := strconv.ParseFloat(string(*d), 64)
	if err != nil {
		return 0, core.Errorf(core.Invalid, "NUMBER", "give a number of a usual size").At(path)
	}
	return f, nil
}

// AttributionRules answers Query.attributionRules.
func (r query) AttributionRules(ctx context.Context) (*gen.AttributionRules, error) {
	rules, err := r.Credits.Rules(ctx, workspace(ctx))
	return creditRules(rules), err
}

func creditRules(r *attribution.Rules) *gen.AttributionRules {
	if r == nil {
		return nil
	}
	out := &gen.AttributionRules{Touches: []*gen.AttributionTouch{}, Conversions: []*gen.AttributionConversion{}, Version: int(r.Version())}
	for _, t := range r.Touches {
		found := func(d attribution.Dimension) []*gen.AttributionLookup {
			list := []*gen.AttributionLookup{}
			for _, l := range t.Find[string(d)] {
				list = append(list, &gen.AttributionLookup{Path: text(l.Path), Param: text(l.Param), Host: l.Host, Text: text(l.Text)})
			}
			return list
		}
		out.Touches = append(out.Touches, &gen.AttributionTouch{
			Key: t.Key, Event: t.Event, Days: t.Days, Channel: found(attribution.Channel), Campaign: found(attribution.Campaign),
			Journey: found(attribution.Journey), Node: found(attribution.Node), Source: found(attribution.Origin),
		})
	}
	for _, g := range r.Conversions {
		out.Conversions = append(out.Conversions, &gen.AttributionConversion{
			Key: g.Key, Event: g.Event, ValuePath: text(g.ValuePath), CurrencyPath: text(g.CurrencyPath), Currency: text(g.Currency),
		})
	}
	return out
}

// SetAttributionRules answers Mutation.setAttributionRules.
func (r mutation) SetAttributionRules(ctx context.Context, in gen.SetAttributionRulesInput) (*gen.SetAttributionRulesPayload, error) {
	touches := make([]attribution.Touch, len(in.Touches))
	for i, t := range in.Touches {
		touches[i] = attribution.Touch{Key: t.Key, Event: t.Event, Days: t.Days, Find: map[string][]attribution.Lookup{}}
		for d, list := range map[attribution.Dimension][]*gen.AttributionLookupInput{
			attribution.Channel: t.Channel, attribution.Campaign: t.Campaign, attribution.Journey: t.Journey, attribution.Node: t.Node, attribution.Origin: t.Source,
		} {
			for _, l := range list {
				touches[i].Find[string(d)] = append(touches[i].Find[string(d)], attribution.Lookup{Path: value(l.Path), Param: value(l.Param), Host: l.Host, Text: value(l.Text)})
			}
		}
	}
	goals := make([]attribution.Goal, len(in.Conversions))
	for i, g := range in.Conversions {
		goals[i] = attribution.Goal{Key: g.Key, Event: g.Event, ValuePath: value(g.ValuePath), CurrencyPath: value(g.CurrencyPath), Currency: value(g.Currency)}
	}
	rules, job, err := r.Credits.SetRules(ctx, workspace(ctx), int64(in.ExpectedVersion), touches, goals)
	out := &gen.SetAttributionRulesPayload{Rules: creditRules(rules), Job: job}
	out.UserErrors, err = problems(err)
	return out, err
}

// creditQuery reads what is asked of attribution.
func creditQuery(model gen.AttributionModel, conversion string, from, to time.Time, within *time.Duration, by []gen.AttributionDimension, first, last *scalar.Decimal, half *time.Duration) (attribution.Query, error) {
	q := attribution.Query{Model: attribution.Model(model), With: attribution.Usual, Conversion: conversion, From: from.UTC(), To: to.UTC(), Window: value(within)}
	for _, d := range by {
		q.By = append(q.By, attribution.Dimension(d))
	}
	if half != nil {
		q.With.HalfLife = *half
	}
	var err error
	if q.With.FirstShare, err = floatOf(first, q.With.FirstShare, "firstShare"); err != nil {
		return q, err
	}
	q.With.LastShare, err = floatOf(last, q.With.LastShare, "lastShare")
	return q, err
}

// Attribution answers Query.attribution.
func (r query) Attribution(ctx context.Context, model gen.AttributionModel, conversion string, from, to time.Time, within *time.Duration, by []gen.AttributionDimension, firstShare, lastShare *scalar.Decimal, halfLife *time.Duration) (*gen.AttributionReport, error) {
	q, err := creditQuery(model, conversion, from, to, within, by, firstShare, lastShare, halfLife)
	if err != nil {
		return nil, err
	}
	report, err := r.Credits.Compute(ctx, workspace(ctx), q)
	if err != nil {
		return nil, err
	}
	return r.credits(ctx, report)
}

// AttributionReport answers Query.attributionReport.
func (r query) AttributionReport(ctx context.Context, jobID string) (*gen.AttributionReport, error) {
	report, err := r.Credits.Of(ctx, workspace(ctx), jobID)
	if err != nil || report == nil {
		return nil, err
	}
	return r.credits(ctx, report)
}

// RequestAttribution answers Mutation.requestAttribution.
func (r mutation) RequestAttribution(ctx context.Context, in gen.RequestAttributionInput) (*gen.RequestAttributionPayload, error) {
	out := &gen.RequestAttributionPayload{}
	q, err := creditQuery(in.Model, in.Conversion, in.From, in.To, in.Window, in.By, in.FirstShare, in.LastShare, in.HalfLife)
	if err == nil {
		out.Job, err = r.Credits.Request(ctx, workspace(ctx), q, in.IdempotencyKey)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// credits shows a report, without what too few people are behind.
func (r *Resolver) credits(ctx context.Context, report *attribution.Report) (*gen.AttributionReport, error) {
	hide, whole, err := r.Credits.Shield(ctx, workspace(ctx), report)
	if err != nil {
		return nil, err
	}
	q := report.Query
	out := &gen.AttributionReport{
		Model: gen.AttributionModel(q.Model), Conversion: q.Conversion, From: q.From, To: q.To, AsOf: report.AsOf, Suppressed: whole, Rows: []*gen.AttributionRow{},
	}
	for _, d := range q.By {
		out.By = append(out.By, gen.AttributionDimension(d))
	}
	if !whole {
		out.Conversions, out.Lost = ptr(int(report.Conversions)), ptr(int(report.Lost))
		if !report.ValuesHide {
			out.Amounts = amounts(report.Minor)
		}
	}
	for i, row := range report.Rows {
		g := &gen.AttributionRow{None: row.None, Suppressed: hide[i], Values: make([]*string, len(q.By))}
		if !row.None {
			for k, v := range row.Values() {
				g.Values[k] = text(v)
			}
		}
		if !hide[i] {
			d := scalar.Decimal(new(big.Rat).SetFrac64(row.Conversions, attribution.Unit).FloatString(4))
			g.Conversions, g.Touched = &d, ptr(int(row.Touched))
			if !row.None {
				g.Share = fraction(row.Share)
			}
			if q.Model == attribution.Markov && !row.None {
				g.RemovalEffect = fraction(row.Effect)
			}
			if !report.ValuesHide {
				g.Amounts = amounts(row.Minor)
			}
		}
		out.Rows = append(out.Rows, g)
	}
	return out, nil
}

func amounts(minor map[string]int64) []*gen.AttributionAmount {
	out := []*gen.AttributionAmount{}
	for _, currency := range slices.Sorted(maps.Keys(minor)) {
		d := scalar.Decimal(attribution.Amount(minor[currency], currency))
		out = append(out, &gen.AttributionAmount{Currency: currency, Amount: &d})
	}
	return out
}

package resolver

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"github.com/headwater-cdp/headwater/core/predict"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// decimal writes a figure with at most six places.
func decimal(v float64) *scalar.Decimal {
	return ptr(scalar.Decimal(strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)))
}

// perhaps is decimal of what may be missing.
func perhaps(v *float64) *scalar.Decimal {
	if v == nil {
		return nil
	}
	return decimal(*v)
}

func jsonOf(v any) scalar.JSON {
	raw, err := json.Marshal(v)
	if err != nil { // of numbers and words: cannot be
		return nil
	}
	return scalar.JSON(raw)
}

// Predictions answers Profile.predictions.
func (r profileFields) Predictions(ctx context.Context, p *profile.Profile) ([]*gen.Prediction, error) {
	list, err := r.Predicts.Predictions(ctx, workspace(ctx), p.ProfileID())
	if err != nil {
		return nil, err
	}
	out := make([]*gen.Prediction, len(list), len(list)+1)
	for i, f := range list {
		g := &gen.Prediction{Name: f.Name, State: gen.FigureState(f.State), ModelVersion: text(f.Model), At: f.At}
		if f.State == predict.OK {
			g.Value, g.Low, g.High, g.Reasons = decimal(f.Value), perhaps(f.Low), perhaps(f.High), jsonOf(f.Reasons)
		} else if len(f.Missing) > 0 {
			g.Reasons = jsonOf(map[string]any{"missing": f.Missing})
		}
		out[i] = g
	}
	score, l, err := r.Leads.ScoreOf(ctx, workspace(ctx), p.ProfileID())
	if err != nil || l == nil {
		return out, err
	}
	type contribution struct {
		Key string `json:"key"`
		Is  int64  `json:"is"`
		By  int64  `json:"by"`
	}
	points := []contribution{}
	for _, reason := range score.Reasons {
		points = append(points, contribution{reason.Key, reason.Count, reason.Points})
	}
	return append(out, &gen.Prediction{
		Name: "lead.score", State: gen.FigureStateOk, Value: decimal(float64(score.Total)), At: r.Clock.Now().UTC(),
		Reasons: jsonOf(map[string]any{"scale": "VALUE", "baseline": 0, "contributions": points}),
	}), nil
}

// Replenishments answers Profile.replenishments.
func (r profileFields) Replenishments(ctx context.Context, p *profile.Profile) ([]*gen.Replenishment, error) {
	list, _, _, err := r.Predicts.Replenish(ctx, workspace(ctx), p.ProfileID())
	if err != nil {
		return nil, err
	}
	out := make([]*gen.Replenishment, len(list))
	for i, f := range list {
		out[i] = &gen.Replenishment{Sku: f.SKU, BoughtAt: f.BoughtAt, DueAt: f.DueAt, EarlyAt: f.EarlyAt, LateAt: f.LateAt}
	}
	return out, nil
}

// PredictionModels answers Query.predictionModels.
func (r query) PredictionModels(ctx context.Context, kind *predict.Kind, first *int, after *string, last *int, before *string) (*view.PredictionModelConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws, of := workspace(ctx), value(kind)
	page, err := r.Predicts.List(ctx, ws, of, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Predicts.Count(ctx, ws, of) }), nil
}

// PredictionModel answers Query.predictionModel.
func (r query) PredictionModel(ctx context.Context, id string) (*predict.Model, error) {
	return r.Predicts.ModelOf(ctx, workspace(ctx), id)
}

// PredictionSettings answers Query.predictionSettings.
func (r query) PredictionSettings(ctx context.Context) (*gen.PredictionSettings, error) {
	s, err := r.Predicts.SettingsOf(ctx, workspace(ctx))
	return predictionSettings(s), err
}

func predictionSettings(s *predict.Settings) *gen.PredictionSettings {
	if s == nil {
		return nil
	}
	out := &gen.PredictionSettings{
		Event: s.Event, Value: s.Value, Currency: s.Currency, Money: text(s.Money), Items: s.Items, Sku: s.SKU, Family: s.Family, Purpose: s.Purpose,
		HorizonDays: s.HorizonDays, ValueDays: s.ValueDays, Discount: s.Discount, Margin: s.Margin, RetrainDays: s.RetrainDays,
		Repeatable: s.Repeatable, Edges: []*gen.ProductEdge{}, Version: int(s.Version()),
	}
	out.Signals, out.Fits = []*gen.PredictionSignal{}, []*gen.PredictionFit{}
	out.Outcome, out.OutcomeDays = cmp.Or(s.Outcome, predict.AnyOutcome), s.WithinDays()
	for _, g := range s.Signals {
		out.Signals = append(out.Signals, &gen.PredictionSignal{Key: g.Key, Event: g.Event})
	}
	for _, t := range s.Fits {
		out.Fits = append(out.Fits, &gen.PredictionFit{Key: t.Key, Path: t.Path, Is: text(t.Is)})
	}
	for _, e := range s.Edges {
		out.Edges = append(out.Edges, &gen.ProductEdge{Kind: gen.ProductEdgeKind(e.Kind), From: e.From, To: e.To})
	}
	return out
}

// Recommendations answers Query.recommendations.
func (r query) Recommendations(ctx context.Context, profileID string, first *int) (*gen.Recommendations, error) {
	n, err := atMost(first)
	if err != nil {
		return nil, err
	}
	p, err := r.somebody(ctx, profileID)
	if err != nil {
		return nil, err
	}
	a, err := r.Predicts.Recommend(ctx, workspace(ctx), p.ProfileID(), n)
	if err != nil {
		return nil, err
	}
	out := &gen.Recommendations{State: gen.FigureState(a.State), Missing: slices.Clone(a.Missing), ModelVersion: text(a.Model), Items: []*gen.Recommendation{}}
	for _, item := range a.List {
		g := &gen.Recommendation{Sku: item.SKU, Family: text(item.Family), Score: item.Score, Reasons: []*gen.RecommendationReason{}}
		for _, b := range item.Because {
			reason := &gen.RecommendationReason{Sku: text(b.SKU), Why: gen.RecommendationWhy(b.Why), By: b.By}
			if b.Why == predict.BoughtTogether {
				reason.Lift, reason.Jaccard, reason.People = &b.Lift, &b.Jaccard, ptr(int(b.People))
			}
			g.Reasons = append(g.Reasons, reason)
		}
		out.Items = append(out.Items, g)
	}
	return out, nil
}

// RebuyIntervals answers Query.rebuyIntervals.
func (r query) RebuyIntervals(ctx context.Context, first *int, after *string, last *int, before *string) (*view.RebuyIntervalConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Predicts.Products(ctx, ws, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Predicts.CountProducts(ctx, ws) }), nil
}

// TrainModel answers Mutation.trainModel.
func (r mutation) TrainModel(ctx context.Context, in gen.TrainModelInput) (*gen.TrainModelPayload, error) {
	job, err := r.Predicts.Train(ctx, workspace(ctx), in.Kind, in.Activate, in.IdempotencyKey)
	out := &gen.TrainModelPayload{Job: job}
	out.UserErrors, err = problems(err)
	return out, err
}

// ActivateModel answers Mutation.activateModel.
func (r mutation) ActivateModel(ctx context.Context, in gen.ActivateModelInput) (*gen.ActivateModelPayload, error) {
	m, job, err := r.Predicts.Activate(ctx, workspace(ctx), in.ID, int64(in.ExpectedVersion))
	out := &gen.ActivateModelPayload{Model: m, Job: job}
	out.UserErrors, err = problems(err)
	return out, err
}

// SetPredictionSettings answers Mutation.setPredictionSettings.
func (r mutation) SetPredictionSettings(ctx context.Context, in gen.SetPredictionSettingsInput) (*gen.SetPredictionSettingsPayload, error) {
	set, job, err := r.Predicts.SetSettings(ctx, workspace(ctx), int64(in.ExpectedVersion), func(s *predict.Settings) {
		s.Event, s.Value, s.Currency, s.Money, s.Items, s.SKU, s.Family = in.Event, in.Value, in.Currency, value(in.Money), in.Items, in.Sku, in.Family
		s.Purpose, s.HorizonDays, s.ValueDays, s.Discount, s.Margin, s.RetrainDays = in.Purpose, in.HorizonDays, in.ValueDays, in.Discount, in.Margin, in.RetrainDays
		s.Repeatable, s.Edges = in.Repeatable, nil
		s.Signals, s.Fits, s.Outcome, s.OutcomeDays = nil, nil, in.Outcome, in.OutcomeDays
		for _, g := range in.Signals {
			s.Signals = append(s.Signals, predict.Signal{Key: g.Key, Event: g.Event})
		}
		for _, t := range in.Fits {
			s.Fits = append(s.Fits, predict.FitTrait{Key: t.Key, Path: t.Path, Is: value(t.Is)})
		}
		for _, e := range in.Edges {
			s.Edges = append(s.Edges, predict.Edge{Kind: predict.EdgeKind(e.Kind), From: e.From, To: e.To})
		}
	})
	out := &gen.SetPredictionSettingsPayload{Settings: predictionSettings(set), Job: job}
	out.UserErrors, err = problems(err)
	return out, err
}

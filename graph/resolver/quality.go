package resolver

import (
	"context"
	"math/big"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/quality"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

type qualityFields struct{ *Resolver }

// QualityResult implements gen.ResolverRoot.
func (r *Resolver) QualityResult() gen.QualityResultResolver { return qualityFields{r} }

// Share answers QualityResult.share.
func (qualityFields) Share(_ context.Context, q *quality.Result) (scalar.Decimal, error) {
	return partOf(q.Share), nil
}

// Usual answers QualityResult.usual.
func (qualityFields) Usual(_ context.Context, q *quality.Result) (*int, error) {
	return positive(int(q.Usual)), nil
}

// LatestAt answers QualityResult.latestAt.
func (qualityFields) LatestAt(_ context.Context, q *quality.Result) (*time.Time, error) {
	return instant(q.LatestAt), nil
}

// partOf turns hundredths of a percent into a share: 250 is "0.0250".
func partOf(n int64) scalar.Decimal {
	return scalar.Decimal(big.NewRat(n, quality.Whole).FloatString(4))
}

// hundredths is the reverse of partOf; what has more digits is refused.
func hundredths(d scalar.Decimal) (int64, error) {
	r, ok := new(big.Rat).SetString(string(d))
	if ok {
		r.Mul(r, big.NewRat(quality.Whole, 1))
	}
	if !ok || !r.IsInt() || !r.Num().IsInt64() {
		return 0, core.Errorf(core.Invalid, "RULE_MAX_SHARE", "a share has at most four digits after the point: 0.0250").At("maxShare")
	}
	return r.Num().Int64(), nil
}

func ruleOf(rule *quality.Rule, latest *quality.Result) *gen.QualityRule {
	if rule == nil {
		return nil
	}
	out := &gen.QualityRule{
		Key: rule.Key(), Name: rule.Name, Kind: rule.Kind, Owner: text(rule.Owner), Path: text(rule.Path), Source: text(rule.Source),
		Where: scalar.JSON(rule.Where), MaxShare: partOf(rule.MaxShare), Version: int(rule.Version()), Latest: latest,
		Faulty: scalar.JSON(rule.Condition()),
	}
	if rule.MaxAge > 0 {
		out.MaxAge = &rule.MaxAge
	}
	return out
}

// QualityRules answers Query.qualityRules.
func (r query) QualityRules(ctx context.Context) ([]*gen.QualityRule, error) {
	ws := workspace(ctx)
	rules, err := r.Quality.Rules(ctx, ws)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(rules))
	for i, rule := range rules {
		keys[i] = rule.Key()
	}
	latest, err := r.Quality.Latest(ctx, ws, keys)
	out := make([]*gen.QualityRule, len(rules))
	for i, rule := range rules {
		out[i] = ruleOf(rule, latest[rule.Key()])
	}
	return out, err
}

// QualityResults answers Query.qualityResults.
func (r query) QualityResults(ctx context.Context, rule *string, verdict *quality.Verdict, first *int, after *string, last *int, before *string) (*view.QualityResultConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	if rule != nil && verdict != nil {
		return nil, core.Errorf(core.Invalid, "FILTER", "ask for one rule, or for all of one verdict").At("verdict")
	}
	ws := workspace(ctx)
	page, err := r.Quality.Results(ctx, ws, value(rule), value(verdict), w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) {
		return r.Quality.CountResults(ctx, ws, value(rule), value(verdict))
	}), nil
}

// Lineage answers Query.lineage.
func (r query) Lineage(ctx context.Context, owner, path string) (*gen.Lineage, error) {
	t, err := r.Quality.Lineage(ctx, workspace(ctx), quality.Field{Owner: owner, Path: path})
	if err != nil {
		return nil, err
	}
	out := &gen.Lineage{Owner: owner, Path: path, AsOf: instant(t.AsOf), Stations: []*gen.LineageStation{}}
	for _, s := range t.Stations {
		st := &gen.LineageStation{Role: s.Role, Kind: s.Kind, ID: s.ID, Name: s.Name, Via: append([]string{}, s.Via...), LatestAt: instant(s.Latest)}
		if s.People > 0 {
			st.People = ptr(int(s.People))
		}
		if s.Count > 0 || s.Role == quality.Sender && s.Kind != "sync" {
			st.Count = ptr(int(s.Count))
		}
		out.Stations = append(out.Stations, st)
	}
	return out, nil
}

// SetQualityRule answers Mutation.setQualityRule.
func (r mutation) SetQualityRule(ctx context.Context, in gen.SetQualityRuleInput) (*gen.SetQualityRulePayload, error) {
	out := &gen.SetQualityRulePayload{}
	share, err := hundredths(in.MaxShare)
	if err == nil {
		rule := quality.Rule{
			Name: in.Name, Kind: in.Kind, Owner: value(in.Owner), Path: value(in.Path), Source: value(in.Source), MaxShare: share, MaxAge: value(in.MaxAge),
		}
		if !in.Where.IsNull() {
			rule.Where = string(in.Where)
		}
		var made *quality.Rule
		made, err = r.Quality.SetRule(ctx, workspace(ctx), in.Key, int64(in.ExpectedVersion), rule)
		out.Rule = ruleOf(made, nil)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// DeleteQualityRule answers Mutation.deleteQualityRule.
func (r mutation) DeleteQualityRule(ctx context.Context, in gen.DeleteQualityRuleInput) (*gen.DeleteQualityRulePayload, error) {
	out := &gen.DeleteQualityRulePayload{}
	err := r.Quality.DeleteRule(ctx, workspace(ctx), in.Key)
	if err == nil {
		out.Key = &in.Key
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// RunQuality answers Mutation.runQuality.
func (r mutation) RunQuality(ctx context.Context, in gen.RunQualityInput) (*gen.RunQualityPayload, error) {
	job, err := r.Quality.Run(ctx, workspace(ctx), value(in.IdempotencyKey))
	out := &gen.RunQualityPayload{Job: job}
	out.UserErrors, err = problems(err)
	return out, err
}

// FindDuplicates answers Mutation.findDuplicates.
func (r mutation) FindDuplicates(ctx context.Context, in gen.FindDuplicatesInput) (*gen.FindDuplicatesPayload, error) {
	score, err := strconv.ParseFloat(string(in.MinScore), 64)
	out := &gen.FindDuplicatesPayload{}
	if err == nil {
		out.Job, err = r.Quality.FindDuplicates(ctx, workspace(ctx), quality.DuplicatesInput{MinScore: score, DryRun: value(in.DryRun)}, value(in.IdempotencyKey))
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// EventID answers MergeProposal.eventId.
func (proposalFields) EventID(_ context.Context, p *profile.Proposal) (*string, error) {
	return text(p.Event), nil
}

// Score answers MergeProposal.score.
func (proposalFields) Score(_ context.Context, p *profile.Proposal) (*scalar.Decimal, error) {
	if p.Likeness == nil {
		return nil, nil
	}
	return ptr(scalar.Decimal(strconv.FormatFloat(p.Likeness.Score, 'f', 4, 64))), nil
}

// Agrees answers MergeProposal.agrees.
func (proposalFields) Agrees(_ context.Context, p *profile.Proposal) ([]string, error) {
	if p.Likeness == nil {
		return nil, nil
	}
	return p.Likeness.Agrees, nil
}

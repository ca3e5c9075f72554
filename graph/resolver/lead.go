package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core/lead"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
)

// Lead answers Profile.lead.
func (r profileFields) Lead(ctx context.Context, p *profile.Profile) (*gen.Lead, error) {
	return r.lead(ctx, p)
}

func (r *Resolver) lead(ctx context.Context, p *profile.Profile) (*gen.Lead, error) {
	ws := workspace(ctx)
	s, l, err := r.Leads.ScoreOf(ctx, ws, p.ProfileID())
	if err != nil {
		return nil, err
	}
	m, err := r.Leads.Machine(ctx, ws)
	if err != nil {
		return nil, err
	}
	out := &gen.Lead{Profile: p, Score: ptr(int(s.Total)), Fit: ptr(int(s.Fit)), Engagement: ptr(int(s.Engagement)), Reasons: []*gen.ScoreReason{}, Qualified: ptr(l != nil && l.Qualified)}
	for _, reason := range s.Reasons {
		out.Reasons = append(out.Reasons, &gen.ScoreReason{
			Key: reason.Key, Name: reason.Name, Kind: gen.ScoreRuleKind(reason.Kind), Points: ptr(int(reason.Points)), Count: ptr(int(reason.Count)),
		})
	}
	if stage, since := m.StageOf(l); stage != "" {
		out.Stage, out.StageSince = &stage, &since
	}
	return out, nil
}

// History answers Lead.history.
func (r leadFields) History(ctx context.Context, l *gen.Lead, first *int) ([]*gen.LeadStageChange, error) {
	n, err := atMost(first)
	if err != nil {
		return nil, err
	}
	list, err := r.Leads.History(ctx, workspace(ctx), l.Profile.Parts, n)
	if err != nil {
		return nil, err
	}
	out := make([]*gen.LeadStageChange, len(list))
	for i, h := range list {
		out[i] = &gen.LeadStageChange{ID: h.EventID, From: text(h.From), To: text(h.To), At: h.At, Reason: text(h.Reason)}
	}
	return out, nil
}

// ScoreModel answers Query.scoreModel.
func (r query) ScoreModel(ctx context.Context) (*gen.ScoreModel, error) {
	m, err := r.Leads.Model(ctx, workspace(ctx))
	return modelOf(m), err
}

func modelOf(m *lead.Model) *gen.ScoreModel {
	if m == nil {
		return nil
	}
	out := &gen.ScoreModel{
		Rules: []*gen.ScoreRule{}, Threshold: int(m.Threshold), MinFit: int(m.MinFit), MinEngagement: int(m.MinEngagement), CoolBelow: int(m.CoolBelow),
		Stage: text(m.Stage), PublishMinutes: max(m.PublishMinutes, 0), Version: int(m.Version()),
	}
	if out.PublishMinutes == 0 {
		out.PublishMinutes = lead.UsualPublishMinutes
	}
	for _, rule := range m.Rules {
		g := &gen.ScoreRule{
			Key: rule.Key, Name: rule.Name, Kind: gen.ScoreRuleKind(rule.Kind), Points: int(rule.Points), Event: text(rule.Event),
			Decay: gen.ScoreDecay(rule.Decay), DecayDays: positive(rule.DecayDays), Cap: positive(int(rule.Cap)),
		}
		if rule.Where != "" {
			g.Where = scalar.JSON(rule.Where)
		}
		out.Rules = append(out.Rules, g)
	}
	return out
}

// SetScoreModel answers Mutation.setScoreModel.
func (r mutation) SetScoreModel(ctx context.Context, in gen.SetScoreModelInput) (*gen.SetScoreModelPayload, error) {
	m, job, err := r.Leads.SetModel(ctx, workspace(ctx), int64(in.ExpectedVersion), func(m *lead.Model) {
		m.Rules, m.Threshold, m.MinFit, m.MinEngagement = rulesOf(in.Rules), int64(in.Threshold), int64(in.MinFit), int64(in.MinEngagement)
		m.CoolBelow, m.Stage, m.PublishMinutes = m.Threshold, value(in.Stage), in.PublishMinutes
		if in.CoolBelow != nil {
			m.CoolBelow = int64(*in.CoolBelow)
		}
	})
	out := &gen.SetScoreModelPayload{Model: modelOf(m), Job: job}
	out.UserErrors, err = problems(err)
	return out, err
}

func rulesOf(list []*gen.ScoreRuleInput) []lead.Rule {
	out := make([]lead.Rule, len(list))
	for i, in := range list {
		out[i] = lead.Rule{
			Key: in.Key, Name: in.Name, Kind: lead.RuleKind(in.Kind), Points: int64(in.Points), Event: value(in.Event),
			Decay: lead.Decay(in.Decay), DecayDays: value(in.DecayDays), Cap: int64(value(in.Cap)),
		}
		if !in.Where.IsNull() {
			out[i].Where = string(in.Where)
		}
	}
	return out
}

func stagesOf(m *lead.Machine) *gen.LeadStages {
	if m == nil {
		return nil
	}
	out := &gen.LeadStages{Stages: []*gen.LeadStage{}, Converted: text(m.Converted), Version: int(m.Version())}
	for _, s := range m.Stages {
		out.Stages = append(out.Stages, &gen.LeadStage{Key: s.Key, Name: s.Name, Next: append([]string{}, s.Next...)})
	}
	return out
}

// LeadStages answers Query.leadStages.
func (r query) LeadStages(ctx context.Context) (*gen.LeadStages, error) {
	m, err := r.Leads.Machine(ctx, workspace(ctx))
	return stagesOf(m), err
}

// SetLeadStages answers Mutation.setLeadStages.
func (r mutation) SetLeadStages(ctx context.Context, in gen.SetLeadStagesInput) (*gen.SetLeadStagesPayload, error) {
	stages := make([]lead.Stage, len(in.Stages))
	for i, s := range in.Stages {
		stages[i] = lead.Stage{Key: s.Key, Name: s.Name, Next: s.Next}
	}
	m, err := r.Leads.SetMachine(ctx, workspace(ctx), int64(in.ExpectedVersion), stages, value(in.Converted))
	out := &gen.SetLeadStagesPayload{Stages: stagesOf(m)}
	out.UserErrors, err = problems(err)
	return out, err
}

// MoveLeadStage answers Mutation.moveLeadStage.
func (r mutation) MoveLeadStage(ctx context.Context, in gen.MoveLeadStageInput) (*gen.MoveLeadStagePayload, error) {
	out := &gen.MoveLeadStagePayload{}
	p, err := r.somebody(ctx, in.ProfileID)
	if err == nil {
		var s *lead.Standing
		if s, err = r.Leads.MoveStage(ctx, workspace(ctx), lead.Move{ProfileID: in.ProfileID, Stage: in.Stage, Reason: value(in.Reason)}); err == nil {
			out.Moved = s.Moved
			out.Lead, err = r.lead(ctx, p)
		}
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// ConvertLead answers Mutation.convertLead.
func (r mutation) ConvertLead(ctx context.Context, in gen.ConvertLeadInput) (*gen.ConvertLeadPayload, error) {
	out := &gen.ConvertLeadPayload{}
	p, err := r.somebody(ctx, in.ProfileID)
	if err == nil {
		c := lead.Conversion{ProfileID: in.ProfileID, Stage: value(in.Stage), Reason: value(in.Reason), Key: in.IdempotencyKey}
		if rec := in.Record; rec != nil {
			c.Record = &lead.RecordInput{Type: rec.Type, ExternalID: rec.ExternalID, Fields: string(rec.Fields), Relation: value(rec.Relation)}
		}
		var done *lead.Converted
		if done, err = r.Leads.Convert(ctx, workspace(ctx), c); err == nil {
			out.Before = done.Before
			if done.Record != nil {
				out.RecordID = text(done.Record.RecordID())
			}
			out.Lead, err = r.lead(ctx, p)
		}
	}
	out.UserErrors, err = problems(err)
	return out, err
}

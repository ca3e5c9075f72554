package resolver

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// campaignOf reads what is sent, and to whom.
func campaignOf(in *gen.CampaignDefinitionInput) (d campaign.Definition, goal any) {
	d = campaign.Definition{
		Channel: string(in.Channel), Purpose: in.Purpose, Include: in.Include, Exclude: in.Exclude, Local: in.Local, Passed: value(in.Passed),
		PerMinute: int64(value(in.PerMinute)), Quiet: string(in.QuietHours), Priority: int64(value(in.Priority)),
	}
	if in.BestTime != nil {
		d.Best = &campaign.BestTime{LocalTime: in.BestTime.LocalTime}
	}
	for _, a := range in.Arms {
		d.Arms = append(d.Arms, campaign.Arm{ID: a.ID, Template: a.TemplateID, TemplateVersion: int64(value(a.TemplateVersion)), Share: int64(a.Share)})
	}
	if t := in.Test; t != nil {
		d.Test = &campaign.Test{
			Percent: int64(t.Percent), Metric: t.Metric, After: time.Duration(t.AfterMinutes) * time.Minute, Minimum: int64(t.Minimum), Few: t.Few, ByHand: t.ByHand,
		}
	}
	if in.Goal != nil {
		goal = in.Goal.Tree
	}
	return d, goal
}

// below puts faults of a definition below it.
func below(err error) error {
	if err == nil {
		return nil
	}
	faults := faultsOf(err)
	if len(faults) != 1 || len(faults[0].Path) == 0 {
		return err
	}
	switch head := faults[0].Path[0]; {
	case head == "where":
		e := *faults[0]
		e.Path = append([]string{"definition", "goal"}, e.Path[1:]...)
		return &e
	case slices.Contains([]string{"channel", "purpose", "include", "exclude", "arms", "test", "passed", "bestTime", "perMinute", "quietHours", "segmentIds"}, head):
		return faults[0].At("definition")
	}
	return err
}

func costOf(in *gen.CampaignCostInput) *campaign.Cost {
	if in == nil {
		return nil
	}
	return &campaign.Cost{Minor: int64(in.Minor), Currency: in.Currency}
}

// CreateCampaign answers Mutation.createCampaign.
func (r mutation) CreateCampaign(ctx context.Context, in gen.CreateCampaignInput) (*gen.CreateCampaignPayload, error) {
	d, goal := campaignOf(in.Definition)
	c, err := r.Sendouts.Create(ctx, workspace(ctx), campaign.Input{
		Name: in.Name, Description: value(in.Description), Tags: in.Tags, Cost: costOf(in.Cost), Parts: in.Parts, Definition: d, Goal: goal,
		Approval: in.Approval, IdempotencyKey: value(in.IdempotencyKey), DryRun: value(in.DryRun),
	})
	out := &gen.CreateCampaignPayload{}
	out.Campaign, out.UserErrors, err = settled(c, below(err))
	return out, err
}

// UpdateCampaign answers Mutation.updateCampaign.
func (r mutation) UpdateCampaign(ctx context.Context, in gen.UpdateCampaignInput) (*gen.UpdateCampaignPayload, error) {
	u := campaign.Update{
		ID: in.ID, Name: in.Name, Description: in.Description, Cost: costOf(in.Cost), Approval: in.Approval, Edit: editOf(in.ExpectedVersion, in.DryRun),
	}
	if in.Tags != nil {
		u.Tags = &in.Tags
	}
	if in.Parts != nil {
		u.Parts = &in.Parts
	}
	if in.Definition != nil {
		d, goal := campaignOf(in.Definition)
		u.Definition, u.Goal = &d, goal
	}
	c, err := r.Sendouts.Update(ctx, workspace(ctx), u)
	out := &gen.UpdateCampaignPayload{}
	out.Campaign, out.UserErrors, err = settled(c, below(err))
	return out, err
}

func editOf(expected *int, dryRun *bool) campaign.Edit {
	e := campaign.Edit{DryRun: value(dryRun)}
	if expected != nil {
		n := int64(*expected)
		e.ExpectedVersion = &n
	}
	return e
}

// ScheduleCampaign answers Mutation.scheduleCampaign.
func (r mutation) ScheduleCampaign(ctx context.Context, in gen.ScheduleCampaignInput) (*gen.ScheduleCampaignPayload, error) {
	c, a, err := r.Sendouts.Schedule(ctx, workspace(ctx), in.ID, campaign.When{At: value(in.At), LocalAt: value(in.LocalAt)}, editOf(in.ExpectedVersion, in.DryRun))
	out := &gen.ScheduleCampaignPayload{Approval: a}
	out.Campaign, out.UserErrors, err = settled(c, err)
	return out, err
}

func (r mutation) control(ctx context.Context, in gen.PauseCampaignInput, f func(context.Context, string, string, campaign.Edit) (*campaign.Campaign, error)) (*gen.PauseCampaignPayload, error) {
	c, err := f(ctx, workspace(ctx), in.ID, editOf(in.ExpectedVersion, in.DryRun))
	out := &gen.PauseCampaignPayload{}
	out.Campaign, out.UserErrors, err = settled(c, err)
	return out, err
}

// PauseCampaign answers Mutation.pauseCampaign.
func (r mutation) PauseCampaign(ctx context.Context, in gen.PauseCampaignInput) (*gen.PauseCampaignPayload, error) {
	return r.control(ctx, in, r.Sendouts.Pause)
}

// ResumeCampaign answers Mutation.resumeCampaign.
func (r mutation) ResumeCampaign(ctx context.Context, in gen.ResumeCampaignInput) (*gen.ResumeCampaignPayload, error) {
	out, err := r.control(ctx, gen.PauseCampaignInput(in), r.Sendouts.Resume)
	return (*gen.ResumeCampaignPayload)(out), err
}

// CancelCampaign answers Mutation.cancelCampaign.
func (r mutation) CancelCampaign(ctx context.Context, in gen.CancelCampaignInput) (*gen.CancelCampaignPayload, error) {
	out, err := r.control(ctx, gen.PauseCampaignInput(in), r.Sendouts.Cancel)
	return (*gen.CancelCampaignPayload)(out), err
}

// DecideCampaignWinner answers Mutation.decideCampaignWinner.
func (r mutation) DecideCampaignWinner(ctx context.Context, in gen.DecideCampaignWinnerInput) (*gen.DecideCampaignWinnerPayload, error) {
	c, err := r.Sendouts.Decide(ctx, workspace(ctx), in.ID, in.Arm, editOf(in.ExpectedVersion, in.DryRun))
	out := &gen.DecideCampaignWinnerPayload{}
	out.Campaign, out.UserErrors, err = settled(c, err)
	return out, err
}

// TestCampaign answers Mutation.testCampaign.
func (r mutation) TestCampaign(ctx context.Context, in gen.TestCampaignInput) (*gen.TestCampaignPayload, error) {
	list, err := r.Sendouts.TestSend(ctx, workspace(ctx), in.ID, value(in.Arm), in.To, value(in.ProfileID), value(in.IdempotencyKey))
	out := &gen.TestCampaignPayload{Messages: listOr(list)}
	out.UserErrors, err = problems(err)
	return out, err
}

package resolver

import (
	"context"
	"encoding/json"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/condition"
	outbox "github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/graph/engine"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

type campaignFields struct{ *Resolver }

// Campaign implements gen.ResolverRoot.
func (r *Resolver) Campaign() gen.CampaignResolver { return campaignFields{r} }

// Campaign answers Query.campaign.
func (r query) Campaign(ctx context.Context, id string) (*campaign.Campaign, error) {
	return r.Sendouts.Get(ctx, workspace(ctx), id)
}

// Campaigns answers Query.campaigns.
func (r query) Campaigns(ctx context.Context, status *campaign.Status, first *int, after *string, last *int, before *string) (*view.CampaignConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Sendouts.List(ctx, ws, value(status), w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Sendouts.Count(ctx, ws, value(status)) }), nil
}

// PreviewCampaign answers Query.previewCampaign.
func (r query) PreviewCampaign(ctx context.Context, id string) (*gen.CampaignPreview, error) {
	p, err := r.Sendouts.Preview(ctx, workspace(ctx), id)
	if err != nil {
		return nil, err
	}
	return &gen.CampaignPreview{
		People: int(p.People), Tested: int(p.Tested), Sample: int(p.Looked), Goes: int(p.Goes),
		Skipped: reasonsOf(p.Skipped), Locales: reasonsOf(p.Locales), Zones: reasonsOf(p.Zones), Hours: reasonsOf(p.Hours),
	}, nil
}

func reasonsOf(list []campaign.Reason) []*gen.CampaignReason {
	out := make([]*gen.CampaignReason, len(list))
	for i, one := range list {
		estimate := int(one.Estimate)
		out[i] = &gen.CampaignReason{Check: text(one.Check), Name: one.Name, Count: int(one.Count), Estimate: &estimate}
	}
	return out
}

// Description answers Campaign.description.
func (r campaignFields) Description(_ context.Context, c *campaign.Campaign) (*string, error) {
	return text(c.Description), nil
}

// Tags answers Campaign.tags.
func (r campaignFields) Tags(_ context.Context, c *campaign.Campaign) ([]string, error) {
	return listOr(c.Tags), nil
}

// listOr is a list that is never null.
func listOr[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Reason answers Campaign.reason.
func (r campaignFields) Reason(_ context.Context, c *campaign.Campaign) (*string, error) {
	return text(c.Reason), nil
}

// Channel answers Campaign.channel.
func (r campaignFields) Channel(_ context.Context, c *campaign.Campaign) (gen.Channel, error) {
	return gen.Channel(c.Definition.Channel), nil
}

// Purpose answers Campaign.purpose.
func (r campaignFields) Purpose(_ context.Context, c *campaign.Campaign) (string, error) {
	return c.Definition.Purpose, nil
}

// Include answers Campaign.include.
func (r campaignFields) Include(_ context.Context, c *campaign.Campaign) ([]string, error) {
	return listOr(c.Definition.Include), nil
}

// Exclude answers Campaign.exclude.
func (r campaignFields) Exclude(_ context.Context, c *campaign.Campaign) ([]string, error) {
	return listOr(c.Definition.Exclude), nil
}

// Arms answers Campaign.arms.
func (r campaignFields) Arms(_ context.Context, c *campaign.Campaign) ([]*gen.CampaignArm, error) {
	out := []*gen.CampaignArm{}
	for _, a := range c.Definition.Arms {
		one := &gen.CampaignArm{ID: a.ID, TemplateID: a.Template, Share: int(a.Share)}
		if a.TemplateVersion > 0 {
			n := int(a.TemplateVersion)
			one.TemplateVersion = &n
		}
		out = append(out, one)
	}
	return out, nil
}

// Test answers Campaign.test.
func (r campaignFields) Test(_ context.Context, c *campaign.Campaign) (*gen.CampaignTest, error) {
	t := c.Definition.Test
	if t == nil {
		return nil, nil
	}
	return &gen.CampaignTest{
		Percent: int(t.Percent), Metric: t.Metric, AfterMinutes: int(t.After / time.Minute), Minimum: int(t.Minimum), Few: t.Few, ByHand: t.ByHand,
	}, nil
}

// Local answers Campaign.local.
func (r campaignFields) Local(_ context.Context, c *campaign.Campaign) (bool, error) {
	return c.Definition.Local, nil
}

// Passed answers Campaign.passed.
func (r campaignFields) Passed(_ context.Context, c *campaign.Campaign) (*campaign.Passed, error) {
	if c.Definition.Passed == "" {
		return nil, nil
	}
	return &c.Definition.Passed, nil
}

// PerMinute answers Campaign.perMinute.
func (r campaignFields) PerMinute(_ context.Context, c *campaign.Campaign) (*int, error) {
	if c.Definition.PerMinute == 0 {
		return nil, nil
	}
	n := int(c.Definition.PerMinute)
	return &n, nil
}

// QuietHours answers Campaign.quietHours.
func (r campaignFields) QuietHours(_ context.Context, c *campaign.Campaign) (gen.QuietPolicy, error) {
	if c.Definition.Quiet == "" {
		return gen.QuietPolicy(outbox.QuietDefer), nil
	}
	return gen.QuietPolicy(c.Definition.Quiet), nil
}

// Priority answers Campaign.priority.
func (r campaignFields) Priority(_ context.Context, c *campaign.Campaign) (int, error) {
	return int(c.Definition.Priority), nil
}

// Goal answers Campaign.goal: null for whoever may not read what it asks.
func (r campaignFields) Goal(ctx context.Context, c *campaign.Campaign) (scalar.JSON, error) {
	if c.Definition.Goal == "" {
		return nil, nil
	}
	n, err := condition.ParseJSON([]byte(c.Definition.Goal))
	if err != nil {
		return nil, err
	}
	if err := r.Segments.MayAsk(ctx, workspace(ctx), n, true); err != nil {
		if core.CodeOf(err) == core.Forbidden {
			return nil, nil
		}
		return nil, err
	}
	return scalar.JSON(json.RawMessage(c.Definition.Goal)), nil
}

// Parts answers Campaign.parts.
func (r campaignFields) Parts(_ context.Context, c *campaign.Campaign) ([]string, error) {
	return listOr(c.Parts), nil
}

// StartsAt answers Campaign.startsAt.
func (r campaignFields) StartsAt(_ context.Context, c *campaign.Campaign) (*time.Time, error) {
	return instant(c.StartsAt), nil
}

// BestTime answers Campaign.bestTime.
func (r campaignFields) BestTime(_ context.Context, c *campaign.Campaign) (*gen.CampaignBestTime, error) {
	if b := c.Definition.Best; b != nil {
		return &gen.CampaignBestTime{LocalTime: b.LocalTime}, nil
	}
	return nil, nil
}

// LocalAt answers Campaign.localAt.
func (r campaignFields) LocalAt(_ context.Context, c *campaign.Campaign) (*string, error) {
	return text(c.LocalAt), nil
}

// Run answers Campaign.run.
func (r campaignFields) Run(ctx context.Context, c *campaign.Campaign) (*gen.CampaignRun, error) {
	run, err := r.Sendouts.RunOf(ctx, c.Workspace(), c.CampaignID())
	if run == nil || err != nil {
		return nil, err
	}
	queued := 0
	for _, n := range run.Queued {
		queued += int(n)
	}
	out := &gen.CampaignRun{
		Phase: run.Phase, People: int(run.People), Tested: int(run.Tested), Queued: queued, Merged: int(run.Merged), Gone: int(run.Gone),
		DecideAt: instant(run.DecideAt), StartedAt: run.StartedAt, EndedAt: instant(run.EndedAt),
	}
	if d := run.Decision; d != nil {
		out.Decision = &gen.CampaignDecision{Winner: d.Winner, Why: d.Why, By: text(d.By), At: d.At, Counts: []*campaign.Count{}}
		for i := range d.Arms {
			out.Decision.Counts = append(out.Decision.Counts, &d.Arms[i])
		}
	}
	return out, nil
}

// Report answers Campaign.report.
func (r campaignFields) Report(ctx context.Context, c *campaign.Campaign) (*gen.CampaignReport, error) {
	rep, err := r.Sendouts.Report(ctx, c)
	if err != nil {
		return nil, err
	}
	out := &gen.CampaignReport{Total: figuresOf(&rep.Total), Arms: []*gen.CampaignShare{}, Parts: []*gen.CampaignShare{}}
	for i := range rep.Arms {
		out.Arms = append(out.Arms, &gen.CampaignShare{Of: rep.Arms[i].Arm, Figures: figuresOf(&rep.Arms[i].Figures)})
	}
	for i := range rep.Parts {
		out.Parts = append(out.Parts, &gen.CampaignShare{Of: rep.Parts[i].ID, Figures: figuresOf(&rep.Parts[i].Figures)})
	}
	return out, nil
}

func figuresOf(f *campaign.Figures) *gen.CampaignFigures {
	out := &gen.CampaignFigures{
		Queued: int(f.Queued), Sent: int(f.Sent), Delivered: int(f.Delivered), Opened: int(f.Opened), Clicked: int(f.Clicked), Bounced: int(f.Bounced),
		Complained: int(f.Complained), Unsubscribed: int(f.Unsubscribed), Replied: int(f.Replied), Failed: int(f.Failed),
		Indeterminate: int(f.Indeterminate), Skipped: int(f.Skipped), SkippedBy: []*gen.CampaignReason{},
	}
	for _, reason := range f.Reasons() {
		out.SkippedBy = append(out.SkippedBy, &gen.CampaignReason{Name: reason, Count: int(f.SkippedBy[reason])})
	}
	return out
}

// CampaignChanged answers Subscription.campaignChanged.
func (r subscription) CampaignChanged(ctx context.Context, id string) (<-chan *campaign.Campaign, error) {
	ws := workspace(ctx)
	token, err := r.Hub.Now(ctx)
	if err != nil {
		return nil, err
	}
	f, err := r.Hub.Subscribe(ctx, token, store.Filter{Spec: campaign.Campaigns.Spec, Keys: []string{store.Key(ws, id)}})
	if err != nil {
		return nil, err
	}
	c, err := r.Sendouts.Get(ctx, ws, id)
	if err == nil && c == nil {
		err = core.Errorf(core.NotFound, "CAMPAIGN", "no campaign has this id").At("id")
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	out := make(chan *campaign.Campaign)
	go func() {
		defer close(out)
		defer func() { _ = f.Close() }()
		send := func(c *campaign.Campaign) bool {
			select {
			case out <- c:
				return true
			case <-ctx.Done():
				return false
			}
		}
		if !send(c) {
			return
		}
		last := c.V
		err := follow(ctx, f, func(store.Token) (bool, error) {
			c, err := r.Sendouts.Get(ctx, ws, id)
			if c == nil || err != nil {
				return true, err
			}
			if c.V == last {
				return false, nil
			}
			last = c.V
			return !send(c), nil
		})
		if err != nil && ctx.Err() == nil {
			engine.EndStream(ctx, err)
		}
	}()
	return out, nil
}

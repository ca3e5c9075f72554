package benchmark

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core/campaign"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/segment"
)

// sendout sends a campaign to everybody on a list over the null channel: those on it are
// written down, their messages queued, asked about, rendered, handed over and recorded.
func (g *guided) sendout(ctx context.Context, o Options) error {
	ctx = g.as(ctx, "bench")
	people := g.h.ids[:o.size().sendout]
	list, err := g.list(ctx, people)
	if err != nil {
		return err
	}
	c, err := g.Sendouts.Create(ctx, g.ws, campaign.Input{Name: "Bench", Definition: campaign.Definition{
		Channel: message.Email, Purpose: consent.Marketing, Include: []string{list}, Quiet: message.QuietSend,
		Arms: []campaign.Arm{{ID: "a", Template: g.template}},
	}})
	if err != nil {
		return err
	}
	already, cpu, began := g.post.total(), ownCPU(), time.Now()
	_, approval, err := g.Sendouts.Schedule(ctx, g.ws, c.CampaignID(), campaign.When{}, campaign.Edit{})
	if err != nil {
		return err
	}
	if approval != nil {
		return errors.New("the campaign waits for an approval")
	}
	err = until(ctx, 50*time.Millisecond, func() (bool, error) {
		now, err := g.Sendouts.Get(ctx, g.ws, c.CampaignID())
		if err == nil && now.Status == campaign.Failed {
			err = fmt.Errorf("the campaign failed: %s", now.Reason)
		}
		return err == nil && now.Status == campaign.Done, err
	})
	if err != nil {
		return fmt.Errorf("wait until all are queued: %w", err)
	}
	queued := time.Since(began)
	if err := g.handed(ctx, already+len(people)); err != nil {
		return err
	}
	took, spent := time.Since(began), ownCPU()-cpu
	n := float64(len(people))
	what := fmt.Sprintf("%d people: written down, queued, asked about, rendered, handed over and recorded, each commit fsynced", len(people))
	for _, l := range []Line{
		Line{Bench: "campaign.sent", Value: n / took.Seconds(), Unit: "messages/s", Against: what}.atLeast(">= 1500", 1500),
		{Bench: "campaign.sent.cpu", Value: micros(spent) / n, Unit: "µs/message", Against: "processor time of the process"},
		{Bench: "campaign.queued", Value: n / queued.Seconds(), Unit: "messages/s", Against: "until the last is in the outbox, while others are handed over"},
	} {
		if err := o.Report.Add(l); err != nil {
			return err
		}
	}
	return nil
}

// list puts people on a static list.
func (g *guided) list(ctx context.Context, people []string) (string, error) {
	made, err := g.Segments.Create(ctx, g.ws, segment.CreateInput{Name: "Bench", Kind: segment.Static})
	if err != nil {
		return "", err
	}
	id := made.Segment.SegmentID()
	for len(people) > 0 {
		n := min(len(people), segment.MaxListItems)
		items := make([]segment.ListItem, n)
		for i := range items {
			items[i].ProfileID = people[i]
		}
		if _, err := g.Segments.AddToList(ctx, g.ws, id, items); err != nil {
			return "", err
		}
		people = people[n:]
	}
	return id, nil
}

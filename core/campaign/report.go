package campaign

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/message"
)

// Figures are how many messages came to what.
type Figures struct {
	Queued, Sent, Delivered, Opened, Clicked, Bounced, Complained, Unsubscribed, Replied, Failed, Indeterminate int64
	Skipped                                                                                                     int64
	SkippedBy                                                                                                   map[string]int64 // reason → messages that were skipped or cancelled
}

// ArmFigures are the figures of one arm.
type ArmFigures struct {
	Arm string
	Figures
}

// Part is a part of a campaign with its figures.
type Part struct {
	ID string
	Figures
}

// Report is what has become of a campaign. Total is the sum of its own messages, which are
// those of its arms, and of its parts.
type Report struct {
	Total Figures
	Own   Figures
	Arms  []ArmFigures
	Parts []Part
}

// add adds other figures.
func (f *Figures) add(o *Figures) {
	for _, p := range []struct {
		at *int64
		n  int64
	}{
		{&f.Queued, o.Queued}, {&f.Sent, o.Sent}, {&f.Delivered, o.Delivered}, {&f.Opened, o.Opened}, {&f.Clicked, o.Clicked},
		{&f.Bounced, o.Bounced}, {&f.Complained, o.Complained}, {&f.Unsubscribed, o.Unsubscribed}, {&f.Replied, o.Replied},
		{&f.Failed, o.Failed}, {&f.Indeterminate, o.Indeterminate}, {&f.Skipped, o.Skipped},
	} {
		*p.at += p.n
	}
	for reason, n := range o.SkippedBy {
		f.SkippedBy[reason] += n
	}
}

func figuresOf(sums map[string]int64) Figures {
	f := Figures{
		Sent: sums[string(message.Sent)], Delivered: sums[string(message.Delivered)], Opened: sums[message.WasOpened], Clicked: sums[message.WasClicked],
		Bounced: sums[string(message.Bounced)], Complained: sums[message.WasComplained], Unsubscribed: sums[message.WasUnsubscribed],
		Replied: sums[message.WasReplied], Failed: sums[string(message.Failed)], Indeterminate: sums[string(message.Indeterminate)],
		Skipped: sums[string(message.Skipped)] + sums[string(message.Cancelled)], SkippedBy: map[string]int64{},
	}
	for name, n := range sums {
		status, reason, ok := strings.Cut(name, ":")
		if ok && (status == string(message.Skipped) || status == string(message.Cancelled)) {
			f.SkippedBy[reason] += n
		}
	}
	return f
}

// Report returns what has become of a campaign and its parts, from what is counted with each
// change of a message.
func (s *Service) Report(ctx context.Context, c *Campaign) (*Report, error) {
	ws := c.Workspace()
	r, err := s.RunOf(ctx, ws, c.CampaignID())
	if err != nil {
		return nil, err
	}
	out := &Report{Total: figuresOf(nil), Own: figuresOf(nil)}
	for _, a := range c.Definition.Arms {
		sums, err := s.Messages.Figures(ctx, ws, message.ArmOf(c.CampaignID(), a.ID))
		if err != nil {
			return nil, err
		}
		one := ArmFigures{Arm: a.ID, Figures: figuresOf(sums)}
		if r != nil {
			one.Queued = r.Queued[a.ID]
		}
		out.Arms = append(out.Arms, one)
		out.Own.add(&one.Figures)
	}
	out.Total.add(&out.Own)
	for _, id := range c.Parts {
		one := Part{ID: id}
		if core.IDPrefix(id) == core.PrefixCampaign {
			part, err := s.Get(ctx, ws, id)
			if err != nil {
				return nil, err
			}
			if part == nil {
				continue
			}
			rep, err := s.Report(ctx, &Campaign{Meta: part.Meta, Definition: part.Definition})
			if err != nil {
				return nil, err
			}
			one.Figures = rep.Own
		} else {
			sums, err := s.Messages.Figures(ctx, ws, id)
			if err != nil {
				return nil, err
			}
			one.Figures = figuresOf(sums)
		}
		out.Parts = append(out.Parts, one)
		out.Total.add(&one.Figures)
	}
	return out, nil
}

// Reasons lists why messages did not go, by how many.
func (f *Figures) Reasons() []string {
	out := make([]string, 0, len(f.SkippedBy))
	for reason := range f.SkippedBy {
		out = append(out, reason)
	}
	slices.SortFunc(out, func(a, b string) int {
		if n := f.SkippedBy[b] - f.SkippedBy[a]; n != 0 {
			return int(n)
		}
		return strings.Compare(a, b)
	})
	return out
}

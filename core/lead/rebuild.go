package lead

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// RebuildKind is the kind of the job that folds everybody anew by the present model: see
// profile.FoldRebuildHandler.
const RebuildKind = "lead.rebuild"

// Check compares what is kept of everybody with what their events say.
func (s *Service) Check(ctx context.Context, ws string) ([]profile.Difference, error) {
	return s.Profiles.CheckFold(ctx, ws, profile.ModeCheck, s.refold)
}

// Rebuild is Check, and puts right what it finds.
func (s *Service) Rebuild(ctx context.Context, ws string) ([]profile.Difference, error) {
	return s.Profiles.CheckFold(ctx, ws, profile.ModeRebuild, s.refold)
}

// refold is a profile.Refold.
func (s *Service) refold(ctx context.Context, p *profile.Profile) (profile.Refolded, error) {
	var out profile.Refolded
	c, err := s.model(ctx, p.Workspace())
	if err != nil {
		return out, err
	}
	live, err := Leads.Get(ctx, s.Store, p.ID)
	if err != nil {
		return out, err
	}
	anew, err := s.anew(ctx, c, p)
	if err != nil {
		return out, err
	}
	if anew.empty() && live == nil || live != nil && same(live, anew) {
		return out, nil
	}
	out.Differences = []string{"lead"}
	now := s.now()
	if live != nil {
		anew.V, anew.Qualified, anew.Latches = live.V, live.Qualified, live.Latches
	}
	c.latch(anew, now)
	c.plan(anew, now)
	switch {
	case live == nil:
		anew.V = time.Now().UnixMilli() // above every version that the id had before
		out.Ops = []store.Op{Leads.Insert(anew)}
	case anew.empty():
		out.Ops = []store.Op{Leads.Delete(live)}
	default:
		out.Ops = []store.Op{Leads.Replace(anew)}
	}
	return out, nil
}

// anew folds everything that happened to a person.
func (s *Service) anew(ctx context.Context, c *compiled, p *profile.Profile) (*Lead, error) {
	var events []*event.Event
	err := s.Profiles.EachEventOf(ctx, p.Workspace(), p.Parts, func(e *event.Event) error {
		if told(e) || len(c.events[nameOf(e)]) > 0 {
			events = append(events, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(events, func(a, b *event.Event) int {
		return cmp.Or(a.CommittedAt.Compare(b.CommittedAt), cmp.Compare(a.Seq, b.Seq), strings.Compare(a.ID, b.ID))
	})
	l := newLead(p.ID)
	l.Rev = c.V
	for _, e := range events {
		l.take(c, e)
	}
	l.Qualified = l.told()
	f, now := &facts{profile: p}, s.now()
	for _, r := range c.fits {
		if err := l.ask(ctx, s, r, f, now); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// same compares what was kept with what was folded anew: all but the times of the sweep
// and what it has yet to tell, and the last bits of what decays.
func same(live, anew *Lead) bool {
	if live.Rev != anew.Rev {
		return false
	}
	a, b := live.clone(), anew.clone()
	for _, l := range []*Lead{a, b} {
		l.Meta, l.Due, l.Latches, l.Qualified = store.Meta{}, time.Time{}, nil, false
		l.Fits = slices.DeleteFunc(l.Fits, func(f FitState) bool { return !f.In })
		for i := range l.Fits {
			l.Fits[i].Next = time.Time{}
		}
		for i := range l.Parts {
			for j := range l.Parts[i].Rules {
				l.Parts[i].Rules[j].Value = math.Round(l.Parts[i].Rules[j].Value * 1e6)
			}
		}
		l.Parts = slices.DeleteFunc(l.Parts, func(p Part) bool {
			return len(p.Rules) == 0 && len(p.Given) == 0 && p.ToldAt.IsZero() && p.PublishedAt.IsZero() && p.Stage == "" && p.Converted.IsZero()
		})
	}
	x, errX := Leads.Encode(a)
	y, errY := Leads.Encode(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

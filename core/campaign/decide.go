package campaign

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Why an arm went to the rest.
const (
	WhyBest   = "BEST"
	WhyTie    = "TIE"
	WhyTooFew = "TOO_FEW"
	WhyByHand = "BY_HAND"
)

// judge says which arm did best: the one with the most hits for each message that was sent.
// Of equal ones it is the first. When an arm has fewer sent than the minimum, it is the
// first arm, or nobody's to say ("") where the test waits for somebody.
func (t *Test) judge(counts []Count) (winner, why string) {
	for _, c := range counts {
		if c.Sent < t.Minimum || c.Sent == 0 {
			if t.Few == FewWait {
				return "", WhyTooFew
			}
			return counts[0].Arm, WhyTooFew
		}
	}
	best, tie := counts[0], false
	for _, c := range counts[1:] {
		switch a, b := c.Hits*best.Sent, best.Hits*c.Sent; {
		case a > b:
			best, tie = c, false
		case a == b:
			tie = true
		}
	}
	if tie {
		return best.Arm, WhyTie
	}
	return best.Arm, WhyBest
}

// decideWhenDue decides a test whose time has come. One that somebody decides waits without
// a task.
func (s *Service) decideWhenDue(ctx context.Context, l *work.Lease, c *Campaign, r *Run) (time.Time, bool, error) {
	now, t := s.now(), c.Definition.Test
	waits := func() (time.Time, bool, error) {
		err := s.moved(l.Complete(ctx, Campaigns.Check(c), Runs.Check(r)))
		return now, err == nil, err
	}
	if t.ByHand {
		return waits()
	}
	if r.DecideAt.After(now) {
		return r.DecideAt, false, nil
	}
	counts, err := s.counts(ctx, c)
	if err != nil {
		return now, false, err
	}
	winner, why := t.judge(counts)
	if winner == "" {
		return waits()
	}
	next := *r
	next.Phase, next.Decision = Resting, &Decision{Winner: winner, Why: why, At: now, Arms: counts}
	return now, false, s.moved(l.Commit(ctx, Campaigns.Check(c), Runs.Replace(&next)))
}

// Decide has an arm go to the rest, whatever the counts say.
func (s *Service) Decide(ctx context.Context, ws, id, arm string, edit Edit) (*Campaign, error) {
	if err := access.Allow(ctx, access.Send); err != nil {
		return nil, err
	}
	return s.change(ctx, ws, id, edit, "campaign.decide", func(c *Campaign) ([]store.Op, error) {
		r, err := s.RunOf(ctx, ws, id)
		switch {
		case err != nil:
			return nil, err
		case c.Status != Running && c.Status != Paused || c.Definition.Test == nil || r == nil || r.Phase != Deciding:
			return nil, core.Errorf(core.Conflict, "NOTHING_TO_DECIDE", "there is no test of this campaign that waits to be decided").At("id")
		case c.Definition.arm(arm) == nil:
			return nil, invalid("ARM", "the campaign has no such arm").At("arm")
		}
		counts, err := s.counts(ctx, c)
		if err != nil {
			return nil, err
		}
		r.Phase, r.Decision = Resting, &Decision{Winner: arm, Why: WhyByHand, By: actor(ctx), At: s.now(), Arms: counts}
		ops := []store.Op{Runs.Replace(r)}
		if c.Status == Running {
			task, err := s.taskAt(ctx, ws, id, s.now())
			if err != nil {
				return nil, err
			}
			ops = append(ops, task)
		}
		return ops, nil
	})
}

// counts returns how each arm did by the metric of the test, OPENED without one.
func (s *Service) counts(ctx context.Context, c *Campaign) ([]Count, error) {
	metric := Opened
	if t := c.Definition.Test; t != nil {
		metric = t.Metric
	}
	var reached map[string]int64
	if metric == Goal {
		var err error
		if reached, err = s.Reached(ctx, c); err != nil {
			return nil, err
		}
	}
	out := make([]Count, len(c.Definition.Arms))
	for i, a := range c.Definition.Arms {
		sums, err := s.Messages.Figures(ctx, c.Workspace(), message.ArmOf(c.CampaignID(), a.ID))
		if err != nil {
			return nil, err
		}
		out[i] = Count{Arm: a.ID, Sent: sums[string(message.Sent)], Hits: sums[string(metric)]}
		if metric == Goal {
			out[i].Hits = reached[a.ID]
		}
	}
	return out, nil
}

// Reached counts, by arm, those whose message was sent and who meet the campaign's goal now.
// It reads all messages of the campaign, some at a time.
func (s *Service) Reached(ctx context.Context, c *Campaign) (map[string]int64, error) {
	out := map[string]int64{}
	if c.Definition.Goal == "" {
		return out, nil
	}
	ws := c.Workspace()
	n, err := condition.ParseJSON([]byte(c.Definition.Goal))
	if err != nil {
		return nil, err
	}
	program, err := condition.Compile(n, condition.Zone{})
	if err != nil {
		return nil, err
	}
	panel, err := s.Segments.Panel(ctx, ws, program)
	if err != nil {
		return nil, err
	}
	type reader struct{ part, arm string }
	var batch []reader
	flush := func() error {
		parts := make([]string, len(batch))
		for i, b := range batch {
			parts[i] = b.part
		}
		people, err := s.Profiles.GetMany(ctx, ws, parts)
		if err != nil {
			return err
		}
		var there []*profile.Profile
		var arms []string
		for i, p := range people {
			if p != nil {
				there, arms = append(there, p), append(arms, batch[i].arm)
			}
		}
		batch = batch[:0]
		facts, err := panel.Facts(ctx, there)
		if err != nil {
			return err
		}
		for i, f := range facts {
			yes := program.Evaluate(f, s.now()).Value
			if err := f.Err(); err != nil {
				return err
			}
			if yes {
				out[arms[i]]++
			}
		}
		return nil
	}
	err = message.Messages.Each(ctx, s.Store, store.Query{
		Workspace: ws, Where: []store.Cond{store.Eq("campaign", c.CampaignID())}, Order: []string{"-at"},
	}, func(m *message.Message) error {
		if m.Test || m.Status != message.Sent && m.Status != message.Delivered {
			return nil
		}
		if batch = append(batch, reader{m.Part, m.Arm}); len(batch) < 300 {
			return nil
		}
		return flush()
	})
	if err == nil && len(batch) > 0 {
		err = flush()
	}
	return out, storeError("count who met the goal", err)
}

package campaign

import (
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// bucket spreads people over 0 to 9999, for each campaign and word anew.
func bucket(campaign, word, id string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(campaign + "/" + word + "/" + id))
	n := h.Sum64()
	n ^= n >> 33
	n *= 0xff51afd7ed558ccd
	n ^= n >> 33
	return int64(n % 10_000)
}

// armOf returns the arm of somebody who is written to by the shares.
func (d *Definition) armOf(campaign, id string) *Arm {
	n := bucket(campaign, "arm", id)
	for i := range d.Arms {
		if n -= d.Arms[i].Share * 100; n < 0 {
			return &d.Arms[i]
		}
	}
	return &d.Arms[len(d.Arms)-1]
}

// portion returns how many people are queued together, and how long after them the next
// are: 0 without a pace. Within any minute there are at most as many as the pace says.
func (d *Definition) portion() (n int, every time.Duration) {
	if d.PerMinute == 0 {
		return batchOf, 0
	}
	each := int64(time.Minute / paceEvery)
	if d.PerMinute < each {
		return 1, ceilDiv(time.Minute, d.PerMinute)
	}
	n = int(d.PerMinute / each)
	if n > batchOf { // portions of a commit's size, more often
		return batchOf, ceilDiv(time.Minute*time.Duration(batchOf), d.PerMinute)
	}
	return n, paceEvery
}

func ceilDiv(d time.Duration, n int64) time.Duration {
	ms := int64(d / time.Millisecond)
	return time.Duration((ms+n-1)/n) * time.Millisecond
}

// send queues the messages of the next people of a group who are due. It returns when the
// next ones are.
func (s *Service) send(ctx context.Context, l *work.Lease, c *Campaign, r *Run, group string) (time.Time, error) {
	now := s.now()
	if r.NextAt.After(now) {
		return r.NextAt, nil
	}
	n, every := c.Definition.portion()
	list, err := Targets.Find(ctx, s.Store, targetsOf(c, group), n)
	if err != nil {
		return now, err
	}
	if len(list) == 0 {
		return now, s.finished(ctx, l, c, r, now)
	}
	if due := list[0].Due; due.After(now) {
		return due, nil
	}
	if i := slices.IndexFunc(list, func(t *Target) bool { return t.Due.After(now) }); i > 0 {
		list = list[:i]
	}
	next := *r
	next.Queued = maps.Clone(r.Queued)
	if next.Queued == nil {
		next.Queued = map[string]int64{}
	}
	next.move(now, list[0].Due, r.NextAt, c.ResumedAt, r.decidedAt())
	ops, err := s.queue(ctx, c, &next, group, list, now)
	if err != nil {
		return now, err
	}
	if every > 0 {
		next.NextAt = s.now().Add(every) // from when the messages say that they were decided
	}
	if err := s.moved(l.Progress(ctx, append(ops, Campaigns.Check(c), Runs.Replace(&next))...)); err != nil {
		return now, err
	}
	s.Messages.Wake(c.Workspace(), c.Definition.Channel)
	if every == 0 {
		return now, nil
	}
	return next.NextAt, nil
}

// queue returns the operations that queue messages for people of a group and take them off
// the list, and counts them. Who is late stays on it until their time comes again.
func (s *Service) queue(ctx context.Context, c *Campaign, r *Run, group string, list []*Target, now time.Time) ([]store.Op, error) {
	ws, id, d := c.Workspace(), c.CampaignID(), &c.Definition
	parts := make([]string, len(list))
	for i, t := range list {
		parts[i] = t.Part
	}
	people, err := s.Profiles.GetMany(ctx, ws, parts)
	if err != nil {
		return nil, err
	}
	written, err := s.written(ctx, ws, id, people)
	if err != nil {
		return nil, err
	}
	late, err := s.late(ctx, c, r, list, people, now)
	if err != nil {
		return nil, err
	}
	ops := make([]store.Op, 0, 2*len(list)+2)
	for i, t := range list {
		ops = append(ops, Targets.Delete(t))
		p := people[i]
		switch {
		case p == nil:
			r.Gone++
			continue
		case written[p.ID]:
			r.Merged++
			continue
		}
		if late != nil && late[i].After(now) {
			ops = append(ops, Targets.Insert(targetOf(c, group, t.Part, late[i])))
			continue
		}
		written[p.ID] = true
		arm := d.armOf(id, t.Part)
		if !r.decidedAt().IsZero() {
			arm = d.arm(r.Decision.Winner)
		}
		made, err := s.Messages.Queue(ctx, ws, message.Intent{
			ID: messageID(ws, id, p.ProfileID()), Profile: p.ProfileID(), Channel: d.Channel, Purpose: d.Purpose, Template: arm.Template,
			TemplateVersion: arm.TemplateVersion, Campaign: id, Arm: arm.ID, Priority: int(d.Priority), Quiet: d.Quiet, DueAt: t.Due,
		})
		if err != nil {
			return nil, err
		}
		r.Queued[arm.ID]++
		ops = append(ops, made...)
	}
	return ops, nil
}

// written tells, by key, which of some people have a message of the campaign already: by any
// id that they have had.
func (s *Service) written(ctx context.Context, ws, campaign string, people []*profile.Profile) (map[string]bool, error) {
	out := map[string]bool{}
	var keys, of []string
	for _, p := range people {
		if p == nil {
			continue
		}
		ids := p.Parts
		if !slices.Contains(ids, p.ProfileID()) {
			ids = append(slices.Clone(ids), p.ProfileID())
		}
		for _, part := range ids {
			keys, of = append(keys, store.Key(ws, messageID(ws, campaign, part))), append(of, p.ID)
		}
	}
	for from := 0; from < len(keys); from += 500 {
		to := min(from+500, len(keys))
		docs, err := message.Messages.GetMany(ctx, s.Store, keys[from:to])
		if err != nil {
			return nil, err
		}
		for i, m := range docs {
			if m != nil {
				out[of[from+i]] = true
			}
		}
	}
	return out, nil
}

// away is how late a campaign may come without anybody having been paused: a process that is
// started anew takes less, and who was due meanwhile is written to at once.
const away = time.Hour

// move notes that the list is worked on, and when nobody was at it for long although something
// was to be done since one of the instants.
func (r *Run) move(now time.Time, since ...time.Time) {
	last := slices.MaxFunc(append(since, r.MovedAt), time.Time.Compare)
	if !r.MovedAt.IsZero() && now.Sub(last) > away {
		r.BackAt = now
	}
	r.MovedAt = now
}

// decidedAt returns when the winner was chosen that the rest gets; zero: not yet.
func (r *Run) decidedAt() time.Time {
	if r.Phase != Resting || r.Decision == nil {
		return time.Time{}
	}
	return r.Decision.At
}

// late returns when people are written to whose local time, or best hour, passed while a test
// or the end of a pause was waited for, or while no process ran; nil when that is as it was.
func (s *Service) late(ctx context.Context, c *Campaign, r *Run, list []*Target, people []*profile.Profile, now time.Time) ([]time.Time, error) {
	d := &c.Definition
	since := slices.MaxFunc([]time.Time{c.ResumedAt, r.decidedAt(), r.BackAt.Add(-away)}, time.Time.Compare)
	again := d.Best != nil || d.Local && d.Passed == PassedNextDay
	if !again || !list[0].Due.Before(since) { // nor are the others, who are due later
		return nil, nil
	}
	out, err := s.dues(ctx, c, people, now)
	if err != nil {
		return nil, err
	}
	for i, t := range list {
		if !t.Due.Before(since) {
			out[i] = t.Due
		}
	}
	return out, nil
}

// finished goes on to the next phase when a group is empty.
func (s *Service) finished(ctx context.Context, l *work.Lease, c *Campaign, r *Run, now time.Time) error {
	if r.Phase == Resting || c.Definition.Test == nil {
		return s.end(ctx, l, c, Done, "")
	}
	next := *r
	next.Phase, next.DecideAt = Deciding, now.Add(c.Definition.Test.After)
	return s.moved(l.Commit(ctx, Campaigns.Check(c), Runs.Replace(&next)))
}

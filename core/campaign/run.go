package campaign

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

const (
	paceEvery = 5 * time.Second  // a pace is kept by portions of so long
	buildWait = 5 * time.Second  // between looks whether a segment is complete
	holdFor   = 30 * time.Second // then another process may have the run
)

// How many people are queued, and written down, in one commit. Tests of what happens between
// commits take fewer.
var (
	batchOf  = 300
	frozenOf = 900
)

// errMoved says that the campaign changed under a commit: it is read again.
var errMoved = errors.New("campaign: it changed meanwhile")

// run is the handler of runKind.
func (s *Service) run(ctx context.Context, l *work.Lease) error {
	task := l.Task()
	ws, id := task.Workspace, task.Name
	ctx = core.WithActor(ctx, access.System(ws, "campaigns"))
	until := s.Clock.Now().Add(holdFor)
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-l.Stopping():
			cancel()
		case <-waiting.Done():
		}
	}()
	for {
		if waiting.Err() != nil && ctx.Err() == nil {
			return work.ErrStopping
		}
		c, err := s.Get(ctx, ws, id)
		if err != nil {
			return err
		}
		if c == nil {
			return l.Complete(ctx)
		}
		next, over, err := s.turn(ctx, l, c)
		switch {
		case errors.Is(err, errMoved):
			continue
		case err != nil && hopeless(err):
			if err := s.end(ctx, l, c, Failed, core.AsError(err).Reason); err != nil && !errors.Is(err, errMoved) {
				return err
			}
			continue
		case err != nil:
			return err
		case over:
			return nil
		}
		now := s.now()
		if next.After(now.Add(time.Second)) || now.After(until) {
			return s.moved(l.Reschedule(ctx, next, nil, Campaigns.Check(c)))
		}
		if wait := next.Sub(now); wait > 0 {
			if s.Clock.Sleep(waiting, wait) != nil && ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
}

// hopeless tells whether another attempt would fail as well.
func hopeless(err error) bool {
	switch core.AsError(err).Code {
	case core.NotFound, core.Invalid, core.Forbidden:
		return true
	case core.Conflict:
		r := core.AsError(err).Reason
		return r == "SEGMENT_ARCHIVED" || r == "TEMPLATE_ARCHIVED" || r == "NOT_PUBLISHED"
	}
	return false
}

// moved makes of a lost race errMoved.
func (s *Service) moved(err error) error {
	if errors.Is(err, store.ErrConflict) && !errors.Is(err, work.ErrLost) {
		return errMoved
	}
	return err
}

// turn does one step of a campaign. It returns when the next is due; over says that the task
// is done.
func (s *Service) turn(ctx context.Context, l *work.Lease, c *Campaign) (next time.Time, over bool, err error) {
	now := s.now()
	switch c.Status {
	case Cancelled, Failed:
		return s.clear(ctx, l, c)
	case Scheduled:
		if c.StartsAt.After(now) {
			return c.StartsAt, false, nil
		}
		return s.begin(ctx, l, c)
	case Running:
	default: // a draft, paused or done: whoever changes that has the task run again
		err := s.moved(l.Complete(ctx, Campaigns.Check(c)))
		return now, err == nil, err
	}
	r, err := Runs.Get(ctx, s.Store, c.ID)
	if err != nil {
		return now, false, err
	}
	if r == nil {
		return now, false, core.Errorf(core.Internal, "INTERNAL", "a campaign runs without its run")
	}
	switch r.Phase {
	case Freezing:
		return now, false, s.freeze(ctx, l, c, r)
	case Sending:
		next, err := s.send(ctx, l, c, r, groupFirst)
		return next, false, err
	case Deciding:
		return s.decideWhenDue(ctx, l, c, r)
	case Resting:
		next, err := s.send(ctx, l, c, r, groupRest)
		return next, false, err
	}
	return now, false, s.end(ctx, l, c, Done, "")
}

// begin starts the run, once all segments are complete.
func (s *Service) begin(ctx context.Context, l *work.Lease, c *Campaign) (time.Time, bool, error) {
	now := s.now()
	complete, err := s.Segments.Complete(ctx, c.Workspace(), c.Definition.segments())
	if err != nil {
		return now, false, err
	}
	if !complete {
		return now.Add(buildWait), false, nil
	}
	next := *c
	next.Status, next.UpdatedAt = Running, now
	r := &Run{Meta: store.Meta{ID: c.ID}, Phase: Freezing, Queued: map[string]int64{}, StartedAt: now, MovedAt: now}
	return now, false, s.moved(l.Commit(ctx, Campaigns.Replace(&next), Runs.Insert(r)))
}

// freeze writes down the next of those whom the campaign is for: until all are.
func (s *Service) freeze(ctx context.Context, l *work.Lease, c *Campaign, r *Run) error {
	ws, d := c.Workspace(), &c.Definition
	walk := s.Segments.Among(ctx, ws, d.Include, d.Exclude, r.After)
	for {
		select {
		case <-l.Stopping():
			return work.ErrStopping
		default:
		}
		ids, last, err := walk.Next(frozenOf)
		if err != nil {
			return err
		}
		next := *r
		next.move(s.now(), c.ResumedAt)
		ops := []store.Op{Campaigns.Check(c)}
		if last == "" {
			next.Phase, next.After = Sending, ""
			return s.moved(l.Progress(ctx, append(ops, Runs.Replace(&next))...))
		}
		dues := make([]time.Time, len(ids))
		if d.Best != nil || d.Local {
			people, err := s.Profiles.GetMany(ctx, ws, ids)
			if err != nil {
				return err
			}
			if dues, err = s.dues(ctx, c, people, r.StartedAt); err != nil {
				return err
			}
		}
		for i, id := range ids {
			group := groupFirst
			if d.Test != nil && bucket(c.CampaignID(), "test", id) >= d.Test.Percent*100 {
				group = groupRest
			} else if d.Test != nil {
				next.Tested++
			}
			ops = append(ops, Targets.Insert(targetOf(c, group, id, dues[i])))
		}
		next.People, next.After = next.People+int64(len(ids)), last
		if err := s.moved(l.Progress(ctx, append(ops, Runs.Replace(&next))...)); err != nil {
			return err
		}
		next.V++
		r = &next
	}
}

// dues returns when each of some people is written to by their own clocks, from an instant on.
func (s *Service) dues(ctx context.Context, c *Campaign, people []*profile.Profile, from time.Time) ([]time.Time, error) {
	d := &c.Definition
	if d.Best != nil {
		out, _, err := s.bestDues(ctx, c.Workspace(), people, d.Best, from)
		return out, err
	}
	wall, err := time.Parse(wallLayout, c.LocalAt)
	if err != nil {
		return nil, invalid("START", "the local time cannot be read").At("localAt")
	}
	zones, err := s.Messages.Zones(ctx, c.Workspace(), people)
	if err != nil {
		return nil, err
	}
	out := make([]time.Time, len(people))
	for i := range people {
		out[i] = localDue(wall, zones[i], d.Passed, from)
	}
	return out, nil
}

// targetOf is a person of a group on a campaign's list.
func targetOf(c *Campaign, group, id string, due time.Time) *Target {
	return &Target{Meta: store.Meta{ID: store.Key(c.Workspace(), c.CampaignID(), group, dueKey(due), id)}, Part: id, Due: due}
}

// dueKey writes an instant so that keys are in the order of time.
func dueKey(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return t.UTC().Format("20060102T150405.000")
}

// end gives a campaign its last status.
func (s *Service) end(ctx context.Context, l *work.Lease, c *Campaign, status Status, reason string) error {
	next := *c
	next.Status, next.Reason, next.UpdatedAt = status, reason, s.now()
	ops := []store.Op{Campaigns.Replace(&next)}
	r, err := Runs.Get(ctx, s.Store, c.ID)
	if err != nil {
		return err
	}
	if r != nil {
		r.EndedAt = s.now()
		if status == Done {
			r.Phase = Over
		}
		ops = append(ops, Runs.Replace(r))
	}
	return s.moved(l.Commit(ctx, ops...))
}

// clear takes everybody off the list of a campaign that has ended early.
func (s *Service) clear(ctx context.Context, l *work.Lease, c *Campaign) (time.Time, bool, error) {
	list, err := Targets.Find(ctx, s.Store, targetsOf(c, ""), frozenOf)
	if err != nil {
		return s.now(), false, err
	}
	if len(list) == 0 {
		err := s.moved(l.Complete(ctx, Campaigns.Check(c)))
		return s.now(), err == nil, err
	}
	ops := make([]store.Op, 0, len(list))
	for _, t := range list {
		ops = append(ops, Targets.Delete(t))
	}
	return s.now(), false, s.moved(l.Progress(ctx, ops...))
}

// targetsOf are those on a campaign's list, of a group ("" is both), in the order in which
// they are due.
func targetsOf(c *Campaign, group string) store.Query {
	prefix := c.CampaignID() + "/"
	if group != "" {
		prefix += group + "/"
	}
	return store.Query{Workspace: c.Workspace(), Where: []store.Cond{store.Prefix("_id", prefix)}}
}

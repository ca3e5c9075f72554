package lead

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// SweepKind is the kind of the tasks that look at people who are due.
const SweepKind = "lead.sweep"

// shards is how many shares of a workspace's people may be swept at once.
const shards = 4

// sweepBatch is how many people are read together.
const sweepBatch = 100

func (s *Service) sweep() work.Sweep {
	return work.Sweep{Kind: SweepKind, Shards: shards, Clock: s.Clock, Step: s.sweepShard}
}

// handle makes the tasks and the job known to this process.
func (s *Service) handle() {
	if s.Jobs != nil {
		rebuild := profile.FoldRebuildHandler(s.Profiles, s.refold)
		s.Jobs.Handle(RebuildKind, work.JobHandlerFunc(func(ctx context.Context, run *work.JobRun) error {
			// Until no process goes by the former model any more.
			if err := (core.SystemClock{}).Sleep(ctx, 2*modelAge); err != nil {
				return err
			}
			return rebuild.Run(ctx, run)
		}), 1)
	}
	if s.Runner != nil {
		s.sweep().Register(s.Runner)
	}
}

// sweepShard does what is due in a shard, and returns when the next thing is.
func (s *Service) sweepShard(ctx context.Context, ws string, shard int64) (next time.Time, err error) {
	ofShard := store.Eq("shard", shard)
	for {
		now := s.now()
		due, err := Leads.Find(ctx, s.Store, store.Query{
			Workspace: ws, Where: []store.Cond{ofShard, store.Lte("due", now)}, Order: []string{"due"},
		}, sweepBatch)
		if err != nil {
			return next, err
		}
		if len(due) == 0 {
			first, err := Leads.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{ofShard}, Order: []string{"due"}}, 1)
			if err != nil || len(first) == 0 {
				return next, err
			}
			return first[0].Due, nil
		}
		lost := 0
		for _, l := range due {
			err := s.sweepLead(ctx, ws, l.ID, now)
			switch {
			case errors.Is(err, store.ErrConflict): // it has changed, and is due again if it must be
				lost++
			case core.CodeOf(err) == core.NotFound: // erased or gone meanwhile
				lost++
			case err != nil:
				if ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) || core.CodeOf(err) == core.Unavailable {
					return next, err
				}
				// What cannot be done for one person holds nobody else up.
				s.Logger.Error("lead: sweep", "profile", l.ProfileID(), "error", err.Error())
				l.Due = now.Add(time.Minute)
				if err := work.Commit(ctx, s.Store, Leads.Replace(l)); err != nil && !errors.Is(err, store.ErrConflict) {
					return next, err
				}
			}
		}
		if lost == len(due) {
			return now, nil // others are at it
		}
	}
}

// sweepLead does what is due for one person: it asks rules about fit again, latches what
// time has crossed, and tells. Each is a commit of its own, in this order.
func (s *Service) sweepLead(ctx context.Context, ws, key string, now time.Time) error {
	c, err := s.model(ctx, ws)
	if err != nil {
		return err
	}
	held, err := s.guard(ctx, key) // before the lead: what changes it later is found out
	if err != nil {
		return err
	}
	l, err := Leads.Get(ctx, s.Store, key)
	if err != nil || l == nil || l.Due.IsZero() || l.Due.After(now) {
		return err
	}
	if l.Rev > c.V {
		if c, err = s.readModel(ctx, ws); err != nil {
			return err
		}
	}
	l.strip(c)
	check := []store.Op(nil)
	if len(l.Latches) == 0 {
		asked := l.clone()
		if check, err = s.askDue(ctx, c, asked, now); err != nil {
			return err
		}
		c.latch(asked, now)
		if len(asked.Latches) > 0 || !slices.Equal(asked.Fits, l.Fits) {
			c.plan(asked, now)
			if !asked.Due.IsZero() && asked.Due.Before(now) {
				asked.Due = now
			}
			return work.Commit(ctx, s.Store, append(check, Leads.Replace(asked))...)
		}
	}
	events, err := s.news(ctx, ws, c, l, now)
	if err != nil {
		return err
	}
	if len(events) == 0 {
		c.plan(l, now)
		return work.Commit(ctx, s.Store, append(check, Leads.Replace(l))...)
	}
	_, err = s.Committer.CommitAll(ctx, ws, events, bump(held))
	return err
}

// askDue asks the rules about fit whose time has come, and returns what demands that the
// person is still as they were asked about.
func (s *Service) askDue(ctx context.Context, c *compiled, l *Lead, now time.Time) ([]store.Op, error) {
	var due []*rule
	for _, f := range l.Fits {
		if r := c.byID[f.Rule]; r != nil && !f.Next.IsZero() && !f.Next.After(now) {
			due = append(due, r)
		}
	}
	if len(due) == 0 {
		return nil, nil
	}
	p, err := profile.Profiles.Get(ctx, s.Store, l.ID)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id")
	}
	f := &facts{profile: p}
	for _, r := range due {
		if err := l.ask(ctx, s, r, f, now); err != nil {
			return nil, err
		}
	}
	return []store.Op{profile.Profiles.Check(p)}, nil
}

// news are the events that are due of one person. Each state of a person has its own
// message ids, and the guard sees to it that no other state passes for it.
func (s *Service) news(ctx context.Context, ws string, c *compiled, l *Lead, now time.Time) ([]event.SystemEvent, error) {
	id := func(what string, n int) string {
		return "lead:" + core.HashID(what, l.ProfileID(), strconv.FormatInt(l.V, 10), strconv.Itoa(n))
	}
	var out []event.SystemEvent
	add := func(name, what string, n int, props bson.D) {
		out = append(out, event.SystemEvent{ProfileID: l.ProfileID(), Input: saying(name, id(what, n), props, bson.D{{Key: "name", Value: name}})})
	}
	score := c.score(l, now)
	for i, latch := range l.Latches {
		name := NameCooled
		if latch.Up {
			name = NameQualified
		}
		add(name, "crossing", i, bson.D{{Key: "score", Value: latch.Score}, {Key: "fit", Value: score.Fit}, {Key: "engagement", Value: score.Engagement}, {Key: "at", Value: latch.At}})
		if latch.Up && c.Stage != "" {
			step, err := s.stepOf(ctx, ws, l, c.Stage, "qualified")
			if err != nil {
				return nil, err
			}
			if step != nil {
				step.Input.MessageID = id("stage", i)
				out = append(out, *step)
			}
		}
	}
	if last, at := l.published(); score.Total != last && !now.Before(at.Add(c.publishEvery())) || len(l.Latches) > 0 && score.Total != last {
		add(condition.PredictionComputed, "score", 0, bson.D{
			{Key: "name", Value: PredictionName}, {Key: "value", Value: score.Total}, {Key: "fit", Value: score.Fit}, {Key: "engagement", Value: score.Engagement},
		})
	}
	return out, nil
}

func (s *Service) guard(ctx context.Context, key string) (*guard, error) {
	g, err := guards.Get(ctx, s.Store, key)
	if err == nil && g == nil {
		g = &guard{Meta: store.Meta{ID: key}}
	}
	return g, err
}

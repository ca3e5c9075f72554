package segment

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// SweepKind is the kind of the tasks that look for answers that change because time
// goes on: one for each shard of a workspace that has such segments, held by one
// process for some seconds.
const SweepKind = "segment.sweep"

const (
	sweepHold  = 15 * time.Second       // then another process may have the shard
	sweepPoll  = 500 * time.Millisecond // while nothing is due: what a new window can be late by
	sweepBatch = 150                    // people looked at together
)

// manySegments is from how many definitions on, archived ones among them, what
// becomes of a person may be left to the sweep.
const manySegments = 40

// timed reports whether anything can ever be due.
func (t *Set) timed() bool { return t.clocked || t.defined > manySegments }

// ensureSweeps sees to it that the shards of a workspace are swept, if it has
// segments whose answers change by themselves.
func (s *Service) ensureSweeps(ctx context.Context, ws string) error {
	t, err := s.fresh(ctx, ws)
	if err != nil || !t.timed() || s.runner == nil {
		return err
	}
	for shard := range sweepShards {
		it := work.Item{Kind: SweepKind, Workspace: ws, Name: strconv.Itoa(shard), DueAt: s.clock.Now()}
		if err := work.Ensure(ctx, s.db, it); err != nil {
			return err
		}
	}
	s.runner.Wake()
	return nil
}

// sweep is the handler of SweepKind.
func (s *Service) sweep(ctx context.Context, l *work.Lease) error {
	task := l.Task()
	shard, err := strconv.ParseInt(task.Name, 10, 64)
	if err != nil {
		return work.Permanent(err)
	}
	until := s.clock.Now().Add(sweepHold)
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
		t, err := s.set(ctx, task.Workspace)
		if err != nil {
			return err
		}
		if !t.timed() {
			if t, err = s.fresh(ctx, task.Workspace); err != nil {
				return err
			}
			if !t.timed() {
				err = l.Complete(ctx, s.check(t)) // a definition that comes meanwhile finds no task, or makes this fail
				if !errors.Is(err, store.ErrConflict) {
					return err
				}
				continue
			}
		}
		next, err := s.sweepShard(ctx, task.Workspace, shard, func(ops []store.Op) error { return l.Commit(ctx, ops...) })
		if err != nil {
			return err
		}
		now := s.clock.Now()
		wait := min(sweepPoll, until.Sub(now))
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(now), time.Millisecond))
		}
		if wait <= 0 || s.clock.Sleep(waiting, wait) != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return l.Reschedule(ctx, s.clock.Now(), nil)
		}
	}
}

// sweepShard does what is due in a shard of a workspace, and returns when the next
// thing is; zero: never.
func (s *Service) sweepShard(ctx context.Context, ws string, shard int64, commit func([]store.Op) error) (next time.Time, err error) {
	ofShard := store.Eq("shard", shard)
	for {
		now := s.clock.Now().UTC().Truncate(time.Millisecond)
		due, err := Behaviours.Find(ctx, s.db, store.Query{
			Workspace: ws, Where: []store.Cond{ofShard, store.Lte("due", now)}, Order: []string{"due"},
		}, sweepBatch)
		if err != nil {
			return next, err
		}
		if len(due) == 0 {
			first, err := Behaviours.Find(ctx, s.db, store.Query{Workspace: ws, Where: []store.Cond{ofShard}, Order: []string{"due"}}, 1)
			if err != nil || len(first) == 0 {
				return next, err
			}
			return first[0].Due, nil
		}
		lost, err := s.sweepPeople(ctx, ws, due, now, commit)
		if err != nil {
			return next, err
		}
		if lost == len(due) {
			return now, nil // others are at it
		}
	}
}

// sweepPeople asks the segments of some people whose time has come, and returns how
// many lost a race.
func (s *Service) sweepPeople(ctx context.Context, ws string, due []*Behaviour, now time.Time, commit func([]store.Op) error) (lost int, err error) {
	t, err := s.set(ctx, ws)
	if err != nil {
		return 0, err
	}
	keys := make([]string, len(due))
	for i, b := range due {
		keys[i] = b.ID
	}
	people, err := profile.Profiles.GetMany(ctx, s.db, keys)
	if err != nil {
		return 0, err
	}
	b := s.newBatch(t, commit)
	for i, p := range people {
		o, err := s.sweepPerson(ctx, t, due[i], p, now)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) {
				return 0, err
			}
			// What cannot be read of one person holds nobody else up.
			s.log.Error("segment: sweep", "profile", due[i].ProfileID(), "error", err.Error())
			o = s.newOutcome(t, now)
			o.ops = append(o.ops, Behaviours.Replace(due[i].postponed(now)))
		}
		if err := b.add(o); err != nil {
			return 0, err
		}
	}
	err = b.flush()
	return len(b.lost), err
}

// postponeFor is when what could not be asked is asked again.
const postponeFor = time.Minute

// postponed returns the behaviour with what is due put off.
func (b *Behaviour) postponed(now time.Time) *Behaviour {
	c := b.clone()
	for i := range c.Nexts {
		c.Nexts[i].At = max(c.Nexts[i].At, now.Add(postponeFor).UnixMilli())
	}
	c.tidy()
	return c
}

// sweepPerson asks what is due of one person; nil is one who was merged away.
func (s *Service) sweepPerson(ctx context.Context, t *Set, due *Behaviour, p *profile.Profile, now time.Time) (*outcome, error) {
	o := s.newOutcome(t, now)
	if p == nil {
		o.end(due, CauseMerge)
		return o, nil
	}
	w := s.newPerson(t, p, p.ProfileID(), due, now)
	w.unasked = true
	for _, n := range due.Nexts {
		if n.At > now.UnixMilli() {
			continue
		}
		if c := t.byID[n.Segment]; c != nil {
			w.touched[c.place] |= byTime
		} else {
			w.next(n.Segment, time.Time{})
		}
	}
	if err := w.evaluate(ctx); err != nil {
		return nil, err
	}
	w.changed = true // lest it stay due
	o.add(w)
	o.ops = append(o.ops, profile.Profiles.Check(p))
	return o, nil
}

package loyalty

import (
	"context"
	"errors"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// The kinds of tasks: the sweep looks at accounts that are due, the review makes all due
// when the program has changed.
const (
	SweepKind  = "loyalty.sweep"
	ReviewKind = "loyalty.review"
)

// shards is how many shares of a workspace's accounts may be swept at once.
const shards = 4

// sweepBatch is how many accounts are read together.
const sweepBatch = 100

func (s *Service) sweep() work.Sweep {
	return work.Sweep{Kind: SweepKind, Shards: shards, Clock: s.Clock, Step: s.sweepShard}
}

// handle makes the tasks known to this process.
func (s *Service) handle() {
	if s.Jobs != nil {
		s.Jobs.Handle(RebuildKind, profile.FoldRebuildHandler(s.Profiles, s.refold), 1)
	}
	if s.Runner == nil {
		return
	}
	s.sweep().Register(s.Runner)
	s.Runner.Handle(ReviewKind, work.Kind{Handler: work.HandlerFunc(s.reviewAll), Attempts: -1})
}

// review returns the operations that have everybody looked at: a little later, when no
// process goes by the former program any more.
func (s *Service) review(ctx context.Context, ws string) ([]store.Op, error) {
	ops, err := s.sweep().Begin(ctx, s.Store, ws)
	if err != nil {
		return nil, err
	}
	t, err := work.Find(ctx, s.Store, ws, ReviewKind, "all")
	if err != nil {
		return nil, err
	}
	at := s.now().Add(2 * programAge)
	if t != nil {
		return append(ops, work.Move(t, at)), nil // from the beginning
	}
	return append(ops, work.Enqueue(work.Item{Kind: ReviewKind, Workspace: ws, Name: "all", DueAt: at})), nil
}

// reviewAll makes every account due.
func (s *Service) reviewAll(ctx context.Context, l *work.Lease) error {
	ws, now := l.Task().Workspace, s.now()
	var ops []store.Op
	flush := func() error {
		err := l.Commit(ctx, ops...)
		if errors.Is(err, store.ErrConflict) { // one of them has changed, by the new program: each alone
			for _, op := range ops {
				if err = l.Commit(ctx, op); err != nil && !errors.Is(err, store.ErrConflict) {
					return err
				}
			}
			err = nil
		}
		ops = ops[:0]
		return err
	}
	err := Accounts.Each(ctx, s.Store, store.Query{Workspace: ws}, func(a *Account) error {
		a.Due = now
		if ops = append(ops, Accounts.Replace(a)); len(ops) < 200 {
			return nil
		}
		return flush()
	})
	if err == nil && len(ops) > 0 {
		err = flush()
	}
	return err
}

// sweepShard does what is due in a shard, and returns when the next thing is.
func (s *Service) sweepShard(ctx context.Context, ws string, shard int64) (next time.Time, err error) {
	ofShard := store.Eq("shard", shard)
	for {
		now := s.now()
		due, err := Accounts.Find(ctx, s.Store, store.Query{
			Workspace: ws, Where: []store.Cond{ofShard, store.Lte("due", now)}, Order: []string{"due"},
		}, sweepBatch)
		if err != nil {
			return next, err
		}
		if len(due) == 0 {
			first, err := Accounts.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{ofShard}, Order: []string{"due"}}, 1)
			if err != nil || len(first) == 0 {
				return next, err
			}
			return first[0].Due, nil
		}
		lost := 0
		for _, a := range due {
			err := s.sweepAccount(ctx, ws, a, now)
			switch {
			case errors.Is(err, store.ErrConflict): // it has changed, and is due again if it must be
				lost++
			case core.CodeOf(err) == core.NotFound: // erased or gone meanwhile, with its account
				lost++
			case err != nil:
				if ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) || core.CodeOf(err) == core.Unavailable {
					return next, err
				}
				// What cannot be done for one person holds nobody else up.
				s.Logger.Error("loyalty: sweep", "profile", a.ProfileID(), "error", err.Error())
				later := *a
				later.Due = now.Add(time.Minute)
				if err := work.Commit(ctx, s.Store, Accounts.Replace(&later)); err != nil && !errors.Is(err, store.ErrConflict) {
					return next, err
				}
			}
		}
		if lost == len(due) {
			return now, nil // others are at it
		}
	}
}

// sweepAccount commits what time has done to an account: points that expired, a tier that
// was reached or lost. Each state of an account has its own message ids, and the guard
// sees to it that no other state passes for it.
func (s *Service) sweepAccount(ctx context.Context, ws string, read *Account, now time.Time) error {
	held, err := s.guard(ctx, read.ID) // before the account: what changes it later is found out
	if err != nil {
		return err
	}
	a, err := Accounts.Get(ctx, s.Store, read.ID)
	if err != nil || a == nil || a.Due.IsZero() || a.Due.After(now) {
		return err
	}
	p, err := s.Program(ctx, ws)
	if err != nil {
		return err
	}
	id := func(what string) string {
		return "loyalty:" + core.HashID(what, a.ProfileID(), strconv.FormatInt(a.V, 10))
	}
	var events []event.SystemEvent
	if n := a.expired(now); n > 0 {
		props := bson.D{{Key: "points", Value: n}}
		events = append(events, event.SystemEvent{ProfileID: a.ProfileID(), Input: saying(NamePointsExpired, id("expired"), props, props)})
	}
	rank, _ := p.due(a, now)
	if told, _ := p.told(a); rank != p.rank(told) {
		props := bson.D{{Key: "from", Value: told}, {Key: "to", Value: p.keyAt(rank)}, {Key: "direction", Value: "UP"}}
		if rank < p.rank(told) {
			props[2].Value = "DOWN"
		}
		events = append(events, event.SystemEvent{ProfileID: a.ProfileID(), Input: saying(NameTierChanged, id("tier"), props, props)})
	}
	if len(events) == 0 {
		p.plan(a, now)
		return work.Commit(ctx, s.Store, Accounts.Replace(a))
	}
	_, err = s.Committer.CommitAll(ctx, ws, events, bump(held))
	return err
}

// keyAt returns the key of the tier at a place, "" for none.
func (p *Program) keyAt(rank int) string {
	if rank < 0 {
		return ""
	}
	return p.Tiers[rank].Key
}

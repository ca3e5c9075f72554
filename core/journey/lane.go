package journey

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// laneKind is the kind of the tasks that lead people on: one for each lane of a workspace
// that has journeys under way, held by one process for some seconds. That two processes do
// not do the same is a matter of effort only: what each enrollment's document says decides.
const laneKind = "journey.lane"

const (
	laneHold  = 15 * time.Second       // then another process may have the lane
	lanePoll  = 300 * time.Millisecond // while nothing is due: what another process's trigger can be late by
	laneBatch = 250                    // enrollments that step together
)

// ensureLanes sees to it that the lanes of a workspace are worked on.
func (s *Service) ensureLanes(ctx context.Context, ws string) error {
	for n := range lanes {
		name := string([]byte{'0' + byte(n/10), '0' + byte(n%10)})
		if err := work.Ensure(ctx, s.Store, work.Item{Kind: laneKind, Workspace: ws, Name: name, DueAt: s.Clock.Now()}); err != nil {
			return err
		}
	}
	s.Runner.Wake()
	return nil
}

// poke has lanes looked at now.
func (s *Service) poke(ws string, lanes map[string]bool) {
	for lane := range lanes {
		select {
		case s.pokeOf(ws, lane) <- struct{}{}:
		default:
		}
	}
}

func (s *Service) pokeOf(ws, lane string) chan struct{} {
	c, ok := s.pokes.Load(ws + "/" + lane)
	if !ok {
		c, _ = s.pokes.LoadOrStore(ws+"/"+lane, make(chan struct{}, 1))
	}
	return c.(chan struct{})
}

// lane is the handler of laneKind.
func (s *Service) lane(ctx context.Context, l *work.Lease) error {
	task := l.Task()
	ws := task.Workspace
	ctx = core.WithActor(ctx, access.System(ws, "journeys"))
	until := s.Clock.Now().Add(laneHold)
	poked := s.pokeOf(ws, task.Name)
	for {
		next, err := s.turn(ctx, ws, task.Name)
		if err != nil {
			return err
		}
		now := s.Clock.Now()
		wait := min(lanePoll, until.Sub(now))
		if !next.IsZero() {
			wait = min(wait, next.Sub(now))
		}
		if until.Sub(now) <= 0 {
			// Nobody is inside any more and nobody enters: until something is published again.
			if idle, stands, err := s.idle(ctx, ws, task.Name); err != nil {
				return err
			} else if idle {
				if err := l.Complete(ctx, stands); !errors.Is(err, store.ErrConflict) {
					return err
				}
			}
			return l.Reschedule(ctx, s.Clock.Now(), nil)
		}
		if wait <= 0 {
			wait = time.Millisecond
		}
		if err := s.await(ctx, l, poked, wait); err != nil {
			return l.Reschedule(context.WithoutCancel(ctx), s.Clock.Now(), nil)
		}
	}
}

// await sleeps until a lane is poked or a time has passed. An error is the end of the work.
func (s *Service) await(ctx context.Context, l *work.Lease, poked <-chan struct{}, d time.Duration) error {
	sleeping, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Clock.Sleep(sleeping, d) }()
	select {
	case <-poked:
		return nil
	case err := <-done:
		return err
	case <-l.Stopping():
		return work.ErrStopping
	}
}

// idle tells whether nothing can come to be due in a lane by itself, with what is to be
// committed with what rests on that.
func (s *Service) idle(ctx context.Context, ws, lane string) (bool, store.Op, error) {
	following, stands, err := s.Segments.Following(ctx, ws)
	if err != nil {
		return false, stands, err
	}
	if l, _ := following.(*live); l != nil && len(l.journeys) > 0 {
		return false, stands, nil
	}
	for _, n := range []func() (int64, error){
		func() (int64, error) {
			return Triggers.Count(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("lane", lane)}, Order: []string{"due"}})
		},
		func() (int64, error) {
			return Enrollments.Count(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("lane", lane)}, Order: []string{"due"}})
		},
	} {
		if count, err := n(); err != nil || count > 0 {
			return false, stands, err
		}
	}
	return true, stands, nil
}

// turn does what is due in a lane, and returns when the next thing is; zero: never.
func (s *Service) turn(ctx context.Context, ws, lane string) (next time.Time, err error) {
	for {
		now := s.now()
		due := []store.Cond{store.Eq("lane", lane), store.Lte("due", now)}
		triggers, err := Triggers.Find(ctx, s.Store, store.Query{Workspace: ws, Where: due, Order: []string{"due"}}, laneBatch)
		if err != nil {
			return next, err
		}
		var late []*Enrollment
		if len(triggers) < laneBatch {
			late, err = Enrollments.Find(ctx, s.Store, store.Query{Workspace: ws, Where: due, Order: []string{"due"}}, laneBatch-len(triggers))
			if err != nil {
				return next, err
			}
		}
		if len(triggers)+len(late) == 0 {
			return s.nextDue(ctx, ws, lane)
		}
		done, err := s.work(ctx, ws, triggers, late)
		if err != nil {
			return next, err
		}
		if done == 0 {
			return now.Add(10 * time.Millisecond), nil // others are at it, or people change all the time
		}
	}
}

// nextDue returns when the next trigger or enrollment of a lane is due.
func (s *Service) nextDue(ctx context.Context, ws, lane string) (next time.Time, err error) {
	of := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("lane", lane)}, Order: []string{"due"}}
	triggers, err := Triggers.Find(ctx, s.Store, of, 1)
	if err != nil {
		return next, err
	}
	list, err := Enrollments.Find(ctx, s.Store, of, 1)
	if err != nil {
		return next, err
	}
	for _, t := range triggers {
		next = t.Due
	}
	for _, e := range list {
		if next.IsZero() || e.Due.Before(next) {
			next = e.Due
		}
	}
	return next, nil
}

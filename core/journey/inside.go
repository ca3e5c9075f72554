package journey

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// The kinds of the jobs that move many people.
const (
	unparkKind  = "journey.resume"
	clearKind   = "journey.stop"
	migrateKind = "journey.migrate"
)

type journeyInput struct {
	Journey string    `bson:"journey"`
	At      time.Time `bson:"at,omitempty"` // of a stop: who entered later, after the journey was published again, stays
}

type migrateInput struct {
	Journey string            `bson:"journey"`
	To      int64             `bson:"to"`
	Map     map[string]string `bson:"map"`
}

// handleJobs makes the jobs known to this process.
func (s *Service) handleJobs() {
	s.Jobs.Handle(unparkKind, work.JobHandlerFunc(s.unpark), 1)
	s.Jobs.Handle(clearKind, work.JobHandlerFunc(s.clear), 1)
	s.Jobs.Handle(migrateKind, work.JobHandlerFunc(s.migrate), 1)
	s.Jobs.Handle(SimulateKind, work.JobHandlerFunc(s.simulateJob), 1)
}

// unpark gives back to their lanes what fell due while a journey was paused.
func (s *Service) unpark(ctx context.Context, run *work.JobRun) error {
	var in journeyInput
	if err := run.Input(&in); err != nil {
		return err
	}
	ws := run.Workspace()
	done := run.Job().Done
	of := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("lane", parkedLane(in.Journey))}, Order: []string{"due"}}
	for {
		if j, err := s.Journey(ctx, ws, in.Journey); err != nil || j == nil || j.Mode == Paused {
			return err // again: the next word is that of who resumes it
		}
		triggers, err := Triggers.Find(ctx, s.Store, of, 200)
		if err != nil {
			return err
		}
		list, err := Enrollments.Find(ctx, s.Store, of, 200)
		if err != nil {
			return err
		}
		if len(triggers)+len(list) == 0 {
			return nil
		}
		var ops []store.Op
		for _, t := range triggers {
			t.Lane = laneOf(t.Part)
			ops = append(ops, Triggers.Replace(t))
		}
		for _, e := range list {
			e.Lane = laneOf(e.Part)
			ops = append(ops, Enrollments.Replace(e))
		}
		done += int64(len(ops))
		if err := run.Step(ctx, done, done, nil, ops...); err != nil {
			return err
		}
	}
}

// live statuses, as the index holds them.
var alive = []Status{Active, Waiting, Suspended, Failing}

// eachInside calls f with batches of the live enrollments of a journey until none are left
// that it has not seen. f takes them out of the index, or says that they stay.
func (s *Service) eachInside(ctx context.Context, ws, journey string, f func([]*Enrollment) (stayed int, err error)) error {
	for _, status := range alive {
		after := ""
		for {
			page, err := Enrollments.Page(ctx, s.Store, store.Query{
				Workspace: ws, Where: []store.Cond{store.Eq("j", journey), store.Eq("status", string(status))}, Order: []string{"-in"},
			}, core.Window{Limit: laneBatch, After: after})
			if err != nil {
				return err
			}
			if len(page.Items) == 0 {
				break
			}
			if _, err := f(page.Items); err != nil {
				return err
			}
			after = page.Cursors[len(page.Cursors)-1]
			if !page.HasNext {
				break
			}
		}
	}
	return nil
}

// clear leads everybody out of a journey that was stopped.
func (s *Service) clear(ctx context.Context, run *work.JobRun) error {
	var in journeyInput
	if err := run.Input(&in); err != nil {
		return err
	}
	ws := run.Workspace()
	done := run.Job().Done
	for { // who was to be let in when it is resumed
		list, err := Triggers.Find(ctx, s.Store, store.Query{
			Workspace: ws, Where: []store.Cond{store.Eq("lane", parkedLane(in.Journey))}, Order: []string{"due"},
		}, 500)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		ops := make([]store.Op, 0, len(list))
		for _, t := range list {
			ops = append(ops, Triggers.Delete(t))
			if op, ok := s.refusal(ws, t, "CLOSED", s.now()); ok {
				ops = append(ops, op)
			}
		}
		if err := run.Step(ctx, done, done, nil, ops...); err != nil {
			return err
		}
	}
	for again := true; again; {
		again = false
		err := s.eachInside(ctx, ws, in.Journey, func(list []*Enrollment) (int, error) {
			list = slices.DeleteFunc(list, func(e *Enrollment) bool { return !in.At.IsZero() && e.EnteredAt.After(in.At) })
			n, err := s.leaveAll(ctx, ws, list, Removed, "JOURNEY_STOPPED")
			if err != nil {
				return 0, err
			}
			again = again || n < len(list)
			done += int64(n)
			return 0, run.Step(ctx, done, done, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// leaveAll ends enrollments, and returns how many; the others lost a race.
func (s *Service) leaveAll(ctx context.Context, ws string, list []*Enrollment, status Status, why string) (int, error) {
	ctx = core.WithActor(ctx, access.System(ws, "journeys"))
	b, err := s.newBatch(ctx, ws)
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		b.items = append(b.items, &item{enr: e})
	}
	if err := b.readPeople(ctx); err != nil {
		return 0, err
	}
	for _, it := range b.items {
		if err := b.end(ctx, it, *it.enr, status, why); err != nil {
			return 0, err
		}
	}
	return b.commit(ctx)
}

// migrate moves those inside to another version.
func (s *Service) migrate(ctx context.Context, run *work.JobRun) error {
	var in migrateInput
	if err := run.Input(&in); err != nil {
		return err
	}
	ws := run.Workspace()
	ctx = core.WithActor(ctx, access.System(ws, "journeys"))
	target, err := s.program(ctx, ws, in.Journey, in.To)
	if err != nil {
		return err
	}
	places := map[string]*string{}
	for from, to := range in.Map {
		if to != "" {
			places[from] = &to
		} else {
			places[from] = nil
		}
	}
	done := run.Job().Done
	for again := true; again; {
		again = false
		err := s.eachInside(ctx, ws, in.Journey, func(list []*Enrollment) (int, error) {
			b, err := s.newBatch(ctx, ws)
			if err != nil {
				return 0, err
			}
			if j := b.l.journeys[in.Journey]; j == nil || j.Entry != in.To {
				return 0, nil // another version was published since
			}
			// Who stays is left out here: of a person with two enrollments one is looked at in a
			// turn, and it must not be the one that stays.
			for _, e := range list {
				if e.Version != in.To && target.moves(e.State.Node, places) {
					b.items = append(b.items, &item{enr: e})
				}
			}
			moving := len(b.items)
			if err := b.readPeople(ctx); err != nil {
				return 0, err
			}
			for _, it := range b.items {
				if err := b.move(ctx, it, target, in.To, places); err != nil {
					return 0, err
				}
			}
			n, err := b.commit(ctx)
			if err != nil {
				return 0, err
			}
			again = again || n < moving
			done += int64(n)
			return 0, run.Step(ctx, done, done, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// moves tells whether who stands at a node of another version moves, or leaves; else they stay
// in their own.
func (p *Program) moves(node string, places map[string]*string) bool {
	_, said := places[node]
	return said || p.placeOf(node, places) != ""
}

// move takes one enrollment to its place in another version, or out of the journey.
func (b *batch) move(ctx context.Context, it *item, target *Program, number int64, places map[string]*string) error {
	next := *it.enr
	to := target.placeOf(next.State.Node, places)
	if to == "" {
		return b.end(ctx, it, next, Left, "MIGRATED")
	}
	from := next.State.Node
	it.add(next.Journey, next.Version, nodeLeft(from), 1)
	next.Version = number
	next.tell(Passage{Node: from, Visit: next.State.Visit, At: b.now, Left: true, Did: DidMove, On: to, Detail: trailNumber(number)})
	it.add(next.Journey, number, nodeCame(to), 1)
	it.add(next.Journey, number, "moved", 1)
	next.State = target.Migrate(next.State, to, b.now)
	if next.Status != Suspended {
		next.Status, next.Lane, next.Due = next.State.Status, laneOf(next.Part), next.State.Due
		if next.State.Status == Active && next.Due.IsZero() {
			next.Due = b.now
		}
	}
	next.Tries, next.Fault = 0, ""
	if err := b.closeToDos(ctx, it, &next); err != nil {
		return err
	}
	b.keep(it, &next)
	b.present(it, &next)
	b.finish(it)
	return nil
}

// newBatch is an empty batch over what is followed now.
func (s *Service) newBatch(ctx context.Context, ws string) (*batch, error) {
	following, stands, err := s.Segments.Following(ctx, ws)
	if err != nil {
		return nil, err
	}
	l, _ := following.(*live)
	if l == nil {
		l = &live{s: s, ws: ws}
	}
	return &batch{s: s, ws: ws, now: s.now(), l: l, stands: stands, taken: map[string]bool{}}, nil
}

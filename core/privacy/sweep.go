package privacy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// sweepSlice is how many documents a slice of a sweep takes.
const sweepSlice = 150

// sliceBytes and sliceOps are how much a slice writes at most, where it writes anew what
// it finds; one document is always taken.
const (
	sliceBytes = 2 << 20
	sliceOps   = store.MaxOps / 2
)

// maxPasses bounds a sweep. A pass that finds something is followed by another, for
// what a lane or another process was writing when the person was marked.
const maxPasses = 50

// finding is what a finder would do about some documents of a person.
type finding struct {
	ops   []store.Op
	count int64 // documents that go or lose what they said of the person
}

// finder finds the next documents of a person in a collection: none when there is
// nothing left.
type finder func(ctx context.Context, s *Subject) (finding, error)

type sweepPosition struct {
	Pass   int     `bson:"pass"`
	At     int     `bson:"at"`    // index of the collection
	Found  bool    `bson:"found"` // something, in this pass
	Done   int64   `bson:"done"`
	Counts []Count `bson:"counts"`
}

func (p *sweepPosition) add(collection string, n int64) {
	p.Found, p.Done = true, p.Done+n
	p.Counts = addCount(p.Counts, collection, n)
}

// sweepResult is the result of the job: counts only.
type sweepResult struct {
	Counts []Count `bson:"counts"`
}

// runErase is the handler of EraseKind.
func (s *Service) runErase(ctx context.Context, run *work.JobRun) error {
	var in eraseJob
	var pos sweepPosition
	if err := run.Input(&in); err != nil {
		return err
	}
	if _, err := run.Position(&pos); err != nil {
		return err
	}
	ws := run.Workspace()
	subject, _, err := s.subjectOf(ctx, ws, in.Request)
	if err != nil {
		return err
	}
	if subject != nil {
		r, err := Requests.Get(ctx, s.o.Store, store.Key(ws, in.Request))
		if err != nil {
			return err
		}
		subject.anonymise = r != nil && r.Anonymise
		if err := s.sweep(ctx, run, subject, &pos); err != nil {
			return err
		}
	}
	if err := run.Result(sweepResult{pos.Counts}); err != nil {
		return err
	}
	return s.swept(ctx, run, in.Request, subject, &pos)
}

func (s *Service) sweep(ctx context.Context, run *work.JobRun, subject *Subject, pos *sweepPosition) error {
	finders := s.finders(subject)
	for ; pos.Pass < maxPasses; pos.Pass, pos.At, pos.Found = pos.Pass+1, 0, false {
		for ; pos.At < len(finders); pos.At++ {
			if err := s.empty(ctx, run, subject, finders[pos.At], pos); err != nil {
				return fmt.Errorf("erase from %s: %w", finders[pos.At].spec.Name, err)
			}
		}
		if !pos.Found {
			return nil
		}
	}
	pos.Pass = 0 // the next attempt begins again
	if err := run.Step(ctx, pos.Done, 0, pos); err != nil {
		return err
	}
	return core.Errorf(core.Unavailable, "SWEEP", "data of the person keeps coming; something writes it without heeding the erasure")
}

// empty takes what a finder finds, slice by slice, until there is nothing.
func (s *Service) empty(ctx context.Context, run *work.JobRun, subject *Subject, f found, pos *sweepPosition) error {
	for races := 0; ; {
		some, err := f.find(ctx, subject)
		if err != nil {
			return err
		}
		if len(some.ops) == 0 {
			return nil
		}
		next := *pos
		next.add(f.spec.Name, some.count)
		err = run.Step(ctx, next.Done, 0, &next, some.ops...)
		switch {
		case errors.Is(err, store.ErrConflict):
			if races++; races > 200 {
				return err
			}
			if err := (core.SystemClock{}).Sleep(ctx, pause(races)); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			*pos, races = next, 0
		}
	}
}

// swept notes in the request what went, and leaves the rest to the task that asks the
// destinations.
func (s *Service) swept(ctx context.Context, run *work.JobRun, request string, subject *Subject, pos *sweepPosition) error {
	ws := run.Workspace()
	for {
		r, err := Requests.Get(ctx, s.o.Store, store.Key(ws, request))
		if err != nil {
			return err
		}
		if r == nil {
			return work.Permanent(core.Errorf(core.NotFound, "REQUEST", "the request is gone"))
		}
		here := r.task(targetHere)
		if r.Status.Final() || here == nil || here.Status == work.Succeeded {
			return nil
		}
		now := millis(s.o.Clock.Now())
		here.Status, here.At = work.Succeeded, &now
		if err := s.left(ctx, r, subject, now); err != nil {
			return err
		}
		r.Counts = pos.Counts
		r.Status, r.Job = AwaitingDestinations, run.Job().ID[len(ws)+1:]
		err = run.Step(ctx, pos.Done, pos.Done, pos, Requests.Replace(r),
			work.Enqueue(work.Item{Kind: finishKind, Workspace: ws, Name: request, DueAt: now}))
		if !errors.Is(err, store.ErrConflict) {
			if err == nil && s.o.Runner != nil {
				s.o.Runner.Wake()
			}
			return err
		}
	}
}

// left adds to a request the tasks that are left after the sweep, so that nobody takes
// it for done.
func (s *Service) left(ctx context.Context, r *Request, subject *Subject, at time.Time) error {
	var targets []string
	if subject != nil {
		open, err := s.openJobs(ctx, subject, *r.ErasedAt)
		if err != nil {
			return err
		}
		if open > 0 {
			targets = append(targets, targetJobs)
		}
	}
	if _, ok := s.o.Store.(store.Scrubber); ok {
		targets = append(targets, targetFiles)
	}
	list, err := s.destinationsOf(ctx, r.Workspace())
	if err != nil {
		return err
	}
	for _, d := range list {
		targets = append(targets, d.Name())
	}
	for _, target := range targets {
		if r.task(target) == nil {
			r.Tasks = append(r.Tasks, Task{Target: target, Status: work.Queued, At: &at})
		}
	}
	return nil
}

// count returns how many documents of a person each collection holds.
func (s *Service) count(ctx context.Context, subject *Subject) ([]Count, error) {
	var out []Count
	for _, f := range s.finders(subject) {
		n, err := f.count(ctx, subject)
		if err != nil {
			return nil, fmt.Errorf("count in %s: %w", f.spec.Name, err)
		}
		if n > 0 {
			out = append(out, Count{f.spec.Name, n})
		}
	}
	return out, nil
}

func deletion(spec *store.Spec, raw bson.Raw) store.Op {
	id, _ := raw.Lookup("_id").StringValueOK()
	v, _ := raw.Lookup("_v").AsInt64OK()
	return store.Op{Kind: store.OpDelete, Spec: spec, ID: id, V: v}
}

package privacy

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// finishKind is the kind of the task that ends an erasure: files, destinations,
// receipt. Its name is the request's id.
const finishKind = "privacy.finish"

const (
	scrubFor   = 20 * time.Second // how long a scrub waits for readers of older states
	scrubAgain = 2 * time.Second
	askAgain   = time.Minute
)

// finish is the handler of finishKind. Each step is noted in the request before the
// next, so that a crash anywhere repeats at most one, and every one may be repeated.
func (s *Service) finish(ctx context.Context, l *work.Lease) error {
	t := l.Task()
	r, err := Requests.Get(ctx, s.o.Store, store.Key(t.Workspace, t.Name))
	if err != nil {
		return err
	}
	if r == nil || r.Status.Final() {
		return l.Complete(ctx)
	}
	subject, sealed, err := s.subjectOf(ctx, t.Workspace, t.Name)
	if err != nil {
		return err
	}
	if subject == nil {
		subject = &Subject{Workspace: t.Workspace, Request: t.Name}
	}
	again, err := s.files(ctx, l, r, subject)
	if err != nil {
		return err
	}
	later, err := s.destinations(ctx, l, r, subject)
	if err != nil {
		return err
	}
	if later > 0 && (again == 0 || later < again) {
		again = later
	}
	if again > 0 {
		return l.Reschedule(ctx, s.o.Clock.Now().Add(again), nil)
	}
	return s.complete(ctx, l, r, sealed)
}

// files has the engine overwrite what was deleted. It returns when to try again; 0:
// it is done.
func (s *Service) files(ctx context.Context, l *work.Lease, r *Request, subject *Subject) (time.Duration, error) {
	if i := slices.IndexFunc(r.Tasks, func(t Task) bool { return t.Target == targetFiles }); i >= 0 && r.Tasks[i].Status == work.Succeeded {
		return 0, nil
	}
	engine, ok := s.o.Store.(store.Scrubber)
	if !ok {
		return 0, nil // what remains is in the receipt
	}
	waiting, cancel := context.WithTimeout(ctx, scrubFor)
	defer cancel()
	err := engine.Scrub(waiting, profile.IdentifierKeys(subject.Workspace, subject.Identifiers)...)
	if errors.Is(err, store.ErrUnavailable) && ctx.Err() == nil {
		s.o.Logger.Warn("privacy: the files of the store cannot be overwritten yet", "request", r.RequestID(), "error", err.Error())
		return scrubAgain, s.note(ctx, l, r, Task{Target: targetFiles, Status: work.Running, Evidence: "a reader holds an older state"})
	}
	if err != nil {
		return 0, err
	}
	return 0, s.note(ctx, l, r, Task{Target: targetFiles, Status: work.Succeeded, Evidence: "overwritten"})
}

// destinations asks every destination that has not answered for good. It returns when
// to ask again; 0: all have.
func (s *Service) destinations(ctx context.Context, l *work.Lease, r *Request, subject *Subject) (time.Duration, error) {
	list, err := s.destinationsOf(ctx, r.Workspace())
	if err != nil {
		return 0, err
	}
	var again time.Duration
	for _, d := range list {
		task := Task{Target: d.Name(), Status: work.Queued}
		if i := slices.IndexFunc(r.Tasks, func(t Task) bool { return t.Target == d.Name() }); i >= 0 {
			task = r.Tasks[i]
		}
		if task.Status.Final() {
			continue
		}
		var a Answer
		if task.Ref == "" {
			a, err = d.Erase(ctx, *subject)
		} else {
			a, err = d.Check(ctx, r.Workspace(), task.Ref)
		}
		if err != nil {
			if ctx.Err() != nil {
				return 0, context.Cause(ctx)
			}
			e := core.AsError(err) // the cause may hold anything: only its class is kept
			a = Answer{Status: work.Running, Ref: task.Ref, Evidence: "error: " + string(e.Code) + " " + e.Reason, After: askAgain}
		}
		if !a.Status.Final() {
			if a.After <= 0 {
				a.After = askAgain
			}
			if again == 0 || a.After < again {
				again = a.After
			}
		}
		if err := s.note(ctx, l, r, Task{Target: d.Name(), Status: a.Status, Evidence: a.Evidence, Ref: a.Ref}); err != nil {
			return 0, err
		}
	}
	return again, nil
}

func (s *Service) destinationsOf(ctx context.Context, ws string) ([]Destination, error) {
	if s.o.Destinations == nil {
		return nil, nil
	}
	return s.o.Destinations(ctx, ws)
}

// note writes the state of a task into the request, under the lease.
func (s *Service) note(ctx context.Context, l *work.Lease, r *Request, t Task) error {
	now := millis(s.o.Clock.Now())
	t.At = &now
	next := *r
	next.Tasks = slices.Clone(r.Tasks)
	i := slices.IndexFunc(next.Tasks, func(o Task) bool { return o.Target == t.Target })
	if i < 0 {
		next.Tasks = append(next.Tasks, t)
	} else {
		if o := next.Tasks[i]; o.Status == t.Status && o.Evidence == t.Evidence && o.Ref == t.Ref {
			return nil
		}
		next.Tasks[i] = t
	}
	if err := l.Commit(ctx, Requests.Replace(&next)); err != nil {
		return err
	}
	next.V++
	*r = next
	return nil
}

// complete signs the receipt, and forgets what found the person.
func (s *Service) complete(ctx context.Context, l *work.Lease, r *Request, sealed *sealedSubject) error {
	now := millis(s.o.Clock.Now())
	next := *r
	next.CompletedAt, next.Status = &now, Completed
	for _, t := range r.Tasks {
		if t.Status == work.Failed {
			next.Status = Failed
		}
	}
	var err error
	if next.Receipt, err = s.sign(ctx, &next); err != nil {
		return err
	}
	trail, err := s.audited(ctx, r.Workspace(), "erasure.complete", r.RequestID(), "", nil)
	if err != nil {
		return err
	}
	ops := append(trail, Requests.Replace(&next))
	if sealed != nil {
		ops = append(ops, subjects.Delete(sealed))
	}
	return l.Complete(ctx, ops...)
}

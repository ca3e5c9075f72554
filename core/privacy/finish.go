package privacy

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// finishKind is the kind of the task that ends an erasure: files, destinations,
// receipt. Its name is the request's id.
const finishKind = "privacy.finish"

const (
	askAgain   = time.Minute
	filesAgain = 30 * time.Second // the scrub calls earlier
	jobsAgain  = 5 * time.Second
)

// finish is the handler of finishKind. Each step is noted in the request before the
// next, so that a crash anywhere repeats at most one, and every one may be repeated.
// No step waits for another: a vendor is asked though the files are busy.
func (s *Service) finish(ctx context.Context, l *work.Lease) error {
	t := l.Task()
	for races := 1; ; races++ {
		r, err := Requests.Get(ctx, s.o.Store, store.Key(t.Workspace, t.Name))
		if err != nil {
			return err
		}
		if r == nil || r.Status.Final() {
			return l.Complete(ctx)
		}
		err = s.steps(ctx, l, r)
		if !errors.Is(err, store.ErrConflict) || races == 50 {
			return err
		}
		if err := (core.SystemClock{}).Sleep(ctx, pause(races)); err != nil {
			return err
		}
	}
}

// steps takes each step that is left as far as it goes. It conflicts when the request
// changed meanwhile.
func (s *Service) steps(ctx context.Context, l *work.Lease, r *Request) error {
	subject, sealed, err := s.subjectOf(ctx, r.Workspace(), r.RequestID())
	if err != nil {
		return err
	}
	if subject == nil {
		subject = &Subject{Workspace: r.Workspace(), Request: r.RequestID()}
	}
	var again time.Duration
	for _, step := range []func(context.Context, *work.Lease, *Request, *Subject) (time.Duration, error){s.late, s.files, s.destinations} {
		later, failed := step(ctx, l, r, subject)
		if errors.Is(failed, store.ErrConflict) || ctx.Err() != nil {
			return failed
		}
		err = errors.Join(err, failed)
		if later > 0 && (again == 0 || later < again) {
			again = later
		}
	}
	switch {
	case err != nil:
		return err
	case again > 0:
		return l.Reschedule(ctx, s.o.Clock.Now().Add(again), nil, Requests.Check(r))
	}
	return s.complete(ctx, l, r, sealed)
}

// late takes the person out of jobs that were running when the sweep came by.
func (s *Service) late(ctx context.Context, l *work.Lease, r *Request, subject *Subject) (time.Duration, error) {
	if t := r.task(targetJobs); t == nil || t.Status.Final() {
		return 0, nil
	}
	f := s.counted(s.jobs)
	for {
		some, err := f.find(ctx, subject)
		if err != nil {
			return 0, err
		}
		if len(some.ops) == 0 {
			break
		}
		next := *r
		next.Counts = addCount(r.Counts, work.JobDocs.Spec.Name, some.count)
		if err := l.Progress(ctx, append(some.ops, Requests.Replace(&next))...); err != nil {
			return 0, err
		}
		next.V++
		*r = next
	}
	open, err := s.openJobs(ctx, subject, *r.ErasedAt)
	if err != nil {
		return 0, err
	}
	if open > 0 {
		return jobsAgain, nil
	}
	return 0, s.note(ctx, l, r, Task{Target: targetJobs, Status: work.Succeeded, Evidence: "ended"})
}

// files has the engine overwrite what was deleted, together with what other erasures
// deleted. It returns when to look again; 0: it is done.
func (s *Service) files(ctx context.Context, _ *work.Lease, r *Request, _ *Subject) (time.Duration, error) {
	if _, ok := s.o.Store.(store.Scrubber); !ok {
		return 0, nil // what remains is in the receipt
	}
	if t := r.task(targetFiles); t != nil && t.Status == work.Succeeded {
		return 0, nil
	}
	if !r.scrubbable() {
		return filesAgain, nil
	}
	now := s.o.Clock.Now()
	task, err := work.Find(ctx, s.o.Store, r.Workspace(), scrubKind, scrubName)
	if err != nil {
		return 0, err
	}
	item := work.Item{Kind: scrubKind, Workspace: r.Workspace(), Name: scrubName, DueAt: now}
	if task != nil && !task.LeaseUntil.IsZero() { // it may have looked for requests before this one was swept, and be about to end
		item.Name, item.DueAt = scrubName+" again", now.Add(time.Second)
	}
	err = work.Ensure(ctx, s.o.Store, item)
	s.o.Runner.Wake()
	return filesAgain, err
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
		if t := r.task(d.Name()); t != nil {
			task = *t
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
			a = Answer{Status: work.Running, Ref: task.Ref, Evidence: "error: " + string(e.Code) + " " + e.Reason, After: e.RetryAfter}
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
	next, changed := r.with(t, millis(s.o.Clock.Now()))
	if !changed {
		return nil
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

package privacy

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// scrubKind is the kind of the task that has the engine overwrite what erasures left
// in its files: a scrub goes through all of a file, so that one does for every request
// that was swept before it began. There is one task for each workspace.
const (
	scrubKind = "privacy.scrub"
	scrubName = "files"
)

const (
	scrubFor   = 10 * time.Minute // readers of older states, and a long file
	scrubAgain = 2 * time.Second
	scrubMany  = 100 // requests at once
)

// scrub is the handler of scrubKind.
func (s *Service) scrub(ctx context.Context, l *work.Lease) error {
	ws := l.Task().Workspace
	list, err := s.unscrubbed(ctx, ws)
	if err != nil || len(list) == 0 {
		return errors.Join(err, l.Complete(ctx))
	}
	var keys []string
	for _, r := range list {
		subject, _, err := s.subjectOf(ctx, ws, r.RequestID())
		if err != nil {
			return err
		}
		if subject != nil {
			keys = append(keys, profile.IdentifierKeys(ws, subject.Identifiers)...)
		}
	}
	waiting, cancel := context.WithTimeout(ctx, scrubFor)
	defer cancel()
	err = s.o.Store.(store.Scrubber).Scrub(waiting, keys...)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	word, again := Task{Target: targetFiles, Status: work.Succeeded, Evidence: "overwritten"}, time.Duration(0)
	switch {
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		s.o.Logger.Warn("privacy: the files of the store cannot be overwritten yet", "requests", len(list), "error", err.Error())
		word, again = Task{Target: targetFiles, Status: work.Running, Evidence: "a reader holds an older state"}, scrubAgain
	case err != nil:
		return err
	}
	for _, r := range list {
		if err := s.scrubbed(ctx, l, r, word); err != nil {
			return err
		}
	}
	s.o.Runner.Wake()
	return l.Reschedule(ctx, s.o.Clock.Now().Add(again), nil) // others may have come meanwhile
}

// unscrubbed returns requests whose files are to be overwritten.
func (s *Service) unscrubbed(ctx context.Context, ws string) ([]*Request, error) {
	var out []*Request
	err := Requests.Each(ctx, s.o.Store, store.Query{
		Workspace: ws, Where: []store.Cond{store.Eq("status", string(AwaitingDestinations))}, Order: []string{"dueAt"},
	}, func(r *Request) error {
		if r.scrubbable() {
			out = append(out, r)
		}
		if len(out) == scrubMany {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return out, err
}

// scrubbed notes in a request what became of the files, and has its end looked at. Who
// is at it just now meets another version of the request, and looks again.
func (s *Service) scrubbed(ctx context.Context, l *work.Lease, r *Request, word Task) error {
	for races := 1; ; races++ {
		next, changed := r.with(word, millis(s.o.Clock.Now()))
		if !changed {
			return nil
		}
		ops := []store.Op{Requests.Replace(&next)}
		if word.Status.Final() {
			task, err := work.Find(ctx, s.o.Store, r.Workspace(), finishKind, r.RequestID())
			if err != nil {
				return err
			}
			switch {
			case task == nil:
			case task.LeaseUntil.IsZero():
				ops = append(ops, work.Move(task, s.o.Clock.Now()))
			default: // it may be about to put itself off without having seen this
				ops = append(ops, work.Tasks.Check(task))
			}
		}
		err := l.Progress(ctx, ops...)
		if !errors.Is(err, store.ErrConflict) || races == 100 {
			return err
		}
		if err := s.o.Clock.Sleep(ctx, pause(races)); err != nil {
			return err
		}
		if r, err = Requests.Get(ctx, s.o.Store, r.ID); err != nil || r == nil || !r.scrubbable() {
			return err
		}
	}
}

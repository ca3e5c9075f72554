package privacy

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// taskWatch is the kind of the task that looks after a request until it is over: its
// name is the request's id. Whatever was lost in between, a crash or a job that came to
// an end with the work undone, it is found here.
const taskWatch = "privacy.watch"

// watchEvery is how long a request stands still at most, when what should move it was
// lost.
const watchEvery = 10 * time.Minute

// watch is the handler of taskWatch.
func (s *Service) watch(ctx context.Context, l *work.Lease) error {
	t := l.Task()
	ctx = core.WithActor(ctx, &core.Actor{Workspace: t.Workspace, ID: "system:privacy", Name: "privacy", Purpose: "compliance", Reason: t.Name})
	r, err := Requests.Get(ctx, s.o.Store, store.Key(t.Workspace, t.Name))
	if err != nil {
		return err
	}
	if r == nil || r.Status.Final() {
		return l.Complete(ctx)
	}
	if err := s.lookAfter(ctx, r); err != nil {
		return err
	}
	return l.Reschedule(ctx, s.o.Clock.Now().Add(watchEvery), nil)
}

// lookAfter begins an erasure that nothing keeps waiting any more, and a new job where
// one is over and its work is not done.
func (s *Service) lookAfter(ctx context.Context, r *Request) error {
	switch {
	case r.Type == Erasure && r.Status == Received && r.parked():
		_, err := s.begin(ctx, r)
		if core.CodeOf(err) == core.NotFound {
			return nil // gone with another request
		}
		return err
	case r.Status == InProgress && !r.statusOf(targetHere).Final():
		return s.startAgain(ctx, r)
	}
	return nil
}

// startAgain begins a new job for a request whose own is over.
func (s *Service) startAgain(ctx context.Context, r *Request) error {
	if r.Job != "" {
		j, err := s.o.Jobs.Get(ctx, r.Workspace(), r.Job)
		if err != nil || j != nil && !j.Status.Final() {
			return err
		}
	}
	kind, input := JobAnswer, any(answerInput{r.RequestID()})
	if r.Type == Erasure {
		kind, input = EraseKind, eraseJob{r.RequestID()}
	}
	next := *r
	j, err := s.o.Jobs.StartWith(ctx, kind, r.Workspace(), input, jobKey(r), func(j *work.Job) []store.Op {
		next.Job = j.JobID()
		return []store.Op{Requests.Replace(&next)}
	})
	if err == nil {
		s.o.Logger.Warn("privacy: a request stood still; its work goes on", "request", r.RequestID(), "job", j.JobID())
	}
	return err
}

// jobKey is the idempotency key of the next job of a request.
func jobKey(r *Request) string {
	if r.Job == "" {
		return r.RequestID()
	}
	return r.RequestID() + " after " + r.Job
}

// watched returns the operation that begins to look after a request; none when that
// goes on.
func (s *Service) watched(ctx context.Context, r *Request) ([]store.Op, error) {
	return watched(ctx, s.o.Store, r, s.o.Clock.Now())
}

func watched(ctx context.Context, from store.Reader, r *Request, now time.Time) ([]store.Op, error) {
	t, err := work.Find(ctx, from, r.Workspace(), taskWatch, r.RequestID())
	if err != nil || t != nil {
		return nil, err
	}
	return []store.Op{work.Enqueue(work.Item{Kind: taskWatch, Workspace: r.Workspace(), Name: r.RequestID(), DueAt: now.Add(watchEvery)})}, nil
}

// statusOf returns where a task of the request stands; "" when there is none.
func (r *Request) statusOf(target string) work.Status {
	for _, t := range r.Tasks {
		if t.Target == target {
			return t.Status
		}
	}
	return ""
}

// parked reports whether a legal hold keeps the request waiting.
func (r *Request) parked() bool {
	return slices.ContainsFunc(r.Tasks, func(t Task) bool { return t.Target == targetHold })
}

// waitsFor reports whether the request says that it waits for exactly these holds.
func (r *Request) waitsFor(holds []*Hold) bool {
	var said, are []string
	for _, t := range r.Tasks {
		if t.Target == targetHold {
			said = append(said, t.Evidence)
		}
	}
	for _, h := range holds {
		are = append(are, h.HoldID())
	}
	slices.Sort(said)
	slices.Sort(are)
	return slices.Equal(said, are)
}

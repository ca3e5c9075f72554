package work

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// JobAttempts is how often a job may fail or lose its process without getting
// ahead.
const JobAttempts = 5

// ProgressEvery is how long progress that changes nothing else is kept back.
const ProgressEvery = 250 * time.Millisecond

// JobHandler does the work of one kind of job. It goes on from run.Position, does
// a slice at a time and calls run.Step after each; it returns what Step returns.
// The actor of ctx is who started the job. An error that says that the input is
// wrong (INVALID, NOT_FOUND, FORBIDDEN, CONSENT_REQUIRED or Permanent) fails the
// job, any other after JobAttempts. HandleLasting knows Permanent only.
type JobHandler interface {
	Run(ctx context.Context, run *JobRun) error
}

// JobHandlerFunc is a JobHandler.
type JobHandlerFunc func(ctx context.Context, run *JobRun) error

// Run implements JobHandler.
func (f JobHandlerFunc) Run(ctx context.Context, run *JobRun) error { return f(ctx, run) }

// JobRun is one run of a job in this process.
type JobRun struct {
	lease *Lease
	clock core.Clock

	mu      sync.Mutex
	job     Job // as it is stored, but for what pending says
	result  bson.Raw
	pending bool      // progress is kept back
	wrote   time.Time // when progress was last written
}

// Job returns the job as it was last written.
func (r *JobRun) Job() Job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.job
}

// Workspace returns the workspace of the job.
func (r *JobRun) Workspace() string { return r.lease.Task().Workspace }

// Input decodes the job's input into v.
func (r *JobRun) Input(v any) error {
	ok, err := decode(r.Job().Input, v)
	if err == nil && !ok {
		err = Permanent(core.Errorf(core.Invalid, "JOB_INPUT", "a job of kind %s needs an input", r.Job().Kind))
	}
	return err
}

// Position decodes where an earlier run came to into v; false says that this is
// the beginning.
func (r *JobRun) Position(v any) (bool, error) { return decode(r.Job().Position, v) }

// Result sets the job's result, stored when Run returns nil. v encodes to a BSON
// document.
func (r *JobRun) Result(v any) error {
	raw, err := encode(v)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result = raw
	return nil
}

// Step says that done of total (0: unknown) is done, and commits the operations
// together with the position (nil: as it was) from which the next run would go
// on. Without operations it may keep the position back for ProgressEvery. It
// returns ErrLost when another process has the job or it was cancelled,
// ErrStopping (after the commit) when this process is about to end; a conflict is
// about one of ops, and nothing of the step was written.
func (r *JobRun) Step(ctx context.Context, done, total int64, position any, ops ...store.Op) error {
	raw, err := encode(position)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.job
	next.Done, next.Total = done, total
	if raw != nil {
		next.Position = raw
	}
	stopping := r.stopping()
	now := r.clock.Now()
	if since := now.Sub(r.wrote); len(ops) == 0 && stopping == nil && since >= 0 && since < ProgressEvery {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.job, r.pending = next, true
		return nil
	}
	if err := r.lease.Progress(ctx, append([]store.Op{JobDocs.Replace(&next)}, ops...)...); err != nil {
		return r.explain(ctx, err)
	}
	next.V++
	r.job, r.pending, r.wrote = next, false, now
	return stopping
}

func (r *JobRun) stopping() error {
	select {
	case <-r.lease.Stopping():
		return ErrStopping
	default:
		return nil
	}
}

// explain turns a conflict on the job's own document into what it means: only
// Cancel writes it beside us.
func (r *JobRun) explain(ctx context.Context, err error) error {
	if conflictOn(err, JobDocs.Spec, r.job.ID) {
		if lerr := r.lease.verify(ctx); lerr != nil {
			return lerr
		}
	}
	return err
}

// flush writes progress that was kept back.
func (r *JobRun) flush(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.pending {
		return nil
	}
	err := r.lease.Commit(ctx, JobDocs.Replace(&r.job))
	if err == nil {
		r.job.V++
		r.pending = false
	}
	return err
}

// end finishes the job and its task in one commit.
func (r *JobRun) end(ctx context.Context, change func(*Job)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.job
	change(&next)
	return r.explain(ctx, r.lease.Complete(ctx, JobDocs.Replace(&next)))
}

// jobWork runs the tasks of one job kind.
type jobWork struct {
	jobs    *Jobs
	handler JobHandler
}

// Handle implements Handler.
func (w *jobWork) Handle(ctx context.Context, l *Lease) error {
	t := l.Task()
	j, err := w.jobs.Get(ctx, t.Workspace, t.Name)
	if err != nil {
		return err
	}
	if j == nil || j.Status.Final() {
		return l.Complete(ctx)
	}
	run := &JobRun{lease: l, clock: w.jobs.clock, job: *j}
	if j.Status == Queued {
		j.Status, j.StartedAt = Running, ceil(w.jobs.clock.Now())
		if err := l.Commit(ctx, JobDocs.Replace(j)); err != nil {
			return err
		}
		run.job = *j
		run.job.V++
	}
	// What failed or succeeded is written even when ctx has ended meanwhile.
	wctx := context.WithoutCancel(ctx)
	lasting := w.jobs.lasting[j.Kind]
	if l.Attempt() > JobAttempts && !lasting {
		return w.end(wctx, run, func(j *Job) {
			j.Error = failure(errAbandoned)
			j.finish(Failed, ceil(w.jobs.clock.Now()))
		})
	}
	err = w.run(core.WithActor(ctx, run.job.actor()), run)
	switch {
	case err == nil:
		return w.end(wctx, run, func(j *Job) {
			j.Result = run.result
			j.finish(Succeeded, ceil(w.jobs.clock.Now()))
		})
	case errors.Is(err, ErrLost), errors.Is(err, ErrStopping), ctx.Err() != nil:
		return errors.Join(err, run.flush(wctx))
	case isPermanent(err), !lasting && (final(err) || l.Attempt() >= JobAttempts):
		return w.end(wctx, run, func(j *Job) {
			j.Error = failure(err)
			j.finish(Failed, ceil(w.jobs.clock.Now()))
		})
	}
	return errors.Join(err, run.flush(wctx))
}

// end finishes the job, and forgets old ones of its kind.
func (w *jobWork) end(ctx context.Context, run *JobRun, change func(*Job)) error {
	if err := run.end(ctx, change); err != nil {
		return err
	}
	if err := w.jobs.prune(ctx, run.Workspace(), run.Job().Kind); err != nil && !errors.Is(err, store.ErrConflict) {
		w.jobs.runner.opt.Logger.Warn("work: jobs that are long over stay for now", "error", err.Error())
	}
	return nil
}

// run calls the handler; a panic is an error like another.
func (w *jobWork) run(ctx context.Context, run *JobRun) (err error) {
	defer func() {
		if p := recover(); p != nil {
			logPanic(w.jobs.runner.opt.Logger, run.lease.Task().Kind, p)
			err = errPanic
		}
	}()
	return w.handler.Run(ctx, run)
}

// final reports whether err says that the input is wrong, which no attempt mends.
func final(err error) bool {
	var e *core.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case core.Invalid, core.NotFound, core.Forbidden, core.ConsentRequired:
		return true
	}
	return false
}

package work

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// start runs the handler of a claimed task in its own goroutine.
func (r *Runner) start(k *kindState, t *Task) {
	ctx, cancel := context.WithCancelCause(r.handlers)
	l := &Lease{store: r.opt.Store, clock: r.opt.Clock, duration: k.Lease, stopping: r.stopping, cancel: cancel, id: t.ID, since: r.opt.Clock.Now(), task: *t}
	k.free.Add(-1)
	r.mu.Lock()
	r.held[l.id] = l
	r.mu.Unlock()
	r.wg.Go(func() {
		outcome := r.run(ctx, k, l)
		cancel(nil)
		r.mu.Lock()
		delete(r.held, l.id)
		r.mu.Unlock()
		k.free.Add(1)
		if k.more.Load() {
			r.Wake()
		}
		r.opt.Observe(k.name, outcome, r.opt.Clock.Now().Sub(l.since))
	})
}

// run calls the handler and writes down what became of the task.
func (r *Runner) run(ctx context.Context, k *kindState, l *Lease) Outcome {
	var err error
	if k.Attempts > 0 && l.Attempt() > k.Attempts {
		// Its last holder died with it, perhaps of it.
		err = errAbandoned
	} else {
		err = r.call(ctx, k, l)
	}
	outcome, werr := r.settle(ctx, k, l, err)
	if werr != nil {
		if l.isLost() {
			return Lost
		}
		// The lease runs out by itself and the task is claimed again.
		r.opt.Logger.Warn("work: settle", "kind", k.name, "outcome", outcome, "error", werr.Error())
		return Retried
	}
	return outcome
}

var errAbandoned = Permanent(core.Errorf(core.Internal, "ABANDONED", "the processes that worked on it died"))

func (r *Runner) call(ctx context.Context, k *kindState, l *Lease) (err error) {
	defer func() {
		if p := recover(); p != nil {
			logPanic(r.opt.Logger, k.name, p)
			err = errPanic
		}
	}()
	return k.Handler.Handle(ctx, l)
}

// logPanic says where, not with what: that may hold anything.
func logPanic(log *slog.Logger, kind string, p any) {
	log.Error("work: handler panicked", "kind", kind, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
}

func (r *Runner) settle(ctx context.Context, k *kindState, l *Lease, err error) (Outcome, error) {
	// A handler whose time is up still writes how far it got.
	sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 4*store.MaxTime)
	defer cancel()
	switch {
	case l.isLost():
		return Lost, nil
	case l.isOver():
		return Done, nil
	case err == nil:
		return Done, l.Complete(sctx)
	case errors.Is(err, ErrLost) && l.verify(sctx) != nil:
		return Lost, nil
	case errors.Is(err, ErrStopping), errors.Is(context.Cause(ctx), ErrStopping) && errors.Is(err, context.Canceled):
		return Released, l.release(sctx)
	}
	attempt := l.Attempt()
	if isPermanent(err) || k.Attempts > 0 && attempt >= k.Attempts {
		r.opt.Logger.Error("work: task is dead", "kind", k.name, "attempts", attempt, "reason", reason(err))
		return Died, l.bury(sctx, reason(err))
	}
	r.opt.Logger.Info("work: task failed", "kind", k.name, "attempt", attempt, "reason", reason(err))
	return Retried, l.retry(sctx, r.opt.Clock.Now().Add(k.Backoff.Delay(attempt, err)), reason(err))
}

package work

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// MaxOps is how many operations fit beside a lease's own in one batch.
const MaxOps = store.MaxOps - 2

// Lease is a task that this process holds. Its methods may be called from several
// goroutines; writes are made one after another, renewals among them.
type Lease struct {
	store    Store
	clock    core.Clock
	duration time.Duration
	stopping <-chan struct{}
	cancel   context.CancelCauseFunc
	id       string // of the task's document
	since    time.Time

	mu   sync.Mutex
	task Task // as it is stored
	over bool // completed, rescheduled, released or lost
	lost bool
}

// Task returns the task as it was when it was claimed or last written.
func (l *Lease) Task() Task {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.task
}

// Payload decodes the task's payload into v.
func (l *Lease) Payload(v any) error {
	ok, err := decode(l.Task().Payload, v)
	if err == nil && !ok {
		err = fmt.Errorf("work: the task has no payload")
	}
	return err
}

// Attempt returns which attempt this is since the last progress; 1 is the first.
func (l *Lease) Attempt() int { return l.Task().Attempts }

// Fence returns a number that is higher than that of every earlier holder.
func (l *Lease) Fence() int64 { return l.Task().Fence }

// Stopping is closed when the process is about to end: a handler that runs for
// long then returns ErrStopping at its next good moment.
func (l *Lease) Stopping() <-chan struct{} { return l.stopping }

// Commit writes the operations if the lease is still held, all or nothing. It
// returns ErrLost when it is not; a conflict that it returns is about one of ops.
func (l *Lease) Commit(ctx context.Context, ops ...store.Op) error {
	return l.write(ctx, ops, func(t *Task) store.Op {
		if t.LeaseUntil.Sub(l.clock.Now()) > l.duration*2/3 {
			return Tasks.Check(t)
		}
		return l.extend(t)
	})
}

// Progress is Commit that also forgives the attempts before: a task that gets
// ahead in each attempt never runs out of them.
func (l *Lease) Progress(ctx context.Context, ops ...store.Op) error {
	return l.write(ctx, ops, func(t *Task) store.Op {
		if t.Attempts <= 1 && t.LeaseUntil.Sub(l.clock.Now()) > l.duration*2/3 {
			return Tasks.Check(t)
		}
		t.Attempts = 1
		return l.extend(t)
	})
}

// Complete writes the operations and deletes the task in the same batch.
func (l *Lease) Complete(ctx context.Context, ops ...store.Op) error {
	return l.write(ctx, ops, func(t *Task) store.Op {
		l.over = true
		return Tasks.Delete(t)
	})
}

// Reschedule writes the operations, and the task is due again at dueAt, with a new
// payload unless that is nil, and all its attempts before it.
func (l *Lease) Reschedule(ctx context.Context, dueAt time.Time, payload any, ops ...store.Op) error {
	raw, err := encode(payload)
	if err != nil {
		return err
	}
	return l.write(ctx, ops, func(t *Task) store.Op {
		if raw != nil {
			t.Payload = raw
		}
		t.Attempts, t.LastError = 0, ""
		return l.giveBack(t, dueAt)
	})
}

// retry gives the task back after a failure.
func (l *Lease) retry(ctx context.Context, dueAt time.Time, lastError string) error {
	return l.write(ctx, nil, func(t *Task) store.Op {
		t.LastError = lastError
		return l.giveBack(t, dueAt)
	})
}

// release gives the task back because the process stops: it costs no attempt.
func (l *Lease) release(ctx context.Context) error {
	return l.write(ctx, nil, func(t *Task) store.Op {
		t.Attempts = max(t.Attempts-1, 0)
		return l.giveBack(t, l.clock.Now())
	})
}

// renew prolongs the lease.
func (l *Lease) renew(ctx context.Context) error {
	return l.write(ctx, nil, l.extend)
}

func (l *Lease) extend(t *Task) store.Op {
	t.LeaseUntil = ceil(l.clock.Now().Add(l.duration))
	t.DueAt = t.LeaseUntil
	return Tasks.Replace(t)
}

func (l *Lease) giveBack(t *Task, dueAt time.Time) store.Op {
	l.over = true
	t.DueAt, t.Owner, t.LeaseUntil = ceil(dueAt), "", time.Time{}
	return Tasks.Replace(t)
}

// write commits ops beside the operation that fence makes of a copy of the task.
// fence may set l.over; that stays only when the commit succeeds. A conflict on
// the task's own document is believed only after reading it: a commit whose reply
// was lost moves the version on, but not the fence.
func (l *Lease) write(ctx context.Context, ops []store.Op, fence func(*Task) store.Op) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for try := 0; ; try++ {
		switch {
		case l.lost:
			return ErrLost
		case l.over:
			return errOver
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		next := l.task
		op := fence(&next)
		over := l.over
		l.over = false
		// The commit outlives ctx: half a commit has an unknown outcome.
		cctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*store.MaxTime)
		err := Commit(cctx, l.store, append([]store.Op{op}, ops...)...)
		cancel()
		if err == nil {
			if op.Kind == store.OpReplace {
				next.V++
			}
			l.task, l.over = next, over
			return nil
		}
		if !conflictOn(err, Tasks.Spec, l.id) {
			return err
		}
		if rerr := l.reread(context.WithoutCancel(ctx)); rerr != nil {
			return rerr
		}
		if try == 3 {
			return err
		}
	}
}

// reread takes over the stored task, or loses the lease when it is another's.
func (l *Lease) reread(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, store.MaxTime)
	defer cancel()
	t, err := Tasks.Get(ctx, l.store, l.id)
	if err != nil {
		return err
	}
	if !l.mine(t) {
		l.lose()
		return ErrLost
	}
	l.task = *t
	return nil
}

func (l *Lease) mine(t *Task) bool {
	return t != nil && t.Owner == l.task.Owner && t.Fence == l.task.Fence
}

func (l *Lease) lose() {
	l.over, l.lost = true, true
	l.cancel(ErrLost)
}

// verify finds out whether the lease is still held.
func (l *Lease) verify(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost {
		return ErrLost
	}
	return l.reread(context.WithoutCancel(ctx))
}

func (l *Lease) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

func (l *Lease) isLost() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

package work

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

var (
	// ErrLost says that the lease is another's now, or that the task was dropped
	// (its job cancelled): nothing more can be written. Return it.
	ErrLost = errors.New("work: lease lost")
	// ErrStopping says that the process is about to end: what was committed stays,
	// and another process goes on. Return it.
	ErrStopping = errors.New("work: stopping")
	// errOver is a handler's mistake: a write after Complete or Reschedule.
	errOver = errors.New("work: the task is already finished")
)

type permanent struct{ err error }

func (p permanent) Error() string { return p.err.Error() }
func (p permanent) Unwrap() error { return p.err }

// Permanent marks err as one that no further attempt can mend: the task is dead
// at once.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

func isPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}

// Backoff says how long to wait before the next attempt: Base, doubled with each
// attempt up to Max, of which a random half is taken off.
type Backoff struct {
	Base, Max time.Duration
}

// Delay returns the wait after the given attempt (1 is the first). A core.Error
// that says when to try again makes it at least that.
func (b Backoff) Delay(attempt int, err error) time.Duration {
	d := b.Base
	for range min(attempt-1, 40) {
		if d *= 2; d >= b.Max {
			break
		}
	}
	d = min(d, b.Max)
	d -= time.Duration(rand.Int64N(int64(d)/2 + 1))
	var e *core.Error
	if errors.As(err, &e) {
		d = max(d, e.RetryAfter)
	}
	return d
}

// reason is what a task keeps of an error: its code and reason, never a message,
// which may hold anything.
func reason(err error) string {
	var e *core.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return string(e.Code) + " " + e.Reason
	case errors.Is(err, context.DeadlineExceeded):
		return "UNAVAILABLE TIMEOUT"
	case errors.Is(err, errPanic):
		return "INTERNAL PANIC"
	}
	return "INTERNAL INTERNAL"
}

var errPanic = errors.New("work: handler panicked")

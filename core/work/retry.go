package work

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Retry runs f, which reads, computes and commits, until it loses no race, at most so many
// times; then the error is UNAVAILABLE, reason BUSY. Other errors are those of Outward.
func Retry(ctx context.Context, attempts int, f func() error) error {
	for try := range attempts {
		err := f()
		if !errors.Is(err, store.ErrConflict) {
			return Outward(err)
		}
		if err := (core.SystemClock{}).Sleep(ctx, time.Duration(min(try*try, 100))*time.Millisecond/4); err != nil {
			return core.AsError(err)
		}
	}
	return core.Errorf(core.Unavailable, "BUSY", "this changes too often just now; try again")
}

// Outward turns an error into the one that leaves the domain; nil stays nil.
func Outward(err error) error {
	var e *core.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, store.ErrUnavailable):
		return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").Wrap(err).After(time.Second)
	}
	return core.AsError(err)
}

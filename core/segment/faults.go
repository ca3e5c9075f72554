package segment

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Faults is everything that is wrong with an input, each with its path. It is an
// error; errors.As finds its first one as a *core.Error.
type Faults []*core.Error

// Error implements error.
func (f Faults) Error() string {
	texts := make([]string, len(f))
	for i, e := range f {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the faults.
func (f Faults) Unwrap() []error {
	out := make([]error, len(f))
	for i, e := range f {
		out[i] = e
	}
	return out
}

// faultsAt returns the faults as one error under a path, nil for none.
func faultsAt(faults []*core.Error, path ...string) error {
	if len(faults) == 0 {
		return nil
	}
	out := make(Faults, len(faults))
	for i, e := range faults {
		out[i] = e.At(path...)
	}
	return out
}

func invalid(reason, format string, args ...any) *core.Error {
	return core.Errorf(core.Invalid, reason, format, args...)
}

// notFound is the answer about a segment that is not there.
func notFound(path ...string) *core.Error {
	return core.Errorf(core.NotFound, "SEGMENT", "no segment has this id").At(path...)
}

// fail turns an error into one that may leave the domain; nil stays nil.
func fail(err error) error {
	var faults Faults
	switch {
	case err == nil:
		return nil
	case errors.As(err, &faults):
		return faults
	case errors.Is(err, store.ErrConflict):
		return core.Errorf(core.Conflict, "CONFLICT", "somebody else changed it meanwhile; read it and try again").Wrap(err)
	case errors.Is(err, store.ErrUnavailable):
		return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").Wrap(err).After(time.Second)
	}
	return core.AsError(err)
}

// pause waits for real, whatever the service's clock says: false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	return core.SystemClock{}.Sleep(ctx, d) == nil
}

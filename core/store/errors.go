package store

import (
	"errors"
	"fmt"

	"github.com/headwater-cdp/headwater/core"
)

// The errors of the port. Engines translate what their driver says into these;
// errors.Is finds them.
var (
	// ErrConflict is a condition of a batch that did not hold; the error is a
	// *ConflictError. Re-read, recompute, try again.
	ErrConflict = errors.New("store: conflict")
	// ErrTooLarge is a batch beyond its limits.
	ErrTooLarge = errors.New("store: batch too large")
	// ErrUnavailable is a store that cannot answer now: unreachable, no primary, no
	// space left on the device. Whether a commit took effect may be unknown:
	// repeat the batch with its id.
	ErrUnavailable = errors.New("store: unavailable")
	// ErrNoIndex is a query that no declared index serves.
	ErrNoIndex = errors.New("store: no index serves the query")
	// ErrBadCursor is a cursor that this query did not make.
	ErrBadCursor = core.Errorf(core.Invalid, "BAD_CURSOR", "the cursor does not belong to this list; use one that the same list returned")
	// ErrTokenExpired is a watch token older than the kept changes.
	ErrTokenExpired = core.Errorf(core.CursorExpired, "CURSOR_EXPIRED", "the cursor is older than the kept history of changes (72 hours); read the current state and continue from its cursor")
)

// ConflictError names the document whose condition did not hold.
type ConflictError struct {
	Collection, ID string
	Kind           OpKind
}

// Error implements error. It does not print the key, which may hold a personal
// value.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("store: conflict in %s", e.Collection)
}

// Is makes errors.Is(err, ErrConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

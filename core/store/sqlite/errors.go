package sqlite

import (
	"context"
	"errors"
	"fmt"

	lib "modernc.org/sqlite/lib"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// resultError is what SQLite answered.
type resultError struct {
	code int32 // extended result code
	msg  string
}

// Error implements error.
func (e *resultError) Error() string { return fmt.Sprintf("sqlite: %s (%d)", e.msg, e.code) }

// codeOf returns the primary result code of err, or 0.
func codeOf(err error) int32 {
	var e *resultError
	if errors.As(err, &e) {
		return e.code & 0xff
	}
	return 0
}

func isBusy(err error) bool { return codeOf(err) == lib.SQLITE_BUSY }

// translate makes an error of the port of what an operation got. The port's own
// errors and those of a context pass as they are.
func translate(op string, err error) error {
	switch codeOf(err) {
	case 0:
		var known *core.Error
		if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
			errors.Is(err, store.ErrUnavailable) || errors.As(err, &known) {
			return err
		}
		return fmt.Errorf("sqlite: %s: %w", op, err)
	case lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY, lib.SQLITE_BUSY, lib.SQLITE_LOCKED,
		lib.SQLITE_NOMEM, lib.SQLITE_PROTOCOL, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_PERM:
		return fmt.Errorf("%w: %s: %w", store.ErrUnavailable, op, err)
	}
	return fmt.Errorf("sqlite: %s: %w", op, err)
}

var errClosed = fmt.Errorf("%w: the store is closed", store.ErrUnavailable)

func errUndeclared(name string) error { return fmt.Errorf("sqlite: %s is not declared", name) }

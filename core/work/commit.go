package work

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Commit writes the operations as one batch. While the store cannot say whether
// it took effect, the batch is repeated with its id for about a second.
func Commit(ctx context.Context, w store.Writer, ops ...store.Op) error {
	b := store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: ops}
	wait := 50 * time.Millisecond
	for try := 0; ; try++ {
		_, err := w.Commit(ctx, b)
		if !errors.Is(err, store.ErrUnavailable) || try == 4 {
			return err
		}
		if (core.SystemClock{}).Sleep(ctx, wait) != nil {
			return err
		}
		wait *= 2
	}
}

// conflictOn reports whether err is a conflict on that document.
func conflictOn(err error, spec *store.Spec, id string) bool {
	var c *store.ConflictError
	return errors.As(err, &c) && c.Collection == spec.Name && c.ID == id
}

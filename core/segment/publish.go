package segment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// maxPublishes bounds how often a publication is tried again because another, or a
// unit of work that checked an epoch, came between.
const maxPublishes = 200

// publish changes definitions: it commits the operations that change makes for the
// next revision together with all epochs, so that nothing that was derived from the
// definitions before can be committed after. change may be called several times. A
// lost race about one of its own operations is store.ErrConflict.
func (s *Service) publish(ctx context.Context, ws string, change func(rev int64) ([]store.Op, error)) (rev int64, err error) {
	return s.publishBy(ctx, ws, change, func(ops []store.Op) error { return s.commit(ctx, ops) })
}

// publishBy is publish with a commit of the caller's.
func (s *Service) publishBy(ctx context.Context, ws string, change func(rev int64) ([]store.Op, error), commit func([]store.Op) error) (rev int64, err error) {
	for range maxPublishes {
		if err := s.giveWay(ctx, ws); err != nil {
			return 0, err
		}
		epochs, err := Epochs.GetMany(ctx, s.db, epochKeys(ws))
		if err != nil {
			return 0, fmt.Errorf("segment: read epochs: %w", err)
		}
		rev = 1
		if epochs[0] != nil {
			rev = epochs[0].Rev + 1
		}
		ops, err := change(rev)
		if err != nil {
			return 0, err
		}
		for i, e := range epochs {
			if e == nil {
				e = &Epoch{Meta: store.Meta{ID: epochKey(ws, i)}}
			}
			e.Rev = rev
			ops = append(ops, Epochs.Put(e))
		}
		err = commit(ops)
		if err == nil {
			s.suspect(ws)
			return rev, s.ensureSweeps(ctx, ws)
		}
		if !conflictOn(err, Epochs.Spec) {
			return 0, err
		}
		if err := (core.SystemClock{}).Sleep(ctx, time.Duration(rand.Int64N(int64(5*time.Millisecond)))); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("segment: publish: %w", store.ErrConflict)
}

// commit writes operations as one batch.
func (s *Service) commit(ctx context.Context, ops []store.Op) error {
	return work.Commit(ctx, s.db, ops...)
}

// conflictOn reports whether err is a lost race about a document of a collection.
func conflictOn(err error, spec *store.Spec) bool {
	var c *store.ConflictError
	return errors.As(err, &c) && c.Collection == spec.Name
}

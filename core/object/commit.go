package object

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// NameTypeChanged is the name of the system event about a changed type, with the
// properties type, change (CREATED, UPDATED or DELETED) and version.
const NameTypeChanged = "Object Type Changed"

// attempts is how often a change is computed anew after a lost race.
const attempts = 20

// retry runs f until it loses no race, pausing a little longer each time.
func (s *Service) retry(ctx context.Context, f func() error) error {
	var err error
	for try := range attempts {
		if err = f(); !errors.Is(err, store.ErrConflict) {
			break
		}
		if stop := (core.SystemClock{}).Sleep(ctx, pause(try)); stop != nil {
			return core.AsError(stop)
		}
	}
	return outward(err)
}

func pause(try int) time.Duration { return time.Duration(try*try) * time.Millisecond / 2 }

// outward turns an error into the one that leaves the domain.
func outward(err error) error {
	var e *core.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, store.ErrConflict):
		return core.Errorf(core.Conflict, "CONFLICT", "others change it too often just now; try again").Wrap(err)
	case errors.Is(err, store.ErrUnavailable):
		return core.Errorf(core.Unavailable, "STORE_UNAVAILABLE", "the store cannot answer now; try again").Wrap(err).After(time.Second)
	}
	return core.AsError(err)
}

// commitType commits operations about types with the event that tells of it.
func (s *Service) commitType(ctx context.Context, t *Type, change string, ops ...store.Op) error {
	head, err := s.bump(ctx, t.Workspace())
	if err != nil {
		return err
	}
	e := s.systemEvent(NameTypeChanged, pair{"type", text(t.Key)}, pair{"change", text(change)}, pair{"version", number(t.Version)})
	_, err = s.o.Committer.CommitAll(ctx, t.Workspace(), []event.SystemEvent{e}, append(ops, head)...)
	return err
}

// commitQuietly commits operations about types that change nothing for anybody.
func (s *Service) commitQuietly(ctx context.Context, ws string, ops ...store.Op) error {
	head, err := s.bump(ctx, ws)
	if err != nil {
		return err
	}
	_, err = s.o.Store.Commit(ctx, s.batch(append(ops, head)))
	return err
}

func (s *Service) batch(ops []store.Op) store.Batch {
	return store.Batch{ID: core.NewID(core.PrefixBatch, s.o.Clock.Now()), Ops: ops}
}

// systemEvent makes an event about nobody.
func (s *Service) systemEvent(name string, properties ...pair) event.SystemEvent {
	return event.SystemEvent{Input: event.Input{
		Type: event.System, Name: name, MessageID: core.NewID(core.PrefixMessageID, s.o.Clock.Now()), Properties: raw(properties),
	}}
}

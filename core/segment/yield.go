package segment

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Every publication makes the units of work that are under way start again. Where
// definitions are published one right after the other, no unit would ever end; so a
// unit that lost several races to them asks all processes to publish nothing for a
// moment.

const (
	maxLost  = 2                      // races in a row
	holdFor  = 250 * time.Millisecond // how long nothing is published then
	holdPoll = 5 * time.Millisecond
)

// holdKey is the key of the document that asks for it: an epoch in no lane, whose
// revision is the instant (Unix milliseconds) at which publishing may go on.
func holdKey(ws string) string { return store.Key(ws, "hold") }

// lost notes that a unit that was derived from a set was not committed.
func (s *Service) lost(t *Set) {
	slot := s.slot(t.ws)
	slot.mu.Lock()
	slot.old, slot.lostAt = true, max(1, t.rev)
	slot.mu.Unlock()
}

// won notes that one was.
func (s *Service) won(t *Set) {
	slot := s.slot(t.ws)
	slot.mu.Lock()
	slot.races, slot.lostAt = 0, 0
	slot.mu.Unlock()
}

// yield asks for a moment without new definitions when units keep losing races to
// them. That it is not granted costs a race more.
func (s *Service) yield(ctx context.Context, t *Set) {
	slot := s.slot(t.ws)
	slot.mu.Lock()
	if slot.lostAt != 0 && t.rev > slot.lostAt {
		slot.races++
	}
	slot.lostAt = 0
	ask := slot.races >= maxLost
	if ask {
		slot.races = 0
	}
	slot.mu.Unlock()
	if !ask {
		return
	}
	hold, err := Epochs.Get(ctx, s.db, holdKey(t.ws))
	if err != nil {
		return
	}
	if hold == nil {
		hold = &Epoch{Meta: store.Meta{ID: holdKey(t.ws)}}
	}
	hold.Rev = s.clock.Now().Add(holdFor).UnixMilli()
	_ = s.commit(ctx, []store.Op{Epochs.Put(hold)}) // a rival asks for the same
}

// giveWay waits while units ask for it, but never long: clocks differ.
func (s *Service) giveWay(ctx context.Context, ws string) error {
	for until := time.Now().Add(2 * holdFor); time.Now().Before(until); {
		hold, err := Epochs.Get(ctx, s.db, holdKey(ws))
		if err != nil || hold == nil || hold.Rev <= s.clock.Now().UnixMilli() {
			return err
		}
		if err := (core.SystemClock{}).Sleep(ctx, holdPoll); err != nil {
			return err
		}
	}
	return nil
}

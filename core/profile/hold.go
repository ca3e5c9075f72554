package profile

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// A change by hand reads more than a unit of work and so loses every race against a
// stream of them. After a few it writes into the profile that units are to wait, a
// write as small as theirs. A unit that reads this waits until the profile changes
// or the hold ends, and whoever writes the profile next takes the hold away. Nothing
// depends on it but fairness: versions decide.

const (
	holdFor  = 500 * time.Millisecond
	holdPoll = 5 * time.Millisecond
)

// hold asks units to wait for the profiles of the parts. It may lose its races;
// then it has done nothing.
func (s *Service) hold(ctx context.Context, ws string, parts []string) error {
	for range 25 {
		if err := s.tryHold(ctx, ws, parts); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return nil
}

func (s *Service) tryHold(ctx context.Context, ws string, parts []string) error {
	u := s.newUnit(ws, nil)
	var ids []string
	for _, part := range parts {
		if isPart(part) {
			ids = append(ids, part)
		}
	}
	if _, err := u.loadProfiles(ctx, ids); err != nil {
		return err
	}
	for _, id := range u.slotIDs() {
		c := *u.slots[id].now
		c.HeldUntil = u.now.Add(holdFor)
		u.set(id, &c)
	}
	return s.write(ctx, u, nil) // nothing derives from a hold
}

// wait reads the profiles that are held again until they are not.
func (u *Unit) wait(ctx context.Context, keys []string) error {
	for range holdFor / holdPoll {
		var parts []string
		for id, sl := range u.slots {
			if sl.now.HeldUntil.After(u.s.clock.Now()) {
				parts = append(parts, sl.now.Parts...)
				u.evict(id)
			}
		}
		if len(parts) == 0 {
			return nil
		}
		if err := (core.SystemClock{}).Sleep(ctx, holdPoll); err != nil {
			return err
		}
		if err := u.load(ctx, keys, parts); err != nil {
			return err
		}
	}
	return nil
}

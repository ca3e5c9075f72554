package segment

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// clear ends the memberships of an archived segment.
func (s *Service) clear(ctx context.Context, run *work.JobRun, def *Segment) error {
	ws, id := run.Workspace(), def.SegmentID()
	var pos backfillPosition
	if _, err := run.Position(&pos); err != nil {
		return err
	}
	stuck := 0
	for {
		t, err := s.fresh(ctx, ws)
		if err != nil {
			return err
		}
		if t.byID[id] != nil {
			return nil // it was taken up again
		}
		members, err := Memberships.Find(ctx, s.db, store.Query{
			Workspace: ws, Where: []store.Cond{store.Prefix("_id", id+"/")},
		}, sweepBatch)
		if err != nil {
			return err
		}
		if len(members) == 0 {
			return run.Result(pos.BackfillResult)
		}
		b := s.newBatch(t, func(ops []store.Op) error { return run.Step(ctx, pos.People, max(pos.Total, pos.People), pos, ops...) })
		if err := s.clearSome(ctx, t, id, members, b); err != nil {
			return err
		}
		n := int64(len(members) - len(b.lost))
		if stuck++; n > 0 {
			stuck = 0
		}
		if stuck > maxReaches {
			return &store.ConflictError{Collection: Memberships.Spec.Name}
		}
		pos.People, pos.Left = pos.People+n, pos.Left+n
	}
}

func (s *Service) clearSome(ctx context.Context, t *Set, id string, members []*Membership, b *batch) error {
	keys := make([]string, len(members))
	for i, m := range members {
		keys[i] = store.Key(t.ws, m.Profile)
	}
	behaviours, err := Behaviours.GetMany(ctx, s.db, keys)
	if err != nil {
		return err
	}
	people, err := profile.Profiles.GetMany(ctx, s.db, keys)
	if err != nil {
		return err
	}
	now := s.clock.Now().UTC().Truncate(time.Millisecond)
	for i, m := range members {
		o := s.newOutcome(t, now)
		at, known := 0, false
		if behaviours[i] != nil {
			at, known = findMember(behaviours[i].Members, id)
		}
		if !known || people[i] == nil {
			// Nobody's: left behind by a fault, and of no consequence.
			o.ops = append(o.ops, Memberships.Delete(m))
			if err := b.add(o); err != nil {
				return err
			}
			continue
		}
		w := s.newPerson(t, people[i], m.Profile, behaviours[i], now)
		w.b.Members = slices.Delete(w.b.Members, at, at+1)
		w.next(id, time.Time{})
		w.otherwise, w.unasked = byDefinition, true
		for _, c := range t.segments {
			if slices.Contains(c.needs.Segments, id) {
				w.touched[c.place] |= byDefinition
			}
		}
		if err := w.evaluate(ctx); err != nil {
			return err
		}
		o.add(w)
		o.ops = append(o.ops, profile.Profiles.Check(people[i]))
		if err := b.add(o); err != nil {
			return err
		}
	}
	return b.flush()
}

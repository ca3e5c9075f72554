package segment

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

var _ profile.Fold = (*Service)(nil)

// look is what the definitions make of one change before anything is read.
type look struct {
	*profile.Change
	moved   bool // parts that were somebody's came or went
	touched touched
	events  bool // some ledger has the name of an event
	build   bool // something that is being built is touched
	stored  *Behaviour
}

// Derive implements profile.Fold: it finds out whom the unit takes into segments
// and out of them. A change that touches no segment costs a look into the indexes
// of the Set; one that does, a read and a write of the person's behaviour.
func (s *Service) Derive(ctx context.Context, u *profile.Unit, pending []store.Op) (profile.Derived, error) {
	t, err := s.set(ctx, u.Workspace())
	if err != nil {
		return profile.Derived{}, err
	}
	s.yield(ctx, t)
	d := &derivation{s: s, set: t, u: u, out: s.newOutcome(t, u.Now()), pending: pending}
	if t.rev > 0 {
		if err := d.run(ctx); err != nil {
			return profile.Derived{}, err
		}
	}
	return profile.Derived{Ops: d.out.all(), Committed: func() { s.won(t) }, Conflicted: func() { s.lost(t) }}, nil
}

// derivation is one call of Derive.
type derivation struct {
	s       *Service
	set     *Set
	u       *profile.Unit
	out     *outcome
	pending []store.Op
	records []*object.Record // that pending writes
	read    bool
	moved   map[string]*PartState       // of profiles that merge or part
	lost    map[string]map[string]int64 // profile → segment → since when one merged into it was in it
	revs    map[string]int64            // of the behaviours that held moved parts
}

func (d *derivation) run(ctx context.Context) error {
	changes := d.u.Changes()
	looks := make([]*look, 0, len(changes))
	var keys []string
	for i := range changes {
		l := d.look(&changes[i])
		if l == nil {
			continue
		}
		looks = append(looks, l)
		if l.Before != nil || l.moved { // of one who is back, the sweep may not have ended all yet
			keys = append(keys, store.Key(d.set.ws, l.ID))
		}
	}
	stored := make(map[string]*Behaviour, len(keys))
	for chunk := range slices.Chunk(keys, 500) {
		docs, err := Behaviours.GetMany(ctx, d.s.db, chunk)
		if err != nil {
			return fmt.Errorf("segment: read behaviours: %w", err)
		}
		for i, b := range docs {
			if b != nil {
				stored[chunk[i]] = b
			}
		}
	}
	for _, l := range looks {
		l.stored = stored[store.Key(d.set.ws, l.ID)]
		d.collect(l)
	}
	for _, l := range looks {
		if l.After == nil {
			continue
		}
		if err := d.person(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// look finds out what a change touches; nil: nothing.
func (d *derivation) look(c *profile.Change) *look {
	l := &look{Change: c, touched: touched{}, moved: d.u.Moved(c)}
	if c.After == nil {
		return l
	}
	d.set.touchedBy(c, l.moved, l.touched)
	for _, e := range c.Events {
		for _, ledger := range d.set.events[nameOf(e)] {
			l.events = true
			l.build = l.build || ledger.builds
		}
		l.events = l.events || e.Type == event.System && (e.Name == NameListJoined || e.Name == NameListLeft)
	}
	for i := range l.touched {
		l.build = l.build || d.set.segments[i].builds
	}
	if !l.moved && !l.events && len(l.touched) == 0 && (c.Before != nil || len(d.set.blanks) == 0) {
		return nil
	}
	return l
}

func nameOf(e *event.Event) eventName { return eventName{e.Name, e.Type == event.System} }

// collect takes the parts of a profile that merges or parts, and ends what was
// merged away.
func (d *derivation) collect(l *look) {
	if !l.moved || l.Before == nil {
		return
	}
	if d.moved == nil {
		d.moved, d.revs, d.lost = map[string]*PartState{}, map[string]int64{}, map[string]map[string]int64{}
	}
	for _, part := range l.Before.Parts {
		if l.stored != nil {
			d.revs[part] = l.stored.Rev
			if p := l.stored.part(part); p != nil {
				own := p.clone()
				d.moved[part] = &own
			}
		}
	}
	if l.After != nil || l.stored == nil {
		return
	}
	if d.u.Erases() {
		d.out.end(l.stored, CauseErasure)
		return
	}
	heir := d.u.ProfileOf(l.ID)
	if d.lost[heir] == nil {
		d.lost[heir] = map[string]int64{}
	}
	for _, m := range l.stored.Members {
		if since, ok := d.lost[heir][m.Segment]; !ok || m.Since < since {
			d.lost[heir][m.Segment] = m.Since
		}
	}
	d.out.end(l.stored, CauseMerge)
}

// person works out what becomes of one person.
func (d *derivation) person(ctx context.Context, l *look) error {
	w := d.s.newPerson(d.set, l.After, l.ID, l.stored, d.u.Now())
	w.touched, w.otherwise, w.lost = l.touched, byEvent, d.lost[l.ID]
	if len(d.pending) > 0 {
		w.pending = d.written
	}
	if l.Before == nil {
		for _, m := range w.b.Members {
			if c := d.set.byID[m.Segment]; c != nil {
				w.touched[c.place] |= byMerge
			}
		}
		for _, i := range d.set.blanks {
			id := d.set.segments[i].id
			if _, in := findMember(w.b.Members, id); in {
				continue
			}
			if w.turns++; w.turns > maxTurns {
				w.next(id, d.u.Now())
				continue
			}
			at, _ := findMember(w.b.Members, id)
			w.b.Members = slices.Insert(w.b.Members, at, Member{Segment: id, Since: d.u.Now().UnixMilli()})
		}
		w.b.Rev = d.set.since()
	}
	if l.moved {
		w.otherwise = byMerge
		d.move(l, w)
		w.inherit()
	}
	if err := d.catchUp(ctx, l, w); err != nil {
		return err
	}
	for _, e := range l.Events {
		if err := w.add(e.Part, nameOf(e), condition.LedgerEvent{ID: store.Rest(e.ID), At: e.Timestamp, Properties: e.Properties}); err != nil {
			return err
		}
	}
	why := byEvent
	if l.moved {
		why = byMerge
	}
	if err := w.folded(ctx, why); err != nil {
		return err
	}
	if err := w.evaluate(ctx); err != nil {
		return err
	}
	d.out.add(w)
	return nil
}

// move gives the profile the state of the parts that it has now, and touches what
// asks about those that came or went.
func (d *derivation) move(l *look, w *person) {
	var before []string
	if l.Before != nil {
		before = l.Before.Parts
	}
	touch := func(p *PartState) {
		for i := range p.Ledgers {
			if of := d.set.ledgers[p.Ledgers[i].Key]; of != nil {
				w.touched.add(of.segments, byMerge)
			}
		}
		for i := range p.Lists {
			if c := d.set.byID[p.Lists[i].Segment]; c != nil && c.program == nil {
				w.touched[c.place] |= byMerge
			}
		}
	}
	for _, part := range before {
		if p := d.moved[part]; p != nil && !slices.Contains(l.After.Parts, part) {
			touch(p)
		}
	}
	w.b.Parts = nil
	for _, part := range l.After.Parts {
		p := d.moved[part]
		if p == nil {
			continue
		}
		*w.b.ensure(part) = *p
		if !slices.Contains(before, part) {
			touch(p)
		}
	}
	w.changed = true
	// What everybody holds is what the one who knows least does.
	first := true
	for _, part := range l.After.Parts {
		if d.u.OwnerBefore(part) == "" {
			continue
		}
		if rev := d.revs[part]; first || rev < w.b.Rev {
			w.b.Rev, first = rev, false
		}
	}
}

// inherit gives memberships the earliest time at which a profile that was merged
// into this one had entered, before those segments are asked that look at it. Of
// segments that are not asked any more it takes the memberships themselves.
func (w *person) inherit() {
	for _, id := range slices.Sorted(maps.Keys(w.lost)) {
		if w.turns >= maxTurns {
			return
		}
		since, c := w.lost[id], w.set.byID[id]
		i, in := findMember(w.b.Members, id)
		switch {
		case !in && c == nil:
			w.b.Members = slices.Insert(w.b.Members, i, Member{Segment: id, Since: since})
		case in && since < w.b.Members[i].Since:
			w.b.Members[i].Since = since
		default:
			continue
		}
		w.changed = true
		w.turns++
		if c != nil {
			w.touched.add(c.referrers, byMerge)
		}
	}
}

// written returns the records that the batch writes.
func (d *derivation) written(ctx context.Context) ([]*object.Record, error) {
	if !d.read {
		d.read = true
		if slices.ContainsFunc(d.pending, func(op store.Op) bool { return op.Spec.Name == object.Records.Spec.Name }) {
			var err error
			if d.records, err = d.s.objects.Pending(ctx, d.set.ws, d.pending); err != nil {
				return nil, fmt.Errorf("segment: read the records of the batch: %w", err)
			}
		}
	}
	return d.records, nil
}

package profile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Fold derives more from the changes of people than their profiles, in the same
// commit. Whoever commits a unit asks it when the unit is complete and before the
// commit; not on a dry run, and not when no profile changes.
type Fold interface {
	// Derive returns what to commit together with u. pending are the caller's other
	// operations of the same batch. It may be asked again for the same events, in
	// another unit, when this one loses a race. An error ends the unit as a failing
	// read does; store.ErrConflict has it built again.
	Derive(ctx context.Context, u *Unit, pending []store.Op) (Derived, error)
}

// Derived is what a Fold adds to the batch of a unit. Each operation may be
// conditional: one that conflicts is an ordinary lost race, and the unit is built
// again. Exactly one of the functions is called, once, when the fate of the batch
// is known; either may be nil.
type Derived struct {
	Ops        []store.Op
	Committed  func() // the batch is on disk
	Conflicted func() // it is not, or nobody knows
}

// Folds are several folds that derive one after another into one batch: each is given
// what those before it want to commit among pending.
type Folds []Fold

var _ Fold = Folds(nil)

// Derive implements Fold. When one fails, those before it are told that nothing was
// committed.
func (f Folds) Derive(ctx context.Context, u *Unit, pending []store.Op) (Derived, error) {
	all := make([]Derived, 0, len(f))
	settle := func(committed bool) {
		for _, d := range all {
			d.Settle(committed)
		}
	}
	var ops []store.Op
	for _, one := range f {
		d, err := one.Derive(ctx, u, slices.Concat(pending, ops))
		if err != nil {
			settle(false)
			return Derived{}, err
		}
		all, ops = append(all, d), append(ops, d.Ops...)
	}
	return Derived{Ops: ops, Committed: func() { settle(true) }, Conflicted: func() { settle(false) }}, nil
}

// SetFold sets what derives from every unit; nil is nothing, as before the first
// call. It is called once, before the first unit begins.
func (s *Service) SetFold(f Fold) { s.derives = f }

// Derive asks the fold, if there is one, what to commit together with u; see Fold.
// The unit must be complete.
func (s *Service) Derive(ctx context.Context, u *Unit, pending []store.Op) (Derived, error) {
	if s.derives == nil || u == nil || !u.changes() {
		return Derived{}, nil
	}
	d, err := s.derives.Derive(ctx, u, pending)
	if err != nil {
		return Derived{}, fmt.Errorf("derive from profiles: %w", err)
	}
	return d, nil
}

// Settle calls the function of d that says whether the batch is on disk.
func (d Derived) Settle(committed bool) {
	f := d.Conflicted
	if committed {
		f = d.Committed
	}
	if f != nil {
		f()
	}
}

// Change is what a unit does to one profile. Neither state may be changed.
type Change struct {
	ID     string   // prof_…
	Before *Profile // as the unit found it; nil: there was none
	After  *Profile // as the unit leaves it, with the version that it replaces; nil: merged away
	// Events are those that the unit applies to parts that After holds, as they are
	// committed, in the order in which they were applied. Those of a merge or an
	// unmerge itself are among them. Recorded only while there is a Fold.
	Events []*event.Event
}

// Changes returns what the unit does to each profile that it changes, in the order
// of their ids.
func (u *Unit) Changes() []Change {
	var out []Change
	for _, id := range u.slotIDs() {
		if sl := u.slots[id]; sl.now != sl.before {
			out = append(out, Change{ID: id, Before: sl.before, After: sl.now})
		}
	}
	for _, e := range u.applied {
		id := u.partOf[e.Part]
		i, found := slices.BinarySearchFunc(out, id, func(c Change, id string) int { return strings.Compare(c.ID, id) })
		if found {
			out[i].Events = append(out[i].Events, e)
		}
	}
	return out
}

// changes reports whether Changes returns any.
func (u *Unit) changes() bool {
	for _, sl := range u.slots {
		if sl.now != sl.before {
			return true
		}
	}
	return false
}

// Workspace returns the workspace that the unit is about.
func (u *Unit) Workspace() string { return u.ws }

// Now returns the unit's time, in whole milliseconds UTC: that at which its events
// are committed, but for those of a profile that is ahead of it.
func (u *Unit) Now() time.Time { return u.now }

// Moved reports whether a change of the unit brings parts that were somebody's to the
// profile, or takes some from it.
func (u *Unit) Moved(c *Change) bool {
	if c.After == nil {
		return true
	}
	var before []string
	if c.Before != nil {
		if slices.Equal(c.Before.Parts, c.After.Parts) {
			return false
		}
		before = c.Before.Parts
	}
	for _, part := range c.After.Parts {
		if !slices.Contains(before, part) && u.OwnerBefore(part) != "" {
			return true
		}
	}
	for _, part := range before {
		if !slices.Contains(c.After.Parts, part) {
			return true
		}
	}
	return false
}

// Merged reports whether the unit merges or unmerges profiles.
func (u *Unit) Merged() bool { return len(u.merges) > 0 }

// OwnerBefore returns the id of the profile that a part belonged to when the unit
// began; "" when the part is new, or of a profile that the unit did not read.
func (u *Unit) OwnerBefore(part string) string {
	if u.owners == nil {
		u.owners = make(map[string]string, len(u.partOf))
		for id, sl := range u.slots {
			if sl.before == nil {
				continue
			}
			for _, p := range sl.before.Parts {
				u.owners[p] = id
			}
		}
	}
	return u.owners[part]
}

// record keeps an event that was applied, for the fold.
func (u *Unit) record(e *event.Event) {
	if u.s.derives != nil {
		u.applied = append(u.applied, e)
	}
}

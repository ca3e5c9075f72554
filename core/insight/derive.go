package insight

import (
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

var _ profile.Fold = (*Service)(nil)

// Derive implements profile.Fold: it adds the unit's events to the rollups. An event that
// no measure names costs a look into a map.
func (s *Service) Derive(ctx context.Context, u *profile.Unit, _ []store.Op) (profile.Derived, error) {
	ws := u.Workspace()
	c, err := s.set(ctx, ws)
	if err != nil {
		return profile.Derived{}, err
	}
	f := newFold(ws)
	changes := u.Changes()
	for i := range changes {
		for _, e := range changes[i].Events {
			for _, t := range c.events[eventName{e.Name, e.Type == event.System}] {
				if after := changes[i].After; t.Value == First && after != nil && len(after.Parts) > 1 {
					f.parts[e.Part] = after.Parts
				}
				f.event(t, e, changes[i].ID)
			}
		}
	}
	if len(f.cells)+len(f.firsts) == 0 {
		return profile.Derived{}, nil
	}
	d := &derivation{s: s, ws: ws, set: c, fold: f, lane: s.lanes.take()}
	ops, err := d.ops(ctx)
	if err != nil {
		s.lanes.give(d.lane)
		return profile.Derived{}, err
	}
	return profile.Derived{
		Ops:        ops,
		Committed:  func() { d.committed(); s.lanes.give(d.lane) },
		Conflicted: func() { d.conflicted(); s.lanes.give(d.lane) },
	}, nil
}

// fold is what events bring to the cells of measures.
type fold struct {
	ws    string
	cells map[place]*cell
	// firsts are the earliest events of people, by the measure and the parts of the person
	// as they were when the events were committed.
	firsts map[string]*firstEvent
	epoch  string              // keeps apart events between which merges may lie; "" where none do
	parts  map[string][]string // of the people of these events, by part; of those who have several
	hashes map[string]uint64   // of people
	names  map[string]string   // of cells, by their values
}

// cell is what events bring to one.
type cell struct {
	values []string
	sums   *sums
	people map[int64]*sketch // by day
}

type firstEvent struct {
	of     *measure
	event  *event.Event
	person string
	parts  []string // of the person, sorted
}

func newFold(ws string) *fold {
	return &fold{ws: ws, cells: map[place]*cell{}, firsts: map[string]*firstEvent{}, parts: map[string][]string{}, hashes: map[string]uint64{}, names: map[string]string{}}
}

// event folds one event of a person into a measure of its name. The person is the profile
// that the event's part belonged to when it was committed.
func (f *fold) event(t *measure, e *event.Event, person string) {
	if t.Value == First {
		if _, ok := t.take(e); !ok {
			return
		}
		f.first(t, e, person)
		// Its cell is not known to count before it is known to be the first.
		return
	}
	if got, ok := t.take(e); ok {
		f.put(t, got, person)
	}
}

// before reports whether an event was committed before another of the same part.
func before(a, b *event.Event) bool {
	if c := a.CommittedAt.Compare(b.CommittedAt); c != 0 {
		return c < 0
	}
	if a.Seq != b.Seq {
		return a.Seq < b.Seq
	}
	return a.ID < b.ID
}

// put adds what an event brings to its cell.
func (f *fold) put(t *measure, got taken, person string) {
	p := place{t.id, f.name(got.values)}
	c := f.cells[p]
	if c == nil {
		c = &cell{values: got.values, sums: newSums(), people: map[int64]*sketch{}}
		f.cells[p] = c
	}
	c.values = got.values
	if t.Value != Distinct { // those are people and nothing else
		c.sums.add(got.hour, got.currency, got.sum)
	}
	if t.Value == First { // everybody is one of those counted
		return
	}
	h, ok := f.hashes[person]
	if !ok {
		h = hashOf(f.ws, person)
		f.hashes[person] = h
	}
	k := c.people[got.day]
	if k == nil {
		k = &sketch{}
		c.people[got.day] = k
	}
	k.add(h, MaxExact)
}

// name returns the name of a cell.
func (f *fold) name(values []string) string {
	key := strings.Join(values, "\x00")
	n, ok := f.names[key]
	if !ok {
		n = cellOf(values)
		f.names[key] = n
	}
	return n
}

// derivation is one call of Derive.
type derivation struct {
	s     *Service
	ws    string
	set   *set
	fold  *fold
	lane  string
	known []string          // keys of cells that are stored once the batch is
	wrote map[string]*crowd // what the batch writes of people; nil: it is to be forgotten
}

// ops returns what to commit.
func (d *derivation) ops(ctx context.Context) ([]store.Op, error) {
	ops := []store.Op{d.set.check(d.lane)}
	more, err := d.firsts(ctx)
	if err != nil {
		return nil, err
	}
	ops = append(ops, more...)
	if more, err = d.labels(ctx); err != nil {
		return nil, err
	}
	ops = append(ops, more...)
	for _, p := range sortedPlaces(d.fold.cells) {
		ops = append(ops, d.fold.cells[p].sums.ops(d.ws, p, d.lane)...)
	}
	if more, err = d.crowds(ctx); err != nil {
		return nil, err
	}
	return append(ops, more...), nil
}

// check demands that the definitions are those that the unit was folded by.
func (c *set) check(lane string) store.Op {
	h := fnv.New32a()
	_, _ = h.Write([]byte(lane))
	g := c.guards[h.Sum32()%uint32(len(c.guards))] //nolint:gosec // sixteen
	if g.V == 0 {
		return guards.Absent(g.ID)
	}
	return guards.Check(g)
}

// labels stores the values of cells that are new.
func (d *derivation) labels(ctx context.Context) ([]store.Op, error) {
	var missing []string
	by := map[string]*cell{}
	for p, c := range d.fold.cells {
		key := store.Key(d.ws, p.measure, p.cell)
		if !d.s.cells.has(key) && c.values != nil {
			missing, by[key] = append(missing, key), c
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	slices.Sort(missing)
	had, err := cells.GetMany(ctx, d.s.Store, missing)
	if err != nil {
		return nil, fmt.Errorf("insight: read cells: %w", err)
	}
	var ops []store.Op
	for i, key := range missing {
		d.known = append(d.known, key)
		if had[i] == nil {
			ops = append(ops, cells.Insert(&labels{Meta: store.Meta{ID: key}, Values: by[key].values}))
		}
	}
	return ops, nil
}

// crowds adds the people to the sketches of the lane, which nobody else in this process
// writes meanwhile. A sketch that has them all is not written.
func (d *derivation) crowds(ctx context.Context) ([]store.Op, error) {
	type wanted struct {
		key string
		add *sketch
	}
	var want []wanted
	var missing []string
	have := map[string]*crowd{}
	for _, p := range sortedPlaces(d.fold.cells) {
		c := d.fold.cells[p]
		for _, day := range slices.Sorted(maps.Keys(c.people)) {
			key := crowdKey(d.ws, p, day, d.lane)
			want = append(want, wanted{key, c.people[day]})
			if old, ok := d.s.people.get(key); ok {
				have[key] = old
			} else {
				missing = append(missing, key)
			}
		}
	}
	read, err := crowds.GetMany(ctx, d.s.Store, missing)
	if err != nil {
		return nil, fmt.Errorf("insight: read people: %w", err)
	}
	for i, key := range missing {
		if have[key] = read[i]; read[i] == nil {
			have[key] = &crowd{Meta: store.Meta{ID: key}}
		}
	}
	d.wrote = map[string]*crowd{}
	var ops []store.Op
	for _, w := range want {
		old := have[w.key]
		now := sketchOf(old.People, old.Many)
		if !now.union(w.add, MaxExact) {
			d.wrote[w.key] = old
			continue
		}
		next := &crowd{Meta: old.Meta, Many: !now.exact(), People: now.bytes()}
		ops = append(ops, crowds.Put(next))
		kept := *next
		kept.V++
		d.wrote[w.key] = &kept
	}
	return ops, nil
}

func (d *derivation) committed() {
	d.s.cells.add(d.known)
	d.s.people.put(d.wrote)
}

func (d *derivation) conflicted() {
	d.s.people.drop(d.wrote)
	d.s.cells.drop(d.known)
	d.s.Drop(d.ws)
}

func sortedPlaces(m map[place]*cell) []place {
	out := slices.Collect(maps.Keys(m))
	slices.SortFunc(out, func(a, b place) int {
		if c := strings.Compare(a.measure, b.measure); c != 0 {
			return c
		}
		return strings.Compare(a.cell, b.cell)
	})
	return out
}

package event

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
)

// catalogue is what this process knows of a workspace's fields: what is stored,
// and what was met and is still to be written.
//
// Each owner has one document, so that a unit of work carries at most one
// operation for each. At most one operation for an owner is under way at a time in
// a process, so that lanes never make each other conflict here; what is met
// meanwhile goes with the next. Between processes versions decide: whoever loses
// is told by Forget, reads the owner again, adds what it still misses, and tries
// again. Nothing that was met gets lost on the way but by a crash, and then the
// next event brings it again.
type catalogue struct {
	mu       sync.RWMutex
	loaded   bool
	owners   map[string]*owned
	active   map[string]*owned // those with something to write, under way or to read again
	paths    int
	overflow int64
	countAt  time.Time // when the overflow was last written
}

// owned is an owner in memory.
type owned struct {
	name    string
	version int64 // of the stored document; 0: none
	fields  map[string]*fieldState
	samples int
	hard    bool // there is a new field or type to write
	soft    bool // there is a new day or sample to write
	softAt  time.Time
	flight  *flight
	stale   bool // somebody else wrote it: read it again
}

// fieldState is a field in memory.
type fieldState struct {
	Field
	types    Types
	day      int64
	sampling bool
	samples  map[string]struct{} // type and bytes of each sample
}

// flight is an operation handed out and not yet heard of.
type flight struct{ at time.Time }

// The pace of writes. New fields go at once; days and samples wait, so that an
// owner with many new values is not written for each.
const (
	softPace   = time.Second
	flightTime = 10 * time.Second // after which the outcome is read from the store
	maxFlights = 16               // owners that one batch carries
	maxCarried = 1 << 20          // bytes that one batch carries
)

func (c *catalogue) full() bool { return len(c.owners) >= MaxOwners }

func (o *owned) full() bool { return len(o.fields) >= MaxOwnerPaths }

func (o *owned) isStale(at time.Time) bool {
	return o.stale || o.flight != nil && at.Sub(o.flight.at) > flightTime
}

func (c *catalogue) anyStale(at time.Time) bool {
	for _, o := range c.active {
		if o.isStale(at) {
			return true
		}
	}
	return false
}

// waiting reports whether there is something that the next batch should carry.
func (c *catalogue) waiting(at time.Time) bool {
	if c.overflow > 0 {
		return true
	}
	for _, o := range c.active {
		if o.due(at) {
			return true
		}
	}
	return false
}

func (o *owned) due(at time.Time) bool {
	return o.flight == nil && (o.hard || o.soft && (at.Sub(o.softAt) >= softPace || at.Before(o.softAt)))
}

// adopt takes an owner's stored document (nil: none) as what is known, and keeps
// what was met and is not in it.
func (c *catalogue) adopt(name string, set *FieldSet) {
	old := c.owners[name]
	o := &owned{name: name, fields: map[string]*fieldState{}}
	if set != nil {
		o.version = set.V
		for _, f := range set.Fields {
			o.fields[f.Path] = newFieldState(f)
			o.samples += len(f.Samples)
		}
	}
	c.owners[name] = o
	delete(c.active, name)
	c.paths += len(o.fields)
	if old == nil {
		return
	}
	c.paths -= len(old.fields)
	o.softAt = old.softAt
	for path, f := range old.fields {
		if mine := o.fields[path]; mine != nil {
			o.hard = o.hard || f.types&^mine.types != 0
			mine.types |= f.types
			if f.day > mine.day {
				mine.day, o.soft = f.day, true
			}
			continue
		}
		if !o.full() {
			o.fields[path], o.hard = f, true
			o.samples += len(f.samples)
			c.paths++
		}
	}
	if o.hard || o.soft {
		c.active[name] = o
	}
}

func newFieldState(f Field) *fieldState {
	st := &fieldState{Field: f, types: f.Types, day: dayOf(f.LastSeenAt), sampling: sampled(f.Category)}
	if f.LastSeenAt.IsZero() {
		st.day = -1
	}
	if len(f.Samples) > 0 {
		st.samples = make(map[string]struct{}, len(f.Samples))
	}
	for _, v := range f.Samples {
		st.samples[sampleKey(v)] = struct{}{}
	}
	return st
}

// learn takes a finding in.
func (c *catalogue) learn(f finding, at time.Time) {
	o := c.owners[f.owner]
	if o == nil {
		if c.full() {
			c.overflow++
			return
		}
		o = &owned{name: f.owner, fields: map[string]*fieldState{}}
		c.owners[f.owner] = o
	}
	st := o.fields[f.path]
	if st == nil {
		if o.full() || c.paths >= MaxPaths {
			c.overflow++
			return
		}
		c.paths++
		st = newFieldState(Field{Path: f.path, Category: DefaultCategory(f.owner, f.path), By: ByDefault})
		o.fields[f.path], o.hard = st, true
	}
	c.active[f.owner] = o
	if st.FirstSeenAt.IsZero() {
		st.FirstSeenAt, o.hard = at.UTC().Truncate(time.Millisecond), true
	}
	if st.types|f.t != st.types {
		st.types |= f.t
		o.hard = true
	}
	if day := dayOf(at); day > st.day {
		st.day, o.soft = day, true
	}
	if f.sample.Type == 0 || !st.sampling || len(st.samples) >= MaxSamples || o.samples >= MaxOwnerSamples {
		return
	}
	if _, have := st.samples[sampleKey(f.sample)]; !have {
		if st.samples == nil {
			st.samples = map[string]struct{}{}
		}
		st.samples[sampleKey(f.sample)] = struct{}{}
		st.Samples = append(slices.Clip(st.Samples), f.sample)
		o.samples, o.soft = o.samples+1, true
	}
}

// depart makes the operations that are due.
func (c *catalogue) depart(ws string, at time.Time) ([]store.Op, func()) {
	var ops []store.Op
	gone := map[string]*flight{}
	bytes := 0
	for name, o := range c.active {
		if len(ops) >= maxFlights || bytes >= maxCarried {
			break
		}
		if !o.due(at) || o.stale {
			continue
		}
		op := Fields.Put(o.set(ws))
		bytes += len(op.Doc)
		ops = append(ops, op)
		o.flight = &flight{at}
		o.hard, o.soft, o.softAt = false, false, at
		gone[name] = o.flight
	}
	if c.overflow > 0 && (at.Sub(c.countAt) >= softPace || at.Before(c.countAt)) {
		ops = append(ops, store.AddTo(ws, overflowCounter, rand.IntN(store.Lanes), map[string]int64{"n": c.overflow}))
		c.overflow, c.countAt = 0, at
	}
	return ops, func() { c.landed(gone) }
}

// landed notes that operations were committed.
func (c *catalogue) landed(gone map[string]*flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, fl := range gone {
		if o := c.owners[name]; o != nil && o.flight == fl {
			o.version++
			o.flight = nil
			if !o.hard && !o.soft && !o.stale {
				delete(c.active, name)
			}
		}
	}
}

// set returns the owner's document as it should be stored.
func (o *owned) set(ws string) *FieldSet {
	set := &FieldSet{Meta: store.Meta{ID: store.Key(ws, o.name), V: o.version}, Owner: o.name, Fields: make([]Field, 0, len(o.fields))}
	for _, st := range o.fields {
		f := st.Field
		f.Types = st.types
		if st.day >= 0 {
			f.LastSeenAt = dayTime(st.day)
		}
		set.Fields = append(set.Fields, f)
	}
	slices.SortFunc(set.Fields, func(a, b Field) int { return strings.Compare(a.Path, b.Path) })
	return set
}

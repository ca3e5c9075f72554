package insight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// A person's first event is the one that happened first, whenever it was told: a history
// may come newest first. What counts is written down with its time and cell, so that an
// earlier one can take its place.

// happened is when an event happened, as finely as the log keeps it.
func happened(e *event.Event) time.Time { return e.Timestamp.UTC().Truncate(time.Millisecond) }

// sooner reports whether an event happened before another; of two at the same time one is
// always the first.
func sooner(at time.Time, id string, than time.Time, other string) bool {
	if c := at.Compare(than); c != 0 {
		return c < 0
	}
	return id < other
}

// first folds an event that may be its person's first.
func (f *fold) first(t *measure, e *event.Event, person string) {
	parts := []string{e.Part}
	if more := f.parts[e.Part]; slices.Contains(more, e.Part) {
		parts = slices.Sorted(slices.Values(more))
	}
	key := store.Key(f.ws, t.id, strings.Join(parts, "+"), f.epoch)
	old := f.firsts[key]
	if old == nil || sooner(happened(e), store.Rest(e.ID), happened(old.event), store.Rest(old.event.ID)) {
		f.firsts[key] = &firstEvent{t, e, person, parts}
	}
}

// book is the documents of firsts while events are folded into them, by key.
type book struct {
	ws   string
	docs map[string]*first
	// still are those whose event was deleted: they stay as they are.
	still func(*first) (bool, error)
}

// keys returns the keys at which the first of an event's person may stand.
func (b *book) keys(one *firstEvent) []string {
	out := make([]string, len(one.parts))
	for i, part := range one.parts {
		out[i] = store.Key(b.ws, one.of.id, part)
	}
	return out
}

// take makes an event its person's first, if it is. Of a person who was several and had
// a first as each, the earliest gives way. The order in which events come between two
// merges does not matter.
func (b *book) take(one *firstEvent) (was, is *first, err error) {
	got, ok := one.of.take(one.event)
	if !ok {
		return nil, nil, nil
	}
	keys := b.keys(one)
	is = &first{Meta: store.Meta{ID: keys[0]}, Event: store.Rest(one.event.ID), At: happened(one.event), Cell: cellOf(got.values)}
	for _, key := range keys {
		if had := b.docs[key]; had != nil && (was == nil || sooner(had.At, had.Event, was.At, was.Event)) {
			was = had
		}
	}
	if was != nil {
		if !sooner(is.At, is.Event, was.At, was.Event) {
			return nil, nil, nil
		}
		if still, err := b.still(was); still || err != nil {
			return nil, nil, err
		}
		is.Meta = was.Meta
	}
	b.docs[is.ID] = is
	return was, is, nil
}

// sortedFirsts returns the events in the order of their commits.
func (f *fold) sortedFirsts() []*firstEvent {
	out := make([]*firstEvent, 0, len(f.firsts))
	for _, key := range sortedKeys(f.firsts) {
		out = append(out, f.firsts[key])
	}
	slices.SortStableFunc(out, func(a, b *firstEvent) int { return a.event.CommittedAt.Compare(b.event.CommittedAt) })
	return out
}

// move takes back what counted as a person's first.
func (f *fold) move(was *first) {
	p := place{strings.Split(store.Rest(was.ID), "/")[0], was.Cell}
	c := f.cells[p]
	if c == nil {
		c = &cell{sums: newSums(), people: map[int64]*sketch{}} // its values are stored
		f.cells[p] = c
	}
	c.sums.n[hourOf(was.At)]--
}

// firsts counts the events that are the first of their people, and takes back those that
// are not any more.
func (d *derivation) firsts(ctx context.Context) ([]store.Op, error) {
	if len(d.fold.firsts) == 0 {
		return nil, nil
	}
	list := d.fold.sortedFirsts()
	had := map[string]*first{} // as stored
	var ops []store.Op
	b := &book{ws: d.ws, docs: map[string]*first{}, still: func(was *first) (bool, error) {
		if stored := had[was.ID]; stored == nil || stored.Event != was.Event {
			return false, nil // it is of this unit
		}
		e, err := event.Events.Get(ctx, d.s.Store, store.Key(d.ws, was.Event))
		if err != nil {
			return false, fmt.Errorf("insight: read a first event: %w", err)
		}
		if e != nil {
			ops = append(ops, event.Events.Check(e)) // nobody deletes it meanwhile
		}
		return e == nil, nil
	}}
	var keys []string
	for _, one := range list {
		keys = append(keys, b.keys(one)...)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	stored, err := firsts.GetMany(ctx, d.s.Store, keys)
	if err != nil {
		return nil, fmt.Errorf("insight: read firsts: %w", err)
	}
	for i, key := range keys {
		if stored[i] != nil {
			had[key], b.docs[key] = stored[i], stored[i]
		}
	}
	by := map[string]*firstEvent{}
	for _, one := range list {
		_, is, err := b.take(one)
		if err != nil {
			return nil, err
		}
		if is != nil {
			by[is.ID] = one
		}
	}
	for _, key := range sortedKeys(by) {
		one := by[key]
		if was := had[key]; was != nil {
			d.fold.move(was)
			ops = append(ops, firsts.Replace(b.docs[key]))
		} else {
			ops = append(ops, firsts.Insert(b.docs[key]))
		}
		if got, ok := one.of.take(one.event); ok {
			d.fold.put(one.of, got, one.person)
		}
	}
	return ops, nil
}

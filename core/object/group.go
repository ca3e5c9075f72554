package object

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// What goes into one commit: whoever takes the events adds operations of their own
// to it, for each person several.
const (
	groupEvents = 100
	groupOps    = 300
	groupBytes  = 1 << 20
)

// group is the drafts of one commit.
type group struct {
	b       *bundle
	indexes []int
	later   []int // drafts that refer to what is not there yet
	events  []event.SystemEvent
	ops     []store.Op
	refs    int
	bytes   int
}

// group takes the next drafts of the bundle, at least one.
func (b *bundle) group() *group {
	g := &group{b: b, ops: []store.Op{b.t.check()}}
	for len(b.order) > 0 {
		i := b.order[0]
		d := b.drafts[i]
		people := b.profiles(d)
		if d.purge && d.before.Deleted() {
			people = nil // they were told when it was deleted
		}
		if n := max(1, len(people)); len(g.indexes) > 0 && (len(g.events)+n > groupEvents || len(g.ops)+g.refs > groupOps || g.bytes > groupBytes) {
			break
		}
		b.order = b.order[1:]
		if !g.ready(d) {
			g.later = append(g.later, i)
			continue
		}
		g.indexes = append(g.indexes, i)
		g.add(d, people)
	}
	return g
}

// profiles lists whom a draft concerns, sorted.
func (b *bundle) profiles(d *draft) []string {
	var out []string
	for _, id := range d.people {
		if p := b.people[id]; p != "" {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ready reports whether all that the draft refers to is there or in this group.
func (g *group) ready(d *draft) bool {
	for _, r := range d.refs {
		if g.b.targets[r.key] != nil || g.b.committed[r.key] != nil || r.key == d.after.ID || g.holds(r.key) {
			continue
		}
		return false
	}
	return true
}

// holds reports whether the group writes the record.
func (g *group) holds(key string) bool {
	i, made := g.b.byKey[key]
	return made && slices.Contains(g.indexes, i)
}

func (g *group) add(d *draft, people []string) {
	if d.purge {
		g.ops = append(g.ops, Records.Delete(d.before))
	} else {
		g.ops = append(g.ops, Records.Put(d.after))
	}
	g.bytes += 2*len(d.after.Values) + 200*len(d.after.Links) + 600*max(1, len(people))
	g.refs += len(d.refs)
	for _, key := range d.release {
		if c := g.b.claims[key]; c != nil && c.Owner == store.Rest(d.after.ID) {
			g.ops = append(g.ops, store.Claims.Delete(c))
		}
	}
	for _, c := range d.claims {
		if g.b.claims[c.ID] == nil {
			g.ops = append(g.ops, store.Claims.Insert(c))
		}
	}
	for _, p := range people {
		g.events = append(g.events, g.b.w.s.changed(d.after, string(d.outcome), d.changed, p))
	}
	if len(people) == 0 && !d.purge { // a purge is told by the event about the type
		g.events = append(g.events, g.b.w.s.changed(d.after, string(d.outcome), d.changed, ""))
	}
}

// checks returns the operations that demand that the records referred to are still
// there, but for those that the group itself writes, which are conditional anyway.
func (g *group) checks() []store.Op {
	var ops []store.Op
	checked := map[string]bool{}
	for _, i := range g.indexes {
		for _, r := range g.b.drafts[i].refs {
			target := g.b.targets[r.key]
			if c := g.b.committed[r.key]; c != nil {
				target = c
			}
			if target == nil || checked[r.key] || g.holds(r.key) {
				continue
			}
			checked[r.key] = true
			ops = append(ops, Records.Check(target))
		}
	}
	return ops
}

// changed makes the event about a record for one person, or for nobody.
func (s *Service) changed(r *Record, change string, fields []string, profileID string) event.SystemEvent {
	keys := make([]pair, len(fields))
	for i, f := range fields {
		keys[i] = pair{indexKey(i), text(f)}
	}
	properties := []pair{
		{"type", text(r.Type)}, {"recordId", text(r.RecordID())}, {"change", text(change)},
		{"fields", bson.RawValue{Type: bson.TypeArray, Value: raw(keys)}},
	}
	if profileID != "" { // an event about nobody is found by no erasure, and the id may name a person
		properties = append(properties, pair{"externalId", text(r.ExternalID)})
	}
	e := s.systemEvent(NameRecordChanged, properties...)
	e.ProfileID = profileID
	return e
}

// commit writes the group.
func (g *group) commit(ctx context.Context) error {
	if len(g.indexes) == 0 {
		return nil
	}
	w := g.b.w
	l := g.missing()
	if _, err := w.s.o.Committer.CommitAll(ctx, w.ws, g.events, slices.Concat(g.ops, g.checks(), g.checkErased(), l.enqueue())...); err != nil {
		return err
	}
	for _, i := range g.indexes {
		d := g.b.drafts[i]
		if d.purge {
			continue
		}
		d.after.V++
		g.b.committed[d.after.ID] = d.after
		w.done(i, d)
	}
	l.look(ctx)
	return nil
}

package lead

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

var _ profile.Fold = (*Service)(nil)

// Derive implements profile.Fold: it folds the unit's events into what is known of
// people as leads. A change that touches no rule costs a look into the indexes of the
// model.
func (s *Service) Derive(ctx context.Context, u *profile.Unit, _ []store.Op) (profile.Derived, error) {
	c, err := s.model(ctx, u.Workspace())
	if err != nil {
		return profile.Derived{}, err
	}
	d := &derivation{s: s, u: u, ws: u.Workspace(), model: c, parts: map[string]Part{}}
	changes := u.Changes()
	var looks []*look
	var keys []string
	for i := range changes {
		l := &look{Change: &changes[i], moved: u.Moved(&changes[i])}
		if !l.moved && !d.touches(l) {
			continue
		}
		looks = append(looks, l)
		if l.Before != nil {
			keys = append(keys, store.Key(d.ws, l.ID))
		}
	}
	if len(looks) == 0 {
		return profile.Derived{}, nil
	}
	if err := d.read(ctx, keys); err != nil {
		return profile.Derived{}, err
	}
	for _, old := range d.stored {
		if old.Rev > d.model.V { // another process goes by a newer model: so must this one
			if d.model, err = s.readModel(ctx, d.ws); err != nil {
				return profile.Derived{}, err
			}
			break
		}
	}
	for _, l := range looks {
		if err := d.change(ctx, l); err != nil {
			return profile.Derived{}, err
		}
	}
	return profile.Derived{Ops: d.ops}, nil
}

// look is one change and what it touches.
type look struct {
	*profile.Change
	moved bool
}

// derivation is one call of Derive.
type derivation struct {
	s      *Service
	u      *profile.Unit
	ws     string
	model  *compiled
	stored map[string]*Lead
	guards map[string]*guard
	parts  map[string]Part // what was known of parts whose person moves
	ops    []store.Op
}

// touches reports whether a change touches a rule, or is a word about leads.
func (d *derivation) touches(l *look) bool {
	c := d.model
	for _, e := range l.Events {
		if told(e) || len(c.events[nameOf(e)]) > 0 {
			return true
		}
		if _, ok := c.recordChanged(e); ok {
			return true
		}
	}
	if len(c.fits) == 0 || l.After == nil {
		return false
	}
	return l.Before == nil || len(changedTraits(l.Before, l.After, c.paths)) > 0 || len(c.types) > 0 && !profile.SameIdentifiers(l.Before, l.After)
}

// told reports whether an event is one of those that the package emits.
func told(e *event.Event) bool {
	if e.Type != event.System || e.Source != profile.SystemSource {
		return false
	}
	switch e.Name {
	case NameQualified, NameCooled, NameStageChanged, NameConverted, NameAdjusted:
		return true
	case condition.PredictionComputed:
		name, _ := e.Properties.Lookup("name").StringValueOK()
		return name == PredictionName
	}
	return false
}

func nameOf(e *event.Event) eventName { return eventName{e.Name, e.Type == event.System} }

// changedTraits returns those of some paths at which the value is another.
func changedTraits(before, after *profile.Profile, paths []string) []string {
	var out []string
	for _, path := range paths {
		a, b := before.TraitAt(path), after.TraitAt(path)
		if (a == nil) != (b == nil) || a != nil && (a.Value.Type != b.Value.Type || !bytes.Equal(a.Value.Value, b.Value.Value)) {
			out = append(out, path)
		}
	}
	return out
}

func (d *derivation) read(ctx context.Context, keys []string) error {
	d.stored, d.guards = map[string]*Lead{}, map[string]*guard{}
	for chunk := range slices.Chunk(keys, 500) {
		found, err := Leads.GetMany(ctx, d.s.Store, chunk)
		if err != nil {
			return fmt.Errorf("lead: read leads: %w", err)
		}
		for _, l := range found {
			if l == nil {
				continue
			}
			d.stored[l.ProfileID()] = l
			for _, p := range l.Parts {
				d.parts[p.Part] = p
			}
		}
		held, err := guards.GetMany(ctx, d.s.Store, chunk)
		if err != nil {
			return fmt.Errorf("lead: read guards: %w", err)
		}
		for i, g := range held {
			if g == nil {
				g = &guard{Meta: store.Meta{ID: chunk[i]}}
			}
			d.guards[store.Rest(chunk[i])] = g
		}
	}
	return nil
}

// change works out what becomes of one person.
func (d *derivation) change(ctx context.Context, l *look) error {
	old, now := d.stored[l.ID], d.u.Now()
	if l.moved && old != nil { // nobody who read it tells of what it has become
		d.ops = append(d.ops, bump(d.guards[l.ID]))
	}
	if l.After == nil {
		if old != nil {
			d.ops = append(d.ops, Leads.Delete(old))
		}
		return nil
	}
	lead := newLead(store.Key(d.ws, l.ID))
	if old != nil {
		lead = old.clone()
	}
	if l.moved {
		lead.Parts, lead.Fits, lead.Latches = nil, nil, nil
		for _, part := range l.After.Parts {
			if p, ok := d.parts[part]; ok {
				*lead.part(part) = p.clone()
			}
		}
		lead.Qualified = lead.told()
	}
	all := l.moved || l.Before == nil || old == nil || old.Rev != d.model.V
	lead.Rev = d.model.V
	lead.strip(d.model)
	if err := d.fits(ctx, l, lead, all, now); err != nil {
		return err
	}
	d.model.latch(lead, now)
	for _, e := range l.Events {
		if lead.take(d.model, e) {
			d.model.latch(lead, now)
		}
	}
	d.model.plan(lead, now)
	d.put(old, lead, now)
	return nil
}

// fits asks the rules about fit that a change touches. Records are read when they are
// committed, by the sweep.
func (d *derivation) fits(ctx context.Context, l *look, lead *Lead, all bool, now time.Time) error {
	if len(d.model.fits) == 0 {
		return nil
	}
	var changed []string
	types := map[string]bool{}
	if !all {
		changed = changedTraits(l.Before, l.After, d.model.paths)
		for _, e := range l.Events {
			if t, ok := d.model.recordChanged(e); ok {
				types[t] = true
			}
		}
	}
	renamed := !all && !profile.SameIdentifiers(l.Before, l.After)
	f := &facts{profile: l.After}
	for _, r := range d.model.fits {
		records := len(r.needs.Objects) > 0
		switch {
		case records && (all || renamed || slices.ContainsFunc(r.needs.Objects, func(t string) bool { return types[t] })):
			lead.fit(r.id).Next = now
		case all, slices.ContainsFunc(changed, r.reads):
			if err := lead.ask(ctx, d.s, r, f, now); err != nil {
				return err
			}
		}
	}
	return nil
}

// strip drops what is known by rules that there are no more.
func (l *Lead) strip(c *compiled) {
	l.Fits = slices.DeleteFunc(l.Fits, func(f FitState) bool { return c.byID[f.Rule] == nil })
	for i := range l.Parts {
		l.Parts[i].Rules = slices.DeleteFunc(l.Parts[i].Rules, func(s RuleState) bool { return c.byID[s.Rule] == nil })
	}
}

// take folds one event, and reports whether it changed a count.
func (l *Lead) take(c *compiled, e *event.Event) (counted bool) {
	for _, r := range c.events[nameOf(e)] {
		if !r.takesEvent(e) {
			continue
		}
		at := e.Timestamp
		if at.After(e.CommittedAt) {
			at = e.CommittedAt // a client's clock gives no points of the future
		}
		l.part(e.Part).state(r.id).add(r, at)
		counted = true
	}
	if told(e) {
		l.hear(e)
		if e.Name == NameAdjusted {
			l.adjust(c, e)
			counted = true
		}
	}
	return counted
}

// hear folds an event that the package has emitted.
func (l *Lead) hear(e *event.Event) {
	p := l.part(e.Part)
	switch e.Name {
	case NameQualified, NameCooled:
		p.Told, p.ToldAt = e.Name == NameQualified, e.CommittedAt
		if len(l.Latches) > 0 && l.Latches[0].Up == p.Told {
			l.Latches = l.Latches[1:]
		} else if len(l.Latches) == 0 {
			l.Qualified = p.Told
		}
	case condition.PredictionComputed:
		p.Published, _ = e.Properties.Lookup("value").AsInt64OK()
		p.PublishedAt = e.CommittedAt
	case NameStageChanged:
		p.Stage, _ = e.Properties.Lookup("to").StringValueOK()
		p.StageAt, p.StageEvent, p.Supersedes = e.CommittedAt, store.Rest(e.ID), nil
		if list, ok := e.Properties.Lookup("supersedes").ArrayOK(); ok {
			values, _ := list.Values()
			for _, v := range values {
				if id, ok := v.StringValueOK(); ok {
					p.Supersedes = append(p.Supersedes, id)
				}
			}
		}
	case NameConverted:
		p.Converted = e.CommittedAt
	}
}

func (d *derivation) put(old, lead *Lead, now time.Time) {
	switch {
	case lead.empty() && old == nil:
	case lead.empty():
		d.ops = append(d.ops, Leads.Delete(old))
	case old == nil:
		// Above every version that the id had before it was deleted: what was read of one
		// of those must not pass for this.
		lead.V = now.UnixMilli()
		d.ops = append(d.ops, Leads.Insert(lead))
	default:
		d.ops = append(d.ops, Leads.Replace(lead))
	}
}

func bump(g *guard) store.Op {
	next := *g
	next.N++
	return guards.Put(&next)
}

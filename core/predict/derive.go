package predict

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/predict/sendhour"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

var _ profile.Fold = (*Service)(nil)

// Derive implements profile.Fold: it folds orders, and what was predicted, into the
// outlooks of people. A change without either that says nothing about consent costs
// nothing.
func (s *Service) Derive(ctx context.Context, u *profile.Unit, _ []store.Op) (profile.Derived, error) {
	set, err := s.settings(ctx, u.Workspace())
	if err != nil {
		return profile.Derived{}, err
	}
	d := &derivation{s: s, u: u, ws: u.Workspace(), set: set, parts: map[string]Part{}}
	changes := u.Changes()
	var looks []*profile.Change
	var keys []string
	for i := range changes {
		c := &changes[i]
		if !u.Moved(c) && !d.touches(c) {
			continue
		}
		looks = append(looks, c)
		if c.Before != nil {
			keys = append(keys, store.Key(d.ws, c.ID))
		}
	}
	if len(looks) == 0 {
		return profile.Derived{}, nil
	}
	if err := d.read(ctx, keys); err != nil {
		return profile.Derived{}, err
	}
	for _, c := range looks {
		if err := d.change(ctx, c); err != nil {
			return profile.Derived{}, err
		}
	}
	return profile.Derived{Ops: d.ops}, nil
}

// derivation is one call of Derive.
type derivation struct {
	s      *Service
	u      *profile.Unit
	ws     string
	set    *Settings
	stored map[string]*Outlook
	guards map[string]*guard
	parts  map[string]Part // what was known of parts whose person moves
	ops    []store.Op
}

// touches reports whether a change says something that outlooks know of.
func (d *derivation) touches(c *profile.Change) bool {
	for _, e := range c.Events {
		if d.set.concerns(e) {
			return true
		}
	}
	return c.Before != nil && c.After != nil && (consents(c) || zoneName(c.Before) != zoneName(c.After))
}

// concerns reports whether an event says something that outlooks know of.
func (s *Settings) concerns(e *event.Event) bool {
	if e.Type == event.Track && e.Name == s.Event || ours(e) || s.heeds(e) {
		return true
	}
	_, ok := s.momentIn(e)
	return ok
}

// consents reports whether a change says something about consent or restrictions.
func consents(c *profile.Change) bool {
	said := func(a, b profile.Consent) bool { return a.Event == b.Event && slices.Equal(a.Parts, b.Parts) }
	told := func(a, b profile.Restriction) bool { return a.Event == b.Event && slices.Equal(a.Parts, b.Parts) }
	return !slices.EqualFunc(c.Before.Consents, c.After.Consents, said) || !slices.EqualFunc(c.Before.Restrictions, c.After.Restrictions, told)
}

// ours reports whether an event is one of those that the package emits.
func ours(e *event.Event) bool {
	if e.Type != event.System || e.Source != profile.SystemSource || e.Name != condition.PredictionComputed {
		return false
	}
	name, _ := e.Properties.Lookup("name").StringValueOK()
	_, ok := slices.BinarySearch(names, name)
	return ok
}

func (d *derivation) read(ctx context.Context, keys []string) error {
	d.stored, d.guards = map[string]*Outlook{}, map[string]*guard{}
	for chunk := range slices.Chunk(keys, 500) {
		found, err := Outlooks.GetMany(ctx, d.s.Store, chunk)
		if err != nil {
			return fmt.Errorf("predict: read outlooks: %w", err)
		}
		var have []string
		for _, o := range found {
			if o == nil {
				continue
			}
			have = append(have, o.ID)
			d.stored[o.ProfileID()] = o
			for _, p := range o.Parts {
				d.parts[p.Part] = p
			}
		}
		held, err := guards.GetMany(ctx, d.s.Store, have)
		if err != nil {
			return fmt.Errorf("predict: read guards: %w", err)
		}
		for i, g := range held {
			if g == nil {
				g = &guard{Meta: store.Meta{ID: have[i]}}
			}
			d.guards[store.Rest(have[i])] = g
		}
	}
	return nil
}

// change works out what becomes of one person.
func (d *derivation) change(ctx context.Context, c *profile.Change) error {
	old, now := d.stored[c.ID], d.u.Now()
	moved := d.u.Moved(c)
	if moved && old != nil { // nobody who read it tells of what it has become
		d.ops = append(d.ops, bump(d.guards[c.ID]))
	}
	if c.After == nil {
		if old != nil {
			d.ops = append(d.ops, Outlooks.Delete(old))
		}
		return nil
	}
	o := newOutlook(store.Key(d.ws, c.ID))
	if old != nil {
		o = old.clone()
	}
	if moved {
		o.Parts = nil
		for _, part := range c.After.Parts {
			if p, ok := d.parts[part]; ok {
				*o.part(part) = p.clone()
			}
		}
	}
	o.Rev = d.set.rev()
	again, news := false, false
	for _, e := range c.Events {
		anew, more := o.take(d.set, e)
		again, news = anew || overtook(old, e) || again, more || news
	}
	if !o.empty() {
		barred, err := d.s.barred(ctx, d.ws, d.set, c.After)
		if err != nil {
			return err
		}
		zone := c.Before != nil && zoneName(c.Before) != zoneName(c.After)
		if old != nil && barred == o.Barred && !moved && !again && !news && !zone {
			return nil // one more signal of a day, say
		}
		if barred != o.Barred || moved || again || zone {
			if o.Barred = barred; o.telling() {
				o.Due = now
			}
		}
		if barred {
			o.forget()
		}
	}
	d.put(old, o, now)
	return nil
}

// overtook reports whether an event is a prediction that was made of somebody as they
// were before, so that it must be made anew.
func overtook(old *Outlook, e *event.Event) bool {
	if !ours(e) {
		return false
	}
	of, ok := e.Properties.Lookup("of").AsInt64OK()
	return !ok || old == nil || of != old.V
}

// take folds one event, and reports whether something must be predicted anew, and whether
// anything has changed at all. Anew is predicted after an order, an engagement, or what
// tells of becoming a customer. What people look at is heeded when they are due for another
// reason.
func (o *Outlook) take(set *Settings, e *event.Event) (again, news bool) {
	if ours(e) {
		o.part(e.Part).hear(e)
		o.Due = e.CommittedAt.Add(refreshEvery)
		return false, true
	}
	if m, ok := set.momentIn(e); ok {
		news = o.part(e.Part).note(m)
		again = news && m&3 != int32(sendhour.Active)
	}
	if order, ok := set.orderOf(e); ok {
		o.part(e.Part).add(order)
		again = true
	}
	again = o.learn(set, e) || again
	return again, again || news
}

// hear folds a prediction.
func (p *Part) hear(e *event.Event) {
	t := Told{At: e.CommittedAt}
	t.Name, _ = e.Properties.Lookup("name").StringValueOK()
	t.Model, _ = e.Properties.Lookup("model").StringValueOK()
	value, ok := number(e.Properties.Lookup("value"))
	t.Value, t.Gone = value, !ok
	if t.Name == BestHour && ok {
		t.hearHours(e.Properties)
	}
	if v, ok := number(e.Properties.Lookup("low")); ok {
		t.Low = &v
	}
	if v, ok := number(e.Properties.Lookup("high")); ok {
		t.High = &v
	}
	if doc, ok := e.Properties.Lookup("reasons").DocumentOK(); ok {
		t.Why = bson.Raw(slices.Clone([]byte(doc)))
	}
	i, ok := slices.BinarySearchFunc(p.Told, t.Name, func(t Told, name string) int { return strings.Compare(t.Name, name) })
	if !ok {
		p.Told = slices.Insert(p.Told, i, Told{})
	}
	p.Told[i] = t
}

// forget empties what was predicted; that something was stays, until the sweep has
// withdrawn it.
func (o *Outlook) forget() {
	for i := range o.Parts {
		for j := range o.Parts[i].Told {
			t := &o.Parts[i].Told[j]
			*t = Told{Name: t.Name, At: t.At, Gone: t.Gone}
		}
	}
}

func (d *derivation) put(old, o *Outlook, now time.Time) {
	switch {
	case o.empty() && old == nil:
	case o.empty():
		d.ops = append(d.ops, Outlooks.Delete(old))
	case old == nil:
		// Above every version that the id had before it was deleted: what was read of one
		// of those must not pass for this.
		o.V = now.UnixMilli()
		d.ops = append(d.ops, Outlooks.Insert(o))
	default:
		d.ops = append(d.ops, Outlooks.Replace(o))
	}
}

func bump(g *guard) store.Op {
	next := *g
	next.N++
	return guards.Put(&next)
}

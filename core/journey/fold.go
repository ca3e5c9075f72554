package journey

import (
	"context"
	"fmt"
	"slices"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

var _ profile.Fold = (*Service)(nil)

// Derive implements profile.Fold, behind that of segments: it notes, in the commit of the
// events themselves, whom they let into journeys and which enrollments they wake. An event
// that no journey asks about costs a look into an index; one that people inside may listen
// to, a read of what is live of the person.
func (s *Service) Derive(ctx context.Context, u *profile.Unit, pending []store.Op) (profile.Derived, error) {
	following, _, err := s.Segments.Following(ctx, u.Workspace())
	if err != nil {
		return profile.Derived{}, err
	}
	l, _ := following.(*live)
	if l == nil || len(l.journeys) == 0 {
		return profile.Derived{}, nil
	}
	d := &deriving{l: l, u: u, lanes: map[string]bool{}}
	if err := d.run(ctx, pending); err != nil {
		return profile.Derived{}, fmt.Errorf("journey: derive: %w", err)
	}
	if len(d.ops) == 0 {
		return profile.Derived{}, nil
	}
	return profile.Derived{Ops: d.ops, Committed: func() { s.poke(l.ws, d.lanes) }}, nil
}

// deriving is one call of Derive.
type deriving struct {
	l     *live
	u     *profile.Unit
	ops   []store.Op
	lanes map[string]bool
}

func (d *deriving) run(ctx context.Context, pending []store.Op) error {
	var stirred []*profile.Change // people of whom something may wake an enrollment
	changes := d.u.Changes()
	for i := range changes {
		c := &changes[i]
		if c.After == nil {
			continue
		}
		for _, e := range c.Events {
			for _, door := range d.l.doors[nameOf(e)] {
				if door.Matches(e) && door.j.pilots(c.ID) && !tellsOf(e, door.j.JourneyID()) {
					d.add(&Trigger{
						Part: e.Part, Journey: door.j.JourneyID(), Version: door.j.Entry, Node: door.Node, Cause: door.cause(), Event: store.Rest(e.ID),
						At: d.u.Now(),
					}, door.j.JourneyID(), door.Node, e.ID)
				}
			}
		}
		if d.u.Merged() || d.l.hearsAny(c.Events) {
			stirred = append(stirred, c)
		}
	}
	if len(stirred) == 0 {
		return nil
	}
	var keys []string
	for _, c := range stirred {
		for _, part := range c.After.Parts {
			keys = append(keys, store.Key(d.l.ws, part))
		}
	}
	for chunk := range slices.Chunk(keys, 500) {
		docs, err := Presences.GetMany(ctx, d.l.s.Store, chunk)
		if err != nil {
			return err
		}
		for i, doc := range docs {
			d.stir(chunk[i], doc, stirred, pending)
		}
	}
	return nil
}

// tellsOf tells whether an event is what became of a message of a journey: by that nobody
// enters the same journey, which would send another and go on for ever.
func tellsOf(e *event.Event, journey string) bool {
	if e.Type != event.System {
		return false
	}
	v, ok := lookup(e.Properties, "journeyId")
	if !ok {
		return false
	}
	id, _ := v.StringValueOK()
	return id == journey
}

func (d *door) cause() string {
	if d.Object != nil {
		return CauseObject
	}
	return CauseEvent
}

// stir wakes the live enrollments of a part that listen to what happened.
func (d *deriving) stir(key string, doc *Presence, stirred []*profile.Change, pending []store.Op) {
	// The presence must be as it was read, unless the batch itself writes it.
	if !slices.ContainsFunc(pending, func(op store.Op) bool { return op.ID == key && op.Spec.Name == Presences.Spec.Name }) {
		if doc == nil {
			d.ops = append(d.ops, Presences.Absent(key))
		} else {
			d.ops = append(d.ops, Presences.Check(doc))
		}
	}
	if doc == nil {
		return
	}
	part := store.Rest(key)
	i := slices.IndexFunc(stirred, func(c *profile.Change) bool { return slices.Contains(c.After.Parts, part) })
	c := stirred[i]
	for _, p := range doc.Live {
		j := d.l.journeys[p.Journey]
		if j == nil {
			continue
		}
		if d.u.Merged() {
			d.wake(part, p, nil)
		}
		if p.Suspended || j.versions[p.Version] == nil {
			continue
		}
		program, err := d.l.s.compiled(j.versions[p.Version])
		if err != nil {
			continue // told of when the journeys were read
		}
		at := program.Listens(State{Status: Waiting, Node: p.Node}, nil)
		for _, e := range c.Events {
			if at.hears(e) {
				d.wake(part, p, e)
			}
		}
	}
}

// wake adds a trigger for an enrollment; e is nil where it is not about one event.
func (d *deriving) wake(part string, p Present, e *event.Event) {
	t := &Trigger{Part: part, Journey: p.Journey, Enrollment: p.Enrollment, Cause: CauseEvent, At: d.u.Now()}
	about := d.u.Now().String()
	if e != nil {
		t.Event, about = store.Rest(e.ID), e.ID
	} else {
		t.Cause = CauseStir
	}
	d.add(t, p.Enrollment, about)
}

func (d *deriving) add(t *Trigger, about ...string) {
	d.ops = append(d.ops, d.l.s.trigger(d.l.ws, t, about...))
	d.lanes[t.Lane] = true
}

// hears tells whether an event is among what is listened to, or may change what is.
func (l *Listening) hears(e *event.Event) bool {
	if len(l.Traits) > 0 && len(e.Traits) > 0 || len(l.Purposes) > 0 && len(e.Context) > 0 {
		return true
	}
	if len(l.Objects) > 0 && nameOf(e) == recordChanged {
		return true
	}
	return slices.Contains(l.Events, e.Name)
}

package journey

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

var (
	_ segment.Follower  = (*Service)(nil)
	_ segment.Following = (*live)(nil)
)

// live is the journeys of a workspace at one revision of its definitions, with what tells
// which of them something touches. It is never changed: whoever publishes, pauses or stops
// one moves the revision, and what was derived from an older one is not committed.
type live struct {
	s        *Service
	ws       string
	journeys map[string]*running

	doors map[eventName][]*door // entries, by event
	moves map[string][]*door    // entries, by the segment, list or watched condition that somebody enters
	left  map[string][]*door    // or leaves

	hears    map[eventName]bool // some version listens to events with the name
	traits   bool               // or to changes of traits
	purposes bool               // or to consents
	segments map[string]bool    // or to who enters or leaves these
}

// running is a journey with its versions that may have people inside.
type running struct {
	*Journey
	versions map[int64]*Version
}

// door is an entrance of the version by which people enter.
type door struct {
	j *running
	p *Program
	*Entrance
}

// eventName is how events are looked up: Headwater's own are apart.
type eventName struct {
	name   string
	system bool
}

func nameOf(e *event.Event) eventName { return eventName{e.Name, e.Type == event.System} }

// Follow implements segment.Follower.
func (s *Service) Follow(ctx context.Context, ws string) (segment.Following, error) {
	all, err := Journeys.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	if err != nil || len(all) == 0 {
		return (*live)(nil), err
	}
	l := &live{
		s: s, ws: ws, journeys: map[string]*running{}, doors: map[eventName][]*door{}, moves: map[string][]*door{}, left: map[string][]*door{},
		hears: map[eventName]bool{}, segments: map[string]bool{},
	}
	for _, j := range all {
		if j.Mode != Live && j.Mode != Draining && j.Mode != Paused {
			continue
		}
		if err := l.add(ctx, j); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// add takes a journey in. A version that cannot be read, from a newer Headwater perhaps,
// stops neither the others nor the events.
func (l *live) add(ctx context.Context, j *Journey) error {
	r := &running{Journey: j, versions: map[int64]*Version{}}
	l.journeys[j.JourneyID()] = r
	list, err := Versions.Find(ctx, l.s.Store, store.Query{Workspace: l.ws, Where: []store.Cond{store.Prefix("_id", j.JourneyID()+"/")}}, 0)
	if err != nil {
		return err
	}
	for _, v := range list {
		if v.PublishedAt.IsZero() {
			continue
		}
		r.versions[v.Number] = v
		p, err := l.s.compiled(v)
		if err != nil {
			l.s.Logger.Error("journey: compile", "journey", j.JourneyID(), "version", v.Number, "error", err.Error())
			continue
		}
		l.listen(p)
		if v.Number == j.Entry && j.Mode == Live {
			l.open(r, p)
		}
	}
	return nil
}

// listen notes what people inside a version listen to, wherever they stand.
func (l *live) listen(p *Program) {
	for _, n := range p.Definition().Nodes {
		at := p.Listens(State{Status: Waiting, Node: n.ID}, nil)
		for _, name := range at.Events {
			l.hears[eventName{name, condition.IsSystemEvent(name)}] = true
		}
		l.traits = l.traits || len(at.Traits) > 0
		l.purposes = l.purposes || len(at.Purposes) > 0
		for _, id := range at.Segments {
			l.segments[id] = true
		}
		if len(at.Objects) > 0 {
			l.hears[recordChanged] = true
		}
	}
}

// watched is the condition of an entrance by date: who comes to meet it enters.
func (p *Program) watched(e *Entrance) *segment.Checked {
	return &segment.Checked{JSON: e.where, Program: e.Asks, Zone: p.def.TimeZone, OfPeople: true, Watch: true}
}

// open takes the entrances of the version by which people enter.
func (l *live) open(r *running, p *Program) {
	for _, e := range p.Entrances() {
		d := &door{r, p, e}
		switch {
		case e.Event != nil, e.Object != nil:
			name := eventName{e.Names(), condition.IsSystemEvent(e.Names())}
			l.doors[name] = append(l.doors[name], d)
		case e.SegmentEntered != "":
			l.moves[e.SegmentEntered] = append(l.moves[e.SegmentEntered], d)
		case e.List != "":
			l.moves[e.List] = append(l.moves[e.List], d)
		case e.SegmentLeft != "":
			l.left[e.SegmentLeft] = append(l.left[e.SegmentLeft], d)
		case e.Date != nil:
			id := segment.WatchID(r.JourneyID(), p.watched(e))
			l.moves[id] = append(l.moves[id], d)
		}
	}
}

// recordChanged is the event that tells of a record.
var recordChanged = eventName{object.NameRecordChanged, true}

// Moved implements segment.Following. A person who is in a segment only since its
// definition says so, or since two people turned out to be one, has done nothing.
func (l *live) Moved(c *segment.Change) []store.Op {
	if l == nil || c.Profile == "" {
		return nil
	}
	var ops []store.Op
	id := store.Rest(c.ID)
	of := l.moves
	if c.Change == segment.Left {
		of = l.left
	}
	for _, d := range of[c.Segment] {
		// That somebody was put on a list is a definition's doing too.
		if c.Cause == segment.CauseDefinition && d.List == "" || c.Cause == segment.CauseMerge || !d.j.pilots(c.Profile) {
			continue
		}
		cause := CauseSegment
		switch {
		case d.Date != nil:
			cause = CauseDate
		case d.List != "":
			cause = CauseList
		}
		ops = append(ops, l.s.trigger(l.ws, &Trigger{
			Part: c.Profile, Journey: d.j.JourneyID(), Version: d.j.Entry, Node: d.Node, Cause: cause, At: c.At,
		}, d.j.JourneyID(), d.Node, id))
	}
	if l.segments[c.Segment] { // whoever listens is woken: which enrollments they are is read later
		ops = append(ops, l.s.trigger(l.ws, &Trigger{Part: c.Profile, Cause: CauseStir, At: c.At}, "stir", id))
	}
	return ops
}

// The causes of triggers.
const (
	CauseEvent   = "EVENT"
	CauseSegment = "SEGMENT"
	CauseDate    = "DATE"
	CauseObject  = "OBJECT"
	CauseList    = "LIST"
	CauseAPI     = "API"
	CauseJourney = "JOURNEY"
	CauseAnswer  = "ANSWER" // of a person, or of a sub-journey
	CauseStir    = "STIR"   // something about the person changed: all enrollments of the part are asked
)

// trigger returns the operation that stores a trigger; what it is about makes its key, so
// that the same is not stored twice.
func (s *Service) trigger(ws string, t *Trigger, about ...string) store.Op {
	t.ID = store.Key(ws, core.HashID("trg", append([]string{t.Part}, about...)...))
	t.Lane, t.Due = laneOf(t.Part), t.At
	return Triggers.Insert(t)
}

// pilots tells whether a person is among those who may enter: as the percentage grows,
// those who were among them stay.
func (j *Journey) pilots(profileID string) bool {
	return j.Pilot >= 100 || int64(condition.BucketOf(profileID, j.Salt)) < j.Pilot*condition.Buckets/100
}

// hearsAny tells whether a version may listen to one of some events.
func (l *live) hearsAny(events []*event.Event) bool {
	return slices.ContainsFunc(events, l.hearsEvent)
}

func (l *live) hearsEvent(e *event.Event) bool {
	return l.hears[nameOf(e)] || l.traits && len(e.Traits) > 0 || l.purposes && len(e.Context) > 0
}

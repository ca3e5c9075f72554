package segment_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/condition/conditiontest"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// tally counts what was compared.
type tally struct {
	cases, steps, skipped, refused, duplicates int
	answers, yes                               int // (history, condition, instant) compared with what is stored
	looks                                      int // before the next change
	changes                                    map[string]int
}

// asked is a definition as the reference asks it.
type asked struct {
	version int64
	where   string
	node    *condition.Node
	zone    condition.Zone
}

func (w *world) ask(d *segment.Segment) *asked {
	a := w.asked[d.ID]
	if a != nil && a.version == d.Version && a.where == d.Where {
		return a
	}
	n, err := condition.ParseJSON([]byte(d.Where))
	w.must(err, "parse")
	a = &asked{version: d.Version, where: d.Where, node: n, zone: condition.Zone{OfProfile: d.ZoneOfProfile}}
	if d.TimeZone != "" {
		a.zone.Location, err = time.LoadLocation(d.TimeZone)
		w.must(err, "load the zone")
	}
	w.asked[d.ID] = a
	return a
}

// state is what the store holds.
type state struct {
	people  []*profile.Profile
	defs    []*segment.Segment
	members map[[2]string]*segment.Membership // by segment and profile
	known   map[string]*segment.Behaviour     // by profile
	changes []*segment.Change
	events  map[string][]*event.Event // by part
	records []*object.Record
	history map[string]*conditiontest.History
}

func (w *world) read() *state {
	s := &state{members: map[[2]string]*segment.Membership{}, known: map[string]*segment.Behaviour{}, events: map[string][]*event.Event{}, history: map[string]*conditiontest.History{}}
	all := store.Query{Workspace: truthWS}
	s.people, s.defs = w.people(), w.definitions()
	members, err := segment.Memberships.Find(w.ctx, w.db, all, 0)
	w.must(err, "read memberships")
	for _, m := range members {
		s.members[[2]string{m.Segment, m.Profile}] = m
	}
	known, err := segment.Behaviours.Find(w.ctx, w.db, all, 0)
	w.must(err, "read behaviours")
	for _, b := range known {
		s.known[b.ProfileID()] = b
	}
	s.changes, err = segment.Changes.Find(w.ctx, w.db, all, 0)
	w.must(err, "read changes")
	events, err := event.Events.Find(w.ctx, w.db, all, 0)
	w.must(err, "read events")
	for _, e := range events {
		s.events[e.Part] = append(s.events[e.Part], e)
	}
	s.records, err = object.Records.Find(w.ctx, w.db, all, 0)
	w.must(err, "read records")
	w.must(w.procs[0].objects.Present(w.ctx, truthWS, s.records...), "present records")
	for _, p := range s.people {
		s.history[p.ProfileID()] = w.history(s, p)
	}
	return s
}

// history is all that the log and the profile say of a person.
func (w *world) history(s *state, p *profile.Profile) *conditiontest.History {
	h := &conditiontest.History{ProfileID: p.ProfileID(), Traits: assemble(p), Consents: map[[2]string]string{}}
	for _, part := range p.Parts {
		for _, e := range s.events[part] {
			h.Events = append(h.Events, conditiontest.Event{
				ID: store.Rest(e.ID), Name: e.Name, Part: part, At: e.Timestamp, Arrived: e.CommittedAt,
				Properties: e.Properties, System: e.Type == event.System,
			})
		}
	}
	slices.SortStableFunc(h.Events, func(a, b conditiontest.Event) int { return a.Arrived.Compare(b.Arrived) })
	for _, c := range p.Words(w.clock.Now()) { // what is said of every channel holds where nothing is said of one
		if c.Channel == "" {
			h.Consents[[2]string{c.Purpose, "EMAIL"}] = c.Status
		}
	}
	for _, c := range p.Words(w.clock.Now()) {
		h.Consents[[2]string{c.Purpose, c.Channel}] = c.Status
	}
	for _, key := range []string{"timezone", "timeZone", "time_zone"} {
		if name, ok := h.Traits.Lookup(key).StringValueOK(); ok && h.Location == nil {
			if loc, err := time.LoadLocation(name); err == nil && name != "" && name != "Local" {
				h.Location = loc
			}
		}
	}
	for _, r := range s.records {
		if r.Deleted() {
			continue
		}
		for _, relation := range []string{"owner", "payer"} {
			if slices.ContainsFunc(r.LinksOf(), func(l object.Link) bool { return l.Relation == relation && is(p, l) }) {
				h.Records = append(h.Records, conditiontest.Record{Type: r.Type, Relation: relation, Fields: r.Fields})
			}
		}
	}
	for _, d := range s.defs {
		if m := s.members[[2]string{d.SegmentID(), p.ProfileID()}]; m != nil && d.Status != segment.Archived {
			h.Memberships = append(h.Memberships, conditiontest.Membership{ID: m.Segment, Since: m.Since})
		}
	}
	return h
}

func is(p *profile.Profile, l object.Link) bool {
	if l.Namespace == object.ProfileNamespace {
		return slices.Contains(p.Parts, l.Value)
	}
	return slices.ContainsFunc(p.Identifiers, func(h profile.Held) bool { return h.Namespace == l.Namespace && h.Value == l.Value })
}

// assemble puts the registers that say something into one document.
func assemble(p *profile.Profile) bson.Raw {
	root := map[string]any{}
	for _, t := range p.Traits {
		if t.Value.Type == bson.TypeNull {
			continue
		}
		keys := event.SplitPath(t.Path)
		at := root
		for _, key := range keys[:len(keys)-1] {
			below, ok := at[key].(map[string]any)
			if !ok {
				below = map[string]any{}
				at[key] = below
			}
			at = below
		}
		at[keys[len(keys)-1]] = t.Value
	}
	raw, err := bson.Marshal(root)
	if err != nil {
		panic(err)
	}
	return raw
}

// listed is what the log says of the list: the latest word.
func (w *world) listed(h *conditiontest.History, id string) bool {
	var last *conditiontest.Event
	for i := range h.Events {
		e := &h.Events[i]
		if !e.System || e.Name != segment.NameListJoined && e.Name != segment.NameListLeft || e.Properties.Lookup("segmentId").StringValue() != id {
			continue
		}
		if last == nil || e.At.After(last.At) || e.At.Equal(last.At) && e.ID > last.ID {
			last = e
		}
	}
	return last != nil && last.Name == segment.NameListJoined
}

func (w *world) truth(d *segment.Segment, h *conditiontest.History, now time.Time) bool {
	if d.Kind == segment.Static {
		return w.listed(h, d.SegmentID())
	}
	a := w.ask(d)
	return conditiontest.Evaluate(a.node, h, now, a.zone)
}

// compare puts what is stored to the test and returns what is wrong, or "".
func (w *world) compare(swept bool) string {
	s, now := w.read(), w.clock.Now()
	for _, check := range []func(*state, time.Time) string{w.documents, w.news} {
		if what := check(s, now); what != "" {
			return what
		}
	}
	for _, p := range s.people {
		id := p.ProfileID()
		b, h := s.known[id], s.history[id]
		var due time.Time
		if b != nil {
			due = b.Due
		}
		if !due.IsZero() && !due.After(now) {
			if swept {
				return fmt.Sprintf("%s is due at %s after a sweep", id, due)
			}
			w.sum.skipped++
			continue
		}
		for _, d := range s.defs {
			if d.Status != segment.Live {
				continue
			}
			_, in := s.members[[2]string{d.SegmentID(), id}]
			w.sum.answers++
			if in {
				w.sum.yes++
			}
			if want := w.truth(d, h, now); want != in {
				return fmt.Sprintf("%s in %s (%s): stored %v, the reference says %v\n%s", id, d.SegmentID(), d.Where, in, want, h)
			}
			for _, at := range w.looks(now, due) {
				w.sum.looks++
				if want := w.truth(d, h, at); want != in {
					return fmt.Sprintf("%s in %s (%s, %s %v): %v until %s by what is stored, the reference says %v at %s\n%s",
						id, d.SegmentID(), d.Where, d.TimeZone, d.ZoneOfProfile, in, due, want, at, h)
				}
			}
		}
	}
	return ""
}

// looks draws instants before the next change.
func (w *world) looks(now, due time.Time) []time.Time {
	at := []time.Time{w.r.Beyond(now), w.r.Now()}
	if !due.IsZero() {
		at = append(at, due.Add(-time.Millisecond))
	}
	return slices.DeleteFunc(at, func(t time.Time) bool { return !t.After(now) || !due.IsZero() && !t.Before(due) })
}

// documents compares what is kept of memberships in several places.
func (w *world) documents(s *state, now time.Time) string {
	alive := map[string]bool{}
	for _, p := range s.people {
		alive[p.ProfileID()] = true
	}
	sizes := map[string]int64{}
	for key, m := range s.members {
		sizes[m.Segment]++
		since, in := s.known[key[1]].Member(key[0])
		if !alive[key[1]] || !in || !since.Equal(m.Since) {
			return fmt.Sprintf("the membership of %s in %s is not in what is known of the profile (alive %v)", key[1], key[0], alive[key[1]])
		}
	}
	for id, b := range s.known {
		for _, m := range b.Members {
			if s.members[[2]string{m.Segment, id}] == nil {
				return fmt.Sprintf("%s is known to be in %s and has no membership", id, m.Segment)
			}
		}
	}
	for _, d := range s.defs {
		n, err := w.procs[0].segments.MaintainedSize(w.ctx, truthWS, d.SegmentID())
		w.must(err, "read the size")
		if n != sizes[d.SegmentID()] {
			return fmt.Sprintf("the size of %s is %d, not %d", d.SegmentID(), n, sizes[d.SegmentID()])
		}
	}
	return ""
}

// news checks the changes: that they add up to what is, and their causes.
func (w *world) news(s *state, now time.Time) string {
	slices.SortStableFunc(s.changes, func(a, b *segment.Change) int { return a.At.Compare(b.At) })
	sum := map[[2]string]int{}
	at := map[[2]string]time.Time{}
	for i, c := range s.changes {
		key := [2]string{c.Segment, c.Profile}
		if c.Change == segment.Entered {
			sum[key]++
			at[key] = c.At
		} else {
			sum[key]--
		}
		last := i == len(s.changes)-1 || !slices.ContainsFunc(s.changes[i+1:], func(o *segment.Change) bool {
			return o.At.Equal(c.At) && o.Segment == c.Segment && o.Profile == c.Profile
		})
		if last && sum[key] != 0 && sum[key] != 1 {
			return fmt.Sprintf("%s %s %s at %s, and was that already", c.Profile, c.Change, c.Segment, c.At)
		}
		if w.seen[c.ID] {
			continue
		}
		w.seen[c.ID] = true
		w.sum.changes[string(c.Change)+" "+string(c.Cause)]++
		if !w.allowed[c.Cause] {
			return fmt.Sprintf("%s %s %s because of %s; only %v can be", c.Profile, c.Change, c.Segment, c.Cause, w.allowed)
		}
		if what := w.foreseen(s, c); what != "" {
			return what
		}
	}
	for key, n := range sum {
		m := s.members[key]
		if (m != nil) != (n == 1) {
			return fmt.Sprintf("the changes of %s in %s add up to %d, the membership is there: %v", key[1], key[0], n, m != nil)
		}
		if m != nil && (m.Since.After(at[key]) || !w.merged && !m.Since.Equal(at[key])) {
			return fmt.Sprintf("%s is in %s since %s and entered at %s", key[1], key[0], m.Since, at[key])
		}
	}
	for key := range s.members {
		if sum[key] != 1 {
			return fmt.Sprintf("%s is in %s and never entered", key[1], key[0])
		}
	}
	return ""
}

// foresee notes what new definitions say before something happens.
func (w *world) foresee() {
	s, now := w.read(), w.clock.Now()
	w.before, w.expect = map[string]bool{}, true
	for _, d := range s.defs {
		if d.Status != segment.Building || strings.Contains(d.Where, `"segment"`) {
			continue
		}
		for id, h := range s.history {
			if b := s.known[id]; b != nil && b.Rev >= d.Since {
				continue // was reached; time may have gone on since
			}
			w.before[d.SegmentID()+" "+id] = w.truth(d, h, now)
		}
	}
}

// foreseen demands that what a new definition said before is not told as if
// something had happened.
func (w *world) foreseen(s *state, c *segment.Change) string {
	if !w.expect || w.units > 1 || c.Cause != segment.CauseEvent && c.Cause != segment.CauseConsent {
		return ""
	}
	was, known := w.before[c.Segment+" "+c.Profile]
	if known && was == (c.Change == segment.Entered) {
		i := slices.IndexFunc(s.defs, func(d *segment.Segment) bool { return d.SegmentID() == c.Segment })
		return fmt.Sprintf("%s %s %s because of %s, which the definition (%s) said before anything happened\n%s", c.Profile, c.Change, c.Segment, c.Cause, s.defs[i].Where, s.history[c.Profile])
	}
	return ""
}

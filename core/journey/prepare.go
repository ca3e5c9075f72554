package journey

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// parkedLane is where what is due of a paused journey waits: it costs nothing there.
func parkedLane(journey string) string { return "paused/" + journey }

// prepare settles what needs no look at the person, and tells whether the item is to be
// asked about.
func (b *batch) prepare(ctx context.Context, it *item) (ready bool, err error) {
	switch t := it.trigger; {
	case t != nil && t.Cause == CauseStir && t.Enrollment == "":
		b.stir(it)
		return false, nil
	case t != nil && t.Enrollment == "":
		return b.prepareEntry(ctx, it)
	case it.enr == nil || it.enr.Ended():
		it.ops = append(it.ops, Triggers.Delete(t)) // whom it was to wake is gone
		return false, nil
	}
	e := it.enr
	j := b.l.journeys[e.Journey]
	switch {
	case it.person == nil:
		return false, b.end(ctx, it, *e, Removed, "PERSON_GONE")
	case j == nil:
		return false, b.end(ctx, it, *e, Removed, "JOURNEY_STOPPED")
	case j.Mode == Paused:
		b.park(it)
		return false, nil
	case j.drains(e.Version):
		return false, b.end(ctx, it, *e, Left, "DRAINED")
	}
	if it.program, err = b.s.program(ctx, b.ws, e.Journey, e.Version); err != nil {
		return false, err
	}
	elder := b.elder(it.person, e)
	_, eldersPart, _ := strings.Cut(e.Elder, "/")
	switch {
	case elder != "" && e.Status != Suspended:
		b.suspend(it, elder)
		return false, nil
	case elder == "" && e.Status == Suspended && slices.Contains(it.person.Parts, eldersPart):
		return false, b.end(ctx, it, *e, Removed, "MERGED") // the elder one went all the way for both
	case elder == "" && e.Status != Suspended && len(it.person.Parts) > 1 && b.marked(e):
		return false, b.end(ctx, it, *e, Removed, "MERGED") // it ended before this one was told of the merge
	case elder == "" && e.Status == Suspended:
		b.restore(it)
		return false, nil
	case e.Status == Suspended || e.Status == Failing:
		it.ops = append(it.ops, Triggers.Delete(it.trigger))
		return false, nil
	}
	it.entered = b.enteredBy(e.Event, e.Data, e.EnteredAt)
	if it.trigger != nil {
		it.woke, it.answer = b.events[it.trigger.Event], it.trigger.Answer
		if it.woke == nil && it.answer == nil { // something changed that was no event: the conditions are asked
			it.woke = &event.Event{Timestamp: b.now, CommittedAt: b.now}
		}
	}
	return true, nil
}

// drains tells whether whoever is inside a version leaves.
func (j *Journey) drains(number int64) bool { return slices.Contains(j.Leaves, number) }

// stir wakes all live enrollments of a person.
func (b *batch) stir(it *item) {
	it.ops = append(it.ops, Triggers.Delete(it.trigger))
	if it.person == nil {
		return
	}
	for _, part := range it.person.Parts {
		if p := b.presences[part]; p != nil {
			for _, one := range p.Live {
				it.ops = append(it.ops, b.s.trigger(b.ws, &Trigger{
					Part: part, Journey: one.Journey, Enrollment: one.Enrollment, Cause: CauseStir, At: b.now,
				}, one.Enrollment, it.trigger.ID))
			}
		}
	}
}

// park puts an item of a paused journey aside, as it is due, until the journey is resumed.
func (b *batch) park(it *item) {
	lane := parkedLane(b.journeyOf(it))
	if it.enr != nil {
		next := *it.enr
		next.Lane = lane
		it.ops = append(it.ops, Enrollments.Replace(&next))
	}
	if it.trigger != nil {
		t := *it.trigger
		t.Lane = lane
		it.ops = append(it.ops, Triggers.Replace(&t))
	}
}

func (b *batch) journeyOf(it *item) string {
	if it.enr != nil {
		return it.enr.Journey
	}
	return it.trigger.Journey
}

// elder returns the enrollment (enr_…/prof_…) of the same journey and key that another part
// of the person has had for longer; "" when this is the eldest. Of one merged person only
// that goes on.
func (b *batch) elder(p *profile.Profile, e *Enrollment) string {
	for _, part := range p.Parts {
		doc := b.presences[part]
		if part == e.Part || doc == nil {
			continue
		}
		for _, o := range doc.Live {
			if o.Journey != e.Journey || o.Key != e.Key || o.Enrollment == e.EnrollmentID() {
				continue
			}
			if o.Since.Before(e.EnteredAt) || o.Since.Equal(e.EnteredAt) && o.Enrollment < e.EnrollmentID() {
				return o.Enrollment + "/" + part
			}
		}
	}
	return ""
}

// marked tells whether an elder enrollment has ended for this one as well: see overFor.
func (b *batch) marked(e *Enrollment) bool {
	doc := b.presences[e.Part]
	return doc != nil && slices.ContainsFunc(doc.Live, func(o Present) bool { return o.Enrollment == e.EnrollmentID() && o.Suspended })
}

// suspend has an enrollment wait as long as an elder one of the same person is live.
func (b *batch) suspend(it *item, elder string) {
	next := *it.enr
	next.Status, next.Lane, next.Due, next.Elder = Suspended, "", time.Time{}, elder
	next.tell(Passage{Node: next.State.Node, Visit: next.State.Visit, At: b.now, Did: DidSuspend, Detail: elder})
	b.keep(it, &next)
	b.present(it, &next)
	b.finish(it)
}

// restore lets an enrollment go on that was suspended: the merge was undone.
func (b *batch) restore(it *item) {
	next := *it.enr
	next.Status, next.Lane, next.Elder = next.State.Status, laneOf(next.Part), ""
	if next.Due = next.State.Due; next.State.Status == Active && next.Due.IsZero() {
		next.Due = b.now
	}
	next.tell(Passage{Node: next.State.Node, Visit: next.State.Visit, At: b.now, Did: DidResume})
	b.keep(it, &next)
	b.present(it, &next)
	b.finish(it)
}

// end takes an enrollment out of its journey, with nothing more sent.
func (b *batch) end(ctx context.Context, it *item, next Enrollment, status Status, why string) error {
	asked := next.State.For == ForApproval || next.State.For == ForOverdue
	next.tell(Passage{Node: next.State.Node, Visit: next.State.Visit, At: b.now, Left: true, Did: DidExit, Detail: why})
	it.add(next.Journey, next.Version, nodeLeft(next.State.Node), 1)
	b.over(it, &next, status)
	if asked { // nobody needs to answer any more
		if err := b.closeToDos(ctx, it, &next); err != nil {
			return err
		}
	}
	b.keep(it, &next)
	b.present(it, &next)
	b.finish(it)
	return nil
}

// over marks an enrollment as ended, and tells its parent.
func (b *batch) over(it *item, next *Enrollment, status Status) {
	next.Status, next.Lane, next.Due, next.EndedAt = status, "", time.Time{}, b.now
	it.add(next.Journey, next.Version, "ended:"+string(status), 1)
	if parent, visit, ok := strings.Cut(next.Parent, "/"); ok {
		b.answerParent(it, parent, visit, next.Part, string(status))
	}
	if it.person == nil {
		return
	}
	for _, part := range it.person.Parts {
		if doc := b.presences[part]; doc != nil && part != next.Part {
			b.overFor(it, next, part, doc)
		}
	}
}

// overFor ends, with an enrollment that has ended, those of another part of the person that
// waited for it to go all the way for both. One that has not been told of the merge yet is
// marked: it ends when it is looked at, and sends nothing again.
func (b *batch) overFor(it *item, ended *Enrollment, part string, doc *Presence) {
	marked := *doc
	marked.Live = slices.Clone(doc.Live)
	for i, o := range doc.Live {
		younger := o.Since.After(ended.EnteredAt) || o.Since.Equal(ended.EnteredAt) && o.Enrollment > ended.EnrollmentID()
		if o.Journey != ended.Journey || o.Key != ended.Key || !o.Suspended && !younger {
			continue
		}
		marked.Live[i].Suspended = true
		it.ops = append(it.ops, b.s.trigger(b.ws, &Trigger{
			Part: part, Journey: o.Journey, Enrollment: o.Enrollment, Cause: CauseStir, At: b.now,
		}, o.Enrollment, ended.EnrollmentID()))
	}
	if !slices.Equal(marked.Live, doc.Live) {
		it.ops = append(it.ops, Presences.Replace(&marked))
	}
}

// answerParent tells the enrollment that waits for a sub-journey that it is over.
func (b *batch) answerParent(it *item, parent, visit, part, decision string) {
	if op, ok := b.s.subOver(b.ws, parent, visit, part, decision, b.now); ok {
		it.ops = append(it.ops, op)
	}
}

// subOver returns the operation that tells an enrollment that its sub-journey is over.
func (s *Service) subOver(ws, parent, visit, part, decision string, now time.Time) (store.Op, bool) {
	n, err := strconv.ParseInt(visit, 10, 64)
	if err != nil {
		return store.Op{}, false
	}
	return s.trigger(ws, &Trigger{
		Part: part, Enrollment: parent, Cause: CauseAnswer, At: now, Answer: &Answer{For: ForSubJourney, Visit: n, OK: true, Decision: decision},
	}, parent, visit, "sub"), true
}

// refusal returns the operation that tells an enrollment whose sub-journey a trigger was to
// begin that the person was not let in; false when it was to begin none.
func (s *Service) refusal(ws string, t *Trigger, why string, now time.Time) (store.Op, bool) {
	parent, visit, ok := strings.Cut(t.Parent, "/")
	if !ok {
		return store.Op{}, false
	}
	return s.subOver(ws, parent, visit, t.Part, "NOT_ENTERED "+why, now)
}

// keep writes the enrollment, with what it has no room for.
func (b *batch) keep(it *item, next *Enrollment) {
	if len(next.Trail) > maxTrail {
		cut := len(next.Trail) - keptTrail
		first := next.Passed - int64(len(next.Trail))
		it.ops = append(it.ops, Olders.Insert(&Older{
			Meta:       store.Meta{ID: store.Key(b.ws, next.EnrollmentID(), trailNumber(first))},
			Enrollment: next.EnrollmentID(), Part: next.Part, Trail: slices.Clone(next.Trail[:cut]),
		}))
		next.Trail = slices.Clone(next.Trail[cut:])
	}
	it.ops = append(it.ops, Enrollments.Put(next))
}

// The bounds of the trail in an enrollment's own document.
const (
	maxTrail  = 40
	keptTrail = 10
)

func trailNumber(n int64) string {
	s := strconv.FormatInt(n, 10)
	return "00000000"[:max(0, 8-len(s))] + s
}

// tell adds to the trail.
func (e *Enrollment) tell(p ...Passage) {
	e.Trail = append(slices.Clip(slices.Clone(e.Trail)), p...)
	e.Passed += int64(len(p))
}

// present brings the presence of the part up to date.
func (b *batch) present(it *item, e *Enrollment) {
	doc := b.presences[e.Part]
	if doc == nil {
		doc = &Presence{Meta: store.Meta{ID: store.Key(b.ws, e.Part)}}
	}
	now := Present{
		Enrollment: e.EnrollmentID(), Journey: e.Journey, Version: e.Version, Key: e.Key, Since: e.EnteredAt, Suspended: e.Status == Suspended,
	}
	if e.State.For == ForEvent {
		now.Node = e.State.Node
	}
	i := slices.IndexFunc(doc.Live, func(p Present) bool { return p.Enrollment == now.Enrollment })
	next := *doc
	next.Live = slices.Clone(doc.Live)
	switch {
	case e.Ended() && i < 0:
		return
	case e.Ended():
		next.Live = slices.Delete(next.Live, i, i+1)
	case i < 0:
		next.Live = append(next.Live, now)
	case next.Live[i] == now:
		return
	default:
		next.Live[i] = now
	}
	if len(next.Live) == 0 && next.V > 0 {
		it.ops = append(it.ops, Presences.Delete(&next))
		return
	}
	it.ops = append(it.ops, Presences.Put(&next))
}

// finish uses the trigger up, and demands that nobody changed the person meanwhile.
func (b *batch) finish(it *item) {
	if it.trigger != nil {
		it.ops = append(it.ops, Triggers.Delete(it.trigger))
	}
	if it.person == nil {
		return
	}
	if len(it.said) == 0 {
		it.ops = append(it.ops, profile.Profiles.Check(it.person))
	}
	if len(it.person.Parts) == 1 {
		return
	}
	// What is live of a merged person's parts is as it was read: of two enrollments that are
	// worked on at once, one that suspends itself for the other and one that ends, the second to
	// commit sees what the first has done.
	for _, part := range it.person.Parts {
		if doc := b.presences[part]; doc != nil && !it.touches(Presences.Spec.Name, doc.ID) {
			it.ops = append(it.ops, Presences.Check(doc))
		}
	}
}

func (it *item) touches(collection, id string) bool {
	return slices.ContainsFunc(it.ops, func(op store.Op) bool { return op.ID == id && op.Spec.Name == collection })
}

// What befalls an enrollment from outside, in its trail.
const (
	DidSuspend = "SUSPENDED"
	DidResume  = "RESUMED"
	DidMove    = "MOVED" // to another version
)

// The names of what is counted of a version. They are keys of a document, where a dot
// would lead deeper.
func nodeCame(id string) string { return "came:" + strings.ReplaceAll(id, ".", "%") }
func nodeLeft(id string) string { return "left:" + strings.ReplaceAll(id, ".", "%") }

func counterOf(journey string, version int64) string {
	return "journeys/" + journey + "/" + strconv.FormatInt(version, 10)
}

func (s *Service) counterLane() int { return int(s.turns.Add(1)) }

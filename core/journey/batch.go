package journey

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/predict/sendhour"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// batch is the work of one turn: people's triggers and enrollments, at most one of each
// person, so that no two touch one document.
type batch struct {
	s      *Service
	ws     string
	now    time.Time
	l      *live
	stands store.Op // fails when the journeys have changed

	items     []*item
	people    map[string]*profile.Profile // by part
	presences map[string]*Presence        // by part
	events    map[string]*event.Event     // by evt_…
	taken     map[string]bool             // profiles that the batch has an item of
}

// item is what is done for one person.
type item struct {
	person   *profile.Profile
	trigger  *Trigger    // that is used up; nil: time came
	enr      *Enrollment // nil: the trigger lets somebody in
	program  *Program
	entrance *Entrance
	entered  *event.Event
	woke     *event.Event
	answer   *Answer
	hours    *sendhour.Advice // where the program asks for them
	visits   []*Visit         // of the person's parts, for who enters
	rounds   *Visit           // how often the part entered lately by what Headwater found out; nil: nobody asked

	ops    []store.Op
	said   []event.SystemEvent
	counts map[string]map[string]int64 // by counter
}

// work does what triggers and enrollments ask for, and returns for how many it did.
// Those that lost a race stay as they are, and are due still.
func (s *Service) work(ctx context.Context, ws string, triggers []*Trigger, due []*Enrollment) (int, error) {
	following, stands, err := s.Segments.Following(ctx, ws)
	if err != nil {
		return 0, err
	}
	l, _ := following.(*live)
	if l == nil {
		l = &live{s: s, ws: ws}
	}
	b := &batch{s: s, ws: ws, now: s.now(), l: l, stands: stands, taken: map[string]bool{}, events: map[string]*event.Event{}}
	if err := b.read(ctx, triggers, due); err != nil {
		return 0, err
	}
	if err := b.decide(ctx); err != nil {
		return 0, err
	}
	return b.commit(ctx)
}

// read gathers what is known of everybody concerned.
func (b *batch) read(ctx context.Context, triggers []*Trigger, due []*Enrollment) error {
	var woken []string
	for _, t := range triggers {
		if t.Enrollment != "" {
			woken = append(woken, store.Key(b.ws, t.Enrollment))
		}
	}
	enrollments := map[string]*Enrollment{}
	if len(woken) > 0 {
		docs, err := Enrollments.GetMany(ctx, b.s.Store, woken)
		if err != nil {
			return err
		}
		for _, e := range docs {
			if e != nil {
				enrollments[e.EnrollmentID()] = e
			}
		}
	}
	for _, t := range triggers {
		b.items = append(b.items, &item{trigger: t, enr: enrollments[t.Enrollment]})
	}
	for _, e := range due {
		b.items = append(b.items, &item{enr: e})
	}
	if err := b.readPeople(ctx); err != nil {
		return err
	}
	return b.readEvents(ctx)
}

// part is whom an item is about.
func (it *item) part() string {
	if it.enr != nil {
		return it.enr.Part
	}
	return it.trigger.Part
}

// readPeople reads the people and what is live of them, and leaves out whoever is there
// twice.
func (b *batch) readPeople(ctx context.Context) error {
	parts := make([]string, len(b.items))
	for i, it := range b.items {
		parts[i] = it.part()
	}
	people, err := b.s.Profiles.GetMany(ctx, b.ws, parts)
	if err != nil {
		return err
	}
	kept := b.items[:0]
	b.people, b.presences = map[string]*profile.Profile{}, map[string]*Presence{}
	var keys []string
	for i, it := range b.items {
		it.person = people[i]
		id := it.part()
		if it.person != nil {
			id = it.person.ProfileID()
		}
		if b.taken[id] {
			continue
		}
		b.taken[id] = true
		kept = append(kept, it)
		all := []string{it.part()}
		if it.person != nil {
			all = it.person.Parts
		}
		for _, part := range all {
			keys = append(keys, store.Key(b.ws, part))
		}
	}
	b.items = kept
	for chunk := range slices.Chunk(keys, 500) {
		docs, err := Presences.GetMany(ctx, b.s.Store, chunk)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			if doc != nil {
				b.presences[store.Rest(doc.ID)] = doc
			}
		}
	}
	return nil
}

// readEvents reads the events by which people entered and those that wake them.
func (b *batch) readEvents(ctx context.Context) error {
	var keys []string
	ask := func(id string) {
		if id != "" && b.events[id] == nil {
			b.events[id] = &event.Event{} // asked for
			keys = append(keys, store.Key(b.ws, id))
		}
	}
	for _, it := range b.items {
		if it.trigger != nil {
			ask(it.trigger.Event)
		}
		if it.enr != nil {
			ask(it.enr.Event)
		}
	}
	clear(b.events)
	for chunk := range slices.Chunk(keys, 500) {
		docs, err := event.Events.GetMany(ctx, b.s.Store, chunk)
		if err != nil {
			return err
		}
		for _, e := range docs {
			if e != nil {
				b.events[store.Rest(e.ID)] = e
			}
		}
	}
	return nil
}

// enteredBy returns the event by which an enrollment began; what the API gave stands for
// one.
func (b *batch) enteredBy(id string, data []byte, at time.Time) *event.Event {
	if e := b.events[id]; e != nil {
		return e
	}
	if len(data) > 0 {
		return &event.Event{Timestamp: at, CommittedAt: at, Properties: data}
	}
	return nil
}

// decide finds out what becomes of each item.
func (b *batch) decide(ctx context.Context) error {
	var asking []*item
	for _, it := range b.items {
		ready, err := b.prepare(ctx, it)
		switch {
		case err != nil && transient(ctx, err):
			return err
		case err != nil:
			b.fail(it, err)
		case ready:
			asking = append(asking, it)
		}
	}
	facts, err := b.facts(ctx, asking)
	if err != nil {
		return err
	}
	if err := b.hours(ctx, asking); err != nil {
		return err
	}
	for i, it := range asking {
		err := b.advance(ctx, it, facts[i])
		switch {
		case err == nil:
		case transient(ctx, err):
			return err
		default:
			b.fail(it, err) // one that cannot go on holds nobody else up
		}
	}
	return nil
}

// transient tells of an error that is nobody's fault: all of it is done again.
func transient(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict)
}

// facts gathers what the conditions of items look at. Those whose conditions mention the
// entering event are asked alone: theirs are other conditions for each of them.
func (b *batch) facts(ctx context.Context, items []*item) ([]*segment.Facts, error) {
	out := make([]*segment.Facts, len(items))
	var shared []int
	var programs []*condition.Program
	for i, it := range items {
		if it.program.WantsEvent() {
			panel, err := b.s.Segments.Panel(ctx, b.ws, it.conditions()...)
			if err != nil {
				return nil, err
			}
			one, err := panel.Facts(ctx, []*profile.Profile{it.person})
			if err != nil {
				return nil, err
			}
			out[i] = one[0]
			continue
		}
		shared = append(shared, i)
		for _, c := range it.conditions() {
			if !slices.Contains(programs, c) {
				programs = append(programs, c)
			}
		}
	}
	if len(shared) == 0 {
		return out, nil
	}
	panel, err := b.s.Segments.Panel(ctx, b.ws, programs...)
	if err != nil {
		return nil, err
	}
	people := make([]*profile.Profile, len(shared))
	for n, i := range shared {
		people[n] = items[i].person
	}
	list, err := panel.Facts(ctx, people)
	if err != nil {
		return nil, err
	}
	for n, i := range shared {
		out[i] = list[n]
	}
	return out, nil
}

// conditions is what an item asks.
func (it *item) conditions() []*condition.Program {
	if it.enr != nil {
		return it.program.Conditions(it.enr.State, it.entered)
	}
	out := it.program.Conditions(it.program.Begin(it.trigger.Node, it.trigger.At, it.trigger.At), it.entered)
	if it.entrance != nil && it.entrance.Asks != nil {
		out = append(out, it.entrance.Asks)
	}
	return out
}

// fail notes that a step cannot be made now; after many tries somebody has to look.
func (b *batch) fail(it *item, err error) {
	e := core.AsError(err)
	b.s.Logger.Error("journey: step", "workspace", b.ws, "code", string(e.Code), "reason", e.Reason, "error", err.Error())
	it.ops, it.said, it.counts = nil, nil, nil
	if it.enr == nil {
		t := *it.trigger
		if t.Tries++; t.Tries >= maxTries {
			it.ops = append(it.ops, Triggers.Delete(&t))
			b.refuseParent(it, "FAILED")
			return
		}
		t.Due = b.now.Add(backoff(t.Tries))
		it.ops = append(it.ops, Triggers.Replace(&t))
		return
	}
	next := *it.enr
	next.Tries, next.Fault = next.Tries+1, string(e.Code)+" "+e.Reason
	if next.Due = b.now.Add(backoff(next.Tries)); next.Tries >= maxTries {
		next.Status, next.Lane, next.Due = Failing, "", time.Time{}
	}
	it.ops = append(it.ops, Enrollments.Replace(&next))
	if it.trigger != nil {
		t := *it.trigger
		if t.Tries++; t.Tries < maxTries {
			t.Due = b.now.Add(backoff(t.Tries))
			it.ops = append(it.ops, Triggers.Replace(&t))
		} else {
			it.ops = append(it.ops, Triggers.Delete(&t))
		}
	}
}

const maxTries = 30

// backoff is how long after a failure the next try comes: up to an hour.
func backoff(tries int64) time.Duration {
	return min(time.Second<<min(tries, 12), time.Hour)
}

// commit writes what was decided, all together, but for those who lost a race.
func (b *batch) commit(ctx context.Context) (int, error) {
	items := slices.DeleteFunc(b.items, func(it *item) bool { return len(it.ops)+len(it.said) == 0 })
	var quiet, loud []*item
	for _, it := range items {
		if len(it.said) > 0 {
			loud = append(loud, it)
		} else {
			quiet = append(quiet, it)
		}
	}
	done := 0
	for len(quiet) > 0 {
		n := 0
		for ops, size := 0, 0; n < len(quiet) && ops < maxOps && size < maxSize; n++ {
			ops += len(quiet[n].ops) + len(quiet[n].counts)
			size += quiet[n].size()
		}
		k, err := b.settle(ctx, quiet[:n])
		if err != nil {
			return done, err
		}
		done, quiet = done+k, quiet[n:]
	}
	// Those that say something about the person go with the fold of what they say.
	for _, it := range loud {
		k, err := b.settle(ctx, []*item{it})
		if err != nil {
			return done, err
		}
		done += k
	}
	return done, nil
}

// settle writes items; one that can never be written, for what it would make of the person is
// too large perhaps, fails by itself and holds nobody else up.
func (b *batch) settle(ctx context.Context, items []*item) (done int, err error) {
	done, err = b.write(ctx, items, items[0].said)
	switch {
	case err == nil || transient(ctx, err) || busy(err):
		return done, err
	case len(items) == 1:
		b.fail(items[0], err)
		return b.write(ctx, items, nil)
	}
	for _, it := range items {
		k, err := b.settle(ctx, []*item{it})
		if err != nil {
			return done, err
		}
		done += k
	}
	return done, nil
}

// busy tells of an answer that is another one in a moment.
func busy(err error) bool {
	switch core.CodeOf(err) {
	case core.Unavailable, core.RateLimited:
		return true
	}
	return false
}

// maxOps is how many operations of items one commit takes, and maxSize about how many bytes
// of documents: the last item may go beyond both.
const (
	maxOps  = 700
	maxSize = store.MaxBytes / 2
)

// size is how long the documents are that an item writes.
func (it *item) size() (n int) {
	for i := range it.ops {
		n += len(it.ops[i].Doc)
	}
	return n
}

// write commits some items. Who lost a race is left out, and the others are tried again.
func (b *batch) write(ctx context.Context, items []*item, said []event.SystemEvent) (int, error) {
	for len(items) > 0 {
		ops := []store.Op{b.stands}
		counts := map[string]map[string]int64{}
		for _, it := range items {
			ops = append(ops, it.ops...)
			for counter, add := range it.counts {
				if counts[counter] == nil {
					counts[counter] = map[string]int64{}
				}
				for name, n := range add {
					counts[counter][name] += n
				}
			}
		}
		for _, counter := range sortedKeys(counts) {
			ops = append(ops, store.AddTo(b.ws, counter, b.s.counterLane(), counts[counter]))
		}
		var err error
		if len(said) == 0 {
			err = b.s.commit(ctx, ops)
		} else {
			_, err = b.s.Committer.CommitAll(ctx, b.ws, said, ops...)
		}
		var c *store.ConflictError
		switch {
		case err == nil:
			return len(items), nil
		case !errors.As(err, &c):
			return 0, err
		case c.Collection == segment.Epochs.Spec.Name:
			b.s.Segments.Suspect(b.ws)
			return 0, nil
		}
		kept := slices.DeleteFunc(slices.Clone(items), func(it *item) bool { return it.names(c) })
		if len(kept) == len(items) {
			return 0, nil // a document that the caller does not know of: all of it anew
		}
		items = kept
	}
	return 0, nil
}

func (it *item) names(c *store.ConflictError) bool {
	return it.touches(c.Collection, c.ID)
}

// add counts something of a version's node.
func (it *item) add(journey string, version int64, name string, n int64) {
	counter := counterOf(journey, version)
	if it.counts == nil {
		it.counts = map[string]map[string]int64{}
	}
	if it.counts[counter] == nil {
		it.counts[counter] = map[string]int64{}
	}
	it.counts[counter][name] += n
}

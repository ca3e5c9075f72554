package journey

import (
	"context"
	"encoding/hex"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// prepareEntry looks whether somebody may enter, and readies the question whether the
// entrance's condition holds of them.
func (b *batch) prepareEntry(ctx context.Context, it *item) (bool, error) {
	t := it.trigger
	refuse := func(why string) (bool, error) {
		it.ops = append(it.ops, Triggers.Delete(t))
		if j := b.l.journeys[t.Journey]; j != nil {
			it.add(t.Journey, j.Entry, "refused:"+why, 1)
		}
		b.refuseParent(it, why)
		return false, nil
	}
	j := b.l.journeys[t.Journey]
	switch {
	case it.person == nil:
		return refuse("PERSON_GONE")
	case j == nil || j.Mode == Draining || j.Entry == 0:
		return refuse("CLOSED")
	case j.Mode == Paused:
		b.park(it)
		return false, nil
	}
	var err error
	if it.program, err = b.s.program(ctx, b.ws, t.Journey, j.Entry); err != nil {
		return false, err
	}
	it.entered = b.enteredBy(t.Event, t.Data, t.At)
	// The version may have been replaced since; what it is entered by must be there still.
	i := slices.IndexFunc(it.program.Entrances(), func(e *Entrance) bool { return e.Node == t.Node })
	if i < 0 {
		return refuse("NO_ENTRANCE")
	}
	it.entrance = it.program.Entrances()[i]
	key, err := b.s.keyOf(ctx, b.ws, it.program, it)
	if err != nil {
		return false, err
	}
	// Whoever entered under any of the person's parts has entered.
	var keys []string
	for _, part := range it.person.Parts {
		keys = append(keys, visitKey(b.ws, t.Journey, part, key))
	}
	visits, err := Visits.GetMany(ctx, b.s.Store, keys)
	if err != nil {
		return false, err
	}
	var last time.Time
	for i, v := range visits {
		if v == nil {
			v = &Visit{Meta: store.Meta{ID: keys[i]}, Part: it.person.Parts[i]}
		} else if v.At.After(last) {
			last = v.At
		}
		it.visits = append(it.visits, v)
	}
	live := false
	for _, part := range it.person.Parts {
		if p := b.presences[part]; p != nil {
			live = live || slices.ContainsFunc(p.Live, func(o Present) bool { return o.Journey == t.Journey && o.Key == key })
		}
	}
	if live && last.IsZero() {
		last = b.now
	}
	if !it.program.MayEnter(last, live, t.At) {
		return refuse("REENTRY")
	}
	if p := b.presences[t.Part]; p != nil && len(p.Live) >= MaxLive {
		return refuse("TOO_MANY")
	}
	if !it.byOurselves() {
		return true, nil
	}
	var rounds *Visit
	if i := slices.Index(it.person.Parts, t.Part); i >= 0 {
		rounds = it.visits[i]
	}
	if key != "" || rounds == nil { // each key has a visit of its own
		id := visitKey(b.ws, t.Journey, t.Part, roundsKey)
		if rounds, err = Visits.Get(ctx, b.s.Store, id); err != nil {
			return false, err
		}
		if rounds == nil {
			rounds = &Visit{Meta: store.Meta{ID: id}, Part: t.Part}
		}
		it.rounds = rounds
	}
	if !rounds.again(b.now) {
		return refuse("TOO_OFTEN")
	}
	return true, nil
}

// byOurselves tells whether somebody enters by what Headwater found out, and not by what a
// client sent or asked: then the journey may have brought it about itself, or another one that
// this one brings about, and they would go round without a pause.
func (it *item) byOurselves() bool {
	switch it.trigger.Cause {
	case CauseAPI, CauseJourney, CauseList:
		return false
	}
	return it.entered == nil || it.entered.Type == event.System
}

// Who enters a journey by what Headwater found out does so MaxRounds times within an hour at
// most, whatever the keys.
const (
	MaxRounds = 100
	roundsFor = time.Hour
	roundsKey = "*" // a keyed hash is hex
)

// again counts one more entering, unless there were too many lately.
func (v *Visit) again(now time.Time) bool {
	if now.Sub(v.Since) >= roundsFor {
		v.Since, v.Count = now, 0
	}
	v.Count++
	return v.Count <= MaxRounds
}

// MaxLive is how many live enrollments one part may have at once.
const MaxLive = 200

// keyOf returns what tells enrollments of one person apart: a keyed hash, for the value may
// be anything.
func (s *Service) keyOf(ctx context.Context, ws string, p *Program, it *item) (string, error) {
	value := p.KeyOf(it.entered)
	if value == "" {
		return "", nil
	}
	mac, err := s.Keys.MAC(ctx, ws, "journey.key", []byte(value))
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(mac[:12]), nil
}

func visitKey(ws, journey, part, key string) string {
	if key == "" {
		key = "-"
	}
	return store.Key(ws, journey, part, key)
}

// enter makes the enrollment of somebody who may enter, as it is before its first step.
func (b *batch) enter(ctx context.Context, it *item) (*Enrollment, error) {
	t := it.trigger
	key, err := b.s.keyOf(ctx, b.ws, it.program, it)
	if err != nil {
		return nil, err
	}
	began := t.At
	if it.entered != nil && t.Cause != CauseAPI {
		began = it.entered.Timestamp
	}
	e := &Enrollment{
		Meta:    store.Meta{ID: store.Key(b.ws, core.HashID(core.PrefixEnrollment, t.ID))},
		Journey: t.Journey, Version: b.l.journeys[t.Journey].Entry, Part: t.Part, Key: key, Event: t.Event, Data: t.Data, Cause: t.Cause,
		Parent: t.Parent, EnteredAt: b.now, Lane: laneOf(t.Part),
	}
	e.State = it.program.Begin(t.Node, began, t.At)
	e.Status = e.State.Status
	if it.rounds != nil {
		it.ops = append(it.ops, Visits.Put(it.rounds))
	}
	for i, v := range it.visits {
		if it.person.Parts[i] == t.Part {
			next := *v
			next.At, next.Enrollment = b.now, e.EnrollmentID()
			it.ops = append(it.ops, Visits.Put(&next))
			continue
		}
		// Of two parts that enter at once, one finds the other's visit.
		if v.V == 0 {
			it.ops = append(it.ops, Visits.Absent(v.ID))
		} else {
			it.ops = append(it.ops, Visits.Check(v))
		}
	}
	return e, nil
}

// refuseParent answers an enrollment whose sub-journey lets the person not in.
func (b *batch) refuseParent(it *item, why string) {
	if op, ok := b.s.refusal(b.ws, it.trigger, why, b.now); ok {
		it.ops = append(it.ops, op)
	}
}

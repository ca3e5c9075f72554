package journey

import (
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/predict/sendhour"
)

// life is one person's way through a simulation.
type life struct {
	pl     *plan
	person *Person
	tally  *tally
	now    time.Time
	next   int            // of the person's events
	extra  []*event.Event // that the simulation brings about, by time

	base    condition.Facts // as of now; nil: not asked for yet
	ledgers [][]*condition.Ledger
	bound   map[string]*boundLedger // of conditions that mention an entering event
	watch   []watched
	traits  map[string]bson.RawValue // written by the journey

	hours *sendhour.Advice // as was told last

	enrolled []*enrolled
	latest   map[string]*enrolled // by key
	sent     []Sent
	passed   int // nodes
}

// MaxPassed is how many nodes a simulation follows one person through: a circle whose
// message brings about the very event that it waits for would go on for ever.
const MaxPassed = 50_000

type boundLedger struct {
	spec   *condition.LedgerSpec
	fold   *condition.LedgerFold
	ledger []*condition.Ledger
}

type watched struct {
	in    bool
	since time.Time
	next  time.Time // when it can change by itself; zero: never
}

type enrolled struct {
	p       *Program
	version int64 // 0: the one that is simulated
	stood   bool  // inside when the simulation began
	drains  bool  // leaves at its next step
	state   State
	key     string
	entered *event.Event
	at      time.Time
	hears   Listening
	trail   []Passage

	answer   *Answer // of a person, who takes time
	answered time.Time
}

// simulate runs one person.
func (pl *plan) simulate(person *Person, t *tally) []Sent {
	l := &life{pl: pl, person: person, tally: t, latest: map[string]*enrolled{}, ledgers: make([][]*condition.Ledger, len(pl.folds))}
	for i := range l.ledgers {
		l.ledgers[i] = []*condition.Ledger{{}}
	}
	l.now = pl.from
	for l.next < len(person.Events) && person.Events[l.next].Timestamp.Before(pl.from) {
		l.fold(person.Events[l.next])
		l.next++
	}
	l.watch = make([]watched, len(pl.watchers))
	for i := range pl.watchers {
		l.look(i, false)
	}
	l.stand()
	for {
		at, e := l.upcoming()
		if at.IsZero() || !at.Before(pl.to) || l.passed > MaxPassed {
			break
		}
		if at.After(l.now) {
			l.now, l.base = at, nil
		}
		if e != nil {
			l.happens(e)
			continue
		}
		for i := range pl.watchers {
			if w := &l.watch[i]; !w.next.IsZero() && !w.next.After(l.now) {
				l.look(i, true)
			}
		}
		for _, en := range l.enrolled {
			l.timed(en)
		}
	}
	t.count(l)
	return l.sent
}

// timed steps an enrollment whose answer or whose time has come.
func (l *life) timed(en *enrolled) {
	if a := en.answer; a != nil && !en.answered.After(l.now) {
		en.answer, en.answered = nil, time.Time{}
		if en.state.Status.Live() {
			l.step(en, nil, a)
		}
	}
	if en.state.Status.Live() && !en.state.Due.IsZero() && !en.state.Due.After(l.now) {
		l.step(en, nil, nil)
	}
}

// upcoming returns the next instant at which something happens, and the event that
// does: events come before what is due at the same instant.
func (l *life) upcoming() (time.Time, *event.Event) {
	var e *event.Event
	if l.next < len(l.person.Events) {
		e = l.person.Events[l.next]
	}
	if len(l.extra) > 0 && (e == nil || l.extra[0].Timestamp.Before(e.Timestamp)) {
		e = l.extra[0]
	}
	var at time.Time
	if e != nil {
		at = up(e.Timestamp)
	}
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at, e = t, nil
		}
	}
	for i := range l.watch {
		sooner(l.watch[i].next)
	}
	for _, en := range l.enrolled {
		if en.state.Status.Live() {
			sooner(en.state.Due)
			sooner(en.answered)
		}
	}
	return at, e
}

// happens lets an event happen: it is folded, wakes whoever listens, and lets the
// person in.
func (l *life) happens(e *event.Event) {
	if len(l.extra) > 0 && e == l.extra[0] {
		l.extra = l.extra[1:]
	} else {
		l.next++
	}
	l.fold(e)
	if !l.pl.hears[e.Name] && len(e.Traits) == 0 && len(l.pl.watchers) == 0 && e.Type != event.System {
		return
	}
	for i := range l.pl.watchers {
		l.look(i, true)
	}
	for _, en := range l.enrolled {
		if en.state.Status.Live() && en.hears.Hears(e) {
			l.step(en, e, nil)
		}
	}
	for _, in := range l.pl.p.entrances {
		if in.Matches(e) && (in.Asks == nil || in.Asks.Evaluate(l.facts(), l.now).Value) {
			l.enter(in, e)
		}
	}
}

// look asks a watched condition anew, and lets people in by what has changed.
func (l *life) look(i int, enter bool) {
	w, is := &l.pl.watchers[i], &l.watch[i]
	a := w.program.Evaluate(l.facts(), l.now)
	is.next = a.Next
	if a.Value == is.in {
		return
	}
	is.in, is.since = a.Value, l.now
	for _, en := range l.enrolled {
		if enter && en.state.Status.Live() && slices.Contains(en.hears.Segments, w.segment) {
			l.step(en, &event.Event{Type: event.System, Timestamp: l.now}, nil) // no wait is for it: exit and goal look
		}
	}
	switch {
	case !enter:
	case is.in && w.enters != nil:
		l.enter(w.enters, nil)
	case !is.in && w.leaves != nil:
		l.enter(w.leaves, nil)
	}
}

func (l *life) enter(in *Entrance, e *event.Event) {
	key := l.pl.p.KeyOf(e)
	if before := l.latest[key]; before != nil && !l.pl.p.MayEnter(before.at, before.state.Status.Live(), l.now) {
		return
	}
	began := l.now
	if e != nil {
		began = e.Timestamp
	}
	en := &enrolled{p: l.pl.p, state: l.pl.p.Begin(in.Node, began, l.now), key: key, entered: e, at: l.now}
	l.latest[key] = en
	l.enrolled = append(l.enrolled, en)
	l.bind(en)
	l.step(en, nil, nil)
}

// step takes an enrollment on at this instant, as far as it goes.
func (l *life) step(en *enrolled, woke *event.Event, answer *Answer) {
	if l.passed > MaxPassed {
		return
	}
	if en.drains {
		l.leave(en)
		return
	}
	in := Input{Now: l.now, Facts: l.facts(), Event: en.entered, Woke: woke, Answer: answer, Hours: l.advice(), Enrollment: "simulated"}
	for {
		out := en.p.Step(en.state, in)
		en.state = out.State
		l.tally.passed(l, en, out.Trail)
		if l.pl.wanted[l.person.Profile] {
			en.trail = append(en.trail, out.Trail...)
		}
		if l.passed += len(out.Trail); l.passed > MaxPassed {
			l.tally.at(en.version, en.state.Node).Stopped++
			return
		}
		in.Woke, in.Answer = nil, nil
		for i := range out.Effects {
			if a := l.does(en, &out.Effects[i]); a != nil {
				in.Answer = a
			}
		}
		if in.Answer == nil && (en.state.Status != Active || en.state.Due.After(l.now)) {
			en.hears = en.p.Listens(en.state, en.entered)
			return
		}
	}
}

// approvalTakes is how long a simulation supposes that people need to approve: some
// time, for a circle may lead through an approval.
const approvalTakes = time.Hour

// does supposes what comes of an effect. The answer is to be stepped on with; nil
// for none.
func (l *life) does(en *enrolled, e *Effect) *Answer {
	yes := &Answer{For: en.state.For, Visit: e.Visit, OK: true}
	switch {
	case e.Message != nil:
		l.sends(e)
	case e.Trait != nil:
		if l.traits == nil {
			l.traits = map[string]bson.RawValue{}
		}
		if v, err := bsonOf(e.Trait.Value); err == nil {
			if t, raw, err := bson.MarshalValue(v); err == nil {
				l.traits[e.Trait.Path] = bson.RawValue{Type: t, Value: raw}
			}
		}
	case e.Coupon != nil:
		yes.Code, yes.Expires = "SIMULATED", e.Coupon.Expires
		return yes
	case e.Approve != nil:
		yes.OK = !l.pl.o.Refuse
		en.answer, en.answered = yes, l.now.Add(approvalTakes)
	case e.Sub != nil, e.Overdue != nil:
		return yes
	}
	return nil
}

// sends supposes that a message is sent, and what becomes of it.
func (l *life) sends(e *Effect) {
	l.sent = append(l.sent, Sent{Node: e.Node, Template: e.Message.Template, Channel: e.Message.Channel, At: l.now})
	tell := func(status string, at time.Time) {
		name := condition.MessageEvent(status)
		if !l.pl.hears[name] {
			return
		}
		properties, err := bson.Marshal(bson.D{
			{Key: "journeyId", Value: l.pl.p.scope.journey}, {Key: "nodeId", Value: e.Node},
			{Key: "templateId", Value: e.Message.Template}, {Key: "channel", Value: e.Message.Channel}, {Key: "purpose", Value: e.Message.Purpose},
		})
		if err != nil {
			return
		}
		ev := &event.Event{Type: event.System, Name: name, Timestamp: at, Properties: properties}
		i, _ := slices.BinarySearchFunc(l.extra, at, func(x *event.Event, at time.Time) int {
			if x.Timestamp.After(at) {
				return 1
			}
			return -1
		})
		l.extra = slices.Insert(l.extra, i, ev)
	}
	tell("SENT", l.now)
	for _, r := range l.pl.o.Reactions {
		if condition.BucketOf(l.person.Profile, r.Status+e.Node+l.now.String()) < r.Share {
			tell(r.Status, l.now.Add(r.After))
		}
	}
}

package journey

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// NameTraitsUpdated is the event by which a journey writes a trait.
const NameTraitsUpdated = "Traits Updated"

// maxAnswers bounds how many coupons one step takes.
const maxAnswers = 20

// advance makes the step of an item, and gathers what is to be committed of it.
func (b *batch) advance(ctx context.Context, it *item, f *segment.Facts) error {
	fresh := it.enr == nil
	var next Enrollment
	if fresh {
		if it.entrance.Asks != nil && !it.entrance.Asks.Evaluate(f, b.now).Value {
			it.ops = append(it.ops, Triggers.Delete(it.trigger))
			it.add(it.trigger.Journey, b.l.journeys[it.trigger.Journey].Entry, "refused:CONDITION", 1)
			b.refuseParent(it, "CONDITION")
			return f.Err()
		}
		e, err := b.enter(ctx, it)
		if err != nil {
			return err
		}
		next = *e
	} else {
		next = *it.enr
		next.Tries, next.Fault = 0, ""
	}
	j := b.l.journeys[next.Journey]
	in := Input{Now: b.now, Facts: f, Event: it.entered, Woke: it.woke, Answer: it.answer, Hours: it.hours, Enrollment: next.EnrollmentID()}
	before := next.State
	st := j.late(before, b.now)
	for range maxAnswers {
		out := it.program.Step(st, in)
		if err := f.Err(); err != nil {
			return err
		}
		answer, err := b.effects(ctx, it, &next, &out)
		if err != nil {
			return err
		}
		next.tell(out.Trail...)
		for _, p := range out.Trail {
			if p.Came {
				it.add(next.Journey, next.Version, nodeCame(p.Node), 1)
			}
			if p.Left {
				it.add(next.Journey, next.Version, nodeLeft(p.Node), 1)
			}
			if p.Did == DidReach && it.program.sends {
				key := core.HashID("goal", stepKey(next.EnrollmentID(), p.Node, p.Visit))
				it.ops = append(it.ops, b.s.Outbox.Attained(b.ws, next.EnrollmentID(), key, b.now)...)
			}
		}
		st = out.State
		if answer == nil {
			break
		}
		in.Answer, in.Woke = answer, nil
	}
	next.State = st
	if !fresh && it.trigger != nil && same(before, st) {
		// What it heard was none of its business.
		it.ops = append(it.ops, Triggers.Delete(it.trigger))
		return nil
	}
	next.Status, next.Lane, next.Due = st.Status, laneOf(next.Part), st.Due
	if st.Status == Active && st.Due.IsZero() {
		next.Due = b.now
	}
	if fresh {
		it.add(next.Journey, next.Version, "entered", 1)
	}
	if !st.Status.Live() {
		b.over(it, &next, st.Status)
	}
	if before.For == ForApproval || before.For == ForOverdue {
		if err := b.closeToDos(ctx, it, &next); err != nil {
			return err
		}
	}
	b.keep(it, &next)
	b.present(it, &next)
	b.finish(it)
	return nil
}

// same tells whether a step changed nothing.
func same(a, b State) bool {
	return a.Status == b.Status && a.For == b.For && a.Node == b.Node && a.Visit == b.Visit && a.Due.Equal(b.Due) && a.Late == b.Late &&
		len(a.Coupons) == len(b.Coupons) && len(a.Arms) == len(b.Arms)
}

// late lets what was said when a paused journey was resumed decide on what is overdue
// since.
func (r *running) late(st State, now time.Time) State {
	if r.Late != "" && !st.Due.IsZero() && st.Due.Before(r.LateUntil) && st.Late == "" && !now.Before(st.Due) {
		st.Late = Overdue(r.Late)
	}
	return st
}

// effects gathers what effects commit. The answer to one that must be answered at once is
// returned.
func (b *batch) effects(ctx context.Context, it *item, e *Enrollment, out *Outcome) (*Answer, error) {
	var answer *Answer
	for i := range out.Effects {
		x := &out.Effects[i]
		key := stepKey(e.EnrollmentID(), x.Node, x.Visit)
		say := func(in event.Input) {
			it.said = append(it.said, event.SystemEvent{Input: in, ProfileID: e.Part})
		}
		var err error
		switch {
		case x.Message != nil:
			err = b.send(ctx, it, e, x, out.Trail)
		case x.Trait != nil:
			var traits bson.Raw
			if traits, err = traitDocument(x.Trait.Path, x.Trait.Value); err == nil {
				// Of two that write one trait in a run the later wins.
				at := b.now.Add(time.Duration(len(it.said)) * time.Millisecond)
				say(event.Input{Type: event.System, MessageID: "journey:" + key, Name: NameTraitsUpdated, Timestamp: at, Traits: traits})
			}
		case x.Object != nil:
			err = b.put(ctx, it, e, x)
		case x.Webhook != nil:
			err = b.call(it, e, x, key)
		case x.Coupon != nil:
			answer, err = b.coupon(ctx, it, e, x, key)
		case x.Points != nil, x.Score != nil:
			err = b.account(ctx, it, e, x, key)
		case x.Task != nil:
			b.ask(it, e, x, key, &ToDo{Kind: ToDoTask, Title: x.Task.Title, Note: x.Task.Note, Assignee: x.Task.Assignee, Due: x.Task.Due})
		case x.Approve != nil:
			b.ask(it, e, x, key, &ToDo{Kind: ToDoApproval, Note: x.Approve.Note, Assignee: x.Approve.Role, Due: x.Approve.Until})
		case x.Overdue != nil:
			b.ask(it, e, x, key, &ToDo{Kind: ToDoOverdue})
		case x.Sub != nil:
			err = b.sub(ctx, it, e, x)
		}
		if err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// messageOf is the id of the message of a step: no step can send it twice.
func messageOf(ws, enrollment, node string, visit int64) string {
	return core.HashID(core.PrefixMessage, ws, enrollment, node, strconv.FormatInt(visit, 10))
}

// send queues a message. The trail, which says so, is told of one that cannot be.
func (b *batch) send(ctx context.Context, it *item, e *Enrollment, x *Effect, trail []Passage) error {
	data := bson.D{{Key: "enrollment", Value: bson.D{{Key: "id", Value: e.EnrollmentID()}}}}
	if it.entered != nil && len(it.entered.Properties) > 0 {
		data = append(data, bson.E{Key: "event", Value: bson.D{{Key: "name", Value: it.entered.Name}, {Key: "properties", Value: it.entered.Properties}}})
	}
	if c := x.Message.Coupon; c != nil {
		coupon := bson.D{{Key: "code", Value: c.Code}}
		if !c.ExpiresAt.IsZero() {
			coupon = append(coupon, bson.E{Key: "expiresAt", Value: c.ExpiresAt})
		}
		data = append(data, bson.E{Key: "coupon", Value: coupon})
	}
	raw, err := bson.Marshal(data)
	if err != nil {
		return err
	}
	in := message.Intent{
		ID: messageOf(b.ws, e.EnrollmentID(), x.Node, x.Visit), Profile: e.Part, Channel: x.Message.Channel,
		Purpose: x.Message.Purpose, Template: x.Message.Template, Journey: e.Journey, JourneyVersion: e.Version, Enrollment: e.EnrollmentID(),
		Node: x.Node, Arm: x.Message.Arm, Priority: x.Message.Priority, Quiet: x.Message.Quiet, DueAt: b.now, Data: raw,
		Goal: it.program.hasGoal,
	}
	if x.Message.Coupon != nil {
		in.Coupon = x.Message.Coupon.Visit
	}
	ops, err := b.s.Outbox.Queue(ctx, b.ws, in)
	if err != nil && core.CodeOf(err) == core.Invalid { // no other try would make it one that can be sent
		for i := range trail {
			if p := &trail[i]; p.Visit == x.Visit && p.Did == DidQueue {
				p.Did, p.Detail = DidSkip, core.AsError(err).Reason
			}
		}
		return nil
	}
	if err == nil && x.Message.Coupon != nil {
		e.show(x.Message.Coupon)
	}
	it.ops = append(it.ops, ops...)
	return err
}

// put writes a record. It is done before the step commits, and again should the step be
// computed again: the same record becomes the same.
func (b *batch) put(ctx context.Context, it *item, e *Enrollment, x *Effect) error {
	if b.s.Objects == nil {
		return core.Errorf(core.Unavailable, "NO_OBJECTS", "there are no custom objects here")
	}
	results, err := b.s.Objects.Upsert(ctx, b.ws, x.Object.Type, []object.Item{{
		ExternalID: x.Object.ExternalID, Fields: x.Object.Fields, Links: relationTo(x.Object.Relation, it.person.ProfileID()), At: b.now,
	}})
	if err != nil {
		return err
	}
	switch fault := results[0].Err; {
	case fault == nil:
		return nil
	case fault.Code == core.Invalid: // nor would another try make this one a record
		e.tell(Passage{Node: x.Node, Visit: x.Visit, At: b.now, Did: DidSkip, Detail: fault.Reason})
		return nil
	default:
		return fault
	}
}

// callKind is the kind of the tasks that call webhooks.
const callKind = "journey.call"

// calling is the payload of such a task.
type calling struct {
	Journey, Enrollment, Node string
	URL, Secret               string
	Headers                   map[string]string
	Body                      string // JSON; "" is the entering event
	Event                     string
	Data                      bson.Raw
}

// call enqueues the call of a webhook.
func (b *batch) call(it *item, e *Enrollment, x *Effect, key string) error {
	c := calling{Journey: e.Journey, Enrollment: e.EnrollmentID(), Node: x.Node, URL: x.Webhook.URL, Secret: x.Webhook.Secret, Headers: x.Webhook.Headers, Event: e.Event, Data: orEmpty(e.Data)}
	if x.Webhook.Body != nil {
		text, err := json.Marshal(x.Webhook.Body)
		if err != nil {
			return err
		}
		c.Body = string(text)
	}
	it.ops = append(it.ops, work.Enqueue(work.Item{Kind: callKind, Workspace: b.ws, Name: core.HashID("call", key), DueAt: b.now, Payload: c}))
	return nil
}

// account changes points or a score: for one step once. What cannot be is told, and the
// journey goes on.
func (b *batch) account(ctx context.Context, it *item, e *Enrollment, x *Effect, key string) error {
	if b.s.Ledger == nil {
		return core.Errorf(core.Unavailable, "NO_LEDGER", "there are no points and scores here")
	}
	var word string
	var err error
	if x.Points != nil {
		word, err = b.s.Ledger.Points(ctx, b.ws, it.person.ProfileID(), key, *x.Points)
	} else {
		word, err = b.s.Ledger.Score(ctx, b.ws, it.person.ProfileID(), key, e.Journey+"/"+x.Node, *x.Score)
	}
	if err == nil && word != "" {
		e.tell(Passage{Node: x.Node, Visit: x.Visit, At: b.now, Did: DidSkip, Detail: word})
	}
	return err
}

// ask stores a to-do.
func (b *batch) ask(it *item, e *Enrollment, x *Effect, key string, t *ToDo) {
	t.ID = store.Key(b.ws, core.HashID("todo", key))
	t.Journey, t.Enrollment, t.Part, t.Node, t.Visit = e.Journey, e.EnrollmentID(), e.Part, x.Node, x.Visit
	t.At, t.State = b.now, ToDoOpen
	it.ops = append(it.ops, ToDos.Insert(t))
}

// closeToDos closes what an enrollment asked that goes on without an answer.
func (b *batch) closeToDos(ctx context.Context, it *item, e *Enrollment) error {
	list, err := ToDos.Find(ctx, b.s.Store, store.Query{Workspace: b.ws, Where: []store.Cond{store.Eq("enr", e.EnrollmentID())}}, 100)
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.State == ToDoOpen && t.Kind != ToDoTask && (t.Visit < e.State.Visit || e.Ended() || !e.State.Status.Live() || e.State.Status == Active) {
			t.State, t.DecidedAt = ToDoGone, b.now
			it.ops = append(it.ops, ToDos.Replace(t))
		}
	}
	return nil
}

// sub lets the person into another journey.
func (b *batch) sub(_ context.Context, it *item, e *Enrollment, x *Effect) error {
	visit := strconv.FormatInt(x.Visit, 10)
	id := x.Sub.Journey
	t := &Trigger{Part: e.Part, Journey: id, Cause: CauseJourney, Event: e.Event, Data: e.Data, Parent: e.EnrollmentID() + "/" + visit, At: b.now}
	node := ""
	if j := b.l.journeys[id]; j != nil && j.Mode == Live && j.versions[j.Entry] != nil {
		if p, err := b.s.compiled(j.versions[j.Entry]); err == nil {
			if i := slices.IndexFunc(p.Entrances(), func(in *Entrance) bool { return in.API }); i >= 0 {
				node = p.Entrances()[i].Node
			}
		}
	}
	if node == "" {
		b.answerParent(it, e.EnrollmentID(), visit, e.Part, "NOT_ENTERED CLOSED")
		return nil
	}
	t.Node = node
	it.ops = append(it.ops, b.s.trigger(b.ws, t, e.EnrollmentID(), visit, "enter"))
	return nil
}

// traitDocument makes the document that sets one trait; nil clears it.
func traitDocument(path string, value any) (bson.Raw, error) {
	keys := condition.SplitPath(path)
	v, err := bsonOf(value)
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Backward(keys) {
		v = bson.D{{Key: key, Value: v}}
	}
	return bson.Marshal(v)
}

// bsonOf makes BSON of JSON.
func bsonOf(value any) (any, error) {
	if value == nil {
		return nil, nil
	}
	v, err := event.ValueFromJSON(value)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// relationTo links a record to a person.
func relationTo(relation, profileID string) map[string][]object.Link {
	return map[string][]object.Link{relation: {{Relation: relation, Namespace: object.ProfileNamespace, Value: profileID}}}
}

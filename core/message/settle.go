package message

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

// maxTries is how often a message is handed over that the channel sends back.
const maxTries = 8

// retryIn returns how long a message waits after a hand-off that came to nothing.
func retryIn(tries int64, f *sync.Fault, now time.Time) time.Duration {
	d := min(5*time.Second<<min(tries, 10), 30*time.Minute)
	if at := f.RetryAt(now); at.After(now.Add(d)) {
		d = at.Sub(now)
	}
	return d
}

// settled is what becomes of a message after its call.
type settled struct {
	next    *Message
	events  []event.SystemEvent
	release bool // it surely did not go: its place under the caps is free
}

// settle says what a result makes of a message.
func (res *result) settle(now time.Time) settled {
	next := *res.m
	next.Flight = time.Time{}
	f := res.fault
	at := *res.m.Attempt
	next.Attempt = &at
	if f != nil {
		at.Fault, at.Origin = f.Word(), string(f.Origin)
	}
	out := settled{next: &next}
	switch {
	case res.uncalled:
		next.Status, next.Due, out.release = Pending, now, true
		next.Tries--
	case f == nil:
		out.events = next.took(res.sent, res.route.id(), now)
		next.pollNext(res.route, now)
	case res.unsure && (res.route.dedupes() || res.route.asks()) && res.m.Tries < maxTries:
		next.Flight, next.Reason = res.m.Flight, f.Word() // still with the channel, as far as anybody knows
		next.Due = now.Add(min(retryIn(res.m.Tries, f, now), 5*time.Minute))
	case res.unsure:
		next.doubt(f.Word(), now)
	case res.bounced():
		out.release = true
		out.events = next.bounce(now)
	case res.stopped():
		out.release = true
		out.events = next.stop(now)
	case refuses(f) || res.m.Tries >= maxTries:
		next.Status, next.Reason, out.release = Failed, f.Word(), true
		next.end(now)
	case blocks(f):
		next.Status, next.Reason, out.release = Held, f.Word(), true
		next.Hold, next.Due = string(CheckChannel)+":"+next.Channel, time.Time{}
		next.Tries--
	default:
		next.Status, next.Reason, out.release = Pending, f.Word(), true
		next.Due = ceil(now.Add(retryIn(res.m.Tries, f, now)))
	}
	return out
}

// bounced reports whether the channel said at once that nobody is at the address.
func (res *result) bounced() bool {
	return res.fault != nil && res.fault.Reason == sync.ReasonHardBounce && refuses(res.fault)
}

// stopped reports whether the channel said at once that the person has told it to write no
// more.
func (res *result) stopped() bool {
	return res.fault != nil && res.fault.Reason == sync.ReasonStopWord && refuses(res.fault)
}

// stop makes of a message one that the channel refused because of a word of the person.
func (m *Message) stop(now time.Time) []event.SystemEvent {
	m.end(now)
	m.Status, m.Reason = Failed, sync.ReasonStopWord
	m.happen(Happened{Type: WasUnsubscribed, At: now})
	if e, ok := m.told(WasUnsubscribed, "", now); ok {
		return []event.SystemEvent{e}
	}
	return nil
}

// bounce makes of a message one that came back before it was taken.
func (m *Message) bounce(now time.Time) []event.SystemEvent {
	m.end(now)
	m.Status, m.Reason = Bounced, sync.ReasonHardBounce
	m.happen(Happened{Type: WasBounced, At: now, Kind: sync.BounceHard})
	if e, ok := m.told(WasBounced, sync.BounceHard, now, bson.E{Key: "kind", Value: sync.BounceHard}); ok {
		return []event.SystemEvent{e}
	}
	return nil
}

// took makes of a message one that the channel took.
func (m *Message) took(sent sync.Sent, connection string, now time.Time) []event.SystemEvent {
	to := m.To // what comes back later is about that address
	m.end(now)
	m.To, m.Status, m.Reason = to, Sent, ""
	if sent.ID != "" {
		m.Ref = connection + "/" + sent.ID
	}
	m.Segments = int64(sent.Segments)
	var events []event.SystemEvent
	tell := func(what string) {
		m.happen(Happened{Type: what, At: now})
		if e, ok := m.told(what, "", now); ok {
			events = append(events, e)
		}
	}
	tell(WasSent)
	if sent.State == sync.DeliveryDelivered {
		m.Status = Delivered
		tell(WasDelivered)
	}
	return events
}

// settleAll commits what calls came to: together, and each by itself where one lost a race.
func (s *Service) settleAll(ctx context.Context, ws string, list []result) {
	ctx = core.WithActor(context.WithoutCancel(ctx), access.System(ws, "messages"))
	var events []event.SystemEvent
	var ops []store.Op
	var alone []*result
	var changes []moved
	t := tally{}
	now := s.now()
	for i := range list {
		st := list[i].settle(now)
		if st.release && list[i].m.Part != "" || list[i].bounced() || list[i].stopped() {
			alone = append(alone, &list[i])
			continue
		}
		events = append(events, st.events...)
		ops = append(append(ops, Messages.Replace(st.next)), list[i].ops...)
		st.next.figures(t, list[i].m.Status)
		changes = append(changes, moved{list[i].m, st.next})
	}
	if len(ops) > 0 {
		ops = append(ops, s.outcomes(ws, changes...)...)
		results, err := s.Committer.CommitAll(ctx, ws, events, append(ops, t.ops(ws)...)...)
		told := slices.ContainsFunc(results, func(r event.Result) bool { return r.Status != event.Accepted })
		if err != nil || told { // a report was faster, or one lost a race
			alone = alone[:0]
			for i := range list {
				alone = append(alone, &list[i])
			}
		} else {
			s.observe(changes...)
		}
	}
	for _, res := range alone {
		if err := s.settleOne(ctx, ws, res); err != nil {
			s.Logger.Error("message: write what became of a message", "message", res.m.MessageID(), "reason", core.AsError(err).Reason)
		}
	}
}

// figures counts what became of a message since it had the status.
func (m *Message) figures(t tally, before Status) {
	if m.Status == before {
		return
	}
	if m.Status == Delivered && before == Handed {
		t.add(m, string(Sent))
	}
	t.add(m, string(m.Status))
}

// settleOne commits one result, as often as it loses a race.
func (s *Service) settleOne(ctx context.Context, ws string, res *result) error {
	for try := 0; ; try++ {
		now := s.now()
		var stored *Message
		var err error
		switch { // before the message says so: whoever dies between the two says it again
		case res.bounced():
			err = s.consequences(ctx, ws, res.m, &sync.Delivery{State: sync.DeliveryHardBounced})
		case res.stopped():
			err = s.toldToStop(ctx, ws, res.m)
		}
		if err == nil {
			stored, err = Messages.Get(ctx, s.Store, res.m.ID)
		}
		if err != nil && try < 20 && ctx.Err() == nil {
			_ = core.SystemClock{}.Sleep(ctx, time.Duration(try+1)*50*time.Millisecond)
			continue
		}
		switch {
		case err != nil:
			return storeError("read the message", err)
		case stored == nil: // it was erased with its person
			return nil
		case stored.Status != Handed || stored.Attempt == nil || stored.Attempt.Number != res.m.Attempt.Number:
			if err := s.lateAnswer(ctx, stored, res); err == nil || conflictOf(err) == nil || try >= 20 {
				return err
			}
			continue
		}
		mine := *res
		mine.m = stored
		st := mine.settle(now)
		t := tally{}
		st.next.figures(t, stored.Status)
		ops := append(append([]store.Op{Messages.Replace(st.next)}, res.ops...), s.outcomes(ws, moved{stored, st.next})...)
		if st.release {
			free, err := s.freed(ctx, ws, stored)
			if err != nil {
				return err
			}
			ops = append(ops, free...)
		}
		err = s.commitTold(ctx, ws, st.events, append(ops, t.ops(ws)...)...)
		var e *core.Error
		switch {
		case err == nil:
			s.observe(moved{stored, st.next})
			return nil
		case try >= 20:
			return storeError("write the message", err)
		case errors.Is(err, store.ErrConflict), errors.As(err, &e) && (e.Code == core.Unavailable || e.Code == core.Conflict || e.Code == core.RateLimited):
			_ = core.SystemClock{}.Sleep(ctx, time.Duration(try+1)*10*time.Millisecond)
		default:
			return storeError("write the message", err)
		}
	}
}

// lateAnswer keeps the channel's id of a message whose report came before its answer, or that
// somebody took for lost.
func (s *Service) lateAnswer(ctx context.Context, stored *Message, res *result) error {
	told := res.fault == nil && (stored.Ref == "" || stored.Status == Indeterminate)
	if !told {
		return nil
	}
	next := *stored
	if res.sent.ID != "" {
		next.Ref = res.route.id() + "/" + res.sent.ID
	}
	var events []event.SystemEvent
	if stored.Status == Indeterminate && stored.Attempt != nil && stored.Attempt.Number == res.m.Attempt.Number {
		events = next.took(res.sent, res.route.id(), s.now())
	}
	t := tally{}
	next.figures(t, stored.Status)
	ops := append(append([]store.Op{Messages.Replace(&next)}, res.ops...), t.ops(stored.Workspace())...)
	return s.commitTold(ctx, stored.Workspace(), events, append(ops, s.outcomes(stored.Workspace(), moved{stored, &next})...)...)
}

// freed returns the operations that free a message's place under the caps.
func (s *Service) freed(ctx context.Context, ws string, m *Message) ([]store.Op, error) {
	if m.Part == "" {
		return nil, nil
	}
	ids := []string{m.Part}
	p, err := s.Profiles.Get(ctx, ws, m.Part)
	if err != nil {
		return nil, err
	}
	if p != nil && p.ProfileID() != m.Part {
		ids = append(ids, p.ProfileID())
	}
	var ops []store.Op
	for _, id := range ids {
		d, err := Reservations.Get(ctx, s.Store, store.Key(ws, id))
		if err != nil {
			return nil, storeError("read the caps", err)
		}
		if d == nil {
			continue
		}
		if next := d.release(m.MessageID()); next != nil {
			ops = append(ops, Reservations.Replace(next))
		}
	}
	return ops, nil
}

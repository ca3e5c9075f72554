package message

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

// Reports takes what vendors tell of messages and what people wrote: sync.Options.Reports.
func (s *Service) Reports(ctx context.Context, c *sync.Connection, told []sync.Delivery, wrote []sync.Inbound) error {
	ctx = core.WithActor(ctx, access.System(c.Workspace(), "messages"))
	var late error
	for i := range told {
		if err := s.report(ctx, c, &told[i]); err != nil {
			if !errors.Is(err, errEarly) {
				return err
			}
			late = err
		}
	}
	for i := range wrote {
		if err := s.inbound(ctx, c, &wrote[i]); err != nil {
			return err
		}
	}
	return late
}

// earlyFor is how long a report may be about a message whose id its connector has not told
// us yet.
const earlyFor = 2 * time.Minute

var errEarly = core.Errorf(core.Unavailable, "EARLY", "this is about a message whose answer has not come yet; tell it again").After(time.Second)

// report applies one report.
func (s *Service) report(ctx context.Context, c *sync.Connection, d *sync.Delivery) error {
	ws := c.Workspace()
	var id string
	switch {
	case core.IDPrefix(d.Key) == core.PrefixMessage && len(d.Key) <= 64:
		id = d.Key
	case d.ID != "":
		found, err := Messages.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("ref", c.ConnectionID()+"/"+d.ID)}}, 1)
		if err != nil {
			return storeError("find the message", err)
		}
		if len(found) == 0 {
			if s.now().Sub(d.At) < earlyFor {
				return errEarly
			}
			return nil // nobody's here
		}
		id = found[0].MessageID()
	default:
		return nil
	}
	m, err := Messages.Get(ctx, s.Store, store.Key(ws, id))
	if m == nil || err != nil {
		return storeError("read the message", err)
	}
	if err := s.consequences(ctx, ws, m, d); err != nil {
		return err
	}
	return s.change(ctx, ws, id, func(m *Message) (*turn, error) { return m.reported(c.ConnectionID(), d), nil })
}

// turn is a change of a message with the events that tell of it.
type turn struct {
	next   *Message
	events []event.SystemEvent
	counts []string
	ops    []store.Op // that go with it
}

// change applies a change to a message, as often as it loses a race. f returns nil when
// nothing changes.
func (s *Service) change(ctx context.Context, ws, id string, f func(*Message) (*turn, error)) error {
	for try := 0; ; try++ {
		m, err := Messages.Get(ctx, s.Store, store.Key(ws, id))
		if m == nil || err != nil {
			return storeError("read the message", err)
		}
		before := m.Status
		t, err := f(m)
		if t == nil || err != nil {
			return err
		}
		sums := tally{}
		if t.next.Status != before {
			sums.add(t.next, string(t.next.Status))
		}
		for _, name := range t.counts {
			sums.add(t.next, name)
		}
		ops := append(append([]store.Op{Messages.Replace(t.next)}, t.ops...), sums.ops(ws)...)
		ops = append(ops, s.outcomes(ws, moved{m, t.next})...)
		err = s.commitTold(ctx, ws, t.events, ops...)
		var e *core.Error
		again := errors.Is(err, store.ErrConflict) || errors.As(err, &e) && e.Code == core.Conflict
		if err == nil {
			s.observe(moved{m, t.next})
		}
		if !again || try >= 30 {
			return storeError("write the message", err)
		}
		if err := (core.SystemClock{}).Sleep(ctx, time.Duration(try+1)*3*time.Millisecond); err != nil {
			return core.AsError(err)
		}
	}
}

// ranks order the states that reports move a message through: it only goes forward.
var ranks = map[Status]int{Handed: 0, Pending: 0, Indeterminate: 0, Sent: 1, Delivered: 2, Bounced: 3, Failed: 3}

// reported returns what a report makes of a message; nil when it says nothing new.
func (m *Message) reported(connection string, d *sync.Delivery) *turn {
	at := d.At.UTC().Truncate(time.Millisecond)
	h := Happened{At: at, Why: firstWords(d.Reason, 120), ByKey: keyOf(d.Event)}
	for i := range m.Timeline {
		if h.ByKey != "" && m.Timeline[i].ByKey == h.ByKey {
			return nil // it came before
		}
	}
	switch d.State {
	case sync.DeliveryOpened:
		h.Type = WasOpened
	case sync.DeliveryClicked:
		h.Type = WasClicked
	case sync.DeliveryDelivered:
		h.Type = WasDelivered
	case sync.DeliverySoftBounced, sync.DeliveryHardBounced:
		h.Type, h.Kind = WasBounced, d.Bounce()
	case sync.DeliveryComplained:
		h.Type = WasComplained
	case sync.DeliveryUnsubscribed:
		h.Type = WasUnsubscribed
	case sync.DeliveryQueued, sync.DeliverySent:
		h.Type = WasSent
	case sync.DeliveryFailed:
		h.Type = string(Failed)
	default:
		return nil
	}
	if _, ok := ranks[m.Status]; !ok { // it never went: whoever says otherwise means another
		return nil
	}
	t := m.turned(h)
	if t != nil && t.next.Ref == "" && d.ID != "" {
		t.next.Ref = connection + "/" + d.ID
	}
	return t
}

// turned returns what something that happened makes of a message; nil when it is nothing new.
func (m *Message) turned(h Happened) *turn {
	next := *m
	t := &turn{next: &next}
	tell := func(h Happened, word string, more ...bson.E) {
		next.happen(h)
		if h.Bot != "" {
			return
		}
		if e, ok := next.told(h.Type, word, h.At, more...); ok {
			t.events = append(t.events, e)
		}
	}
	// Whatever happens to it afterwards, it went; what a person sees of it arrived.
	if !next.was(WasSent) && ranks[m.Status] == 0 {
		next.end(h.At)
		next.To = m.To
		next.Status, next.Reason = Sent, ""
		tell(Happened{Type: WasSent, At: h.At}, "")
	}
	arrives := h.Type == WasDelivered || (h.Type == WasOpened || h.Type == WasClicked || h.Type == WasComplained) && h.Bot == ""
	if arrives && ranks[next.Status] < ranks[Delivered] {
		next.Status, next.OverAt = Delivered, h.At
		next.Lane, next.Due = "", time.Time{}
		if h.Type != WasDelivered {
			tell(Happened{Type: WasDelivered, At: h.At}, "")
		}
	} else if h.Type == WasDelivered {
		return t.unless(len(t.events) == 0)
	}
	switch h.Type {
	case WasSent:
		return t.unless(len(t.events) == 0)
	case WasDelivered:
		tell(h, "")
	case string(Failed):
		if ranks[next.Status] >= ranks[Delivered] {
			return nil
		}
		next.Status, next.Reason = Failed, h.Why
		next.end(h.At)
		next.Ref = m.Ref
	case WasBounced:
		if h.Kind == sync.BounceHard && next.Status != Bounced {
			next.Status, next.Reason, next.OverAt = Bounced, "HARD_BOUNCE", h.At
			tell(h, sync.BounceHard, bson.E{Key: "kind", Value: sync.BounceHard})
			break
		}
		if next.Softs++; next.Softs == 1 {
			tell(h, sync.BounceSoft, bson.E{Key: "kind", Value: sync.BounceSoft})
			break
		}
		next.happen(h)
	case WasOpened:
		m.visit(&next, t, h, "OPENED", tell)
	case WasClicked:
		m.visit(&next, t, h, "CLICKED", tell)
	default: // COMPLAINED, UNSUBSCRIBED
		if m.was(h.Type) {
			return nil
		}
		t.counts = append(t.counts, h.Type)
		tell(h, "")
	}
	return t
}

// visit counts an open or a click. The first of a person is an event; of clicks the first of
// each link is.
func (m *Message) visit(next *Message, t *turn, h Happened, name string, tell func(Happened, string, ...bson.E)) {
	if h.Bot != "" {
		next.Bots++
		t.counts = append(t.counts, name+"_BOTS")
		next.happen(h)
		return
	}
	if h.Type == WasOpened {
		if next.Opens++; next.Opens > 1 {
			return
		}
		t.counts = append(t.counts, name)
		tell(h, "")
		return
	}
	if next.Clicks++; next.Clicks == 1 {
		t.counts = append(t.counts, name)
	}
	link := h.Link
	for _, have := range next.Links {
		if have == link {
			return
		}
	}
	if len(next.Links) >= 50 {
		return
	}
	next.Links = append(next.Links[:len(next.Links):len(next.Links)], link)
	var more []bson.E
	if link != "" {
		more = append(more, bson.E{Key: "link", Value: link})
	}
	h.ByKey = "" // the same link again is another visit
	tell(h, link, more...)
}

func (t *turn) unless(nothing bool) *turn {
	if nothing {
		return nil
	}
	return t
}

func firstWords(s string, n int) string {
	s = strings.ToValidUTF8(s, "")
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// keyOf shortens the name of a report, which vendors make as long as they like.
func keyOf(s string) string {
	if len(s) <= 40 {
		return s
	}
	return core.HashID("rep", s)
}

func cutRef(ref string) (connection, id string, ok bool) { return strings.Cut(ref, "/") }

// consequences writes down what a report says of the person beside the message: an address
// that does not exist, a complaint, a wish to hear no more. The same again changes nothing.
func (s *Service) consequences(ctx context.Context, ws string, m *Message, d *sync.Delivery) error {
	reason := map[string]string{
		sync.DeliveryHardBounced: consent.SuppressHardBounce, sync.DeliveryComplained: consent.SuppressComplaint,
	}[d.State]
	if m.Test {
		return nil
	}
	if reason != "" {
		if err := s.suppress(ctx, ws, m, reason); err != nil {
			return err
		}
	}
	if d.State == sync.DeliveryComplained || d.State == sync.DeliveryUnsubscribed {
		return s.withdraw(ctx, ws, m.Part, m.Purpose, m.Channel, "message:"+m.MessageID()+":"+d.State, d.State)
	}
	return nil
}

// suppress writes to the address of a message no more.
func (s *Service) suppress(ctx context.Context, ws string, m *Message, reason string) error {
	namespace := namespaceOf(m.Channel)
	if m.To == nil || namespace == "" {
		return nil
	}
	plain, err := s.Keys.Open(ctx, ws, m.To, []byte(m.ID))
	if err != nil {
		return err
	}
	_, err = s.Consent.Suppress(ctx, ws, []consent.SuppressInput{{
		Identifier: event.Identifier{Namespace: namespace, Value: string(plain)}, Channel: m.Channel, Reason: reason, Source: m.MessageID(),
	}}, false)
	return err
}

// toldToStop does what a stop word does, where the channel knows of one that we have not heard: as
// stopped, without an answer, which would not arrive. The same again changes nothing.
func (s *Service) toldToStop(ctx context.Context, ws string, m *Message) error {
	if m.Test {
		return nil
	}
	if err := s.withdraw(ctx, ws, m.Part, "", m.Channel, "message:"+m.MessageID()+":"+sync.ReasonStopWord, "stop_word"); err != nil {
		return err
	}
	return s.suppress(ctx, ws, m, consent.SuppressStopWord)
}

// withdraw takes back what a person let us do, as they told a vendor. What cannot be taken
// back, and people who are gone, change nothing.
func (s *Service) withdraw(ctx context.Context, ws, part, purpose, channel, key, method string) error {
	if part == "" {
		return nil
	}
	_, err := s.Consent.Withdraw(ctx, ws, consent.WithdrawInput{
		ProfileID: part, Purpose: purpose, Channel: channel, IdempotencyKey: key,
		Evidence: &consent.Evidence{NoticeHash: "message", Locale: "und", Surface: "message", Method: strings.ToLower(method)},
	})
	if code := core.CodeOf(err); code == core.NotFound || code == core.Invalid {
		return nil
	}
	return err
}

func namespaceOf(channel string) string {
	return map[string]string{Email: profile.Email, SMS: profile.Phone}[channel]
}

package message

import (
	"context"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// told returns the event on the person that tells what became of a message; false where it
// is about nobody. The word tells apart several of one kind, "" where there is one at most.
func (m *Message) told(what, word string, at time.Time, more ...bson.E) (event.SystemEvent, bool) {
	if m.Part == "" || m.Test {
		return event.SystemEvent{}, false
	}
	id := "message:" + m.MessageID() + ":" + what
	if word != "" {
		id += ":" + word
	}
	props := bson.D{{Key: "messageId", Value: m.MessageID()}}
	for _, e := range []struct{ key, value string }{
		{"campaignId", m.Campaign}, {"journeyId", m.Journey}, {"nodeId", m.Node}, {"templateId", m.Template},
		{"channel", m.Channel}, {"purpose", m.Purpose}, {"arm", m.Arm},
	} {
		if e.value != "" {
			props = append(props, bson.E{Key: e.key, Value: e.value})
		}
	}
	raw, err := bson.Marshal(append(props, more...))
	if err != nil {
		return event.SystemEvent{}, false // texts always encode
	}
	return event.SystemEvent{ProfileID: m.Part, Input: event.Input{
		MessageID: id, Name: condition.MessageEvent(what), Timestamp: at, Properties: raw,
	}}, true
}

// commitTold commits operations with the events that tell of them. Events that were told
// before are left out, and so are those about people who are gone: what they go with is
// committed all the same.
func (s *Service) commitTold(ctx context.Context, ws string, events []event.SystemEvent, ops ...store.Op) error {
	results, err := s.Committer.CommitAll(ctx, ws, events, ops...)
	e := core.AsError(err)
	switch {
	case err == nil && !slices.ContainsFunc(results, func(r event.Result) bool { return r.Status != event.Accepted }):
		return nil
	case err == nil, e.Code == core.Conflict && e.Reason == "PARTLY_COMMITTED":
		keys := make([]string, len(events))
		for i := range events {
			keys[i] = event.SystemKey(ws, events[i].Input.MessageID)
		}
		there, err := event.Events.GetMany(ctx, s.Store, keys)
		if err != nil {
			return err
		}
		var news []event.SystemEvent
		for i, have := range there {
			if have == nil {
				news = append(news, events[i])
			}
		}
		_, err = s.Committer.CommitAll(ctx, ws, news, ops...)
		return err
	case e.Code == core.NotFound && len(events) > 0:
		_, err = s.Committer.CommitAll(ctx, ws, nil, ops...)
	}
	return err
}

// maxTimeline is how much is kept of what became of one message; counts go on.
const maxTimeline = 60

// happen adds to the timeline.
func (m *Message) happen(h Happened) {
	if len(m.Timeline) < maxTimeline {
		m.Timeline = append(m.Timeline[:len(m.Timeline):len(m.Timeline)], h)
	}
}

// was reports whether something of a kind became of the message, by a person.
func (m *Message) was(what string) bool {
	for i := range m.Timeline {
		if m.Timeline[i].Type == what && m.Timeline[i].Bot == "" {
			return true
		}
	}
	return false
}

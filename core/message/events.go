package message

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
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

package event

import (
	"strconv"
	"time"

	bc "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// MarshalBSON implements bson.Marshaler. Every event is written once on the hot
// path, where reflection would cost more than all else that is done to it; what it
// writes is what the tags of Event say.
func (e *Event) MarshalBSON() ([]byte, error) {
	size := 512 + len(e.Properties) + len(e.Traits) + len(e.Context) + len(e.Integrations) + 96*len(e.Identifiers)
	_, b := bc.AppendDocumentStart(make([]byte, 0, size))
	b = bc.AppendStringElement(b, "_id", e.ID)
	b = bc.AppendInt64Element(b, "_v", e.V)
	b = bc.AppendStringElement(b, "messageId", e.MessageID)
	b = appendText(b, "part", e.Part)
	b = bc.AppendInt64Element(b, "seq", e.Seq)
	b = bc.AppendStringElement(b, "type", string(e.Type))
	b = bc.AppendStringElement(b, "name", e.Name)
	b = appendMoment(b, "timestamp", e.Timestamp)
	b = appendMoment(b, "receivedAt", e.ReceivedAt)
	b = appendMoment(b, "committedAt", e.CommittedAt)
	b = bc.AppendStringElement(b, "source", e.Source)
	b = appendText(b, "userId", e.UserID)
	b = appendText(b, "anonymousId", e.AnonymousID)
	b = appendText(b, "groupId", e.GroupID)
	b = appendText(b, "previousId", e.PreviousID)
	if len(e.Identifiers) > 0 {
		b = appendIdentifiers(b, e.Identifiers)
	}
	for _, d := range [...]struct {
		key string
		doc []byte
	}{{"properties", e.Properties}, {"traits", e.Traits}, {"context", e.Context}, {"integrations", e.Integrations}} {
		if len(d.doc) > 0 {
			b = bc.AppendDocumentElement(b, d.key, d.doc)
		}
	}
	if e.Sum == nil {
		b = bc.AppendNullElement(b, "sum")
	} else {
		b = bc.AppendBinaryElement(b, "sum", 0, e.Sum)
	}
	return bc.AppendDocumentEnd(b, 0)
}

func appendIdentifiers(b []byte, ids []Identifier) []byte {
	list, b := bc.AppendArrayElementStart(b, "identifiers")
	for i, id := range ids {
		var doc int32
		doc, b = bc.AppendDocumentElementStart(b, strconv.Itoa(i))
		b = bc.AppendStringElement(b, "namespace", id.Namespace)
		b = bc.AppendStringElement(b, "value", id.Value)
		b, _ = bc.AppendDocumentEnd(b, doc)
	}
	b, _ = bc.AppendArrayEnd(b, list)
	return b
}

func appendText(b []byte, key, text string) []byte {
	if text == "" {
		return b
	}
	return bc.AppendStringElement(b, key, text)
}

func appendMoment(b []byte, key string, at time.Time) []byte {
	return bc.AppendDateTimeElement(b, key, at.UnixMilli())
}

package segment

import (
	bc "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Memberships and changes are written on the hot path; what is written is what
// their tags say.

// MarshalBSON implements bson.Marshaler.
func (m *Membership) MarshalBSON() ([]byte, error) {
	_, b := bc.AppendDocumentStart(make([]byte, 0, 224))
	b = bc.AppendStringElement(b, "_id", m.ID)
	b = bc.AppendInt64Element(b, "_v", m.V)
	b = bc.AppendStringElement(b, "segment", m.Segment)
	b = bc.AppendStringElement(b, "profile", m.Profile)
	b = bc.AppendDateTimeElement(b, "since", m.Since.UnixMilli())
	return bc.AppendDocumentEnd(b, 0)
}

// MarshalBSON implements bson.Marshaler.
func (c *Change) MarshalBSON() ([]byte, error) {
	_, b := bc.AppendDocumentStart(make([]byte, 0, 320))
	b = bc.AppendStringElement(b, "_id", c.ID)
	b = bc.AppendInt64Element(b, "_v", c.V)
	b = bc.AppendStringElement(b, "segment", c.Segment)
	b = bc.AppendStringElement(b, "profile", c.Profile)
	b = bc.AppendStringElement(b, "change", string(c.Change))
	b = bc.AppendDateTimeElement(b, "at", c.At.UnixMilli())
	b = bc.AppendStringElement(b, "cause", string(c.Cause))
	b = bc.AppendInt64Element(b, "version", c.Version)
	return bc.AppendDocumentEnd(b, 0)
}

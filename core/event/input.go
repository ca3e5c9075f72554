package event

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
)

// Input is one event as a client meant it, read and checked but not yet resolved.
type Input struct {
	Type         Type
	MessageID    string
	Name         string
	UserID       string
	AnonymousID  string
	GroupID      string
	PreviousID   string
	Timestamp    time.Time // corrected for the client's clock
	Properties   bson.Raw
	Traits       bson.Raw
	Context      bson.Raw
	Integrations bson.Raw
	Sum          []byte      // 16 bytes of SHA-256 over the canonical payload without sentAt and context: tells a retry from another event under the same id
	Raw          []byte      // what was sent (JSON), kept for the quarantine; shares the request's memory
	Err          *core.Error // why it cannot be taken; then only Raw and what could be read are set
	Defaults     *Defaults   // what came with the message and is not in Raw; nil for an event that was made and not decoded
}

// Defaults are what a message does not say itself: what its route, its batch and
// its request said. They are shared by the messages of a batch and not changed.
type Defaults struct {
	Type         Type       // of the route; "" when the message must say it
	ReceivedAt   time.Time  // when the request came
	Now          time.Time  // the present where it is later than ReceivedAt (a replay)
	SentAt       *time.Time // of the batch; the message's own wins
	Context      bson.Raw   // of the batch, merged under the message's own
	Integrations bson.Raw   // of the batch, likewise
	MessageID    string     // for a message that has none; else one is made
	GPC          bool       // the request had "Sec-GPC: 1": context.gpc becomes true
	Historical   bool       // from a file: times stand as written, sentAt does not correct them

	sentAtErr *core.Error // the batch's sentAt could not be read
}

// Preference is the answer of a person to one category of a consent banner.
type Preference struct {
	Category string
	Granted  bool
}

// Consents returns the consent that the event carries in
// context.consent.categoryPreferences, in the order sent.
func (in *Input) Consents() []Preference { return ConsentsIn(in.Context) }

// ConsentsIn returns the consent carried by an event's context.
func ConsentsIn(context bson.Raw) []Preference {
	v, ok := Lookup(context, "consent", "categoryPreferences")
	if !ok || v.Type != bson.TypeEmbeddedDocument {
		return nil
	}
	var out []Preference
	for it := Elements(v.Value); it.Next(); {
		if b, ok := it.Value().BooleanOK(); ok {
			out = append(out, Preference{Category: string(it.Key()), Granted: b})
		}
	}
	return out
}

// ContextTraits returns the object at context.traits, which track and page calls
// may carry, or nil.
func (in *Input) ContextTraits() bson.Raw {
	if v, ok := Lookup(in.Context, "traits"); ok && v.Type == bson.TypeEmbeddedDocument {
		return v.Value
	}
	return nil
}

// GPC reports whether the event came with a Global Privacy Control signal: the
// person objects to sale and sharing.
func (in *Input) GPC() bool { return Flag(in.Context, "gpc") }

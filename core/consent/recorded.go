package consent

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/event"
)

// NameRecorded is the name of the system events that the ledger is made of.
const NameRecorded = "Consent Recorded"

// GPC stands in a person's words for the purpose of Global Privacy Control signals: a
// no to every purpose that says that it is sale or sharing.
const GPC = "gpc"

// MaxKey is how many bytes the key of a purpose may have.
const MaxKey = 200

// Saying is what an event of the ledger says, as the fold reads it.
type Saying struct {
	Purpose   string
	Channel   string
	Status    string
	ExpiresAt time.Time // zero: never
	Confirmed bool
}

// Context returns the context of the event that says it. Only system events are read
// that way: what a client writes there is nothing.
func (s *Saying) Context() bson.Raw {
	d := bson.D{{Key: "purpose", Value: s.Purpose}, {Key: "status", Value: s.Status}}
	if s.Channel != "" {
		d = append(d, bson.E{Key: "channel", Value: s.Channel})
	}
	if !s.ExpiresAt.IsZero() {
		d = append(d, bson.E{Key: "expiresAt", Value: s.ExpiresAt})
	}
	if s.Confirmed {
		d = append(d, bson.E{Key: "confirmed", Value: true})
	}
	raw, _ := bson.Marshal(bson.D{{Key: "consent", Value: bson.D{{Key: "recorded", Value: d}}}}) // texts and times: cannot fail
	return raw
}

// Recorded reads what Context wrote; false when there is nothing of the kind.
func Recorded(context bson.Raw) (Saying, bool) {
	v, ok := event.Lookup(context, "consent", "recorded")
	if !ok || v.Type != bson.TypeEmbeddedDocument {
		return Saying{}, false
	}
	var s Saying
	for it := event.Elements(v.Value); it.Next(); {
		switch v := it.Value(); string(it.Key()) {
		case "purpose":
			s.Purpose, _ = v.StringValueOK()
		case "channel":
			s.Channel, _ = v.StringValueOK()
		case "status":
			s.Status, _ = v.StringValueOK()
		case "confirmed":
			s.Confirmed, _ = v.BooleanOK()
		case "expiresAt":
			s.ExpiresAt = timeOf(v)
		}
	}
	return s, s.Purpose != "" && s.Status != ""
}

func timeOf(v bson.RawValue) time.Time {
	if ms, ok := v.DateTimeOK(); ok {
		return time.UnixMilli(ms).UTC()
	}
	return time.Time{}
}

// Preferences calls f with each preference that an event's context carries: those of
// context.consent.categoryPreferences, and GPC where a Global Privacy Control signal is
// on.
func Preferences(context bson.Raw, f func(purpose, status string)) {
	if event.Flag(context, "gpc") || signal(context) {
		f(GPC, Denied)
	}
	for _, p := range event.ConsentsIn(context) {
		switch {
		case p.Category == "" || len(p.Category) > MaxKey || p.Category == GPC:
		case p.Granted:
			f(p.Category, Granted)
		default:
			f(p.Category, Denied)
		}
	}
}

// signal reports whether context.consent.gpc is on: true, 1 or "1".
func signal(context bson.Raw) bool {
	v, ok := event.Lookup(context, "consent", "gpc")
	if !ok {
		return false
	}
	if on, ok := v.BooleanOK(); ok {
		return on
	}
	if n, ok := v.AsInt64OK(); ok {
		return n == 1
	}
	text, _ := v.StringValueOK()
	return text == "1"
}

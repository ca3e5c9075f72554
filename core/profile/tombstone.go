package profile

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Tombstones remembers the identifiers of erased people, by keyed hashes. What is
// older than an erasure is not taken any more; what is newer begins a new profile,
// which remembers that nothing was agreed to.
type Tombstones interface {
	// Latest returns when the latest erasure in a workspace was; zero: there was none.
	Latest(ctx context.Context, workspace string) (time.Time, error)
	// Erased returns when the person who held each identifier was last erased, in
	// their order; zero: nobody was.
	Erased(ctx context.Context, workspace string, ids []event.Identifier) ([]time.Time, error)
	// Suppressed lists the purposes that a new profile of an erased person is out of
	// until the person agrees anew.
	Suppressed(ctx context.Context, workspace string) ([]string, error)
}

// SetTombstones sets who remembers the erased; nil is nobody, as before the first
// call. It is called once, before the first unit begins.
func (s *Service) SetTombstones(t Tombstones) { s.tombs = t }

// NameErasureRemembered is the system event by which a new profile of somebody who was
// erased before takes back what was never agreed to again.
const NameErasureRemembered = "Erasure Remembered"

// ReasonErased is the reason of the error about an event that is not taken because
// the person whom it names was erased after it happened.
const ReasonErased = "ERASED"

var errOlder = core.Errorf(core.Conflict, ReasonErased,
	"the event is older than the erasure of the person whom it names, and is dropped; send only what happened after it")

// remember asks for the tombstones that matter to the inputs. Everybody's ordinary
// events cost nothing: only a name that is new here, and an event that is older than
// the latest erasure, are looked up. That an identifier is remembered from an
// erasure on proves that the time of that erasure was read after it: whoever looks an
// identifier up in the store reads the time anew (lookup).
func (u *Unit) remember(ctx context.Context) error {
	t := u.s.tombs
	if t == nil || len(u.named) == 0 {
		return nil
	}
	latest, known := u.s.erasedAt.Load(u.ws)
	if !known || u.looked {
		at, err := t.Latest(ctx, u.ws)
		if err != nil {
			return err
		}
		u.s.erasedAt.Store(u.ws, at)
		latest = at
	}
	last := latest.(time.Time)
	if last.IsZero() {
		return nil
	}
	var ask []event.Identifier
	for in, n := range u.named {
		at, certain := happened(in)
		old := !certain || at.Before(last)
		n.keys(func(id event.Identifier) {
			if _, ours := u.ids[identifierKey(u.ws, id)]; old || !ours {
				ask = append(ask, id)
			}
		})
	}
	slices.SortFunc(ask, func(a, b event.Identifier) int {
		return compareHeld(Held{Namespace: a.Namespace, Value: a.Value}, Held{Namespace: b.Namespace, Value: b.Value})
	})
	ask = slices.Compact(ask)
	for chunk := range slices.Chunk(ask, maxGet) {
		times, err := t.Erased(ctx, u.ws, chunk)
		if err != nil {
			return err
		}
		for i, at := range times {
			if !at.IsZero() {
				if u.erased == nil {
					u.erased = map[string]time.Time{}
				}
				u.erased[identifierKey(u.ws, chunk[i])] = at
			}
		}
	}
	if len(u.erased) > 0 {
		var err error
		u.suppressed, err = t.Suppressed(ctx, u.ws)
		return err
	}
	return nil
}

// happened returns when an input happened. A row of a file that has no time of its
// own is as old as nobody knows.
func happened(in *event.Input) (at time.Time, certain bool) {
	d := in.Defaults
	if in.Timestamp.IsZero() {
		return at, d == nil || !d.Historical
	}
	if d != nil && d.Historical && in.Timestamp.Equal(d.ReceivedAt.UTC().Truncate(time.Millisecond)) {
		return at, false
	}
	return in.Timestamp, true
}

// older returns errOlder when the event happened before somebody whom it names was
// erased, and else when the latest of those was; zero: nobody.
func (u *Unit) olderThanErasure(in *event.Input, ids []event.Identifier) (time.Time, error) {
	var last time.Time
	if len(u.erased) == 0 {
		return last, nil
	}
	for _, id := range ids {
		last = later(last, u.erased[identifierKey(u.ws, id)])
	}
	if last.IsZero() {
		return last, nil
	}
	at, certain := happened(in)
	if !certain || !in.Timestamp.IsZero() && at.Before(last) {
		return last, errOlder
	}
	return last, nil
}

// fresh reports whether one of the identifiers belongs to nobody yet.
func (u *Unit) fresh(ids []event.Identifier) bool {
	return slices.ContainsFunc(ids, func(id event.Identifier) bool {
		_, known := u.ids[identifierKey(u.ws, id)]
		return !known
	})
}

// withdraw folds into the profile of a part that whoever holds it now was erased at
// an instant: every word on consent from before is taken back.
func (u *Unit) withdraw(part string, at time.Time) error {
	p := u.profile(part)
	prefs := bson.D{}
	for _, purpose := range u.suppressed {
		prefs = append(prefs, bson.E{Key: purpose, Value: false})
	}
	doc, err := bson.Marshal(bson.D{{Key: "consent", Value: bson.D{{Key: "categoryPreferences", Value: prefs}}}})
	if err != nil {
		return err
	}
	messageID := "erasure:" + part + ":" + at.UTC().Format(time.RFC3339Nano)
	sum := sha256.Sum256([]byte(messageID))
	e := &event.Event{
		Meta: store.Meta{ID: event.SystemKey(u.ws, messageID)}, MessageID: messageID, Part: part,
		Type: event.System, Name: NameErasureRemembered, Timestamp: millis(at), ReceivedAt: u.now,
		Source: SystemSource, Context: doc, Sum: sum[:16],
	}
	if slices.ContainsFunc(u.events, func(o *event.Event) bool { return o.ID == e.ID }) {
		return nil
	}
	if err := u.fold(p, e); err != nil {
		return err
	}
	u.events = append(u.events, e)
	u.record(e)
	u.undo = append(u.undo, func() { u.events = u.events[:len(u.events)-1] })
	return nil
}

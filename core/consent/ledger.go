package consent

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Entry is one word in the ledger: an event, or a preference that came with one.
type Entry struct {
	ID         string // con_…
	Part       string // prof_…: the part of a person that it is stored under
	Purpose    string
	Channel    string // "" is every channel
	Status     string // as it was said
	At         time.Time
	RecordedAt time.Time
	ExpiresAt  time.Time // zero: never
	Actor      string    // who recorded it; of a preference its source
	Confirmed  bool
	Evidence   bson.Raw

	record string // the same for all events that one call made of one word
	seq    int64  // the event's place in the commit order of its profile
}

// entriesOf reads what an event says about consent.
func entriesOf(e *event.Event) []*Entry {
	one := Entry{Part: e.Part, At: e.Timestamp, RecordedAt: e.CommittedAt, Actor: e.Source, seq: e.Seq}
	id := store.Rest(e.Meta.ID)
	if e.Type == event.System {
		w, ok := Recorded(e.Context)
		if !ok || e.Name != NameRecorded {
			return nil
		}
		one.ID, one.Purpose, one.Channel, one.Status = EntryID(id), w.Purpose, w.Channel, w.Status
		one.ExpiresAt, one.Confirmed = w.ExpiresAt, w.Confirmed
		if v, ok := event.Lookup(e.Properties, "evidence"); ok && v.Type == bson.TypeEmbeddedDocument {
			one.Evidence = v.Value
		}
		one.Actor, one.record = textAt(e.Properties, "actor"), textAt(e.Properties, "record")
		return []*Entry{&one}
	}
	var out []*Entry
	Preferences(e.Context, func(purpose, status string) {
		pref := one
		pref.ID, pref.Purpose, pref.Status = PreferenceID(id, purpose), purpose, status
		pref.Evidence = document(bson.D{{Key: "method", Value: "PREFERENCE"}, {Key: "event", Value: id}})
		out = append(out, &pref)
	})
	return out
}

func textAt(doc bson.Raw, key string) string {
	v, _ := event.Lookup(doc, key)
	text, _ := v.StringValueOK()
	return text
}

// Ledger returns a window of what a person said, the latest first. What was recorded
// for all parts of a person in one go is listed once. Preferences are listed where they
// say something new: a banner repeats them with every page. It reads the person's
// events.
func (s *Service) Ledger(ctx context.Context, ws, profile string, w core.Window) (store.Page[Entry], error) {
	all, err := s.entries(ctx, ws, profile)
	if err != nil {
		return store.Page[Entry]{}, err
	}
	return pageOf(all, func(e *Entry) string { return e.ID }, w)
}

// CountLedger returns how many entries Ledger lists.
func (s *Service) CountLedger(ctx context.Context, ws, profile string) (int64, error) {
	all, err := s.entries(ctx, ws, profile)
	return int64(len(all)), err
}

func (s *Service) entries(ctx context.Context, ws, profile string) ([]*Entry, error) {
	who, err := s.subject(ctx, ws, profile)
	if err != nil {
		return nil, err
	}
	var all []*Entry
	for _, part := range who.Parts {
		q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"-timestamp"}}
		if err := event.Events.Each(ctx, s.Store, q, func(e *event.Event) error {
			all = append(all, entriesOf(e)...)
			return nil
		}); err != nil {
			return nil, storeError("read the ledger", err)
		}
	}
	slices.SortFunc(all, func(a, b *Entry) int { // the earliest first, to see what is new
		return cmp.Or(a.At.Compare(b.At), a.RecordedAt.Compare(b.RecordedAt), cmp.Compare(a.seq, b.seq), strings.Compare(a.ID, b.ID))
	})
	out := news(all)
	slices.Reverse(out)
	return out, nil
}

// news drops repetitions.
func news(all []*Entry) []*Entry {
	seen, last := map[string]bool{}, map[string]string{}
	return slices.DeleteFunc(all, func(e *Entry) bool {
		if e.record != "" {
			again := seen[e.record+"\x00"+e.Purpose]
			seen[e.record+"\x00"+e.Purpose] = true
			return again
		}
		if !strings.Contains(e.ID, ".") {
			return false
		}
		key := e.Part + "\x00" + e.Purpose
		again := last[key] == e.Status
		last[key] = e.Status
		return again
	})
}

// Entry returns an entry of the ledger, or nil.
func (s *Service) Entry(ctx context.Context, ws, id string) (*Entry, error) {
	found, err := s.load(ctx, ws, []string{id})
	if err != nil || len(found) == 0 {
		return nil, storeError("read the ledger", err)
	}
	return found[0], nil
}

// load returns the entries with the ids, in that order; those that there are not are
// left out.
func (s *Service) load(ctx context.Context, ws string, ids []string) ([]*Entry, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		if core.IDPrefix(id) != core.PrefixConsent || len(id) > 64+MaxKey || strings.ContainsAny(EventID(id), "/\x00") {
			return nil, nil
		}
		keys[i] = store.Key(ws, EventID(id))
	}
	events, err := event.Events.GetMany(ctx, s.Store, keys)
	if err != nil {
		return nil, err
	}
	var out []*Entry
	for i, e := range events {
		if e == nil {
			continue
		}
		for _, entry := range entriesOf(e) {
			if entry.ID == ids[i] {
				out = append(out, entry)
			}
		}
	}
	return out, nil
}

// subject returns the person with a profile's id.
func (s *Service) subject(ctx context.Context, ws, profile string) (*Subject, error) {
	who, err := s.People.Subject(ctx, ws, profile)
	if err != nil {
		return nil, err
	}
	if who == nil {
		return nil, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	return who, nil
}

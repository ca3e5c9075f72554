package conditiontest

import (
	"sort"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
)

// Event is one event of a person. The same ID may arrive again; it counts once.
type Event struct {
	ID         string // evt_…
	Name       string
	Part       string // of the profile, where it is folded
	At         time.Time
	Arrived    time.Time
	Properties bson.Raw
	System     bool // one of Headwater's own

	decoded map[string]any // Properties, when they were taken apart before
}

func (e *Event) document() map[string]any {
	if e.decoded != nil {
		return e.decoded
	}
	return document(e.Properties)
}

// Membership is a stay in a segment or list.
type Membership struct {
	ID    string // seg_…
	Since time.Time
}

// Record is a related record.
type Record struct {
	Type, Relation string
	Fields         bson.Raw
}

// History is all that is known of a person at an instant. Events are in the order
// of their arrival; those whose time has not come yet are among them.
type History struct {
	ProfileID   string
	Location    *time.Location // the person's own; nil when it is not known
	Events      []Event
	Traits      bson.Raw
	Consents    map[[2]string]string // by purpose and channel; absent: UNKNOWN
	Records     []Record
	Memberships []Membership
	Field       bson.Raw // the record that Field nodes speak of
}

// Without returns a copy of the history without its i-th event.
func (h *History) Without(i int) *History {
	c := *h
	c.Events = append(append([]Event{}, h.Events[:i]...), h.Events[i+1:]...)
	return &c
}

// Facts answers a program's questions from the history, and from the ledgers that
// were kept of its events.
func (h *History) Facts(ledgers map[string][]*condition.Ledger) condition.Facts {
	return &facts{h, ledgers}
}

type facts struct {
	h       *History
	ledgers map[string][]*condition.Ledger
}

func (f *facts) ProfileID() string                      { return f.h.ProfileID }
func (f *facts) Location() *time.Location               { return f.h.Location }
func (f *facts) Ledgers(key string) []*condition.Ledger { return f.ledgers[key] }
func (f *facts) ConsentStatus(purpose, channel string, _ time.Time) (string, time.Time) {
	return f.h.consent(purpose, channel), time.Time{}
}
func (f *facts) Member(id string) (time.Time, bool) { return f.h.member(id) }
func (f *facts) Record() bson.Raw                   { return f.h.Field }

// Trait walks documents only: arrays are opened by the program.
func (f *facts) Trait(path string) (bson.RawValue, bool) {
	keys := segments(path)
	if len(keys) == 0 || len(f.h.Traits) == 0 {
		return bson.RawValue{}, false
	}
	doc := f.h.Traits
	for i, key := range keys {
		v, err := doc.LookupErr(key)
		if err != nil || v.Type == bson.TypeNull {
			return bson.RawValue{}, false // a cleared trait is none
		}
		if i == len(keys)-1 {
			return v, true
		}
		if v.Type != bson.TypeEmbeddedDocument {
			return bson.RawValue{}, false
		}
		doc = v.Document()
	}
	return bson.RawValue{}, false
}

func (f *facts) Records(objectType, relation string) []bson.Raw {
	var out []bson.Raw
	for _, r := range f.h.related(objectType, relation) {
		out = append(out, r.Fields)
	}
	return out
}

func (h *History) consent(purpose, channel string) string {
	if s, ok := h.Consents[[2]string{purpose, channel}]; ok {
		return s
	}
	return "UNKNOWN"
}

func (h *History) member(id string) (time.Time, bool) {
	for _, m := range h.Memberships {
		if m.ID == id {
			return m.Since, true
		}
	}
	return time.Time{}, false
}

func (h *History) related(objectType, relation string) []Record {
	var out []Record
	for _, r := range h.Records {
		if r.Type == objectType && (relation == "" || r.Relation == relation) {
			out = append(out, r)
		}
	}
	return out
}

// past returns the events of a name whose time had come at now, each once, from
// the earliest to the latest; of those at one instant the smaller id is earlier.
func (h *History) past(name string, system bool, now time.Time) []Event {
	var out []Event
	seen := map[string]bool{}
	for _, e := range h.Events {
		if e.Name == name && e.System == system && !e.At.After(now) && !seen[e.ID] {
			seen[e.ID] = true
			out = append(out, e)
		}
	}
	sort.Slice(out, func(i, j int) bool { return before(out[i], out[j]) })
	return out
}

func before(a, b Event) bool {
	if !a.At.Equal(b.At) {
		return a.At.Before(b.At)
	}
	return a.ID < b.ID
}

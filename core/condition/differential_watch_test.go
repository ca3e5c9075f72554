package condition_test

import (
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
)

// watched notes what a program asks for without having said that it needs it: what
// changes then would not lead to the program.
type watched struct {
	condition.Facts
	needs      condition.Needs
	undeclared string
}

func (w *watched) note(declared bool, what string) {
	if !declared {
		w.undeclared = what
	}
}

func (w *watched) ProfileID() string {
	w.note(w.needs.Buckets, "the profile's id")
	return w.Facts.ProfileID()
}

func (w *watched) Location() *time.Location {
	w.note(w.needs.Zone, "the profile's time zone")
	return w.Facts.Location()
}

func (w *watched) Trait(path string) (bson.RawValue, bool) {
	w.note(slices.ContainsFunc(w.needs.Traits, func(p string) bool { return p == path || strings.HasPrefix(p, path+".") }), "trait "+path)
	return w.Facts.Trait(path)
}

func (w *watched) Ledgers(key string) []*condition.Ledger {
	w.note(slices.ContainsFunc(w.needs.Ledgers, func(s *condition.LedgerSpec) bool { return s.Key == key }), "ledger "+key)
	return w.Facts.Ledgers(key)
}

func (w *watched) Records(objectType, relation string) []bson.Raw {
	w.note(slices.Contains(w.needs.Objects, objectType), "records "+objectType)
	return w.Facts.Records(objectType, relation)
}

func (w *watched) Member(id string) (time.Time, bool) {
	w.note(slices.Contains(w.needs.Segments, id), "member of "+id)
	return w.Facts.Member(id)
}

func (w *watched) ConsentStatus(purpose, channel string, now time.Time) (string, time.Time) {
	w.note(slices.Contains(w.needs.Consents, purpose), "consent to "+purpose)
	return w.Facts.ConsentStatus(purpose, channel, now)
}

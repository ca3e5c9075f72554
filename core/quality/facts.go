package quality

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
)

// traitFacts answers what a predicate asks of a person's traits.
type traitFacts struct {
	noFacts
	p *profile.Profile
}

// Trait implements condition.Facts.
func (f traitFacts) Trait(path string) (bson.RawValue, bool) {
	t := f.p.TraitAt(path)
	if t == nil || t.Value.Type == bson.TypeNull {
		return bson.RawValue{}, false
	}
	return t.Value, true
}

// propertyFacts answers what a predicate asks of an event's properties.
type propertyFacts struct {
	noFacts
	properties bson.Raw
}

// Record implements condition.Facts.
func (f propertyFacts) Record() bson.Raw { return f.properties }

// noFacts knows nothing: predicates on one value ask for nothing else.
type noFacts struct{}

var _ condition.Facts = noFacts{}

// ProfileID implements condition.Facts.
func (noFacts) ProfileID() string { return "" }

// Location implements condition.Facts: rules go by UTC.
func (noFacts) Location() *time.Location { return nil }

// Trait implements condition.Facts.
func (noFacts) Trait(string) (bson.RawValue, bool) { return bson.RawValue{}, false }

// Ledgers implements condition.Facts.
func (noFacts) Ledgers(string) []*condition.Ledger { return nil }

// Records implements condition.Facts.
func (noFacts) Records(string, string) []bson.Raw { return nil }

// Member implements condition.Facts.
func (noFacts) Member(string) (time.Time, bool) { return time.Time{}, false }

// ConsentStatus implements condition.Facts.
func (noFacts) ConsentStatus(string, string, time.Time) (string, time.Time) {
	return "UNKNOWN", time.Time{}
}

// Record implements condition.Facts.
func (noFacts) Record() bson.Raw { return nil }

package condition

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Facts is what a condition can ask about one profile, or one record, at one
// instant. An implementation answers from memory: evaluation does no I/O.
type Facts interface {
	// ProfileID is prof_….
	ProfileID() string
	// Location is the profile's own time zone; nil when it is not known.
	Location() *time.Location
	// Trait returns the value at a path of the merged traits, an object (its visible
	// registers assembled) for a path above leaves. False when there is none; a
	// cleared trait is none. The path never leads into an array: see Program.
	Trait(path string) (bson.RawValue, bool)
	// Ledgers returns the ledger with the key of each of the profile's parts; parts
	// without one may be left out.
	Ledgers(key string) []*Ledger
	// Records returns the live records of a type that are related to the profile by
	// the relation ("" any), each as a document of its fields.
	Records(objectType, relation string) []bson.Raw
	// Member tells whether, and since when, the profile is in a segment or list.
	Member(segmentID string) (since time.Time, in bool)
	// ConsentStatus returns GRANTED, WITHDRAWN, … or UNKNOWN as it is at an instant, and
	// when it changes by itself after that; zero: never.
	ConsentStatus(purpose, channel string, now time.Time) (status string, until time.Time)
	// Record is the record that Field nodes speak of; nil for a profile.
	Record() bson.Raw
}

// Answer is what a condition says at an instant.
type Answer struct {
	Value bool
	// Next is the earliest instant at which Value can change although nothing
	// happens; zero: never.
	Next time.Time
}

// Explanation is a condition's answer taken apart, in the shape of its nodes.
type Explanation struct {
	Path     []string // as in the JSON form: "and", "0", "event"
	Words    string
	Value    bool
	Decided  any // JSON-able: what decided it (times, counts, the trait's value, its limits); nil for and, or, not
	Next     time.Time
	Children []*Explanation
}

// Needs lists what a program reads. Each list is sorted and without repetitions.
type Needs struct {
	Ledgers  []*LedgerSpec
	Traits   []string // paths
	Consents []string // purposes
	Objects  []string // types
	Segments []string // seg_…, segments and lists
	Buckets  bool     // the answer depends on the profile's id
	Zone     bool     // the answer depends on the profile's own time zone
	Clock    bool     // the answer can change by itself
}

package profile

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Profile is one person as known now. Its id is the part that it began with.
type Profile struct {
	store.Meta  `bson:",inline"` // key: workspace/prof_…
	Parts       []string         `bson:"parts"` // part ids, in order of joining; the first is the profile's own
	Identifiers []Held           `bson:"identifiers,omitempty"`
	Traits      []Trait          `bson:"traits,omitempty"`      // registers, sorted by path
	Consents    []Consent        `bson:"consents,omitempty"`    // sorted by purpose, channel, part
	Separations []string         `bson:"separations,omitempty"` // parts that rules never join to this profile again
	Seq         int64            `bson:"seq"`                   // of the latest event or merge: a Lamport clock over parts
	Events      int64            `bson:"events"`                // how many events its parts hold
	FirstSeenAt time.Time        `bson:"firstSeenAt"`           // earliest event time
	LastSeenAt  time.Time        `bson:"lastSeenAt"`            // latest event time
	CreatedAt   time.Time        `bson:"createdAt"`             // commit time of the first event
	UpdatedAt   time.Time        `bson:"updatedAt"`             // commit time of the latest event or merge
	MergedSeq   int64            `bson:"mergedSeq,omitempty"`   // Seq of the latest merge or unmerge
}

// Held is an identifier of a profile.
type Held struct {
	Namespace string    `bson:"namespace"`
	Value     string    `bson:"value"`
	Part      string    `bson:"part"`
	At        time.Time `bson:"at"`  // commit time at which it was first seen
	Seq       int64     `bson:"seq"` // of the event that brought it
}

// Trait is one register: the latest value written at a path, and by what.
type Trait struct {
	Path     string        `bson:"path"`               // dotted; a dot inside a key is written "\."
	Value    bson.RawValue `bson:"value"`              // null is a tombstone: the trait was cleared
	Source   string        `bson:"source"`             // src_…
	At       time.Time     `bson:"at"`                 // event time
	Event    string        `bson:"event"`              // evt_… that wrote it
	Priority int64         `bson:"priority,omitempty"` // of the source, where the trait's rule ranks sources
	Rule     string        `bson:"rule"`               // LAST_WRITE or SOURCE_PRIORITY: what chose the value
	Seq      int64         `bson:"seq"`
}

// Consent is the latest word on a purpose and channel that covers one part. What
// holds for the profile is the strictest over its parts.
type Consent struct {
	Purpose string    `bson:"purpose"`
	Channel string    `bson:"channel,omitempty"` // "" is every channel
	Part    string    `bson:"part"`
	Status  string    `bson:"status"` // GRANTED, DENIED, WITHDRAWN, …
	At      time.Time `bson:"at"`     // event time
	Event   string    `bson:"event"`
	Seq     int64     `bson:"seq"`
}

// Profiles holds the fold of each person's events.
var Profiles = store.Declare[Profile](store.Spec{
	Name:    "profiles",
	Derived: true,
	Subject: "_id",
	Data: map[string]core.Category{
		"identifiers": core.IdentifierID,
		"traits":      core.Unclassified, // each path is classified by the registry
		"consents":    core.Consent,
	},
})

// ID returns the profile's id without its workspace.
func (p *Profile) ProfileID() string { return store.Rest(p.ID) }

package profile

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Profile is one person as known now. Its id is one of its parts: the one that it
// began with.
//
// The names in the tags of what repeats are one or two letters: the document is
// written anew for every event, and codec.go writes them.
type Profile struct {
	store.Meta  `bson:",inline"` // key: workspace/prof_…
	Parts       []string         `bson:"parts"`                 // part ids: the profile's own, then the others sorted
	Identifiers []Held           `bson:"identifiers,omitempty"` // sorted by namespace, value
	Traits      []Trait          `bson:"traits,omitempty"`      // registers, sorted by path
	Consents    []Consent        `bson:"consents,omitempty"`    // sorted by purpose, channel, event
	// Restrictions are registers, sorted by purpose and event; see RestrictedFor.
	Restrictions []Restriction `bson:"restrictions,omitempty"`
	Separations  []string      `bson:"separations,omitempty"` // sides of separations that its parts stand on: "sep_…:a"
	Proposals    []string      `bson:"proposals,omitempty"`   // prop_… that name one of its parts
	// Released are marks of identifiers that its parts let go of, sorted; see LetGo.
	Released    []string        `bson:"released,omitempty"`
	Seq         int64           `bson:"seq"`                   // of the latest event, merge or unmerge: a Lamport clock over parts
	MergedSeq   int64           `bson:"mergedSeq"`             // of the latest merge or unmerge
	ReleasedSeq int64           `bson:"releasedSeq,omitempty"` // of the latest release or restoration
	Events      int64           `bson:"events"`                // how many events its parts hold
	Bucket      int64           `bson:"k"`                     // BucketOf its id without a salt: for samples and even shares
	Restricted  int64           `bson:"restricted,omitempty"`  // 1 while processing is restricted for some purpose: for the index
	FirstSeenAt time.Time       `bson:"firstSeenAt"`           // earliest event time; system events aside
	LastSeenAt  time.Time       `bson:"lastSeenAt"`            // latest event time; system events aside
	CreatedAt   time.Time       `bson:"createdAt"`             // commit time of the first event
	UpdatedAt   time.Time       `bson:"updatedAt"`             // commit time of the latest event, merge or unmerge
	HeldUntil   time.Time       `bson:"heldUntil,omitempty"`   // somebody asks units to wait: see hold.go; no part of the fold
	Withheld    []core.Withheld `bson:"-"`                     // of what Gate.Show gave: what is hidden, sorted by path
	whole       *Profile        // of a masked copy: what it was made of
}

// Held is an identifier of a profile.
type Held struct {
	Namespace string    `bson:"n"`
	Value     string    `bson:"v"`
	Part      string    `bson:"p"`
	At        time.Time `bson:"t"` // commit time at which it was first seen
	Seq       int64     `bson:"q"` // of the event that brought it
}

// Trait is one register: the latest value written at a path, and by what.
type Trait struct {
	Path     string        `bson:"p"`           // dotted; a dot inside a key is written "\.", a backslash "\\"
	Value    bson.RawValue `bson:"v"`           // null is a tombstone: cleared, or hidden by newer writes below
	Source   string        `bson:"s"`           // src_…
	At       time.Time     `bson:"t"`           // event time
	Event    string        `bson:"e"`           // evt_… that wrote it
	Priority int64         `bson:"n,omitempty"` // of the source, where the trait's rule ranks sources
	Rule     string        `bson:"r,omitempty"` // what chose the value; LastWrite is not stored
	Seq      int64         `bson:"q"`           // of the event
}

// The rules that choose between two values of a trait.
const (
	LastWrite      = "LAST_WRITE"
	SourcePriority = "SOURCE_PRIORITY"
)

// Consent is the latest word on a purpose and channel for the parts that it
// covers: those that its profile had when it was committed. What was recorded and
// what came as a preference are registers of their own. What holds for the profile
// is the strictest over its parts (Words).
type Consent struct {
	Purpose   string    `bson:"u"`
	Channel   string    `bson:"c,omitempty"` // "" is every channel
	Recorded  bool      `bson:"r,omitempty"` // recorded with evidence; else a preference that came with an event
	Parts     []string  `bson:"p"`           // sorted; a part is in one register per purpose, channel and Recorded
	Status    string    `bson:"s"`           // as it was said: EXPIRED comes of ExpiresAt
	At        time.Time `bson:"t"`           // event time
	ExpiresAt time.Time `bson:"x,omitempty"` // zero: never
	FirstYes  time.Time `bson:"g,omitempty"` // event time of the first yes of these parts; zero: none
	Confirmed bool      `bson:"k,omitempty"` // the person confirmed it
	Event     string    `bson:"e"`
	Seq       int64     `bson:"q"`
}

// Profiles holds the fold of each person's events.
var Profiles = store.Declare[Profile](store.Spec{
	Name:    "profiles",
	Derived: true,
	Subject: "_id",
	Data: map[string]core.Category{
		"identifiers":  core.IdentifierID,
		"traits":       core.Unclassified, // each path is classified by the registry
		"consents":     core.Consent,
		"restrictions": core.Consent,
	},
	Indexes: []store.Index{store.On("k"), store.On("restricted")},
})

// The bounds of a profile. An event that would go beyond MaxTraits or
// MaxTraitBytes or MaxConsents is INVALID with reason PROFILE_TOO_LARGE; a merge
// beyond any of them is left to a person, who is told which bound stands.
const (
	MaxParts      = 500
	MaxTraits     = 1000      // registers, tombstones among them
	MaxTraitBytes = 256 << 10 // paths and values
	MaxConsents   = 1000      // registers
	MaxProposals  = 100       // proposals that name a profile: on a shared device no more are made
)

// ProfileID returns the profile's id without its workspace.
func (p *Profile) ProfileID() string { return store.Rest(p.ID) }

// Workspace returns the workspace that the profile belongs to.
func (p *Profile) Workspace() string { return store.WorkspaceOf(p.ID) }

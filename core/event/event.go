package event

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Type is the kind of an event: the six of Segment's protocol, and System for
// what Headwater itself did (a merge, a changed setting).
type Type string

// The types.
const (
	Identify Type = "IDENTIFY"
	Track    Type = "TRACK"
	Page     Type = "PAGE"
	Screen   Type = "SCREEN"
	Group    Type = "GROUP"
	Alias    Type = "ALIAS"
	System   Type = "SYSTEM"
)

// The names of events that have none of their own, and of system events.
const (
	NameIdentified      = "Identified"
	NamePageViewed      = "Page Viewed"
	NameScreenViewed    = "Screen Viewed"
	NameGrouped         = "Grouped"
	NameAliased         = "Aliased"
	NameProfileMerged   = "Profile Merged"
	NameProfileUnmerged = "Profile Unmerged"
	// Properties of the next three: releaseId or request, namespace, reason; never the value.
	NameIdentifierReleased = "Identifier Released"
	NameIdentifierRestored = "Identifier Restored"
	NameIdentifierAdded    = "Identifier Added"
	// Properties of the next two: purposes (none are all), reason.
	NameProcessingRestricted = "Processing Restricted"
	NameProcessingResumed    = "Processing Resumed"
)

// The limits of Segment's protocol, in bytes unless said otherwise.
const (
	MaxMessage   = 32 << 10
	MaxBatch     = 500 << 10
	MaxMessageID = 100 // characters
	MaxDepth     = 16  // levels of nesting in properties, traits and context
)

// Identifier is a normalised name of a person in a namespace, for example
// {"email", "ana@example.com"}.
type Identifier struct {
	Namespace string `bson:"namespace"`
	Value     string `bson:"value"`
}

// Event is one thing that happened, as stored. It never changes, but for Part
// when a person is erased.
type Event struct {
	store.Meta  `bson:",inline"` // key: workspace/evt_…, the hash of workspace and message id
	MessageID   string           `bson:"messageId"`
	Part        string           `bson:"part,omitempty"` // prof_…: see core/profile
	Seq         int64            `bson:"seq"`            // place in the commit order of its profile
	Type        Type             `bson:"type"`
	Name        string           `bson:"name"`
	Timestamp   time.Time        `bson:"timestamp"`   // when it happened, by the server's clock
	ReceivedAt  time.Time        `bson:"receivedAt"`  // when the request came
	CommittedAt time.Time        `bson:"committedAt"` // never earlier than an event that its profile had before
	Source      string           `bson:"source"`      // src_…
	UserID      string           `bson:"userId,omitempty"`
	AnonymousID string           `bson:"anonymousId,omitempty"`
	GroupID     string           `bson:"groupId,omitempty"`
	PreviousID  string           `bson:"previousId,omitempty"`
	Identifiers []Identifier     `bson:"identifiers,omitempty"` // normalised, as resolution took them
	Properties  bson.Raw         `bson:"properties,omitempty"`
	Traits      bson.Raw         `bson:"traits,omitempty"`
	Context     bson.Raw         `bson:"context,omitempty"`
	// Integrations says, in the client's words, where the event may go.
	Integrations bson.Raw `bson:"integrations,omitempty"`
	Sum          []byte   `bson:"sum"` // 16 bytes: see Input.Sum
	// Withheld is what is hidden of an event that a gate gave: paths as
	// "properties.total", "context", "userId", sorted.
	Withheld []core.Withheld `bson:"-"`
}

// Events is the log.
var Events = store.Declare[Event](store.Spec{
	Name:    "events",
	Subject: "part",
	Reach:   store.ReachFinder, // deleted together with what is added to the residuals
	Data: map[string]core.Category{
		"*": core.Unclassified, // properties, traits and context are classified by the registry
	},
	Indexes: []store.Index{
		store.On("part", "-timestamp"),
		store.On("-receivedAt"),
	},
})

// ID returns the id of the event with a message id: the same message has the same
// event for ever, which is what makes a retry harmless.
func ID(workspace, messageID string) string {
	return core.HashID(core.PrefixEvent, workspace, messageID)
}

// Key returns the key of the event with a message id.
func Key(workspace, messageID string) string {
	return store.Key(workspace, ID(workspace, messageID))
}

// SystemKey returns the key of a system event. Its ids are apart from those that
// clients choose, so that nobody can take one before Headwater needs it.
func SystemKey(workspace, messageID string) string {
	return store.Key(workspace, core.HashID(core.PrefixEvent, workspace, "system", messageID))
}

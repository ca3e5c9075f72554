package segment

import (
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Kind says what decides who is in a segment.
type Kind string

// The kinds.
const (
	Dynamic    Kind = "DYNAMIC"    // a condition
	Static     Kind = "STATIC"     // a list: whoever was added and not removed
	Predictive Kind = "PREDICTIVE" // a condition over predictions
	kept       Kind = "KEPT"       // a condition of others, which has no members: see keep.go
	watched    Kind = "WATCHED"    // the same, with members
)

// Status is where a segment stands.
type Status string

// The statuses.
const (
	Building Status = "BUILDING" // not everybody was looked at under the present definition yet
	Live     Status = "LIVE"
	Archived Status = "ARCHIVED" // not evaluated: its members stay as they were
)

// Segment is a definition. Whoever changes what it says does so by way of publish,
// which gives the change its revision.
type Segment struct {
	store.Meta     `bson:",inline"` // key: workspace/seg_…
	Name           string           `bson:"name"`
	Description    string           `bson:"description,omitempty"`
	Kind           Kind             `bson:"kind"`
	Status         Status           `bson:"status"`
	Version        int64            `bson:"version"`                 // of the definition: 1, 2, …
	Where          string           `bson:"where,omitempty"`         // the condition's canonical JSON; "" for a static one
	WhereVersion   int              `bson:"whereVersion"`            // of the JSON form: condition.Version when it was written
	TimeZone       string           `bson:"timeZone,omitempty"`      // IANA name; "" is UTC
	ZoneOfProfile  bool             `bson:"zoneOfProfile,omitempty"` // the profile's own zone, TimeZone when it has none
	Tags           []string         `bson:"tags,omitempty"`          // sorted
	Refers         []string         `bson:"refers,omitempty"`        // sorted: seg_… that the condition names
	Rests          []core.Category  `bson:"rests,omitempty"`         // of a list made of other segments: what those rested on then
	CreatedAt      time.Time        `bson:"createdAt"`
	UpdatedAt      time.Time        `bson:"updatedAt"`
	Backfill       string           `bson:"backfill,omitempty"` // job_… that works, or worked, on the present definition
	Since          int64            `bson:"since"`              // revision at which the present definition was published
	IdempotencyKey string           `bson:"idempotencyKey,omitempty"`
}

// others tells whether the definition is not a segment, but a condition of somebody
// else's: see keep.go.
func (s *Segment) others() bool { return s.Kind == kept || s.Kind == watched }

// SegmentID returns the segment's id, seg_….
func (s *Segment) SegmentID() string { return store.Rest(s.ID) }

// Workspace returns the workspace that the segment belongs to.
func (s *Segment) Workspace() string { return store.WorkspaceOf(s.ID) }

// Epoch is one lane of the revision of a workspace's definitions. Publishing
// writes all lanes; whoever derives from the definitions checks one.
type Epoch struct {
	store.Meta `bson:",inline"` // key: workspace/NN
	Rev        int64            `bson:"rev"`
}

// Membership says that a profile is in a segment.
type Membership struct {
	store.Meta `bson:",inline"` // key: workspace/seg_…/prof_…
	Segment    string           `bson:"segment"`
	Profile    string           `bson:"profile"`
	Since      time.Time        `bson:"since"`
}

// ChangeKind says which way a profile went.
type ChangeKind string

// The kinds of change.
const (
	Entered ChangeKind = "ENTERED"
	Left    ChangeKind = "LEFT"
)

// Cause says why a membership changed.
type Cause string

// The causes.
const (
	CauseEvent      Cause = "EVENT"
	CauseTime       Cause = "TIME"       // nothing happened: time went on
	CauseDefinition Cause = "DEFINITION" // the segment was defined anew, or a list was changed
	CauseMerge      Cause = "MERGE"      // profiles were merged, or a merge was taken back
	CauseConsent    Cause = "CONSENT"
	CauseErasure    Cause = "ERASURE"
)

// Change is one profile that entered or left a segment. It is written once, in the
// commit of the change.
type Change struct {
	store.Meta `bson:",inline"` // key: workspace/seg_…/chg_…
	Segment    string           `bson:"segment"`
	Profile    string           `bson:"profile"` // "" of somebody who was erased
	Change     ChangeKind       `bson:"change"`
	At         time.Time        `bson:"at"`
	Cause      Cause            `bson:"cause"`
	Version    int64            `bson:"version"` // of the definition
}

// The collections of the package. Segments and epochs are primary, the rest is
// folded from the events and them.
var (
	Segments = store.Declare[Segment](store.Spec{
		Name: "segments", Reach: store.ReachNobody, // what members of the workspace wrote
		Data: map[string]core.Category{"name": core.None, "description": core.None, "where": core.Unclassified},
	})
	Epochs = store.Declare[Epoch](store.Spec{Name: "segment_epochs"})

	Memberships = store.Declare[Membership](store.Spec{
		Name: "memberships", Derived: true, Subject: "profile", Reach: store.ReachFinder, // by way of behaviours
		Data: map[string]core.Category{"segment": core.Inferred},
	})
	Changes = store.Declare[Change](store.Spec{
		Name: "membership_changes", Derived: true, Subject: "profile",
		Data:    map[string]core.Category{"segment": core.Inferred},
		Indexes: []store.Index{store.On("profile", "-at").WithFewTies()},
	})
	Behaviours = store.Declare[Behaviour](store.Spec{
		Name: "behaviours", Derived: true, Subject: "_id", Reach: store.ReachFinder, // with its memberships
		Data:    map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{store.On("shard", "due").WithFewTies()},
	})
	Months = store.Declare[Month](store.Spec{
		Name: "behaviour_months", Derived: true, Subject: "part",
		Data:    map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{store.On("part").WithFewTies()},
	})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{Segments.Spec, Epochs.Spec, Memberships.Spec, Changes.Spec, Behaviours.Spec, Months.Spec, Versions.Spec, Files.Chunks.Spec, Marks.Spec}
}

// sizeCounter names the counter of a segment's members, whose sum is "members".
func sizeCounter(segmentID string) string { return "segments/" + segmentID }

// membershipKey is the key of a profile's membership in a segment.
func membershipKey(ws, segmentID, profileID string) string {
	return store.Key(ws, segmentID, profileID)
}

package journey

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Mode is whether a journey lets people in and leads them on.
type Mode string

// The modes.
const (
	Draft    Mode = "DRAFT"    // nothing was published yet
	Live     Mode = "LIVE"     // people enter and are led on
	Paused   Mode = "PAUSED"   // nobody enters, nobody steps, nothing is sent
	Draining Mode = "DRAINING" // nobody enters; who is inside is led to the end
	Stopped  Mode = "STOPPED"  // everybody was led out
	Archived Mode = "ARCHIVED" // stopped, and out of the lists
)

// Journey is a drawing with its versions, and how it stands.
type Journey struct {
	store.Meta  `bson:",inline"` // key: workspace/jrn_…
	Name        string           `bson:"name"`
	Description string           `bson:"description,omitempty"`
	Tags        []string         `bson:"tags,omitempty"`
	Purpose     string           `bson:"purpose,omitempty"` // under which its conditions read; "" is the workspace's usual one
	Mode        Mode             `bson:"mode"`
	Latest      int64            `bson:"latest"` // number of the newest version, published or not
	Entry       int64            `bson:"entry"`  // number of the version by which people enter; 0: none
	Pilot       int64            `bson:"pilot"`  // percent of people who may enter
	Salt        string           `bson:"salt"`   // of the pilot: the same people are in it as it grows
	Risky       bool             `bson:"risky"`  // a version is published only with an approval
	PausedAt    time.Time        `bson:"pausedAt,omitempty"`
	Leaves      []int64          `bson:"leaves,omitempty"` // numbers of versions whose people leave at their next step
	Late        string           `bson:"late,omitempty"`   // what is said of sends that are overdue since the pause: SKIP, SEND; "" as the version says
	LateUntil   time.Time        `bson:"lateUntil,omitempty"`
	CreatedAt   time.Time        `bson:"createdAt"`
	UpdatedAt   time.Time        `bson:"updatedAt"`
	CreatedBy   string           `bson:"createdBy"`
	Sum         string           `bson:"sum,omitempty"` // of the input that made it, for its idempotency key
}

// JourneyID returns the journey's id, jrn_….
func (j *Journey) JourneyID() string { return store.Rest(j.ID) }

// EntryKey is the key of the version by which people enter.
func (j *Journey) EntryKey() string { return versionKey(j.Workspace(), j.JourneyID(), j.Entry) }

// Workspace returns the workspace that it belongs to.
func (j *Journey) Workspace() string { return store.WorkspaceOf(j.ID) }

// Version is one definition of a journey. It never changes but for its publication.
type Version struct {
	store.Meta  `bson:",inline"` // key: workspace/jrn_…/NNNNNN
	Journey     string           `bson:"journey"`
	Number      int64            `bson:"number"`
	Definition  string           `bson:"definition"` // canonical JSON
	Hash        string           `bson:"hash"`       // hex of its SHA-256
	Author      string           `bson:"author"`
	CreatedAt   time.Time        `bson:"createdAt"`
	PublishedAt time.Time        `bson:"publishedAt,omitempty"`
	PublishedBy string           `bson:"publishedBy,omitempty"`
	Inside      string           `bson:"inside,omitempty"`   // what was chosen for those inside older ones: PIN, DRAIN, MIGRATE
	Approval    string           `bson:"approval,omitempty"` // apr_…
}

// Enrollment is one person's way through a journey. It is its own timer: Due says when
// it is looked at, and its version, on which every write depends, sees to it that no step
// is made twice.
type Enrollment struct {
	store.Meta `bson:",inline"` // key: workspace/enr_…
	Journey    string           `bson:"j"`
	Version    int64            `bson:"n"`
	Part       string           `bson:"part"`             // prof_… by which the person entered
	Key        string           `bson:"k,omitempty"`      // a keyed hash of the value at the definition's key in the entering event
	Event      string           `bson:"e,omitempty"`      // evt_… by which the person entered
	Data       bson.Raw         `bson:"d,omitempty"`      // of an entry by the API: what stands for the event's properties
	Cause      string           `bson:"cause"`            // what let the person in: EVENT, SEGMENT, DATE, OBJECT, API, LIST, JOURNEY
	Parent     string           `bson:"parent,omitempty"` // enr_…/visit whose sub-journey this is
	Elder      string           `bson:"elder,omitempty"`  // of a suspended one: enr_…/prof_…, the enrollment that goes on instead, and its part
	EnteredAt  time.Time        `bson:"in"`
	EndedAt    time.Time        `bson:"out,omitempty"`
	Status     Status           `bson:"status"`         // the state's, or one from outside
	Lane       string           `bson:"lane,omitempty"` // which worker's; gone when it has ended
	Due        time.Time        `bson:"due,omitempty"`  // with Lane: when it steps; zero: an answer or event wakes it
	State      State            `bson:"s"`
	Shown      map[string]int64 `bson:"w,omitempty"` // how many messages were queued that show a coupon, by the visit at which it was taken
	Trail      []Passage        `bson:"t,omitempty"` // the latest; those before lie in Older
	Passed     int64            `bson:"p,omitempty"` // how many there were in all
	Tries      int64            `bson:"x,omitempty"` // steps that failed in a row
	Fault      string           `bson:"f,omitempty"` // why the last one did
}

// The statuses beside those that steps give: what befalls an enrollment from outside.
const (
	Suspended Status = "SUSPENDED" // an older one of the same person has the same key
	Removed   Status = "REMOVED"   // the journey was stopped, or somebody led the person out
	Left      Status = "LEFT"      // its version was replaced, and there was no place to go on
	Failing   Status = "FAILED"    // a step fails again and again; see Fault
)

// EnrollmentID returns the enrollment's id, enr_….
func (e *Enrollment) EnrollmentID() string { return store.Rest(e.ID) }

// Workspace returns the workspace that it belongs to.
func (e *Enrollment) Workspace() string { return store.WorkspaceOf(e.ID) }

// Ended tells whether it makes no step any more.
func (e *Enrollment) Ended() bool {
	return e.Lane == "" && e.Status != Suspended && e.Status != Failing
}

// Older holds passages that an enrollment's own document had no room for.
type Older struct {
	store.Meta `bson:",inline"` // key: workspace/enr_…/NNNNNN, the number of the first
	Enrollment string           `bson:"e"`
	Part       string           `bson:"part"`
	Trail      []Passage        `bson:"t"`
}

// Trigger is something that may let a person in or wake an enrollment. It is written in
// the commit of its cause, and deleted in the commit of what follows.
type Trigger struct {
	store.Meta `bson:",inline"` // key: workspace/a hash of what it is about
	Part       string           `bson:"part"`
	Journey    string           `bson:"j,omitempty"`
	Version    int64            `bson:"n,omitempty"` // at whose entry; of a wake 0
	Node       string           `bson:"node,omitempty"`
	Enrollment string           `bson:"enr,omitempty"` // whom it wakes; "" lets in
	Cause      string           `bson:"cause"`
	Event      string           `bson:"e,omitempty"`
	Answer     *Answer          `bson:"a,omitempty"`
	Parent     string           `bson:"parent,omitempty"`
	Data       bson.Raw         `bson:"d,omitempty"` // of an entry by the API: what stands for the event's properties
	At         time.Time        `bson:"at"`
	Lane       string           `bson:"lane"`
	Due        time.Time        `bson:"due"`
	Tries      int64            `bson:"x,omitempty"`
}

// Presence is which enrollments of a part are live. Whoever commits an event that one of
// them listens to checks its version, and so does whoever begins to listen: no event falls
// between.
type Presence struct {
	store.Meta `bson:",inline"` // key: workspace/prof_…
	Live       []Present        `bson:"l"`
}

// Present is one live enrollment.
type Present struct {
	Enrollment string    `bson:"e"`
	Journey    string    `bson:"j"`
	Version    int64     `bson:"n"`
	Key        string    `bson:"k,omitempty"`
	Since      time.Time `bson:"t"`
	Node       string    `bson:"w,omitempty"` // the node at which it waits for an event
	Suspended  bool      `bson:"s,omitempty"`
}

// Visit says when a part last entered a journey with a key: what re-entry asks.
type Visit struct {
	store.Meta `bson:",inline"` // key: workspace/jrn_…/prof_…/key
	Part       string           `bson:"part"`
	At         time.Time        `bson:"at"`
	Enrollment string           `bson:"e"`
	Since      time.Time        `bson:"f,omitempty"` // from when Count counts
	Count      int64            `bson:"c,omitempty"` // how often the part entered by what Headwater found out: see MaxRounds
}

// ToDo is something that an enrollment asks of somebody in the company.
type ToDo struct {
	store.Meta `bson:",inline"` // key: workspace/a hash of enrollment, node and visit
	Kind       string           `bson:"kind"` // TASK, APPROVAL, OVERDUE
	Journey    string           `bson:"j"`
	Enrollment string           `bson:"enr"`
	Part       string           `bson:"part"`
	Node       string           `bson:"node"`
	Visit      int64            `bson:"visit"`
	Title      string           `bson:"title,omitempty"`
	Note       string           `bson:"note,omitempty"`
	Assignee   string           `bson:"assignee,omitempty"` // mem_… or a role
	Due        time.Time        `bson:"due,omitempty"`
	At         time.Time        `bson:"at"`
	State      string           `bson:"state"` // OPEN, DONE, REFUSED, GONE
	DecidedBy  string           `bson:"by,omitempty"`
	DecidedAt  time.Time        `bson:"when,omitempty"`
	Reason     string           `bson:"reason,omitempty"`
}

// The kinds and states of a ToDo.
const (
	ToDoTask     = "TASK"
	ToDoApproval = "APPROVAL"
	ToDoOverdue  = "OVERDUE"

	ToDoOpen    = "OPEN"
	ToDoDone    = "DONE"
	ToDoRefused = "REFUSED"
	ToDoGone    = "GONE" // the enrollment went on without it
)

// The collections of the package.
var (
	Journeys = store.Declare[Journey](store.Spec{
		Name: "journeys", Reach: store.ReachNobody,
		Data: map[string]core.Category{"name": core.None, "description": core.None},
	})
	Versions = store.Declare[Version](store.Spec{
		Name: "journey_versions", Reach: store.ReachNobody,
		Data: map[string]core.Category{"definition": core.Unclassified},
	})
	Enrollments = store.Declare[Enrollment](store.Spec{
		Name: "enrollments", Subject: "part", Reach: store.ReachFinder, // deleted together with what is added to the counts
		Data: map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{
			store.On("lane", "due").WithFewTies(), store.On("part").WithFewTies(), store.On("j", "-in"), store.On("j", "status", "-in"),
		},
	})
	Olders = store.Declare[Older](store.Spec{
		Name: "enrollment_trails", Subject: "part", Data: map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{store.On("part").WithFewTies()},
	})
	Triggers = store.Declare[Trigger](store.Spec{
		Name: "journey_triggers", Subject: "part", Data: map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{store.On("lane", "due").WithFewTies(), store.On("part").WithFewTies()},
	})
	Presences = store.Declare[Presence](store.Spec{
		Name: "journey_presences", Subject: "_id", Data: map[string]core.Category{"*": core.Behaviour},
	})
	Visits = store.Declare[Visit](store.Spec{
		Name: "journey_visits", Subject: "part", Data: map[string]core.Category{"*": core.Behaviour},
		Indexes: []store.Index{store.On("part").WithFewTies()},
	})
	ToDos = store.Declare[ToDo](store.Spec{
		Name: "journey_todos", Subject: "part",
		Data: map[string]core.Category{"title": core.FreeText, "note": core.FreeText, "reason": core.FreeText},
		Indexes: []store.Index{
			store.On("state", "-at"), store.On("enr").WithFewTies(), store.On("part").WithFewTies(), store.On("j", "state", "-at"),
		},
	})
)

// Specs lists the collections of the package.
func Specs() []*store.Spec {
	return []*store.Spec{
		Journeys.Spec, Versions.Spec, Enrollments.Spec, Olders.Spec, Triggers.Spec, Presences.Spec, Visits.Spec, ToDos.Spec, Secrets.Spec, secretUses.Spec,
	}
}

package privacy

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// RequestType is what a data subject asks for.
type RequestType string

// The types of requests.
const (
	Access        RequestType = "ACCESS"
	Portability   RequestType = "PORTABILITY"
	Rectification RequestType = "RECTIFICATION"
	Erasure       RequestType = "ERASURE"
	Restriction   RequestType = "RESTRICTION"
	Objection     RequestType = "OBJECTION"
)

// RequestStatus is where a request stands.
type RequestStatus string

// The statuses of requests; the last three are final.
const (
	Received             RequestStatus = "RECEIVED" // nothing was begun: it waits for a person, or for a legal hold to end
	InProgress           RequestStatus = "IN_PROGRESS"
	AwaitingDestinations RequestStatus = "AWAITING_DESTINATIONS" // done here, not yet everywhere
	Completed            RequestStatus = "COMPLETED"
	Refused              RequestStatus = "REFUSED"
	Failed               RequestStatus = "FAILED"
)

// Final reports whether the request is over.
func (s RequestStatus) Final() bool { return s == Completed || s == Refused || s == Failed }

// Request is what a data subject asked for and what became of it. It names the
// person by a keyed pseudonym and by ids that mean nothing once the person is erased.
type Request struct {
	store.Meta     `bson:",inline"` // key: workspace/dsr_…
	Type           RequestType      `bson:"type"`
	Status         RequestStatus    `bson:"status"`
	ReceivedAt     time.Time        `bson:"receivedAt"`
	DueAt          time.Time        `bson:"dueAt"`                // by when it is to be answered
	FirstDueAt     *time.Time       `bson:"firstDueAt,omitempty"` // one month after the receipt, where DueAt was moved
	ExtendedTo     *time.Time       `bson:"extendedTo,omitempty"` // DueAt, where it was moved
	Reason         string           `bson:"reason,omitempty"`     // as it was given; never a personal value
	VerifiedBy     string           `bson:"verifiedBy,omitempty"`
	Assignee       string           `bson:"assignee,omitempty"`
	RequestedBy    string           `bson:"requestedBy"`           // the actor who entered it
	Subject        string           `bson:"subject,omitempty"`     // psn_…: whose it is
	Profile        string           `bson:"profile,omitempty"`     // prof_…
	Tasks          []Task           `bson:"tasks,omitempty"`       // what is to be done, in order
	Job            string           `bson:"job,omitempty"`         // job_…
	Counts         []Count          `bson:"counts,omitempty"`      // what was deleted here
	ErasedAt       *time.Time       `bson:"erasedAt,omitempty"`    // of the mark
	CompletedAt    *time.Time       `bson:"completedAt,omitempty"` // of the end
	Receipt        *ErasureReceipt  `bson:"receipt,omitempty"`
	Handling       *Handling        `bson:"handling,omitempty"` // of requests that a Desk handles
	IdempotencyKey string           `bson:"idempotencyKey,omitempty"`
	Anonymise      bool             `bson:"anonymise,omitempty"` // of an erasure: what is nobody's is kept
}

// RequestID returns the request's id, dsr_….
func (r *Request) RequestID() string { return store.Rest(r.ID) }

// Workspace returns the workspace that the request belongs to.
func (r *Request) Workspace() string { return store.WorkspaceOf(r.ID) }

// MarshalBSON implements bson.Marshaler: beside the request it writes whether it is
// open, for the index over those that are.
func (r *Request) MarshalBSON() ([]byte, error) {
	type plain Request
	return bson.Marshal(struct {
		Request plain `bson:",inline"`
		Open    bool  `bson:"open"`
	}{plain(*r), r.Open()})
}

// Task is one thing to be done for a request, here or at a destination.
type Task struct {
	Target   string      `bson:"target"` // "headwater", "legal hold", or a destination's name
	Status   work.Status `bson:"status"`
	Evidence string      `bson:"evidence,omitempty"` // what proves it: a vendor's receipt, an error's reason
	At       *time.Time  `bson:"at,omitempty"`       // of the last word
	Ref      string      `bson:"ref,omitempty"`      // the destination's own name for the work
}

// Count is how many documents of a collection are a person's.
type Count struct {
	Collection string `bson:"collection"`
	Documents  int64  `bson:"documents"`
}

// ErasureReceipt proves an erasure. SignedNote is a note as golang.org/x/mod/sumdb/note
// has them, whose text is a line naming the format and a line of JSON (Statement).
type ErasureReceipt struct {
	SignedNote   string     `bson:"signedNote"`
	KeyID        string     `bson:"keyId"`
	Retained     []Retained `bson:"retained"`
	Destinations []Task     `bson:"destinations"`
}

// Retained is what an erasure cannot reach and time ends.
type Retained struct {
	Where string     `bson:"where" json:"where"`
	What  string     `bson:"what" json:"what"`
	Until *time.Time `bson:"until,omitempty" json:"until,omitempty"` // nil: the operator says how long
}

// Requests holds the requests of all types. It is no data of the subjects: their
// proof of what was done outlives them.
var Requests = store.Declare[Request](store.Spec{
	Name:  "privacy_requests",
	Data:  map[string]core.Category{"reason": core.FreeText},
	Reach: store.ReachNobody,
	Indexes: []store.Index{
		store.On("-receivedAt"),
		store.On("status", "dueAt"),
		store.On("open", "dueAt"),
		store.On("profile", "-receivedAt"),
		store.On("subject", "-receivedAt"),
	},
})

package sdk

import (
	"encoding/json"
	"time"
)

// Mode is one way in which a stream can be used.
type Mode string

// The modes.
const (
	PullFull    Mode = "pull.full"    // from the beginning each time
	PullChanges Mode = "pull.changes" // from a cursor
	PushUpsert  Mode = "push.upsert"
	PushDelete  Mode = "push.delete"
)

// Stream is a type of records at the vendor.
type Stream struct {
	Name   string          `json:"name"`   // as Pull and Upsert take it: "contacts"
	Title  string          `json:"title"`  // for people
	Schema json.RawMessage `json:"schema"` // JSON Schema of Record.Fields
	Modes  []Mode          `json:"modes"`
	// Keys lists the fields by which Upsert can find a record beside its id: "email".
	Keys []string `json:"keys,omitempty"`
	// Person says that a record is about a person, not a thing.
	Person bool `json:"person,omitempty"`
	// Relations lists where fields point to, by field: {"AccountId": "accounts"}.
	Relations map[string]string `json:"relations,omitempty"`
}

// Record is one thing at the vendor, as it is now.
type Record struct {
	ID      string         // the vendor's
	Fields  map[string]any // as encoding/json makes them, numbers as json.Number
	Deleted bool           // it is gone; Fields may be nil
	// Merged is the id of the record into which the vendor merged this one; Deleted is set.
	Merged    string
	UpdatedAt time.Time // the vendor's clock; zero when it does not say
}

// PullRequest says where a pull begins.
type PullRequest struct {
	Stream string
	Cursor []byte   // of the last page that was kept; nil begins at the beginning
	Fields []string // those that are mapped; nil for all
	// Since, without a cursor, passes over what did not change since then. Zero for all.
	Since time.Time
}

// Page is some records and where to go on after them.
type Page struct {
	Records []Record
	Events  []Event // things that happened, of streams that have such
	Cursor  []byte  // opaque, at most 64 KiB
	// Total is about how many records there will be; 0 when nobody knows.
	Total int64
	// Consents, Deliveries and Inbound are what a webhook would have told: withdrawals above
	// all. Each has a key that is the same when it comes again.
	Consents   []ConsentChange
	Deliveries []Delivery
	Inbound    []Inbound
}

// Batch is records to write into one stream.
type Batch struct {
	Stream string
	Items  []Item
	// Bulk allows the slow way for many that the vendor offers.
	Bulk bool
}

// Item is one record to write.
type Item struct {
	// Key stays the same when the same change is written again; at most 64 characters.
	Key string
	// ID is the vendor's id when it is known; else the record is found by the field Match
	// (one of Stream.Keys), or made.
	ID     string
	Match  string
	Fields map[string]any // nil clears a field; what is not named stays
	Delete bool
}

// Outcome is what became of an item.
type Outcome string

// The outcomes.
const (
	Created   Outcome = "CREATED"
	Updated   Outcome = "UPDATED"
	Unchanged Outcome = "UNCHANGED"
	Deleted   Outcome = "DELETED"
	Accepted  Outcome = "ACCEPTED" // the vendor took it and works on it
)

// Result is what became of one item.
type Result struct {
	ID      string // the vendor's id, when it said
	Outcome Outcome
	// UpdatedAt is the vendor's time of this write, by which an echo of it is known.
	UpdatedAt time.Time
	Fault     *Fault // nil when it is written
}

// Subject is how a vendor knows a person.
type Subject struct {
	Key         string            // stays the same for one erasure
	IDs         map[string]string // vendor's ids by stream
	Identifiers map[string]string // by namespace: "email", "phone" (E.164), "externalId"
}

// EraseReceipt is the vendor's answer to an erasure.
type EraseReceipt struct {
	Done   bool   // false: ask again after Retry
	Known  bool   // the vendor had somebody
	Ref    string // the vendor's own number of the request; no personal value
	Retry  time.Duration
	Detail string // what was and was not deleted, in words; no personal value
	Erased time.Time
}

// ListChange moves people in and out of one list.
type ListChange struct {
	List   string // the vendor's id; "" when it is not known yet
	Name   string
	Add    []Item
	Remove []Item
}

// ListResult is what became of a ListChange.
type ListResult struct {
	List    string   // the vendor's id
	Results []Result // of Add, then of Remove
}

// Event is something that happened.
type Event struct {
	Key         string // the same when it comes or goes again
	Name        string // "Order Completed"
	At          time.Time
	IDs         map[string]string // vendor's ids by stream
	Identifiers map[string]string // by namespace
	Properties  map[string]any
}

// ConsentChange is what a person decided, or what a vendor tells of it.
type ConsentChange struct {
	Key         string
	Identifiers map[string]string
	Channel     string // EMAIL, SMS, …
	Granted     bool
	// Fresh says that the person agreed after the last withdrawal the host knows of: only
	// then may a vendor's own suppression be lifted.
	Fresh  bool
	At     time.Time
	Source string // how it was given: "form", "STOP reply"; a word, no personal value
	List   string // where the vendor keeps consents by list
	// Reason says why, of what a vendor tells that is not granted: one of the reasons below;
	// "" is ReasonUnsubscribe.
	Reason string
}

// Why nothing is sent to somebody any more.
const (
	ReasonUnsubscribe = "UNSUBSCRIBE" // they said so
	ReasonStopWord    = "STOP_WORD"   // they answered STOP
	ReasonComplaint   = "COMPLAINT"   // they marked it as spam
	ReasonManual      = "MANUAL"      // somebody at the vendor's did it
	ReasonHardBounce  = "HARD_BOUNCE" // the address does not exist; nobody decided anything
)

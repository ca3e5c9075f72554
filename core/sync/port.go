package sync

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// Host runs connectors, each connection in a process of its own. internal/pluginhost
// implements it. Its methods may be called from several goroutines.
type Host interface {
	// Connectors lists what is installed here, sorted by name; of one name only the
	// version that runs. It runs nothing.
	Connectors() []Connector
	// Dial returns the instance of a connection, whose process is started when there is
	// none or when Dial.Version is another than that of the running one (the old one is
	// drained). It costs little when there is one. The instance stays good for ever: each
	// call starts the process again when it died, or says FaultCrashed or FaultCrashLoop
	// with the time until then. The error is a *Fault.
	Dial(ctx context.Context, d Dial) (Instance, error)
	// Drop ends a connection's process, if it runs here, once its calls are over.
	Drop(key string)
	// Process says how a connection's process is. It starts nothing.
	Process(key string) Process
}

// Dial is a connection to be run.
type Dial struct {
	Key       string // workspace/cnn_…: one process for each
	Connector string // its name
	Version   int64  // of the connection: another one has another configuration
	Config    []byte // a JSON object that fits the connector's schema, secrets in clear
	// Hosts lists where the process may connect to, as Connector.Hosts has it with what
	// stands in the configuration put in; Private says that addresses of this machine and of
	// private networks are allowed.
	Hosts   []string
	Private bool
	// SaveSecret stores a new value of a secret property. It may be called while a
	// call of the instance runs, and after it.
	SaveSecret func(ctx context.Context, property, value string) error
	// Rate hears what the vendor said of its limits with an answer; nil: nobody listens.
	// It must not block.
	Rate func(RateHint)
}

// Process is how the process of a connection is.
type Process struct {
	State    ProcessState
	Restarts int       // since it last ran for a while
	Fault    *Fault    // why it ended; nil while it runs well
	Next     time.Time // when it may be started again; zero: at once
}

// ProcessState is a word for it.
type ProcessState string

// The states.
const (
	ProcessStopped   ProcessState = "STOPPED" // nobody asked for it yet, or it was dropped
	ProcessRunning   ProcessState = "RUNNING"
	ProcessWaiting   ProcessState = "WAITING"    // it ended, and may start again at Next
	ProcessCrashLoop ProcessState = "CRASH_LOOP" // it ends again and again
)

// RateHint is what a vendor said of its limits in its last answer.
type RateHint struct {
	Limit     int           // requests in a window; 0 when it does not say
	Remaining int           // of them
	Window    time.Duration // 0 when it does not say
	Reset     time.Duration // until Remaining is Limit again
}

// Connector is a connector that is installed.
type Connector struct {
	Name         string
	Version      string
	Title        string
	Description  string
	Protocol     int
	Kinds        []string        // source, destination, channel
	ConfigSchema json.RawMessage // JSON Schema; "writeOnly" marks secrets
	Capabilities []string        // one of the constants below each
	Channels     []string        // of a channel: EMAIL, SMS, …
	Limits       Limits
	Hosts        []string        // "api.vendor.com", "*.vendor.com", "config:PROPERTY"
	Categories   []core.Category // of data that passes through it
	Processor    Vendor
	OAuth        bool
	Webhooks     bool
	SHA256       string // of the binary
	SignedBy     string // name of the key that signed it; "" for nobody
}

// The capabilities.
const (
	CanPull        = "pull"
	CanReceive     = "receive"
	CanUpsert      = "upsert"
	CanDelete      = "delete"
	CanLists       = "lists"
	CanForward     = "events"
	CanConsents    = "consents"
	CanErase       = "erase"
	CanSend        = "send"
	CanStatus      = "status"
	DedupesUpserts = "dedupe.upsert"
	DedupesEvents  = "dedupe.events"
	DedupesSends   = "dedupe.send"
)

// Can reports whether the connector has a capability.
func (c *Connector) Can(capability string) bool {
	for _, have := range c.Capabilities {
		if have == capability {
			return true
		}
	}
	return false
}

// Limits are what a connector takes at once. 0 leaves it to us.
type Limits struct {
	BatchItems  int
	BatchBytes  int
	Concurrency int
}

// Vendor is the company that gets the data, as the connector says it.
type Vendor struct {
	Name    string
	Country string
	URL     string // of its data processing agreement
}

// Instance is a connection that runs. Every error is a *Fault; a method whose capability the
// connector lacks returns FaultUnsupported. Calls end with their context.
type Instance interface {
	Check(ctx context.Context) error
	Discover(ctx context.Context) ([]Stream, error)
	// Pull gives emit page after page, and ends with emit's error when it returns one.
	Pull(ctx context.Context, from PullRequest, emit func(Page) error) error
	Receive(ctx context.Context, hook Webhook) (Received, error)
	// Upsert, Forward and SetConsents return a result for each item, in their order.
	Upsert(ctx context.Context, batch Batch) ([]Result, error)
	// Members gives results first for Add, then for Remove.
	Members(ctx context.Context, change ListChange) (ListResult, error)
	Forward(ctx context.Context, events []Event) ([]Result, error)
	SetConsents(ctx context.Context, changes []ConsentChange) ([]Result, error)
	// Erase is called again with the same key until the receipt says that it is done.
	Erase(ctx context.Context, subject Subject) (EraseReceipt, error)
	Send(ctx context.Context, m Message) (Sent, error)
	Status(ctx context.Context, id, key string) (Delivery, error)
	AuthorizeURL(ctx context.Context, redirectURL, state, challenge string) (string, error)
	// Exchange turns what came back into secrets of the configuration, by property.
	Exchange(ctx context.Context, code, redirectURL, verifier string) (map[string]string, error)
	// Upgrade brings what an older version of the connector stored into the form of this one.
	// It is FaultUnsupported where nothing is to be done.
	Upgrade(ctx context.Context, from Stored) (Stored, error)
}

// Stored is what is kept of a connection.
type Stored struct {
	Version string // of the connector that wrote it
	Config  []byte
	Cursors map[string][]byte // by stream
}

// The modes of a stream.
const (
	PullFull    = "pull.full"
	PullChanges = "pull.changes"
	PushUpsert  = "push.upsert"
	PushDelete  = "push.delete"
)

// Stream is a type of records at the vendor.
type Stream struct {
	Name      string
	Title     string
	Schema    json.RawMessage // JSON Schema of Record.Fields
	Modes     []string
	Keys      []string // fields by which Upsert can find a record
	Person    bool     // a record is about a person
	Relations map[string]string
}

// Record is one thing at the vendor, as it is now.
type Record struct {
	ID        string
	Fields    map[string]any // as encoding/json makes them, numbers as json.Number
	Deleted   bool
	Merged    string    // the id into which the vendor merged this one
	UpdatedAt time.Time // the vendor's clock; zero when it does not say
}

// PullRequest says where a pull begins.
type PullRequest struct {
	Stream string
	Cursor []byte
	Fields []string // nil for all
	Since  time.Time
}

// Page is some records and where to go on after them.
type Page struct {
	Records    []Record
	Events     []Event
	Cursor     []byte
	Total      int64
	Consents   []ConsentChange
	Deliveries []Delivery
	Inbound    []Inbound
}

// Batch is records to write into one stream.
type Batch struct {
	Stream string
	Items  []Item
	Bulk   bool
}

// Item is one record to write.
type Item struct {
	Key    string // at most 64 characters, the same for the same change
	ID     string // the vendor's, when known; else the record is found by the field Match, or made
	Match  string
	Fields map[string]any // nil clears a field
	Delete bool
}

// The outcomes of an item.
const (
	Created   = "CREATED"
	Updated   = "UPDATED"
	Unchanged = "UNCHANGED"
	Deleted   = "DELETED"
	Accepted  = "ACCEPTED"
)

// Result is what became of one item.
type Result struct {
	ID        string
	Outcome   string
	UpdatedAt time.Time
	Fault     *Fault // nil when it is written
}

// Subject is how a vendor knows a person.
type Subject struct {
	Key         string
	IDs         map[string]string // vendor's ids by stream
	Identifiers map[string]string // by namespace
}

// EraseReceipt is the vendor's answer to an erasure.
type EraseReceipt struct {
	Done   bool
	Known  bool
	Ref    string
	Retry  time.Duration
	Detail string
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
	List    string
	Results []Result
}

// Event is something that happened.
type Event struct {
	Key         string
	Name        string
	At          time.Time
	IDs         map[string]string // vendor's ids by stream
	Identifiers map[string]string // by namespace
	Properties  map[string]any
}

// ConsentChange is what a person decided, or what a vendor tells of it.
type ConsentChange struct {
	Key         string
	Identifiers map[string]string
	Channel     string
	Granted     bool
	Fresh       bool // they agreed after the last withdrawal that we know of
	At          time.Time
	Source      string
	List        string
	Reason      string // of what a vendor tells that is not granted: see below; "" is ReasonUnsubscribe
}

// Why nothing is sent to somebody any more, as vendors tell it.
const (
	ReasonUnsubscribe = "UNSUBSCRIBE"
	ReasonStopWord    = "STOP_WORD"
	ReasonComplaint   = "COMPLAINT"
	ReasonManual      = "MANUAL"
	ReasonHardBounce  = "HARD_BOUNCE" // the address does not exist; nobody decided anything
)

// Message is one message for one person.
type Message struct {
	Key         string
	Channel     string
	To          string
	From        string
	ReplyTo     string
	Subject     string
	HTML        string
	Text        string
	Headers     map[string]string
	Media       []string
	CallbackURL string
	Tags        map[string]string
}

// Sent says that the vendor took a message.
type Sent struct {
	ID       string
	State    string // as Delivery.State
	Segments int
}

// Delivery is a report on a message.
type Delivery struct {
	Event  string // the same when this report comes again; never "" in Options.Reports
	ID     string // the vendor's id of the message, as Sent.ID; "" when it told Key alone
	Key    string // Message.Key, where the vendor carried it; "" else
	State  string // one of the states below; a later connector may have others
	Reason string // the vendor's code, and what it means; no personal value
	At     time.Time
}

// The states of a message.
const (
	DeliveryQueued       = "QUEUED"
	DeliverySent         = "SENT"
	DeliveryDelivered    = "DELIVERED"
	DeliveryOpened       = "OPENED"
	DeliveryClicked      = "CLICKED"
	DeliverySoftBounced  = "SOFT_BOUNCED"
	DeliveryHardBounced  = "HARD_BOUNCED"
	DeliveryComplained   = "COMPLAINED"
	DeliveryUnsubscribed = "UNSUBSCRIBED"
	DeliveryFailed       = "FAILED"
	DeliveryUnknown      = "UNKNOWN"
)

// The classes of bounces.
const (
	BounceHard = "HARD" // the address does not exist: nothing goes there again
	BounceSoft = "SOFT" // not now: a full mailbox, a phone that is off
)

// Bounce returns the class of a bounce; "" of a report that is of none.
func (d Delivery) Bounce() string {
	switch d.State {
	case DeliveryHardBounced:
		return BounceHard
	case DeliverySoftBounced:
		return BounceSoft
	}
	return ""
}

// Inbound is a message from a person.
type Inbound struct {
	ID      string // the vendor's, the same when it comes again; never "" in Options.Reports
	Channel string // EMAIL, SMS, …
	From    string // address or E.164 number of the person
	To      string // ours
	Text    string
	ReplyTo string // the vendor's id of the message that it answers; "" when it does not say
	At      time.Time
}

// Webhook is a request that a vendor made.
type Webhook struct {
	Method string
	URL    string
	Header http.Header
	Body   []byte
	At     time.Time
}

// Received is what a webhook says, and how to answer it.
type Received struct {
	Status     int // 0 for 200
	Header     http.Header
	Body       []byte
	Records    []StreamRecord
	Events     []Event
	Deliveries []Delivery
	Inbound    []Inbound
	Consents   []ConsentChange
	Pull       []string // streams in which something changed that the webhook does not hold
}

// StreamRecord is a record that came by itself. Key stays the same when it comes again.
type StreamRecord struct {
	Key    string
	Stream string
	Record Record
}

package journey

import (
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

// Definition is a journey as its author writes it: nodes that edges join. What Parse
// and Check return is sound; nothing else may be compiled.
type Definition struct {
	TimeZone     string // IANA name: of people who have none of their own
	Nodes        []*Node
	Edges        []Edge
	Reentry      Reentry
	ReentryAfter *condition.Period // after somebody last entered; only with AFTER
	Key          string            // path in the properties of the entering event: each value is an enrollment of its own
	ExitWhen     *condition.Node   // of what happened since the person entered; ends the enrollment
	Goal         *condition.Node   // the same, as a success
	OnOverdue    Overdue
	OverdueAfter condition.Period // how late a step may come before OnOverdue counts; one hour unless given
}

// Node is one step of the drawing. Its ID is the author's and stays the same across
// versions.
type Node struct {
	ID   string
	Name string // "" for none
	Step Step
}

// Edge leads from a node to the next. On is "next", "timeout", "else", or the name
// of one of the node's arms.
type Edge struct{ From, To, On string }

// The names of edges that are not arms.
const (
	OnNext    = "next"
	OnTimeout = "timeout"
	OnElse    = "else"
)

// Reentry says whether somebody may enter again. Nobody ever stands in a journey
// twice at once with the same key.
type Reentry string

// The policies.
const (
	Once   Reentry = "ONCE"
	After  Reentry = "AFTER"
	Always Reentry = "ALWAYS"
)

// Overdue says what becomes of messages that are due long ago, since the journey
// was paused or nothing ran.
type Overdue string

// The policies.
const (
	OverdueSkip Overdue = "SKIP"
	OverdueSend Overdue = "SEND"
	OverdueAsk  Overdue = "ASK" // hold the enrollment until somebody says
)

// Step is what a node does. Exactly one field is set; Kind names it.
type Step struct {
	Entry        *Entry
	Message      *Message
	Wait         *Wait
	Branch       []Arm // the first whose condition holds, else the edge "else"
	Split        *Split
	Holdout      *Split // who falls to an arm without an edge is kept out
	UpdateTrait  *UpdateTrait
	UpsertObject *UpsertObject
	Webhook      *Webhook
	Coupon       *Coupon // edges next, and else for an empty pool
	Points       *Points
	Score        *Score
	Task         *Task
	Approval     *Approval       // edges next (approved), else (refused), and timeout with a timeout
	SubJourney   string          // jrn_…; goes on when the person's enrollment there has ended
	Goal         *condition.Node // edges next when it holds (none: the enrollment ends as a success), else
	Exit         bool
}

// Entry is a way in. Exactly one field is set.
type Entry struct {
	Event          *condition.Event // each event that matches; with a count or window, when those hold as well
	SegmentEntered string           // seg_…
	SegmentLeft    string
	Date           *condition.Predicate // of the traits: when it comes to hold
	Object         *condition.Object    // when a record of the type changes and it holds
	API            bool
	List           string // seg_…: when somebody is put on it
}

// Message sends something.
type Message struct {
	Template string // tpl_…
	Channel  string // one of consent.Channels
	Purpose  string
	Priority int
	Quiet    string // DEFER, SKIP or SEND
}

// Wait goes on at a later time. Exactly one of Duration, Until, LocalTime, Best, Trait
// and Event is set.
type Wait struct {
	Duration  *condition.Period
	Until     time.Time // already past: at once
	LocalTime string    // "HH:MM" where the person is: its next occurrence
	Best      *BestTime
	Trait     string // path of a trait that holds a time or a date; none, or past: at once, by "else" where there is that edge
	Event     *condition.Event
	Timeout   *condition.Period // with Event: edges next and timeout
}

// BestTime waits for the hour of their day at which the person is likeliest to take up what
// they are sent.
type BestTime struct {
	Within    *condition.Period // in which the best of the hours is taken: 1 hour to 7 days
	LocalTime string            // "HH:MM" where the person is, while nothing is known of hours: its next occurrence
}

// Arm is a way on. A branch's arms have Where, those of a split Weight.
type Arm struct {
	Name   string
	Where  *condition.Node
	Weight int // all of a split make 100, or 10,000
}

// Split spreads people over arms by a hash of Salt and the profile's id.
type Split struct {
	Salt string
	Arms []Arm
}

// UpdateTrait writes one trait of the person. Nil clears it.
type UpdateTrait struct {
	Path  string
	Value any // JSON, whose texts may hold placeholders: see Fill
}

// UpsertObject writes a record that is related to the person.
type UpsertObject struct {
	Type       string
	ExternalID string         // with placeholders
	Relation   string         // the label of the relation; "" is the type's only one
	Fields     map[string]any // JSON with placeholders
}

// Webhook sends JSON to an address.
type Webhook struct {
	URL     string            // https; no placeholders in the host
	Headers map[string]string // with placeholders
	Body    any               // JSON with placeholders; nil sends the entering event
	Secret  string            // name of a stored secret that signs the body (see Secret), "" for the workspace's own; never the secret
}

// Coupon takes a code out of a pool for the person. Later messages can show it.
type Coupon struct {
	Pool         string
	ExpiresAfter *condition.Period // nil: as the pool says
}

// Points adds to the person's balance, or takes from it.
type Points struct {
	Amount int64
	Reason string
}

// Score changes a lead score. Exactly one of Rule and Points is set.
type Score struct {
	Rule   string // key of a scoring rule
	Points int64
	Reason string // with Points
}

// Task asks a person of the company to do something. The journey goes on at once.
type Task struct {
	Title    string // with placeholders
	Note     string
	Assignee string            // mem_… or the name of a role
	DueAfter *condition.Period // nil: no date
}

// Approval waits until somebody with the role has said yes or no.
type Approval struct {
	Role    string
	Note    string
	Timeout *condition.Period // nil: waits for ever
}

// The limits of a definition.
const (
	MaxNodes      = 500
	MaxArms       = 20
	MaxLongest    = 5 * 366 * 24 * time.Hour // of a wait
	MaxIDLength   = 64
	MaxDefinition = 1 << 20 // bytes of its canonical JSON
)

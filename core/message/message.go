package message

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/consent"
	"github.com/headwater-cdp/headwater/core/store"
)

// The channels, as core/consent names them.
const (
	Email   = consent.Email
	SMS     = consent.SMS
	Push    = consent.Push
	WebChat = consent.WebChat
	InApp   = consent.InApp
	Webhook = consent.Webhook
)

// Status is where a message stands.
type Status string

// The statuses.
const (
	Pending       Status = "PENDING"       // due at its time
	Deferred      Status = "DEFERRED"      // put off: quiet hours, a cap
	Held          Status = "HELD"          // something stands in its way that somebody has to mend
	Handed        Status = "HANDED"        // with the channel, which has not answered yet
	Skipped       Status = "SKIPPED"       // not sent: a check said no
	Cancelled     Status = "CANCELLED"     // not sent: whoever it was for, or decided it, ended it
	Sent          Status = "SENT"          // the channel took it
	Delivered     Status = "DELIVERED"     // it arrived
	Bounced       Status = "BOUNCED"       // it did not arrive
	Failed        Status = "FAILED"        // the channel refused it
	Indeterminate Status = "INDETERMINATE" // nobody knows whether the channel took it
)

// Statuses lists them.
func Statuses() []Status {
	return []Status{Pending, Deferred, Held, Handed, Skipped, Cancelled, Sent, Delivered, Bounced, Failed, Indeterminate}
}

// Over reports whether nothing is sent any more by itself.
func (s Status) Over() bool {
	switch s {
	case Pending, Deferred, Held, Handed:
		return false
	}
	return true
}

// SendCheck is a question that is asked before a hand-off.
type SendCheck string

// The checks, in the order in which they are asked.
const (
	CheckTemplate    SendCheck = "TEMPLATE"
	CheckChannel     SendCheck = "CHANNEL"
	CheckConsent     SendCheck = "CONSENT"
	CheckSuppression SendCheck = "SUPPRESSION"
	CheckCap         SendCheck = "CAP"
	CheckQuiet       SendCheck = "QUIET_HOURS"
	CheckApproval    SendCheck = "APPROVAL"
	CheckSwitch      SendCheck = "KILL_SWITCH"
)

// SendChecks lists them.
func SendChecks() []SendCheck {
	return []SendCheck{CheckTemplate, CheckChannel, CheckConsent, CheckSuppression, CheckCap, CheckQuiet, CheckApproval, CheckSwitch}
}

// Check is the answer to one question.
type Check struct {
	Check   SendCheck `bson:"c"`
	Passed  bool      `bson:"p"`
	Reason  string    `bson:"r"` // a stable word
	At      time.Time `bson:"t"`
	Receipt string    `bson:"i,omitempty"` // rcp_…, of CONSENT
}

// The kinds of Happened.
const (
	WasSent         = "SENT"
	WasDelivered    = "DELIVERED"
	WasOpened       = "OPENED"
	WasClicked      = "CLICKED"
	WasBounced      = "BOUNCED"
	WasComplained   = "COMPLAINED"
	WasReplied      = "REPLIED"
	WasUnsubscribed = "UNSUBSCRIBED"
)

// Happened is something that became of a message.
type Happened struct {
	Type  string    `bson:"e"`
	At    time.Time `bson:"t"`
	Kind  string    `bson:"k,omitempty"` // of BOUNCED: SOFT or HARD
	Why   string    `bson:"w,omitempty"` // the channel's own word; no personal value
	Link  string    `bson:"l,omitempty"` // of CLICKED: the number of the link in the message
	Bot   string    `bson:"b,omitempty"` // of OPENED and CLICKED: why it was no person; "" for one
	ByKey string    `bson:"i,omitempty"` // the report that said so
}

// Attempt is one hand-off.
type Attempt struct {
	Number     int64     `bson:"n"`
	Connection string    `bson:"c,omitempty"` // cnn_…; "" of a channel of our own
	At         time.Time `bson:"t"`
	Until      time.Time `bson:"u"`           // nobody else touches it before
	Fault      string    `bson:"f,omitempty"` // the word of what went wrong
	Origin     string    `bson:"o,omitempty"` // whose fault it was
}

// Message is something that we send to one person.
type Message struct {
	store.Meta      `bson:",inline"` // key: workspace/msg_…
	Part            string           `bson:"part,omitempty"` // prof_… at the time; the person who has it now is looked up
	Channel         string           `bson:"channel"`
	Purpose         string           `bson:"purpose"`
	Template        string           `bson:"template,omitempty"`
	TemplateVersion int64            `bson:"tv,omitempty"` // 0 until it was rendered
	Journey         string           `bson:"journey,omitempty"`
	JourneyVersion  int64            `bson:"jv,omitempty"`
	Enrollment      string           `bson:"enrollment,omitempty"`
	Node            string           `bson:"node,omitempty"`
	Campaign        string           `bson:"campaign,omitempty"`
	Arm             string           `bson:"arm,omitempty"`
	Priority        int64            `bson:"prio,omitempty"`
	Quiet           string           `bson:"quiet,omitempty"`
	Data            bson.Raw         `bson:"data,omitempty"`   // what the template reads beside the profile; gone when it is over
	Coupon          int64            `bson:"coupon,omitempty"` // the visit of the enrollment by which it shows a coupon
	Goal            bool             `bson:"goal,omitempty"`   // whether its goal is its journey's
	To              []byte           `bson:"to,omitempty"`     // sealed; gone when it is over
	Test            bool             `bson:"test,omitempty"`
	At              time.Time        `bson:"at"` // when it was decided

	Status   Status    `bson:"status"`
	Lane     string    `bson:"lane,omitempty"` // CHANNEL.shard, while anything may still become of it by itself
	Due      time.Time `bson:"due,omitempty"`  // with Lane, unless it is held: when it is looked at
	NotBefor time.Time `bson:"nb,omitempty"`   // as it was decided
	Hold     string    `bson:"hold,omitempty"` // of HELD: what it waits for
	Flight   time.Time `bson:"flight,omitempty"`
	Reason   string    `bson:"reason,omitempty"` // why it stands where it stands
	Checks   []Check   `bson:"checks,omitempty"`
	Attempt  *Attempt  `bson:"attempt,omitempty"`
	Tries    int64     `bson:"tries,omitempty"`
	Lost     int64     `bson:"lost,omitempty"`  // hand-offs of which nobody has said anything
	Polls    int64     `bson:"polls,omitempty"` // how often its channel was asked
	Ref      string    `bson:"ref,omitempty"`   // connection/the channel's own id of it
	Segments int64     `bson:"segs,omitempty"`

	Timeline []Happened `bson:"tl,omitempty"`
	Opens    int64      `bson:"opens,omitempty"`    // by people
	Clicks   int64      `bson:"clicks,omitempty"`   // by people
	Bots     int64      `bson:"bots,omitempty"`     // opens and clicks that were no person's
	Softs    int64      `bson:"softs,omitempty"`    // soft bounces
	Links    []string   `bson:"links,omitempty"`    // digests of the links that a person clicked
	Attained bool       `bson:"attained,omitempty"` // with Goal: the person came to it after this left
	Resolved string     `bson:"resolved,omitempty"`
	OverAt   time.Time  `bson:"over,omitempty"`
}

// MessageID returns its id, msg_….
func (m *Message) MessageID() string { return store.Rest(m.ID) }

// NeverLeft reports whether a message ended without any channel ever having had it. One that
// was handed over and sent back may have been read on the way.
func (m *Message) NeverLeft() bool {
	inside := m.Channel == InApp || m.Channel == WebChat // it leaves with the commit that says so
	return (m.Status == Skipped || m.Status == Cancelled) && (m.Attempt == nil || inside)
}

// Workspace returns the workspace that it belongs to.
func (m *Message) Workspace() string { return store.WorkspaceOf(m.ID) }

// Messages holds them.
var Messages = store.Declare[Message](store.Spec{
	Name: "messages", Subject: "part",
	Data: map[string]core.Category{
		"channel": core.Behaviour, "purpose": core.Consent, "status": core.Behaviour, "tl": core.Behaviour, "checks": core.Consent,
		"data": core.Unclassified, "to": core.Contact, "template": core.Behaviour,
	},
	Indexes: []store.Index{
		store.On("lane", "due").WithFewTies(), // what is due
		store.On("lane", "hold"),              // what waits for something
		store.On("part", "-at").WithFewTies(),
		store.On("part", "flight"), // in flight
		store.On("status", "-at").WithFewTies(),
		store.On("journey", "-at").WithFewTies(),
		store.On("enrollment", "-at").WithFewTies(),
		store.On("campaign", "-at").WithFewTies(),
		store.On("ref"), // reports name the channel's id
		store.On("-at").WithFewTies(),
	},
})

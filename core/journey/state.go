package journey

import (
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/predict/sendhour"
)

// Status is where an enrollment stands.
type Status string

// The statuses. Active and those of waiting are live; the others are final.
const (
	Active      Status = "ACTIVE"       // can step at Due, which has come or comes at once
	Waiting     Status = "WAITING"      // until Due, or an event, or an answer: see State.For
	GoalReached Status = "GOAL_REACHED" // by the journey's goal or a goal node
	Exited      Status = "EXITED"       // by exitWhen
	Completed   Status = "COMPLETED"    // came to an end of the drawing
	HeldOut     Status = "HELD_OUT"     // kept out by a holdout
)

// Live tells whether an enrollment with the status may step again.
func (s Status) Live() bool { return s == Active || s == Waiting }

// Await says what an enrollment with status Waiting waits for.
type Await string

// What is waited for. ForTime, ForEvent and ForCoupon have a Due, and ForApproval can
// have one; ForSubJourney and ForOverdue wait for Input.Answer only.
const (
	ForTime       Await = "TIME"
	ForEvent      Await = "EVENT"    // one that Program.Listens names; Due is the timeout
	ForCoupon     Await = "COUPON"   // the service takes it at once and steps again; a step without an answer asks again
	ForApproval   Await = "APPROVAL" // of a person; Due is the timeout, zero for none
	ForSubJourney Await = "SUB_JOURNEY"
	ForOverdue    Await = "OVERDUE" // somebody says whether what is overdue is still sent
)

// State is where an enrollment stands: all that a step needs to know of what was
// before. The tags are short, for a million of them lie in the store.
type State struct {
	Status  Status            `bson:"st"`
	For     Await             `bson:"w,omitempty"`
	Node    string            `bson:"n"`             // where it stands; not passed yet
	Visit   int64             `bson:"v"`             // nodes come to so far: with the node the key of what is done there, once
	Began   time.Time         `bson:"b"`             // when what made the person enter happened
	Came    time.Time         `bson:"c"`             // to the node
	Due     time.Time         `bson:"due,omitempty"` // when it steps by itself; zero: never
	Arms    map[string]string `bson:"a,omitempty"`   // of splits and holdouts that were passed, by node
	Arm     string            `bson:"r,omitempty"`   // of the last split that was passed
	Coupons []Held            `bson:"p,omitempty"`   // in the order in which they came
	Told    bool              `bson:"o,omitempty"`   // Active, and that it came to the node was told already
	Late    Overdue           `bson:"l,omitempty"`   // the present run is overdue, and this becomes of its messages
	Turned  time.Time         `bson:"t,omitempty"`   // when a wait for a time of day was left last, or a message sent: that time of day has had its turn
}

// Held is a coupon that the person has from this enrollment.
type Held struct {
	Node      string    `bson:"n"`
	Visit     int64     `bson:"v,omitempty"` // at which it was taken; 0 of those that earlier releases took
	Code      string    `bson:"c"`
	ExpiresAt time.Time `bson:"x,omitempty"`
	Out       bool      `bson:"o,omitempty"` // a call, a record, a trait or a task was given it
}

// Input is what one step sees. It is not changed.
type Input struct {
	Now   time.Time
	Facts condition.Facts // for the programs that Program.Conditions names
	// Event is the event by which the person entered, nil when there is none. It is needed
	// where Program.WantsEvent.
	Event *event.Event
	// Woke is an event that Program.Listens says may matter, nil when it was time or an
	// answer that woke the enrollment.
	Woke *event.Event
	// Answer is what the service was asked for: see State.For.
	Answer *Answer
	// Hours is what is known of the person's hours, where Program.WantsHours; nil: nothing.
	Hours *sendhour.Advice
	// Enrollment is enr_…, for placeholders; may be "".
	Enrollment string
}

// Answer is what comes of something that an enrollment waits for. It counts only
// while the enrollment waits for just that.
type Answer struct {
	For      Await
	Visit    int64     // State.Visit as it was asked
	OK       bool      // COUPON: there was one; APPROVAL: approved; OVERDUE: send; SUB_JOURNEY: no matter
	Code     string    // COUPON
	Expires  time.Time // COUPON; zero: never
	Decision string    // who or what answered, for the trail: mem_…, a reason; may be ""
}

// Outcome is what came of a step.
type Outcome struct {
	State   State
	Effects []Effect // in order; each has its own key (Node, Visit)
	Trail   []Passage
}

// Effect is something to be done in the commit of the step. Exactly one of the
// pointers is set. The same effect comes again only when the same step is computed
// again, with the same Node and Visit.
type Effect struct {
	Node    string
	Visit   int64
	Message *SendMessage
	Trait   *SetTrait
	Object  *PutObject
	Webhook *CallWebhook
	Coupon  *TakeCoupon // take one, then step with an Answer for COUPON
	Points  *Points
	Score   *Score
	Task    *CreateTask
	Approve *AskApproval   // ask, then step with an Answer for APPROVAL
	Sub     *StartJourney  // start, then step with an Answer for SUB_JOURNEY when it has ended
	Overdue *OverdueAsking // ask, then step with an Answer for OVERDUE
}

// SendMessage queues a message.
type SendMessage struct {
	Template, Channel, Purpose, Quiet string
	Priority                          int
	Arm                               string // of the last split that was passed; "" for none
	Coupon                            *Held  // the latest that the person got in this enrollment
}

// SetTrait writes a trait; a nil Value clears it.
type SetTrait struct {
	Path  string
	Value any // JSON
}

// PutObject writes a record.
type PutObject struct {
	Type, ExternalID, Relation string
	Fields                     map[string]any // JSON
}

// CallWebhook sends JSON.
type CallWebhook struct {
	URL     string
	Headers map[string]string
	Body    any    // JSON; nil: the entering event
	Secret  string // reference
}

// TakeCoupon takes a code. Expires is zero where the pool decides.
type TakeCoupon struct {
	Pool    string
	Expires time.Time
}

// CreateTask asks a person to do something.
type CreateTask struct {
	Title, Note, Assignee string
	Due                   time.Time // zero: no date
}

// AskApproval asks for a yes.
type AskApproval struct {
	Role, Note string
	Until      time.Time // zero: for ever
}

// StartJourney takes the person into another journey.
type StartJourney struct{ Journey string }

// OverdueAsking asks whether a message that was due long ago is still sent. Since is
// when that was noticed.
type OverdueAsking struct{ Since time.Time }

// Passage is a line of an enrollment's history.
type Passage struct {
	Node   string    `bson:"n" json:"node"`
	Visit  int64     `bson:"v" json:"visit"`
	At     time.Time `bson:"t" json:"at"`
	Came   bool      `bson:"c,omitempty" json:"came,omitempty"` // came to the node with this line: count as entered
	Left   bool      `bson:"l,omitempty" json:"left,omitempty"` // and left it, or ended there: count as left
	Did    string    `bson:"d" json:"did"`                      // one of the Did… words
	On     string    `bson:"o,omitempty" json:"on,omitempty"`   // the edge that it left by; "" at an end
	Detail string    `bson:"x,omitempty" json:"detail,omitempty"`
}

// didSend is what earlier releases stored for DidQueue.
const didSend = "SENT"

// What a passage tells.
const (
	DidEnter   = "ENTERED"
	DidQueue   = "QUEUED" // a message: what became of it the message tells
	DidSkip    = "SKIPPED"
	DidWait    = "WAITS"
	DidGoOn    = "WENT_ON" // after a wait
	DidChoose  = "CHOSE"   // a branch's or split's arm
	DidAct     = "ACTED"   // an effect
	DidAsk     = "ASKED"
	DidAnswer  = "ANSWERED"
	DidReach   = "REACHED_GOAL"
	DidExit    = "EXITED"
	DidEnd     = "ENDED"
	DidHoldOut = "HELD_OUT"
)

package check

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/plugins/sdk"
)

// Trouble is a way in which a vendor misbehaves.
type Trouble string

// The troubles. While one lasts, every request is met by it.
const (
	Busy     Trouble = "busy"     // too many requests for now: 429 or its like
	Spent    Trouble = "spent"    // what is allowed in a day is used up
	Down     Trouble = "down"     // 500, 502, 503
	Silent   Trouble = "silent"   // the request is read and never answered
	Refusing Trouble = "refusing" // the credential is not good any more: 401 or its like
	Losing   Trouble = "losing"   // the request is done, and the connection breaks before the answer
	Garbled  Trouble = "garbled"  // the answer is cut off in the middle of its body
)

// Vendor is an emulated vendor, and how the kit commands it. What is nil is left out:
// the rules that need it are skipped, saying so.
type Vendor struct {
	// Config is a configuration that works with it. Its secrets must be at least 12
	// characters that stand nowhere else: the kit looks for them.
	Config map[string]any

	// Trouble begins a trouble and returns what ends it; nil when it cannot be made.
	Trouble func(Trouble) (end func())

	// Stream is the stream of which the following is about.
	Stream string
	// Seed makes n records at the vendor, by hand so to speak, and returns their ids.
	Seed func(n int) []string
	// Records are all there are: fields by id. Deleted ones are left out.
	Records func() map[string]map[string]any
	// Withdraw is somebody of the Seed who says at the vendor that they want no more, and
	// returns their identifier. Told is the stream that tells of it; "" for Stream.
	Withdraw func() string
	Told     string
	// Remove deletes a record at the vendor.
	Remove func(id string)
	// Item is the i-th record to write, the same for the same i. The kit sets Key where it
	// is empty.
	Item func(i int) sdk.Item
	// BadItem is one that the vendor refuses. A value of its fields is at least 12 characters long.
	BadItem func() sdk.Item
	// Text names a field that takes any text.
	Text string

	// Subject is how the vendor knows the person of a record, for Erase.
	Subject func(id string) sdk.Subject

	// List names a list to put people into, and Members are the ids of those in it.
	List    string
	Members func() []string

	// Event is the i-th event to forward, and Events how many the vendor has.
	Event  func(i int) sdk.Event
	Events func() int

	// Consent is a change to carry over, and Granted what the vendor thinks now.
	Consent func(granted, fresh bool) sdk.ConsentChange
	Granted func() bool

	// Message is the i-th message to send, and Messages how many the vendor took.
	Message  func(i int) sdk.Message
	Messages func() int

	// Webhook is one that the vendor would send, signed at that time.
	Webhook func(at time.Time) sdk.Webhook
}

func (v *Vendor) config() sdk.Config {
	b, err := json.Marshal(v.Config)
	if err != nil {
		panic("the vendor's configuration is not JSON: " + err.Error())
	}
	return b
}

// begin makes a trouble, or skips; what it returns ends it, once.
func (x *Exam) begin(t Trouble) func() {
	v := x.Vendor()
	if v.Trouble == nil {
		x.Skipf("Vendor.Trouble is not set")
	}
	end := v.Trouble(t)
	if end == nil {
		x.Skipf("the vendor cannot be made %s", t)
	}
	once := sync.OnceFunc(end)
	x.onEnd(once)
	return once
}

// needs skips when a hook is missing.
func (x *Exam) needs(name string, set bool) {
	if !set {
		x.Skipf("Vendor.%s is not set", name)
	}
}

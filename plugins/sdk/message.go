package sdk

import "time"

// Message is one message for one person.
type Message struct {
	Key     string // stays the same when it is handed over again
	Channel string // EMAIL, SMS, …
	To      string // address or E.164 number
	From    string // "" for the connection's own
	ReplyTo string
	Subject string
	HTML    string
	Text    string
	Headers map[string]string // of an e-mail: List-Unsubscribe, …
	Media   []string          // URLs
	// CallbackURL is where the vendor is to report what becomes of the message.
	CallbackURL string
	Tags        map[string]string // for the vendor's own reports; no personal value
}

// Sent says that the vendor took a message.
type Sent struct {
	ID       string // the vendor's
	State    DeliveryState
	Segments int // of an SMS
}

// DeliveryState is what became of a message.
type DeliveryState string

// The states.
const (
	DeliveryQueued       DeliveryState = "QUEUED"
	DeliverySent         DeliveryState = "SENT"
	DeliveryDelivered    DeliveryState = "DELIVERED"
	DeliveryOpened       DeliveryState = "OPENED"
	DeliveryClicked      DeliveryState = "CLICKED"
	DeliverySoftBounced  DeliveryState = "SOFT_BOUNCED"
	DeliveryHardBounced  DeliveryState = "HARD_BOUNCED"
	DeliveryComplained   DeliveryState = "COMPLAINED"
	DeliveryUnsubscribed DeliveryState = "UNSUBSCRIBED"
	DeliveryFailed       DeliveryState = "FAILED"
	DeliveryUnknown      DeliveryState = "UNKNOWN"
)

// StatusQuery names a message by the vendor's id, or by its key where the vendor keeps it.
type StatusQuery struct {
	ID  string
	Key string
}

// Delivery is a report on a message.
type Delivery struct {
	Event  string // the vendor's id of this report; the same when it comes again
	ID     string // the vendor's id of the message
	Key    string
	State  DeliveryState
	Reason string // the vendor's code, and what it means; no personal value
	At     time.Time
}

// Inbound is a message from a person.
type Inbound struct {
	ID      string // the vendor's
	Channel string
	From    string
	To      string
	Text    string
	ReplyTo string // the vendor's id of the message it answers, when it says
	At      time.Time
}

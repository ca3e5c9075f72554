package sdk

import (
	"net/http"
	"time"
)

// Webhook is a request that a vendor made.
type Webhook struct {
	Method string
	URL    string // as the vendor called it, with the query
	Header http.Header
	Body   []byte // as it came
	At     time.Time
}

// Received is what a webhook says, and how to answer it.
type Received struct {
	Status int // 0 for 200
	Header http.Header
	Body   []byte // such as the answer to a challenge

	Records    []StreamRecord
	Events     []Event
	Deliveries []Delivery
	Inbound    []Inbound
	Consents   []ConsentChange
	// Pull names streams in which something changed that the webhook does not hold.
	Pull []string
}

// StreamRecord is a record that came by itself. Key stays the same when it comes again.
type StreamRecord struct {
	Key    string
	Stream string
	Record Record
}

package sdk

import "encoding/json"

// ProtocolVersion is the newest version of the wire contract that this SDK speaks. A
// host speaks it and the one before.
const ProtocolVersion = 1

// Kind is what a connector is for.
type Kind string

// The kinds.
const (
	Source      Kind = "source"      // records and events come out of it
	Destination Kind = "destination" // records, lists, events and consents go into it
	Channel     Kind = "channel"     // it delivers messages to people
)

// Spec describes a connector. It is the manifest that is packed beside the binary and
// can be read without running it, so everything in it is constant.
type Spec struct {
	Name        string `json:"name"`    // lower case letters, digits and "-": "salesforce"
	Version     string `json:"version"` // semantic, with "v": "v1.4.0"
	Title       string `json:"title"`   // for people: "Salesforce"
	Description string `json:"description,omitempty"`
	Kinds       []Kind `json:"kinds"`
	// ConfigSchema is a JSON Schema (2020-12) of an object, of which a form is made. A
	// property with "writeOnly": true is a secret: it is sealed, never shown again, and
	// may be changed with SaveSecret.
	ConfigSchema json.RawMessage `json:"configSchema"`
	Capabilities []Capability    `json:"capabilities,omitempty"`
	Channels     []string        `json:"channels,omitempty"` // of a channel: EMAIL, SMS, WHATSAPP, PUSH, …
	Limits       Limits          `json:"limits"`
	// Hosts lists where the connector connects to, as it would stand in a certificate:
	// "api.vendor.com", "*.vendor.com". With "config:NAME" the host of the URL in that
	// property of the configuration is meant.
	Hosts      []string  `json:"hosts"`
	Categories []string  `json:"categories"` // data categories that pass through it: CONTACT, BEHAVIOUR, …
	Processor  Processor `json:"processor"`
	OAuth      bool      `json:"oauth,omitempty"` // a connection is authorised by sending a person to the vendor
	Webhooks   bool      `json:"webhooks,omitempty"`
}

// Capability is something a host asks for before it uses it.
type Capability string

// The capabilities.
const (
	CanPull        Capability = "pull"          // Puller
	CanReceive     Capability = "receive"       // Receiver
	CanUpsert      Capability = "upsert"        // Upserter, Item.Delete not set
	CanDelete      Capability = "delete"        // Upserter, Item.Delete set
	CanLists       Capability = "lists"         // Lister
	CanForward     Capability = "events"        // Forwarder
	CanConsents    Capability = "consents"      // ConsentSetter
	CanErase       Capability = "erase"         // Eraser
	CanSend        Capability = "send"          // Sender
	CanStatus      Capability = "status"        // StatusReader
	DedupesUpserts Capability = "dedupe.upsert" // writing an item twice leaves one record
	DedupesEvents  Capability = "dedupe.events" // the vendor drops an event with a key it knows
	DedupesSends   Capability = "dedupe.send"   // the vendor sends a message with a key it knows once
)

// Limits are what a connector takes at once. 0 leaves it to the host.
type Limits struct {
	BatchItems  int `json:"batchItems,omitempty"`  // items in one Upsert, Members, Forward or SetConsents
	BatchBytes  int `json:"batchBytes,omitempty"`  // of their values as JSON
	Concurrency int `json:"concurrency,omitempty"` // calls at the same time
	MemoryMiB   int `json:"memoryMiB,omitempty"`   // of the process; the host ends it beyond
}

// Processor is the company that gets the data, for the register of processors.
type Processor struct {
	Name    string `json:"name"`
	Country string `json:"country,omitempty"` // ISO 3166-1, two letters
	URL     string `json:"url,omitempty"`     // of its data processing agreement
}

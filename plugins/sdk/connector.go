package sdk

import (
	"context"
	"encoding/json"
)

// Connector is what Serve serves.
type Connector interface {
	// Spec describes the connector; it is called without a configuration and must not
	// depend on anything outside the program.
	Spec() Spec
	// Open makes the connection of a configuration that fits the schema. It does not talk
	// to the vendor: Check does. A Fault with InvalidConfig names the property at fault.
	Open(ctx context.Context, config Config, host Host) (Connection, error)
}

// Config is the configuration of a connection: an object that fits Spec.ConfigSchema,
// secrets in clear.
type Config json.RawMessage

// Into decodes the configuration. An error is a Fault with InvalidConfig.
func (c Config) Into(v any) error {
	if err := json.Unmarshal(c, v); err != nil {
		return InvalidConfig("", "the configuration does not have the form of its schema")
	}
	return nil
}

// Host is what a connection may ask of its host at any time.
type Host interface {
	// SaveSecret replaces a secret of the configuration, such as a rotated refresh token.
	// When it returns nil the new value is durable; until then the old one must be
	// taken to be the stored one.
	SaveSecret(ctx context.Context, property, value string) error
}

// Connection is a connector with a configuration.
type Connection interface {
	// Check proves that the configuration works: that the vendor is reached, lets us in,
	// and grants what is needed. nil means that it does. Unauthorized names the scope that is missing.
	Check(ctx context.Context) error
	// Close lets go of what the connection holds. Calls that still run have been cancelled.
	Close() error
}

// Discoverer tells which streams there are: the vendor's types of records, its own and
// those that a customer made.
type Discoverer interface {
	Discover(ctx context.Context) ([]Stream, error)
}

// Puller reads a stream from a cursor.
type Puller interface {
	// Pull gives emit page after page in an order in which each page's Cursor is a place to
	// go on from, and returns nil when there is no more for now. emit blocks while
	// the host is busy and returns an error when Pull is to end at once, with that error.
	// The host saves a cursor only after it has kept the page's records, so
	// records may come again; none may be passed over. A cursor that the vendor no longer
	// honours is CursorLost.
	Pull(ctx context.Context, from PullRequest, emit func(Page) error) error
}

// Keeper is a Puller that must not answer its vendor before the host has kept what was
// pulled: a message centre, a queue.
type Keeper interface {
	// Kept tells that the pages of a pull up to the one with this cursor are on the host's
	// disk. It is called while Pull goes on, or just after it; emit returns before, when the
	// page is on its way. A page of which it does not come was not kept: the vendor must give
	// it again. It does no long work, for the pull waits.
	Kept(ctx context.Context, stream string, cursor []byte) error
}

// Receiver takes what the vendor sends by itself.
type Receiver interface {
	// Receive checks a webhook's signature over the bytes as they came, and tells what is
	// in it. It does no long work: the vendor waits. A false signature is a Fault with
	// Unauthorized, an old one Stale.
	Receive(ctx context.Context, hook Webhook) (Received, error)
}

// Upserter writes records.
type Upserter interface {
	// Upsert returns a Result for each item, in their order. An error stands for all of
	// them: nothing was written, or, with UnknownOutcome, nobody knows.
	Upsert(ctx context.Context, batch Batch) ([]Result, error)
}

// Lister moves people in and out of lists.
type Lister interface {
	// Members adds and removes; results first for Add, then for Remove. A list
	// without an id is looked for by name, and made when it does not exist.
	Members(ctx context.Context, change ListChange) (ListResult, error)
}

// Forwarder takes events that happened elsewhere.
type Forwarder interface {
	Forward(ctx context.Context, events []Event) ([]Result, error)
}

// ConsentSetter carries consents to the vendor.
type ConsentSetter interface {
	SetConsents(ctx context.Context, changes []ConsentChange) ([]Result, error)
}

// Eraser makes the vendor forget somebody.
type Eraser interface {
	// Erase is called again with the same key until the receipt says that it is done. Somebody whom the vendor
	// does not know is done.
	Erase(ctx context.Context, subject Subject) (EraseReceipt, error)
}

// Sender delivers a message to one person.
type Sender interface {
	// Send hands the message to the vendor. With UnknownOutcome nobody knows whether it
	// will be delivered; the host then asks StatusReader, and never just sends again.
	Send(ctx context.Context, m Message) (Sent, error)
}

// StatusReader tells what became of a message.
type StatusReader interface {
	Status(ctx context.Context, q StatusQuery) (Delivery, error)
}

// Authorizer connects by OAuth 2.0 with a person's help (RFC 6749, 4.1, with PKCE).
type Authorizer interface {
	AuthorizeURL(ctx context.Context, a AuthorizeRequest) (string, error)
	// Exchange turns what came back into secrets of the configuration.
	Exchange(ctx context.Context, g Grant) (map[string]string, error)
}

// AuthorizeRequest asks for the address where a person agrees.
type AuthorizeRequest struct {
	RedirectURL string
	State       string
	Challenge   string // PKCE, S256
}

// Grant is what the vendor sent back.
type Grant struct {
	Code        string
	RedirectURL string
	Verifier    string // PKCE
}

// Upgrader brings what an older version stored into the form of this one.
type Upgrader interface {
	Upgrade(ctx context.Context, from Stored) (Stored, error)
}

// Stored is what a host keeps of a connection.
type Stored struct {
	Version string            // of the connector that wrote it
	Config  Config            // with secrets
	Cursors map[string][]byte // by stream
}

package message

import (
	"context"
	"net"
	"net/url"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/sync"
)

// Vendors reaches those who carry messages. sync.Service implements it.
type Vendors interface {
	Connection(ctx context.Context, ws, id string) (*sync.Connection, error)
	ListConnections(ctx context.Context, ws string, w core.Window) (store.Page[sync.Connection], error)
	Connector(name string) *sync.Connector
	Status(ctx context.Context, c *sync.Connection) (sync.ConnectionState, *sync.Health, error)
	CheckConnection(ctx context.Context, ws, id string) (*sync.Connection, *sync.Fault, error)
	Send(ctx context.Context, ws, connection, purpose string, m sync.Message) (sync.Sent, error)
	MessageStatus(ctx context.Context, ws, connection, id, key string) (sync.Delivery, error)
	Reachable(ctx context.Context, u *url.URL) error
	Dialable(ip net.IP) error
}

var _ Vendors = (*sync.Service)(nil)

// Templates finds what messages say. Whoever wires the server implements it over the
// library of templates.
type Templates interface {
	// Published returns a published version; number 0 is the newest. A core.Error that is
	// NOT_FOUND, CONFLICT or INVALID says that nothing can be sent by it.
	Published(ctx context.Context, ws, template string, number int64) (Template, error)
}

// Template is a published version.
type Template interface {
	Number() int64
	Channel() string // "" fits any
	// A template may also have Reads(root string) bool, so that nothing is gathered that it
	// does not read.

	// Render makes the content for one person. roots is what it reads: profile, event (its
	// properties), sender, message, now, unsubscribeUrl, preferencesUrl and what else the
	// message carries; maps, lists, texts, numbers, booleans and times. An INVALID error
	// says that it cannot be rendered with this data.
	Render(ctx context.Context, profileID, locale string, roots map[string]any) (Content, error)
}

// Content is what one message says.
type Content struct {
	Locale   string
	Subject  string
	FromName string
	HTML     string
	Text     string
	Title    string
	URL      string
	// Missing lists the paths without which it must not be sent; then nothing else is set.
	Missing []string
}

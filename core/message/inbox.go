package message

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// InboxItem is a message of a channel of our own, kept until the person's app or page shows
// it: it is delivered when it is stored.
type InboxItem struct {
	store.Meta `bson:",inline"` // key: workspace/msg_…
	Part       string           `bson:"part"`
	Channel    string           `bson:"channel"` // IN_APP or WEB_CHAT
	At         time.Time        `bson:"at"`
	Title      string           `bson:"title,omitempty"`
	Text       string           `bson:"text,omitempty"`
	HTML       string           `bson:"html,omitempty"`
	URL        string           `bson:"url,omitempty"`
	From       string           `bson:"from,omitempty"`
	Reply      bool             `bson:"reply,omitempty"` // the person wrote it
	ReadAt     time.Time        `bson:"read,omitempty"`
}

// MessageID returns the id of the message, msg_….
func (i *InboxItem) MessageID() string { return store.Rest(i.ID) }

// Inbox holds what people find in our own channels.
var Inbox = store.Declare[InboxItem](store.Spec{
	Name: "inbox", Subject: "part",
	Data: map[string]core.Category{
		"title": core.FreeText, "text": core.FreeText, "html": core.FreeText, "url": core.FreeText, "from": core.FreeText,
		"channel": core.Behaviour, "read": core.Behaviour,
	},
	Indexes: []store.Index{store.On("part", "-at").WithFewTies()},
})

// deliver returns the operation that puts a message into its person's inbox.
func (s *Service) deliver(_ context.Context, _ string, l *letter) (store.Op, error) {
	if l.p == nil {
		return store.Op{}, core.Errorf(core.Invalid, "WHO", "a message of this channel is for a person")
	}
	return Inbox.Insert(&InboxItem{
		Meta: store.Meta{ID: l.m.ID}, Part: l.m.Part, Channel: l.m.Channel, At: s.now(), Title: l.content.Title, Text: l.content.Text,
		HTML: l.content.HTML, URL: l.content.URL, From: l.content.FromName,
	}), nil
}

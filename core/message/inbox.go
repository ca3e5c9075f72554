package message

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// InboxItem is a message of a channel of our own, kept until the person's app or page shows
// it: it is delivered when it is stored.
type InboxItem struct {
	store.Meta `bson:",inline"` // key: workspace/msg_…
	Part       string           `bson:"part"`
	Channel    string           `bson:"channel"`           // IN_APP or WEB_CHAT
	Purpose    string           `bson:"purpose,omitempty"` // of the message, or of that which is answered
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
		"channel": core.Behaviour, "read": core.Behaviour, "purpose": core.Consent,
	},
	Indexes: []store.Index{store.On("part", "-at").WithFewTies()},
})

// deliver returns the operation that puts a message into its person's inbox.
func (s *Service) deliver(_ context.Context, _ string, l *letter) (store.Op, error) {
	if l.p == nil {
		return store.Op{}, core.Errorf(core.Invalid, "WHO", "a message of this channel is for a person")
	}
	return Inbox.Insert(&InboxItem{
		Meta: store.Meta{ID: l.m.ID}, Part: l.m.Part, Channel: l.m.Channel, Purpose: l.m.Purpose, At: s.now(), Title: l.content.Title, Text: l.content.Text,
		HTML: l.content.HTML, URL: l.content.URL, From: l.content.FromName,
	}), nil
}

// InboxOf returns a window of a person's inbox, the latest first. The caller has asked
// whether it may be read.
func (s *Service) InboxOf(ctx context.Context, ws string, p *profile.Profile, w core.Window) (store.Page[InboxItem], error) {
	if w.Limit == 0 {
		return store.Page[InboxItem]{}, nil
	}
	if len(p.Parts) > 1 {
		all, err := s.inboxes(ctx, ws, p)
		if err != nil {
			return store.Page[InboxItem]{}, err
		}
		return cut(all, w, (*InboxItem).MessageID), nil
	}
	page, err := Inbox.Page(ctx, s.Store, inboxQuery(ws, p.Parts[0]), w)
	return page, storeError("read the inbox", err)
}

func inboxQuery(ws, part string) store.Query {
	return store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"-at"}}
}

// inboxes reads the inboxes of all parts of a person.
func (s *Service) inboxes(ctx context.Context, ws string, p *profile.Profile) ([]*InboxItem, error) {
	var all []*InboxItem
	for _, part := range p.Parts {
		list, err := Inbox.Find(ctx, s.Store, inboxQuery(ws, part), maxOfPerson)
		if err != nil {
			return nil, storeError("read the inbox", err)
		}
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(a, b *InboxItem) int {
		return cmp.Or(b.At.Compare(a.At), strings.Compare(a.ID, b.ID))
	})
	return all, nil
}

// CountInbox returns how many items InboxOf lists.
func (s *Service) CountInbox(ctx context.Context, ws string, p *profile.Profile) (int64, error) {
	var total int64
	for _, part := range p.Parts {
		n, err := Inbox.Count(ctx, s.Store, inboxQuery(ws, part))
		if err != nil {
			return 0, storeError("count the inbox", err)
		}
		total += n
	}
	return total, nil
}

// InboxItem returns an item, or nil. The caller asks whose it is.
func (s *Service) InboxItem(ctx context.Context, ws, id string) (*InboxItem, error) {
	i, err := Inbox.Get(ctx, s.Store, store.Key(ws, id))
	return i, storeError("read the inbox", err)
}

// MarkRead marks items of a person's inbox as read, nil all of them, and returns how many
// were not. The first look at a message counts as its opening.
func (s *Service) MarkRead(ctx context.Context, ws, profileID string, ids []string) (int64, error) {
	if err := access.Allow(ctx, access.Ingest); err != nil {
		return 0, err
	}
	p, err := s.Profiles.Get(ctx, ws, profileID)
	if err != nil {
		return 0, err
	}
	if p == nil {
		return 0, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	all, err := s.inboxes(ctx, ws, p)
	if err != nil {
		return 0, err
	}
	now := s.now()
	var n int64
	for _, i := range all {
		if !i.ReadAt.IsZero() || i.Reply || ids != nil && !slices.Contains(ids, i.MessageID()) {
			continue
		}
		next := *i
		next.ReadAt = now
		if err := work.Commit(ctx, s.Store, Inbox.Replace(&next)); err != nil {
			if conflictOf(err) != nil {
				continue // another marked it at the same time
			}
			return n, storeError("write the inbox", err)
		}
		n++
		err := s.change(ctx, ws, i.MessageID(), func(m *Message) (*turn, error) {
			return m.turned(Happened{Type: WasOpened, At: now, ByKey: "inbox"}), nil
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Reply stores what a person answered to a message of a channel of our own, and tells it as
// an event on them.
func (s *Service) Reply(ctx context.Context, ws, id, text, key string) (*Message, error) {
	if err := access.Allow(ctx, access.Ingest); err != nil {
		return nil, err
	}
	if text = strings.TrimSpace(text); text == "" || len(text) > maxReply {
		return nil, core.Errorf(core.Invalid, "TEXT", "an answer has between 1 and %d bytes", maxReply).At("text")
	}
	m, err := Messages.Get(ctx, s.Store, store.Key(ws, id))
	if err != nil {
		return nil, storeError("read the message", err)
	}
	if m == nil || m.Channel != InApp && m.Channel != WebChat {
		return nil, core.Errorf(core.NotFound, "MESSAGE", "there is no message of an app or a chat with this id").At("id")
	}
	at := s.now()
	word := core.NewID("reply", at)
	if key != "" {
		word = core.HashID("reply", id, key)
	}
	err = s.change(ctx, ws, id, func(m *Message) (*turn, error) {
		t := m.replied(word, text, at)
		if t == nil {
			return nil, nil
		}
		t.ops = append(t.ops, Inbox.Insert(&InboxItem{
			Meta: store.Meta{ID: store.Key(ws, core.HashID(core.PrefixMessage, id, word))}, Part: m.Part, Channel: m.Channel, Purpose: m.Purpose, At: at, Text: text,
			Reply: true,
		}))
		return t, nil
	})
	if err != nil {
		return nil, err
	}
	m, err = Messages.Get(ctx, s.Store, store.Key(ws, id))
	return m, storeError("read the message", err)
}

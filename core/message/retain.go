package message

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Expiry chooses what is over for long enough that it is not needed any more.
type Expiry struct {
	Purpose string    // of these alone; "" of all
	Before  time.Time // nothing has happened to them since
}

// Keeper reports whether something still needs a message that is over, so that it stays.
type Keeper func(ctx context.Context, ws string, m *Message) (bool, error)

// OnExpiry adds a keeper; all of them are asked. Call it before the first message expires.
func (s *Service) OnExpiry(k Keeper) { s.keepers = append(s.keepers, k) }

// spent says that a key was used for a message that is gone, so that the same key again sends
// nothing. It is nobody's: its key is a keyed hash of the message's id.
type spent struct {
	store.Meta `bson:",inline"` // key: workspace/32 hex digits
	N          int64            `bson:"n"` // how many messages of this id were deleted
}

var spents = store.Declare[spent](store.Spec{Name: "message_keys"})

// secretSpent names the secret of the keyed hashes.
const secretSpent = "message-keys"

func (s *Service) spentKey(ctx context.Context, ws, id string) (string, error) {
	mac, err := s.Keys.MAC(ctx, ws, secretSpent, []byte(id))
	if err != nil {
		return "", err
	}
	return store.Key(ws, hex.EncodeToString(mac[:16])), nil
}

// expirySlice is how many messages one batch deletes, each with what is left of its key.
const expirySlice = 200

// lastOf returns when the last thing happened to a message.
func (m *Message) lastOf() time.Time {
	last := m.At
	more := []time.Time{m.OverAt, m.Flight}
	if m.Attempt != nil {
		more = append(more, m.Attempt.At)
	}
	for i := range m.Timeline {
		more = append(more, m.Timeline[i].At)
	}
	for i := range m.Checks {
		more = append(more, m.Checks[i].At)
	}
	for _, at := range more {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// expired reports whether a message may go: it is over, nobody asks its channel about it any
// more, and nothing has happened to it for long enough.
func (x Expiry) expired(m *Message) bool {
	return m.Status.Over() && m.Lane == "" && (x.Purpose == "" || x.Purpose == m.Purpose) && m.lastOf().Before(x.Before)
}

func (x Expiry) read(i *InboxItem) bool {
	return (x.Purpose == "" || x.Purpose == i.Purpose) && i.At.Before(x.Before) && i.ReadAt.Before(x.Before)
}

// Expired returns the operations that delete old messages of a person, of all their parts,
// and what is left of them in their inbox, some at a time, and how many documents those are;
// with all it only counts. What waits, or may still be sent by itself, is never among them.
func (s *Service) Expired(ctx context.Context, ws string, parts []string, x Expiry, all bool) (ops []store.Op, n int64, err error) {
	var found []*Message
	waiting := map[string]bool{} // campaigns of which the person has a message that waits
	for _, part := range parts {
		q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("part", part)}, Order: []string{"-at"}}
		err := Messages.Each(ctx, s.Store, q, func(m *Message) error {
			switch {
			case !m.Status.Over():
				waiting[m.Campaign] = m.Campaign != ""
			case x.expired(m):
				found = append(found, m)
			}
			return nil
		})
		if err != nil {
			return nil, 0, storeError("read the messages", err)
		}
	}
	for _, m := range found {
		if waiting[m.Campaign] { // by it the other is found to be one too many: see core/campaign
			continue
		}
		if !all && n == expirySlice {
			return ops, n, nil
		}
		some, err := s.deletion(ctx, ws, m)
		if err != nil {
			return nil, 0, err
		}
		if some != nil {
			n++
		}
		if !all {
			ops = append(ops, some...)
		}
	}
	for _, part := range parts {
		err := Inbox.Each(ctx, s.Store, inboxQuery(ws, part), func(i *InboxItem) error {
			if !x.read(i) || !all && n >= expirySlice {
				return nil
			}
			n++
			if !all {
				ops = append(ops, Inbox.Delete(i))
			}
			return nil
		})
		if err != nil {
			return nil, 0, storeError("read the inbox", err)
		}
	}
	return ops, n, nil
}

// ExpiredTests is Expired for messages that are no person's, such as tests to an address: one
// page of what was decided before, and the cursor of the next page, "" after the last.
func (s *Service) ExpiredTests(ctx context.Context, ws string, x Expiry, after string, all bool) (ops []store.Op, n int64, next string, err error) {
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Lt("at", x.Before)}, Order: []string{"-at"}}
	page, err := Messages.Page(ctx, s.Store, q, core.Window{Limit: expirySlice, After: after})
	if err != nil {
		return nil, 0, "", storeError("read the messages", err)
	}
	for _, m := range page.Items {
		if m.Part != "" || !x.expired(m) {
			continue
		}
		some, err := s.deletion(ctx, ws, m)
		if err != nil {
			return nil, 0, "", err
		}
		if some != nil {
			n++
		}
		if !all {
			ops = append(ops, some...)
		}
	}
	if page.HasNext {
		next = page.Cursors[len(page.Cursors)-1]
	}
	return ops, n, next, nil
}

// deletion returns the operations that delete a message; nil when somebody needs it. A journey
// and a campaign know by themselves what they have decided; whoever else sent it may say its
// key again at any time, so that what is left says that the key is used.
func (s *Service) deletion(ctx context.Context, ws string, m *Message) ([]store.Op, error) {
	for _, needs := range s.keepers {
		if yes, err := needs(ctx, ws, m); yes || err != nil {
			return nil, err
		}
	}
	ops := []store.Op{Messages.Delete(m)}
	if m.Journey != "" || m.Campaign != "" {
		return ops, nil
	}
	key, err := s.spentKey(ctx, ws, m.MessageID())
	if err != nil {
		return nil, err
	}
	return append(ops, spents.Add(key, map[string]int64{"n": 1})), nil
}

// unspent returns the operation that checks that no message with an id was deleted.
func (s *Service) unspent(ctx context.Context, ws, id string) (store.Op, error) {
	key, err := s.spentKey(ctx, ws, id)
	return spents.Absent(key), err
}

// wasSpent returns the error of a key that was used for a message that is gone; nil when it
// was not.
func (s *Service) wasSpent(ctx context.Context, ws, id string) error {
	key, err := s.spentKey(ctx, ws, id)
	if err != nil {
		return err
	}
	old, err := spents.Get(ctx, s.Store, key)
	if err != nil {
		return storeError("read the keys", err)
	}
	if old == nil {
		return nil
	}
	return core.Errorf(core.Conflict, "MESSAGE_EXPIRED",
		"this idempotency key was used for a message that a retention rule has deleted since; nothing was sent: use a new key for a new message").At("idempotencyKey")
}

package resolver

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	outbox "github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/graph/engine"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// freeText refuses who may not read what stands in people's letters.
func freeText(ctx context.Context) error {
	gate, err := gateOf(ctx)
	if err == nil {
		err = gate.UsableCategory(core.FreeText, "an inbox")
	}
	return err
}

// Inbox answers Profile.inbox.
func (r profileFields) Inbox(ctx context.Context, p *profile.Profile, first *int, after *string, last *int, before *string) (*view.InboxItemConnection, error) {
	w, err := window(first, after, last, before)
	if err == nil {
		err = freeText(ctx)
	}
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Outbox.InboxOf(ctx, ws, p, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Outbox.CountInbox(ctx, ws, p) }), nil
}

// MarkInboxRead answers Mutation.markInboxRead.
func (r mutation) MarkInboxRead(ctx context.Context, in gen.MarkInboxReadInput) (*gen.MarkInboxReadPayload, error) {
	n, err := r.Outbox.MarkRead(ctx, workspace(ctx), in.ProfileID, in.Ids)
	out := &gen.MarkInboxReadPayload{Count: int(n)}
	out.UserErrors, err = problems(err)
	return out, err
}

// ReplyToMessage answers Mutation.replyToMessage.
func (r mutation) ReplyToMessage(ctx context.Context, in gen.ReplyToMessageInput) (*gen.ReplyToMessagePayload, error) {
	m, err := r.Outbox.Reply(ctx, workspace(ctx), in.ID, in.Text, value(in.IdempotencyKey))
	out := &gen.ReplyToMessagePayload{}
	out.Message, out.UserErrors, err = settled(m, err)
	return out, err
}

// InboxChanged answers Subscription.inboxChanged: after is a cursor of Profile.inbox.
func (r subscription) InboxChanged(ctx context.Context, profileID string, after *string) (<-chan *outbox.InboxItem, error) {
	ws := workspace(ctx)
	if err := freeText(ctx); err != nil {
		return nil, err
	}
	p, err := r.Profiles.Show(ctx, ws, profileID)
	if err == nil && p == nil {
		err = core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	if err != nil {
		return nil, err
	}
	token, err := r.Hub.Now(ctx)
	if err != nil {
		return nil, err
	}
	f, err := r.Hub.Subscribe(ctx, token, store.Filter{Spec: outbox.Inbox.Spec, Prefix: store.Key(ws, core.PrefixMessage)})
	if err != nil {
		return nil, err
	}
	w := core.Window{}
	if after != nil { // the list has the latest first: what came after stands before
		w = core.Window{Limit: core.MaxPage, Backward: true, Before: *after}
	}
	page, err := r.Outbox.InboxOf(ctx, ws, p, w)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	out := make(chan *outbox.InboxItem)
	tell := func(i *outbox.InboxItem) bool {
		select {
		case out <- i:
			return true
		case <-ctx.Done():
			return false
		}
	}
	go func() {
		defer close(out)
		defer func() { _ = f.Close() }()
		for i := len(page.Items) - 1; i >= 0; i-- {
			if !tell(page.Items[i]) {
				return
			}
		}
		err := inOrder(ctx, f, func(batch []store.Change) error {
			for _, c := range batch {
				i, err := r.Outbox.InboxItem(ctx, ws, store.Rest(c.Key))
				if err != nil {
					return err
				}
				if i == nil {
					continue
				}
				now, err := r.Profiles.Show(ctx, ws, profileID) // the person may be another's now, or out of sight
				if err != nil {
					return err
				}
				if now == nil || freeText(ctx) != nil {
					return core.Errorf(core.Forbidden, "PROTECTED_FIELD", "this inbox may not be read any more")
				}
				if has(now.Parts, i.Part) && !tell(i) {
					return nil
				}
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			engine.EndStream(ctx, err)
		}
	}()
	return out, nil
}

func has(list []string, s string) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

// Channel answers InboxItem.channel.
func (r inboxFields) Channel(_ context.Context, i *outbox.InboxItem) (gen.Channel, error) {
	return gen.Channel(i.Channel), nil
}

// Title answers InboxItem.title.
func (r inboxFields) Title(_ context.Context, i *outbox.InboxItem) (*string, error) {
	return text(i.Title), nil
}

// Text answers InboxItem.text.
func (r inboxFields) Text(_ context.Context, i *outbox.InboxItem) (*string, error) {
	return text(i.Text), nil
}

// HTML answers InboxItem.html.
func (r inboxFields) HTML(_ context.Context, i *outbox.InboxItem) (*string, error) {
	return text(i.HTML), nil
}

// URL answers InboxItem.url.
func (r inboxFields) URL(_ context.Context, i *outbox.InboxItem) (*string, error) {
	return text(i.URL), nil
}

// From answers InboxItem.from.
func (r inboxFields) From(_ context.Context, i *outbox.InboxItem) (*string, error) {
	return text(i.From), nil
}

// ReadAt answers InboxItem.readAt.
func (r inboxFields) ReadAt(_ context.Context, i *outbox.InboxItem) (*time.Time, error) {
	if i.ReadAt.IsZero() {
		return nil, nil
	}
	return &i.ReadAt, nil
}

package objecttest

import (
	"context"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Committer commits events and operations in one batch, as core/ingest does, but
// folds nothing: there are no profiles.
type Committer struct {
	Store store.Store

	mu     sync.Mutex
	events []event.SystemEvent
	// Before, when set, runs before each commit: a test loses a race with it.
	Before func(ops []store.Op)
}

// Ingest implements event.Committer; nothing about objects calls it.
func (c *Committer) Ingest(context.Context, string, string, []event.Input) ([]event.Result, error) {
	return nil, core.Errorf(core.Unavailable, "NO_INGEST", "this committer takes system events only")
}

// Commit implements event.Committer.
func (c *Committer) Commit(ctx context.Context, ws string, in event.Input, profileID string, ops ...store.Op) (event.Result, error) {
	out, err := c.CommitAll(ctx, ws, []event.SystemEvent{{Input: in, ProfileID: profileID}}, ops...)
	if err != nil {
		return event.Result{}, err
	}
	return out[0], nil
}

// CommitAll implements event.Committer.
func (c *Committer) CommitAll(ctx context.Context, ws string, events []event.SystemEvent, ops ...store.Op) ([]event.Result, error) {
	if c.Before != nil {
		c.Before(ops)
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	batch := append([]store.Op(nil), ops...)
	out := make([]event.Result, len(events))
	for i := range events {
		in := events[i].Input
		in.Seal(now)
		key := event.SystemKey(ws, in.MessageID)
		batch = append(batch, event.Events.Insert(&event.Event{
			Meta: store.Meta{ID: key}, MessageID: in.MessageID, Part: events[i].ProfileID, Type: event.System, Name: in.Name,
			Timestamp: now, ReceivedAt: now, CommittedAt: now, Properties: in.Properties, Sum: in.Sum,
		}))
		out[i] = event.Result{MessageID: in.MessageID, EventID: store.Rest(key), ProfileID: events[i].ProfileID, Status: event.Accepted}
	}
	if _, err := c.Store.Commit(ctx, store.Batch{ID: core.NewID(core.PrefixBatch, now), Ops: batch}); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.events = append(c.events, events...)
	c.mu.Unlock()
	return out, nil
}

// Take returns the events committed since the last call.
func (c *Committer) Take() []event.SystemEvent {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.events
	c.events = nil
	return out
}

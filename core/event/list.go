package event

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

func allEvents(ws string) store.Query {
	return store.Query{Workspace: ws, Order: []string{"-receivedAt"}}
}

// List returns a window of the workspace's events, those received last first.
func (s *Service) List(ctx context.Context, ws string, w core.Window) (store.Page[Event], error) {
	page, err := Events.Page(ctx, s.db, allEvents(ws), w)
	return page, outward(err)
}

// Count returns how many events List lists.
func (s *Service) Count(ctx context.Context, ws string) (int64, error) {
	n, err := Events.Count(ctx, s.db, allEvents(ws))
	return n, outward(err)
}

// Get returns the event with an id, or nil.
func (s *Service) Get(ctx context.Context, ws, id string) (*Event, error) {
	if core.IDPrefix(id) != core.PrefixEvent {
		return nil, nil
	}
	e, err := Events.Get(ctx, s.db, store.Key(ws, id))
	return e, outward(err)
}

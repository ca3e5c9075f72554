package insight

import (
	"context"
	"fmt"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Deleted returns what must be committed with the deletion of an event, so that what it
// counted stays, of nobody, and a rebuild does not take it for a mistake.
func (s *Service) Deleted(ctx context.Context, ws string, e *event.Event) ([]store.Op, error) {
	if e.Part == "" {
		return nil, nil
	}
	c, err := s.set(ctx, ws)
	if err != nil {
		return nil, err
	}
	f := newFold(ws)
	for _, t := range c.events[eventName{e.Name, e.Type == event.System}] {
		if t.Value != First {
			f.event(t, e)
			continue
		}
		had, err := firsts.Get(ctx, s.Store, store.Key(ws, t.id, e.Part))
		if err != nil {
			return nil, fmt.Errorf("insight: read firsts: %w", err)
		}
		if got, ok := t.take(e); ok && had != nil && had.Event == store.Rest(e.ID) {
			f.put(t, got, e.Part)
		}
	}
	var ops []store.Op
	for _, p := range sortedPlaces(f.cells) {
		ops = append(ops, f.cells[p].sums.ops(ws, p, goneLane)...)
	}
	return ops, nil
}

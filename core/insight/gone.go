package insight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

// Deleted returns what must be committed with the deletion of an event, so that what it
// counted stays, of nobody, and a rebuild does not take it for a mistake. The commit conflicts
// where an earlier event has taken its place as its person's first: ask again then.
func (s *Service) Deleted(ctx context.Context, ws string, e *event.Event) ([]store.Op, error) {
	if e.Part == "" {
		return nil, nil
	}
	c, err := s.set(ctx, ws)
	if err != nil {
		return nil, err
	}
	f := newFold(ws)
	var ops []store.Op
	for _, t := range c.events[eventName{e.Name, e.Type == event.System}] {
		if t.Value != First {
			f.event(t, e, e.Part)
			continue
		}
		had, err := firsts.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("event", store.Rest(e.ID))}}, 0)
		if err != nil {
			return nil, fmt.Errorf("insight: read firsts: %w", err)
		}
		i := slices.IndexFunc(had, func(d *first) bool { return strings.HasPrefix(d.ID, store.Key(ws, t.id)+"/") })
		if got, ok := t.take(e); ok && i >= 0 {
			f.put(t, got, e.Part)
			ops = append(ops, firsts.Check(had[i])) // no earlier one takes its place meanwhile
		}
	}
	for _, p := range sortedPlaces(f.cells) {
		ops = append(ops, f.cells[p].sums.ops(ws, p, goneLane)...)
	}
	return ops, nil
}

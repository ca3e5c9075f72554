package privacy

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// plan says what an erasure would do.
func (s *Service) plan(ctx context.Context, ws string, t *target) (*Plan, error) {
	p := &Plan{Parts: t.parts(), Retained: s.retained(s.o.Clock.Now())}
	if t.profile != nil {
		p.ProfileID = t.profile.ProfileID()
	}
	var err error
	if p.Holds, err = s.holdsOn(ctx, ws, t.parts(), t.identifiers()); err != nil {
		return nil, err
	}
	if p.Counts, err = s.count(ctx, &Subject{Workspace: ws, Parts: t.parts(), Identifiers: t.identifiers()}); err != nil {
		return nil, err
	}
	list, err := s.destinationsOf(ctx, ws)
	for _, d := range list {
		p.Destinations = append(p.Destinations, d.Name())
	}
	return p, err
}

// Filter chooses requests; what is zero chooses all.
type Filter struct {
	Status    RequestStatus
	DueBefore time.Time
}

func (f Filter) query(ws string) store.Query {
	q := store.Query{Workspace: ws}
	if f.Status != "" {
		q.Where = append(q.Where, store.Eq("status", string(f.Status)))
	}
	if !f.DueBefore.IsZero() {
		q.Where = append(q.Where, store.Lt("dueAt", f.DueBefore))
	}
	if len(q.Where) > 0 {
		q.Order = []string{"dueAt"}
	} else {
		q.Order = []string{"-receivedAt"}
	}
	return q
}

// ListRequests returns a window of the requests: those of a status, or those due
// before an instant, by when they are due; else all, the latest first.
func (s *Service) ListRequests(ctx context.Context, ws string, f Filter, w core.Window) (store.Page[Request], error) {
	if err := s.allow(ctx); err != nil {
		return store.Page[Request]{}, err
	}
	page, err := Requests.Page(ctx, s.o.Store, f.query(ws), w)
	return page, outward(err)
}

// CountRequests returns how many requests ListRequests lists.
func (s *Service) CountRequests(ctx context.Context, ws string, f Filter) (int64, error) {
	n, err := Requests.Count(ctx, s.o.Store, f.query(ws))
	return n, outward(err)
}

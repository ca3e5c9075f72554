package access

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Vacancy is how long after somebody shut out another who may govern nobody counts as
// the only one left: who removes the others must not be able to agree with themselves
// a moment later.
const Vacancy = 72 * time.Hour

// Departure says when somebody who could govern was shut out by somebody else for the
// last time. Its key is workspace/last.
type Departure struct {
	store.Meta `bson:",inline"`
	Who        string    `bson:"who"` // key_…, mem_…
	By         string    `bson:"by"`
	At         time.Time `bson:"at"` // in the future: the end of a rotated key's grace
}

// Departures is the collection of departures.
var Departures = store.Declare[Departure](store.Spec{Name: "governor_departures"})

func departureKey(ws string) string { return store.Key(ws, "last") }

// VacantUntil returns until when nobody in a workspace counts as the only one who may
// govern; zero when nobody was shut out. Read who may govern before: a departure is
// committed with the change that it tells of. It checks nothing.
func (s *Service) VacantUntil(ctx context.Context, workspace string) (time.Time, error) {
	d, err := Departures.Get(ctx, s.store, departureKey(workspace))
	if err != nil || d == nil {
		return time.Time{}, err
	}
	return d.At.Add(Vacancy), nil
}

// governs reports whether a principal may govern, as the rules are now.
func (s *Service) governs(ctx context.Context, ws string, p Principal) (bool, error) {
	return s.may(ctx, ws, p, Govern)
}

// may reports whether a principal may do something, as the rules are now.
func (s *Service) may(ctx context.Context, ws string, p Principal, permission Permission) (bool, error) {
	if book := s.book(); book != nil {
		return book.Permits(ctx, ws, p, permission)
	}
	return inRole(p.Roles, permission) && (len(p.Scopes) == 0 || slices.Contains(p.Scopes, string(permission))), nil
}

// departing returns the operation that notes that the actor shuts out somebody who could
// govern, from an instant on: none when it is somebody whose agreement would not count
// for the actor anyway, or who may govern still, as after says (nil: may nothing).
func (s *Service) departing(ctx context.Context, ws string, a *core.Actor, before Principal, after *Principal, at time.Time) ([]store.Op, error) {
	if a.IsSystem() || a.ID == before.ID {
		return nil, nil
	}
	could, err := s.governs(ctx, ws, before)
	if err != nil || !could {
		return nil, err
	}
	if after != nil {
		if still, err := s.governs(ctx, ws, *after); err != nil || still {
			return nil, err
		}
	}
	f, err := s.Family(ctx, ws)
	if err != nil || f.Same(before.ID, a.ID) {
		return nil, err
	}
	d, err := Departures.Get(ctx, s.store, departureKey(ws))
	if err != nil {
		return nil, err
	}
	if d == nil {
		d = &Departure{Meta: store.Meta{ID: departureKey(ws)}}
	}
	if d.At.After(at) {
		at = d.At
	}
	d.Who, d.By, d.At = before.ID, a.ID, at.UTC().Truncate(time.Millisecond)
	return []store.Op{Departures.Put(d)}, nil
}

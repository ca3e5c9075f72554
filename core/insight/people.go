package insight

import (
	"context"
	"fmt"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// The bounds of what is worked out from events of people one by one.
const (
	maxMembers      = 20_000
	maxPeopleEvents = 400_000
)

var (
	errManyMembers = core.Errorf(core.TooComplex, "TOO_MANY_PEOPLE", "the segment has more than %d people; figures of a segment are worked out from the events of each", maxMembers).At("segmentId")
	errManyEvents  = core.Errorf(core.TooComplex, "TOO_MANY_EVENTS", "these people have more than %d events; take a smaller segment", maxPeopleEvents)
)

// membersOf returns the ids of the profiles that are in a segment now.
func (s *Service) membersOf(ctx context.Context, ws, id string) ([]string, error) {
	list, err := segment.Memberships.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", id+"/")}}, maxMembers+1)
	if err != nil {
		return nil, fmt.Errorf("insight: read members: %w", err)
	}
	if len(list) > maxMembers {
		return nil, errManyMembers
	}
	out := make([]string, len(list))
	for i, m := range list {
		out[i] = m.Profile
	}
	return out, nil
}

// eachPerson calls f with people by the ids of their profiles.
func (s *Service) eachPerson(ctx context.Context, ws string, ids []string, f func(*profile.Profile) error) error {
	for at := 0; at < len(ids); at += 500 {
		keys := make([]string, 0, 500)
		for _, id := range ids[at:min(at+500, len(ids))] {
			keys = append(keys, store.Key(ws, id))
		}
		people, err := profile.Profiles.GetMany(ctx, s.Store, keys)
		if err != nil {
			return fmt.Errorf("insight: read people: %w", err)
		}
		for _, p := range people {
			if p == nil {
				continue
			}
			if err := f(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// foldSegment folds what the people who are in a segment now have done, whenever, into
// measures. A person is one, whatever parts they consist of.
func (s *Service) foldSegment(ctx context.Context, ws, id string, list []*measure) (*fold, error) {
	ids, err := s.membersOf(ctx, ws, id)
	if err != nil {
		return nil, err
	}
	by := map[eventName][]*measure{}
	seen := map[string]bool{}
	for _, t := range list {
		if !seen[t.id] {
			seen[t.id] = true
			by[t.name] = append(by[t.name], t)
		}
	}
	out := newFold(ws)
	events := 0
	err = s.eachPerson(ctx, ws, ids, func(p *profile.Profile) error {
		return s.Profiles.EachEventOf(ctx, ws, p.Parts, func(e *event.Event) error {
			if events++; events > maxPeopleEvents {
				return errManyEvents
			}
			own := *e
			own.Part = p.ProfileID()
			for _, t := range by[eventName{e.Name, e.Type == event.System}] {
				out.event(t, &own, own.Part)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	for _, f := range out.firsts {
		if got, ok := f.of.take(f.event); ok {
			out.put(f.of, got, f.person)
		}
	}
	return out, nil
}

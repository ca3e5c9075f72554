package journey

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// freshFor is how long a guard trusts what this process knows of the journeys before it
// asks the store: what rests on older ones does not commit in any case.
const freshFor = 20 * time.Millisecond

// Stand is a message.Guard: it says how a journey stands to a message of its own just
// before that is handed over. A message of somebody who has left is cancelled; one of a
// paused journey is held.
func (s *Service) Stand(ctx context.Context, ws string, m *message.Message) (message.Stand, error) {
	if m.Journey == "" {
		return message.Stand{}, nil
	}
	last, _ := s.asked.Load(ws)
	if at, ok := last.(time.Time); !ok || time.Since(at) > freshFor {
		s.Segments.Suspect(ws)
		s.asked.Store(ws, time.Now())
	}
	following, stands, err := s.Segments.Following(ctx, ws)
	if err != nil {
		return message.Stand{}, err
	}
	l, _ := following.(*live)
	cancel := func(why string) (message.Stand, error) {
		return message.Stand{Verdict: message.Cancel, Check: message.CheckApproval, Reason: why}, nil
	}
	var j *running
	if l != nil {
		j = l.journeys[m.Journey]
	}
	switch {
	case j == nil:
		return cancel("JOURNEY_STOPPED")
	case j.Mode == Paused:
		return message.Stand{Verdict: message.Hold, Check: message.CheckApproval, Reason: "JOURNEY_PAUSED", Scope: "journey/" + m.Journey}, nil
	case j.drains(m.JourneyVersion):
		return cancel("JOURNEY_VERSION_DRAINED")
	case m.Enrollment == "":
		return message.Stand{Ops: []store.Op{stands}}, nil
	}
	e, err := Enrollments.Get(ctx, s.Store, store.Key(ws, m.Enrollment))
	if err != nil {
		return message.Stand{}, err
	}
	if e == nil {
		return cancel("LEFT_JOURNEY")
	}
	switch e.Status {
	case Exited, GoalReached, Removed, Left, HeldOut:
		return cancel("LEFT_JOURNEY")
	case Suspended:
		return cancel("MERGED")
	}
	p, err := s.Profiles.Get(ctx, ws, e.Part)
	if err != nil {
		return message.Stand{}, err
	}
	if p != nil && len(p.Parts) > 1 {
		b := &batch{presences: map[string]*Presence{}}
		keys := make([]string, len(p.Parts))
		for i, part := range p.Parts {
			keys[i] = store.Key(ws, part)
		}
		docs, err := Presences.GetMany(ctx, s.Store, keys)
		if err != nil {
			return message.Stand{}, err
		}
		for i, doc := range docs {
			b.presences[p.Parts[i]] = doc
		}
		if b.elder(p, e) != "" {
			return cancel("MERGED")
		}
	}
	return message.Stand{Ops: []store.Op{stands, Enrollments.Check(e)}}, nil
}

// uses tells which journeys name a segment: a segment.Uses.
func (s *Service) uses(ctx context.Context, ws, segmentID string) ([]segment.User, error) {
	ids, err := s.naming(ctx, ws, segmentID)
	if err != nil {
		return nil, err
	}
	out := make([]segment.User, len(ids))
	for i, j := range ids {
		out[i] = segment.User{ID: j.JourneyID(), Kind: "journey", Name: j.Name}
	}
	return out, nil
}

// Users names the journeys, archived and stopped ones aside, that use something by its id:
// a template, a segment, a pool.
func (s *Service) Users(ctx context.Context, ws, id string) ([]*Journey, error) {
	out, err := s.naming(ctx, ws, id)
	return out, storeError("read the journeys", err)
}

// naming finds the journeys whose latest or published versions name an id.
func (s *Service) naming(ctx context.Context, ws, id string) ([]*Journey, error) {
	all, err := Journeys.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, err
	}
	var out []*Journey
	for _, j := range all {
		if j.Mode == Stopped || j.Mode == Archived {
			continue
		}
		list, err := s.Versions(ctx, ws, j.JourneyID())
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(v *Version) bool {
			return (v.Number == j.Latest || !v.PublishedAt.IsZero()) && strings.Contains(v.Definition, `"`+id+`"`)
		}) {
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b *Journey) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

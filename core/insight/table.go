package insight

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Whom is whom a table is about.
type Whom struct {
	From, To time.Time
	Segment  string // seg_…: the people who are in it now; "" is everybody
}

// Sample says of how many people a table was worked out.
type Sample struct {
	People int64 // looked at
	// Share is what part of everybody they are: 1 but where there are more than 20,000, of
	// whom a part is taken that has nothing to do with what they did. Numbers are of the
	// people looked at.
	Share float64
}

// buckets is into how many parts people fall by a hash of their ids.
const buckets = 10_000

// Step is an event that people come to.
type Step struct {
	Event string
	Where string // JSON, predicates on its properties; "" for none
}

// step is a compiled Step.
type step struct {
	name  eventName
	takes *condition.LedgerFold
}

func (s *Service) compileStep(ctx context.Context, ws string, in Step) (*step, error) {
	if in.Event == "" || len(in.Event) > 200 || len(in.Where) > maxWhere {
		return nil, core.Errorf(core.Invalid, "EVENT", "a step names an event").At("event")
	}
	takes, fault := compileWhere(in.Event, in.Where, condition.Times, "")
	if fault != nil {
		return nil, fault
	}
	if s.May != nil {
		text := `{"event":{"name":` + quote(in.Event)
		if in.Where != "" {
			text += `,"where":` + in.Where
		}
		n, err := condition.ParseJSON([]byte(text + "}}"))
		if err == nil {
			err = s.May(ctx, ws, n)
		}
		if err != nil {
			return nil, core.AsError(err).At("where")
		}
	}
	return &step{nameOf(in.Event), takes}, nil
}

func (t *step) is(e *event.Event) bool {
	if e.Name != t.name.name || (e.Type == event.System) != t.name.system {
		return false
	}
	_, ok := t.takes.Take(condition.LedgerEvent{At: e.Timestamp, Properties: e.Properties})
	return ok
}

// table begins a table: it refuses who may not see it, tells the audit, and reports
// whether few people are suppressed.
func (s *Service) table(ctx context.Context, ws, what string, w Whom) (few bool, err error) {
	if _, err := access.Require(ctx, access.Read); err != nil {
		return false, err
	}
	g, few, err := s.gate(ctx, ws)
	if err != nil {
		return false, err
	}
	if err := g.UsableCategory(core.Behaviour, "events"); err != nil {
		return false, err
	}
	if !w.From.Before(w.To) || w.From.Year() < 1970 || w.To.Year() > 9998 {
		return false, core.Errorf(core.Invalid, "PERIOD", "the period ends after it begins").At("to")
	}
	if w.Segment != "" {
		if err := s.readableSegment(ctx, ws, g, w.Segment); err != nil {
			return false, err
		}
	}
	return few, audit.Note(ctx, audit.Seen{Resource: what, Decision: decided(few)})
}

// each calls f with the events in a period of each person, by time.
func (s *Service) each(ctx context.Context, ws string, w Whom, f func(p *profile.Profile, events []*event.Event)) (Sample, error) {
	sample := Sample{Share: 1}
	var ids []string
	var err error
	if w.Segment != "" {
		ids, err = s.membersOf(ctx, ws, w.Segment)
	} else {
		ids, sample.Share, err = s.sample(ctx, ws)
	}
	if err != nil {
		return sample, err
	}
	read := 0
	err = s.eachPerson(ctx, ws, ids, func(p *profile.Profile) error {
		sample.People++
		var list []*event.Event
		for _, part := range p.Parts {
			q := store.Query{Workspace: ws, Where: []store.Cond{
				store.Eq("part", part), store.Gte("timestamp", w.From), store.Lt("timestamp", w.To),
			}, Order: []string{"timestamp"}}
			err := event.Events.Each(ctx, s.Store, q, func(e *event.Event) error {
				if read++; read > maxPeopleEvents {
					return errManyEvents
				}
				list = append(list, e)
				return nil
			})
			if err != nil {
				return err
			}
		}
		slices.SortFunc(list, func(a, b *event.Event) int {
			if c := a.Timestamp.Compare(b.Timestamp); c != 0 {
				return c
			}
			if before(a, b) {
				return -1
			}
			return 1
		})
		f(p, list)
		return nil
	})
	return sample, err
}

// sample returns the ids of everybody, or of the people of some buckets.
func (s *Service) sample(ctx context.Context, ws string) (ids []string, share float64, err error) {
	const slice = 100
	for from := int64(0); from < buckets; from += slice {
		list, err := profile.Profiles.Find(ctx, s.Store, store.Query{
			Workspace: ws, Where: []store.Cond{store.Gte("k", from), store.Lt("k", from+slice)}, Order: []string{"k"},
		}, maxMembers+1)
		if err != nil {
			return nil, 0, fmt.Errorf("insight: read people: %w", err)
		}
		if len(ids)+len(list) > maxMembers && from > 0 {
			return ids, float64(from) / buckets, nil
		}
		for _, p := range list {
			ids = append(ids, p.ProfileID())
		}
		if len(ids) > maxMembers {
			return nil, 0, core.Errorf(core.TooComplex, "TOO_MANY_PEOPLE", "there are too many people for this; ask for those of a segment").At("segmentId")
		}
	}
	return ids, 1, nil
}

// FewCount is a number of people; suppressed where they are too few for whoever asks.
type FewCount struct {
	People     int64
	Suppressed bool
}

func (s *Service) shown(n int64, few bool) FewCount {
	if few && n > 0 && n < int64(s.SmallCell) {
		return FewCount{Suppressed: true}
	}
	return FewCount{People: n}
}

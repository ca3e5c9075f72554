package journey

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
)

// MaxRehearsed is how many people, and MaxRehearsal how long a time, a rehearsal takes.
const (
	MaxRehearsed = 2000
	MaxRehearsal = 92 * 24 * time.Hour
)

// RehearseInput says what is rehearsed.
type RehearseInput struct {
	Journey  string
	Version  int64 // 0: the latest
	From, To time.Time
	People   int // at most; those with the smallest ids
}

// Rehearse simulates a version over the pasts of people whom the caller may see. Their
// traits, segments and records are taken as they are now.
func (s *Service) Rehearse(ctx context.Context, ws string, in RehearseInput) (*Simulation, error) {
	p, people, o, err := s.rehearsal(ctx, ws, in, in.Version)
	if err != nil {
		return nil, err
	}
	out, err := Simulate(ctx, p, people, o)
	return out, storeError("simulate the journey", err)
}

// CompareVersions simulates two versions over the same people.
func (s *Service) CompareVersions(ctx context.Context, ws string, in RehearseInput, after int64) (*Comparison, error) {
	a, people, o, err := s.rehearsal(ctx, ws, in, in.Version)
	if err != nil {
		return nil, err
	}
	b, others, _, err := s.rehearsal(ctx, ws, in, after)
	if err != nil {
		return nil, err
	}
	people.programs = append(people.programs, others.programs...)
	out, err := Compare(ctx, a, b, people, o)
	return out, storeError("simulate the journey", err)
}

// rehearsal readies the simulation of a version.
func (s *Service) rehearsal(ctx context.Context, ws string, in RehearseInput, number int64) (*Program, *audience, SimulateOptions, error) {
	o := SimulateOptions{From: in.From, To: in.To}
	if err := mayDesign(ctx); err != nil {
		return nil, nil, o, err
	}
	switch {
	case !in.From.Before(in.To) || in.To.Sub(in.From) > MaxRehearsal:
		return nil, nil, o, core.Errorf(core.Invalid, "PERIOD", "the end comes after the beginning, at most %d days", int(MaxRehearsal.Hours()/24)).At("to")
	case in.To.After(s.now().Add(MaxRehearsal)):
		return nil, nil, o, core.Errorf(core.Invalid, "PERIOD", "the end is at most %d days from now", int(MaxRehearsal.Hours()/24)).At("to")
	case in.People < 1 || in.People > MaxRehearsed:
		return nil, nil, o, core.Errorf(core.Invalid, "PEOPLE", "1 to %d people are looked at", MaxRehearsed).At("people")
	}
	j, err := s.Journey(ctx, ws, in.Journey)
	if err != nil {
		return nil, nil, o, err
	}
	if j == nil {
		return nil, nil, o, errThisJourney
	}
	if number == 0 {
		number = j.Latest
	}
	v, err := s.Version(ctx, ws, in.Journey, number)
	if err != nil {
		return nil, nil, o, err
	}
	if v == nil {
		return nil, nil, o, core.Errorf(core.NotFound, "JOURNEY_VERSION", "the journey has no version %d", number).At("version")
	}
	ok, err := s.Reads(ctx, ws, v)
	if err != nil {
		return nil, nil, o, err
	}
	if !ok {
		return nil, nil, o, core.Errorf(core.Forbidden, ReasonProtected, "the conditions of this journey ask about data that may not be read here for this purpose").At("journeyId")
	}
	p, err := s.compiled(v)
	if err != nil {
		return nil, nil, o, err
	}
	if o.Segments, err = s.watchedSegments(ctx, ws, p); err != nil {
		return nil, nil, o, err
	}
	a := &audience{s: s, ws: ws, most: in.People}
	a.programs = append(a.programs, p.all()...)
	for _, id := range sortedKeys(o.Segments) {
		a.programs = append(a.programs, o.Segments[id])
	}
	return p, a, o, nil
}

// watchedSegments compiles the conditions of the segments that entrances name.
func (s *Service) watchedSegments(ctx context.Context, ws string, p *Program) (map[string]*condition.Program, error) {
	out := map[string]*condition.Program{}
	for _, e := range p.Entrances() {
		for _, id := range []string{e.SegmentEntered, e.SegmentLeft} {
			if id == "" || out[id] != nil {
				continue
			}
			g, err := s.Segments.Get(core.WithActor(ctx, access.System(ws, "journeys")), ws, id)
			if err != nil {
				return nil, err
			}
			if g == nil || g.Where == "" {
				continue
			}
			n, err := condition.ParseJSON([]byte(g.Where))
			if err != nil {
				return nil, err
			}
			if out[id], err = condition.Compile(n, condition.Zone{}); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// all lists the conditions of a version that do not mention the entering event.
func (p *Program) all() []*condition.Program {
	var out []*condition.Program
	for _, e := range p.entrances {
		if e.Asks != nil {
			out = append(out, e.Asks)
		}
	}
	for _, a := range p.conditions() {
		if c, _ := a.ready(nil); c != nil && !a.binds {
			out = append(out, c)
		}
	}
	return out
}

// audience reads people for a simulation, a page at a time.
type audience struct {
	s        *Service
	ws       string
	most     int
	programs []*condition.Program
}

// Each implements People.
func (a *audience) Each(ctx context.Context, f func(*Person) error) error {
	panel, err := a.s.Segments.Panel(ctx, a.ws, a.programs...)
	if err != nil {
		return err
	}
	seen := 0
	for w := (core.Window{Limit: 200}); seen < a.most; {
		page, err := a.s.Profiles.List(ctx, a.ws, w)
		if err != nil {
			return err
		}
		some, err := a.admitted(ctx, page.Items[:min(len(page.Items), a.most-seen)])
		if err != nil {
			return err
		}
		facts, err := panel.Facts(ctx, some)
		if err != nil {
			return err
		}
		for i, p := range some {
			one, err := a.person(ctx, p, facts[i])
			if err != nil {
				return err
			}
			if err := f(one); err != nil {
				return err
			}
		}
		seen += len(some)
		if !page.HasNext || len(page.Cursors) == 0 {
			return nil
		}
		w.After = page.Cursors[len(page.Cursors)-1]
	}
	return nil
}

// admitted returns whom of some people the caller may see, as they are stored. That they
// were looked at is noted in the audit log.
func (a *audience) admitted(ctx context.Context, list []*profile.Profile) ([]*profile.Profile, error) {
	parts := make([]*Enrollment, len(list))
	for i, p := range list {
		parts[i] = &Enrollment{Part: p.ProfileID()}
	}
	if err := keep(ctx, a.s, a.ws, parts, partOf); err != nil {
		return nil, err
	}
	var out []*profile.Profile
	for i, e := range parts {
		if e != nil {
			out = append(out, list[i])
		}
	}
	return out, nil
}

// maxPast is how many events of one person a simulation replays.
const maxPast = 5000

func (a *audience) person(ctx context.Context, p *profile.Profile, f *segment.Facts) (*Person, error) {
	out := &Person{Profile: p.ProfileID(), Facts: func(time.Time) condition.Facts { return f }}
	err := a.s.Profiles.EachEventOf(ctx, a.ws, p.Parts, func(e *event.Event) error {
		if len(out.Events) < maxPast {
			out.Events = append(out.Events, e)
		}
		return nil
	})
	if len(p.Parts) > 1 {
		slices.SortStableFunc(out.Events, func(a, b *event.Event) int { return a.Timestamp.Compare(b.Timestamp) })
	}
	return out, err
}

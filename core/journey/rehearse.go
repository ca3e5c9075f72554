package journey

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
)

// MaxRehearsed is how many people a rehearsal within a request takes, MaxRehearsedLong how
// many one by a job, and MaxRehearsal how long a time each.
const (
	MaxRehearsed     = 2000
	MaxRehearsedLong = 100_000
	MaxRehearsal     = 92 * 24 * time.Hour
)

// RehearseInput says what is rehearsed.
type RehearseInput struct {
	Journey  string
	Version  int64     // 0: the latest
	From, To time.Time // From zero: now, which it must be with Inside
	People   int       // at most; those with the smallest ids, or with Inside of those who are inside
	// Inside, if not "", looks at those who are inside now, and says what becomes of them as
	// the version is published: PIN, DRAIN or MIGRATE, by NodeMap.
	Inside  string
	NodeMap map[string]*string // as PublishInput has it
}

// rehearsal is one that is ready to run.
type rehearsal struct {
	one, other *Program // other: nil for one version
	numbers    []int64  // of the versions
	people     *audience
	o          SimulateOptions
}

// Rehearse simulates a version over the pasts of people whom the caller may see. Their
// traits, segments and records are taken as they are now.
func (s *Service) Rehearse(ctx context.Context, ws string, in RehearseInput) (*Simulation, error) {
	r, err := s.rehearsal(ctx, ws, in, 0, MaxRehearsed)
	if err != nil {
		return nil, err
	}
	out, err := Simulate(ctx, r.one, r.people, r.o)
	return out, storeError("simulate the journey", err)
}

// CompareVersions simulates two versions over the same people. Of those inside, In says what
// becomes as the second is published; under the first they go on in theirs.
func (s *Service) CompareVersions(ctx context.Context, ws string, in RehearseInput, after int64) (*Comparison, error) {
	if after < 1 {
		return nil, errNoVersion(after)
	}
	r, err := s.rehearsal(ctx, ws, in, after, MaxRehearsed)
	if err != nil {
		return nil, err
	}
	out, err := Compare(ctx, r.one, r.other, r.people, r.o)
	return out, storeError("simulate the journey", err)
}

func errNoVersion(number int64) *core.Error {
	return core.Errorf(core.NotFound, "JOURNEY_VERSION", "the journey has no version %d", number).At("version")
}

// rehearsal readies the simulation of a version, or of two when after is not 0.
func (s *Service) rehearsal(ctx context.Context, ws string, in RehearseInput, after int64, most int) (*rehearsal, error) {
	if err := mayDesign(ctx); err != nil {
		return nil, err
	}
	if err := in.settle(s.now(), most); err != nil {
		return nil, err
	}
	j, err := s.Journey(ctx, ws, in.Journey)
	if err != nil {
		return nil, err
	}
	if j == nil {
		return nil, errThisJourney
	}
	if in.Version == 0 {
		in.Version = j.Latest
	}
	r := &rehearsal{o: SimulateOptions{From: in.From, To: in.To, Segments: map[string]*condition.Program{}}}
	if s.Hours != nil {
		if r.o.Hours, err = s.Hours.UsualHours(ctx, ws); err != nil {
			return nil, err
		}
	}
	r.people = &audience{s: s, ws: ws, most: in.People}
	if r.one, err = s.rehearsed(ctx, ws, in.Journey, in.Version, r); err != nil {
		return nil, err
	}
	target := r.one
	r.numbers = []int64{in.Version}
	if after != 0 {
		r.numbers = append(r.numbers, after)
		if r.other, err = s.rehearsed(ctx, ws, in.Journey, after, r); err != nil {
			return nil, err
		}
		target = r.other
	}
	if in.Inside != "" {
		if err := s.standIn(ctx, ws, j, in, target, r); err != nil {
			return nil, err
		}
	}
	for _, id := range sortedKeys(r.o.Segments) {
		r.people.programs = append(r.people.programs, r.o.Segments[id])
	}
	return r, nil
}

// settle checks what is asked for, and says from when.
func (in *RehearseInput) settle(now time.Time, most int) error {
	if in.Inside != "" && !slices.Contains([]string{InsidePin, InsideDrain, InsideMigrate}, in.Inside) {
		return core.Errorf(core.Invalid, "INSIDE", "those inside PIN, DRAIN or MIGRATE").At("inside")
	}
	switch {
	case in.Inside != "" && !in.From.IsZero():
		return core.Errorf(core.Invalid, "PERIOD", "a simulation of those inside begins now; leave the beginning out").At("from")
	case in.Inside != "":
		in.From = now
	case in.From.IsZero():
		return core.Errorf(core.Invalid, "PERIOD", "give a beginning, or say with inside that it is about those who are inside now").At("from")
	}
	switch {
	case !in.From.Before(in.To) || in.To.Sub(in.From) > MaxRehearsal:
		return core.Errorf(core.Invalid, "PERIOD", "the end comes after the beginning, at most %d days", int(MaxRehearsal.Hours()/24)).At("to")
	case in.To.After(now.Add(MaxRehearsal)):
		return core.Errorf(core.Invalid, "PERIOD", "the end is at most %d days from now", int(MaxRehearsal.Hours()/24)).At("to")
	case in.People < 1 || in.People > most:
		return core.Errorf(core.Invalid, "PEOPLE", "1 to %d people are looked at", most).At("people")
	}
	return nil
}

// rehearsed returns a version that the caller may simulate, and adds what it asks to r.
func (s *Service) rehearsed(ctx context.Context, ws, id string, number int64, r *rehearsal) (*Program, error) {
	v, err := s.Version(ctx, ws, id, number)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, errNoVersion(number)
	}
	ok, err := s.Reads(ctx, ws, v)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, core.Errorf(core.Forbidden, ReasonProtected, "the conditions of this journey ask about data that may not be read here for this purpose").At("journeyId")
	}
	p, err := s.compiled(v)
	if err != nil {
		return nil, err
	}
	r.people.programs = append(r.people.programs, p.all()...)
	return p, s.watchedSegments(ctx, ws, p, r.o.Segments)
}

// standIn adds those who are inside now, and what becomes of them.
func (s *Service) standIn(ctx context.Context, ws string, j *Journey, in RehearseInput, target *Program, r *rehearsal) error {
	versions, err := s.published(ctx, ws, in.Journey)
	if err != nil {
		return err
	}
	r.o.Versions = map[int64]*Program{}
	known := map[string]bool{}
	for _, number := range sortedKeys(versions) {
		p, err := s.rehearsed(ctx, ws, in.Journey, number, &rehearsal{people: r.people, o: SimulateOptions{Segments: map[string]*condition.Program{}}})
		if err != nil {
			return err
		}
		r.o.Versions[number] = p
		for _, n := range p.def.Nodes {
			known[n.ID] = true
		}
	}
	if faults := checkNodeMap(known, target, in.NodeMap); len(faults) > 0 {
		return Faults(faults)
	}
	r.o.Inside, r.o.NodeMap, r.o.Leaves = in.Inside, in.NodeMap, j.Leaves
	r.people.journey = in.Journey
	return nil
}

// watchedSegments adds the conditions of the segments that entrances name.
func (s *Service) watchedSegments(ctx context.Context, ws string, p *Program, out map[string]*condition.Program) error {
	for _, e := range p.Entrances() {
		for _, id := range []string{e.SegmentEntered, e.SegmentLeft} {
			if id == "" || out[id] != nil {
				continue
			}
			g, err := s.Segments.Get(core.WithActor(ctx, access.System(ws, "journeys")), ws, id)
			if err != nil {
				return err
			}
			if g == nil || g.Where == "" {
				continue
			}
			n, err := condition.ParseJSON([]byte(g.Where))
			if err != nil {
				return err
			}
			if out[id], err = condition.Compile(n, condition.Zone{}); err != nil {
				return err
			}
		}
	}
	return nil
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

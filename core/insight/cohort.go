package insight

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/work"
)

// Cohorts is a retention table: of those who began in a period, how many came back in each
// period since.
type Cohorts struct {
	Sample
	Rows []Cohort
}

// Cohort is who began in one period.
type Cohort struct {
	From, To time.Time
	Size     FewCount
	Periods  []FewCount // who came back: in the period itself, in the next, …
}

// Cohorts tells people apart by the period of their first starting event in the time asked
// for, and counts who had the returning event in that period and in each one since. Of the
// period in which they began only what was later than the beginning counts.
func (s *Service) Cohorts(ctx context.Context, ws string, w Whom, start, back Step, grain Grain, timeZone string) (*Cohorts, error) {
	zone, err := time.LoadLocation(timeZone)
	if err != nil || timeZone == "Local" {
		return nil, core.Errorf(core.Invalid, "TIME_ZONE", "a time zone is a name of the IANA database, such as Europe/Bucharest, or UTC").At("timeZone")
	}
	if grain != Day && grain != Week && grain != Month && grain != Quarter {
		return nil, core.Errorf(core.Invalid, "GRAIN", "cohorts are told apart by DAY, WEEK, MONTH or QUARTER").At("grain")
	}
	few, err := s.table(ctx, ws, "cohorts", w)
	if err != nil {
		return nil, work.Outward(err)
	}
	spans, fault := grain.cut(w.From, w.To, zone)
	if fault != nil {
		return nil, fault
	}
	if len(spans) > 60 {
		return nil, core.Errorf(core.TooComplex, "TOO_MANY_PERIODS", "a table has at most 60 cohorts; take a longer grain or a shorter time").At("grain")
	}
	begins, err := s.compileStep(ctx, ws, start)
	if err != nil {
		return nil, core.AsError(err).At("start")
	}
	returns, err := s.compileStep(ctx, ws, back)
	if err != nil {
		return nil, core.AsError(err).At("back")
	}
	size, came := make([]int64, len(spans)), make([][]int64, len(spans))
	for i := range came {
		came[i] = make([]int64, len(spans)-i)
	}
	p := &periods{spans: spans}
	sample, err := s.each(ctx, ws, w, func(_ *profile.Profile, events []*event.Event) {
		at := slices.IndexFunc(events, begins.is)
		if at < 0 {
			return
		}
		first, ok := p.of(events[at].Timestamp.Unix())
		if !ok { // in the last part of a second, of a time that ends within it
			return
		}
		size[first]++
		seen := map[int]bool{}
		for _, e := range events[at+1:] {
			if i, ok := p.of(e.Timestamp.Unix()); ok && !seen[i] && returns.is(e) {
				seen[i] = true
				came[first][i-first]++
			}
		}
	})
	if err != nil {
		return nil, work.Outward(err)
	}
	out := &Cohorts{Sample: sample}
	for i, span := range spans {
		c := Cohort{From: span.from, To: span.to, Size: s.shown(size[i], few)}
		for _, n := range came[i] {
			one := s.shown(n, few)
			if few && (c.Size.Suppressed || size[i]-n > 0 && size[i]-n < int64(s.SmallCell)) {
				one = FewCount{Suppressed: true}
			}
			c.Periods = append(c.Periods, one)
		}
		out.Rows = append(out.Rows, c)
	}
	return out, nil
}

// Paths are what people do one after another.
type Paths struct {
	Sample
	Rows []Path
}

// Path is names of events in their order, and how many people took it.
type Path struct {
	Events []string
	People int64
}

// The bounds of paths.
const (
	maxPathLength = 10
	maxPathRows   = 100
	maxPathKinds  = 50_000
)

// Paths returns what people did first from a starting event on, so many events long: the
// most usual paths first. The same event again and again is one. Each person counts once,
// with their first start. Paths of few people are left out for who sees aggregates only.
func (s *Service) Paths(ctx context.Context, ws string, w Whom, start Step, length, first int) (*Paths, error) {
	switch {
	case length < 2 || length > maxPathLength:
		return nil, core.Errorf(core.Invalid, "LENGTH", "a path is 2 to %d events long", maxPathLength).At("length")
	case first < 1 || first > maxPathRows:
		return nil, core.Errorf(core.Invalid, "PAGE_SIZE", "ask for 1 to %d paths", maxPathRows).At("first")
	}
	few, err := s.table(ctx, ws, "paths", w)
	if err != nil {
		return nil, work.Outward(err)
	}
	begins, err := s.compileStep(ctx, ws, start)
	if err != nil {
		return nil, core.AsError(err).At("start")
	}
	found := map[string]*Path{}
	sample, err := s.each(ctx, ws, w, func(_ *profile.Profile, events []*event.Event) {
		at := slices.IndexFunc(events, begins.is)
		if at < 0 {
			return
		}
		var names []string
		for _, e := range events[at:] {
			if e.Type == event.System && e.Source == profile.SystemSource && len(names) > 0 && !nameOf(e.Name).system {
				continue // what Headwater noted about itself is no step of a person's
			}
			if len(names) == 0 || names[len(names)-1] != e.Name {
				names = append(names, e.Name)
			}
			if len(names) == length {
				break
			}
		}
		key := fmt.Sprintf("%q", names)
		if found[key] == nil {
			if len(found) >= maxPathKinds {
				return
			}
			found[key] = &Path{Events: names}
		}
		found[key].People++
	})
	if err != nil {
		return nil, work.Outward(err)
	}
	out := &Paths{Sample: sample}
	for _, key := range sortedKeys(found) {
		if n := s.shown(found[key].People, few); !n.Suppressed {
			out.Rows = append(out.Rows, *found[key])
		}
	}
	slices.SortStableFunc(out.Rows, func(a, b Path) int { return int(b.People - a.People) })
	out.Rows = out.Rows[:min(first, len(out.Rows))]
	return out, nil
}

// median returns the middle of a list, of two the lower; 0 of none.
func median(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[(len(list)-1)/2]
}

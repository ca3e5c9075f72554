package insight

import (
	"context"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/work"
)

// Funnel is how far people come through steps, one after another.
type Funnel struct {
	Sample
	Steps []FunnelStep
}

// FunnelStep is how many people have come to a step and all before it.
type FunnelStep struct {
	FewCount
	// Median is how long half of them took from the first step; 0 for that itself, and
	// where they are suppressed or nobody.
	Median time.Duration
}

// maxSteps is how many steps a funnel has at most.
const maxSteps = 10

// Funnel counts who came through the steps in their order, each a moment later than the
// one before, all within a time from the first. A person who began several times counts
// with the time that led furthest, of those the earliest.
func (s *Service) Funnel(ctx context.Context, ws string, w Whom, in []Step, within time.Duration) (*Funnel, error) {
	if len(in) < 2 || len(in) > maxSteps {
		return nil, core.Errorf(core.Invalid, "STEPS", "a funnel has 2 to %d steps", maxSteps).At("steps")
	}
	if within <= 0 || within > 366*24*time.Hour {
		return nil, core.Errorf(core.Invalid, "WITHIN", "the steps are taken within a moment to a year").At("within")
	}
	few, err := s.table(ctx, ws, "funnel", w)
	if err != nil {
		return nil, work.Outward(err)
	}
	steps := make([]*step, len(in))
	for i, one := range in {
		if steps[i], err = s.compileStep(ctx, ws, one); err != nil {
			return nil, core.AsError(err).At("steps", fmt.Sprint(i))
		}
	}
	took := make([][]time.Duration, len(steps))
	sample, err := s.each(ctx, ws, w, func(_ *profile.Profile, events []*event.Event) {
		for i, d := range furthest(steps, events, within) {
			took[i] = append(took[i], d)
		}
	})
	if err != nil {
		return nil, work.Outward(err)
	}
	out := &Funnel{Sample: sample}
	for _, list := range took {
		one := FunnelStep{FewCount: s.shown(int64(len(list)), few)}
		if !one.Suppressed {
			one.Median = median(list)
		}
		out.Steps = append(out.Steps, one)
	}
	if few { // what lies between two steps is a number of people too
		for i := 1; i < len(took); i++ {
			if lost := int64(len(took[i-1]) - len(took[i])); lost > 0 && lost < int64(s.SmallCell) {
				out.Steps[i] = FunnelStep{FewCount: FewCount{Suppressed: true}}
			}
		}
	}
	return out, nil
}

// furthest returns how long after the first step each step was come to, in the attempt
// that led furthest.
func furthest(steps []*step, events []*event.Event, within time.Duration) []time.Duration {
	var best []time.Duration
	for i, e := range events {
		if !steps[0].is(e) {
			continue
		}
		got := []time.Duration{0}
		last := e.Timestamp
		for _, next := range events[i+1:] {
			after := next.Timestamp.Sub(e.Timestamp)
			if len(got) == len(steps) || after > within {
				break
			}
			if next.Timestamp.After(last) && steps[len(got)].is(next) {
				got, last = append(got, after), next.Timestamp
			}
		}
		if len(got) > len(best) {
			best = got
		}
		if len(best) == len(steps) {
			break
		}
	}
	return best
}

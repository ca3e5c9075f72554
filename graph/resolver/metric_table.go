package resolver

import (
	"context"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
)

func stepOf(in *gen.EventStepInput) insight.Step {
	out := insight.Step{Event: in.Event}
	if !in.Where.IsNull() {
		out.Where = string(in.Where)
	}
	return out
}

func whom(from, to time.Time, segmentID *string) insight.Whom {
	return insight.Whom{From: from, To: to, Segment: value(segmentID)}
}

func countOf(c insight.FewCount) *gen.PeopleCount {
	out := &gen.PeopleCount{Suppressed: c.Suppressed}
	if !c.Suppressed {
		out.People = ptr(int(c.People))
	}
	return out
}

func shareOf(s insight.Sample) scalar.Decimal {
	return scalar.Decimal(strconv.FormatFloat(s.Share, 'f', -1, 64))
}

// Funnel answers Query.funnel.
func (r query) Funnel(ctx context.Context, steps []*gen.EventStepInput, within time.Duration, from, to time.Time, segmentID *string) (*gen.Funnel, error) {
	list := make([]insight.Step, len(steps))
	for i, s := range steps {
		list[i] = stepOf(s)
	}
	f, err := r.Figures.Funnel(ctx, workspace(ctx), whom(from, to, segmentID), list, within)
	if err != nil {
		return nil, err
	}
	out := &gen.Funnel{People: int(f.People), Share: shareOf(f.Sample)}
	for i, s := range f.Steps {
		one := &gen.FunnelStep{Event: list[i].Event, Count: countOf(s.FewCount)}
		if !s.Suppressed {
			one.Median = ptr(s.Median)
			if whole := f.Steps[0]; !whole.Suppressed && whole.People > 0 {
				one.Rate = ptr(scalar.Decimal(strconv.FormatFloat(float64(s.People)/float64(whole.People), 'f', 6, 64)))
			}
		}
		out.Steps = append(out.Steps, one)
	}
	return out, nil
}

// Cohorts answers Query.cohorts.
func (r query) Cohorts(ctx context.Context, start, back gen.EventStepInput, from, to time.Time, grain insight.Grain, timeZone string, segmentID *string) (*gen.CohortTable, error) {
	c, err := r.Figures.Cohorts(ctx, workspace(ctx), whom(from, to, segmentID), stepOf(&start), stepOf(&back), grain, timeZone)
	if err != nil {
		return nil, err
	}
	out := &gen.CohortTable{People: int(c.People), Share: shareOf(c.Sample)}
	for _, row := range c.Rows {
		one := &gen.Cohort{From: row.From, To: row.To, Size: countOf(row.Size)}
		for _, p := range row.Periods {
			one.Periods = append(one.Periods, countOf(p))
		}
		out.Rows = append(out.Rows, one)
	}
	return out, nil
}

// Paths answers Query.paths.
func (r query) Paths(ctx context.Context, start gen.EventStepInput, length int, first *int, from, to time.Time, segmentID *string) (*gen.PathTable, error) {
	p, err := r.Figures.Paths(ctx, workspace(ctx), whom(from, to, segmentID), stepOf(&start), length, value(first))
	if err != nil {
		return nil, err
	}
	out := &gen.PathTable{People: int(p.People), Share: shareOf(p.Sample), Rows: []*gen.EventPath{}}
	for _, row := range p.Rows {
		out.Rows = append(out.Rows, &gen.EventPath{Events: row.Events, People: int(row.People)})
	}
	return out, nil
}

package budget

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/insight"
)

// Of tells a Service what figures come to. Figures ask for costs and targets in turn: make
// the Service first, then the figures over it, and then set its Figures.
func Of(s *insight.Service) Figures { return figures{s} }

type figures struct{ *insight.Service }

// Dimensions implements Figures.
func (f figures) Dimensions(ctx context.Context, ws, metric string) ([]string, error) {
	m, err := f.Get(ctx, ws, metric)
	if err != nil {
		return nil, err
	}
	if m == nil || m.Archived {
		return nil, core.Errorf(core.NotFound, "METRIC", "there is no metric with this name; metrics lists those that there are")
	}
	out := make([]string, len(m.Dimensions))
	for i, d := range m.Dimensions {
		out[i] = d.Key
	}
	return out, nil
}

// Admit implements Figures.
func (f figures) Admit(ctx context.Context, ws, metric string) (few bool, err error) {
	return f.Service.Admit(ctx, ws, metric)
}

// Values implements Figures: of the calendar days [from, to) in the metric's time zone, as
// far as they are over.
func (f figures) Values(ctx context.Context, ws, metric string, from, to time.Time, by []string) ([]Cell, error) {
	m, err := f.Get(ctx, ws, metric)
	if err != nil {
		return nil, err
	}
	if m != nil {
		if zone, err := time.LoadLocation(m.TimeZone); err == nil {
			first, last := insight.DateOf(from.UTC()), insight.DateOf(to.UTC())
			if today := insight.DateOf(f.Clock.Now().In(zone)); today.In(time.UTC).Before(last.In(time.UTC)) { // it is not over there
				first, last = insight.DateOf(from.UTC().AddDate(0, 0, -1)), today
			}
			from, to = first.In(zone), last.In(zone)
		}
	}
	a, err := f.Ask(ctx, ws, insight.Question{Name: metric, From: from, To: to, By: by, Grain: insight.Total, Few: true})
	if err != nil {
		return nil, err
	}
	out := make([]Cell, len(a.Rows))
	for i, r := range a.Rows {
		out[i] = Cell{Dimensions: map[string]string{}, Few: r.Few}
		for k, key := range by {
			out[i].Dimensions[key] = r.Dimensions[k]
		}
		if r.State == insight.OK {
			out[i].Value = r.Value
		}
	}
	return out, nil
}

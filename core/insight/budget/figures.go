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

// Values implements Figures: days are those of UTC, as those of costs.
func (f figures) Values(ctx context.Context, ws, metric string, from, to time.Time, by []string) ([]Cell, error) {
	a, err := f.Ask(ctx, ws, insight.Question{Name: metric, From: from, To: to, By: by, Grain: insight.Total})
	if err != nil {
		return nil, err
	}
	out := make([]Cell, len(a.Rows))
	for i, r := range a.Rows {
		out[i] = Cell{Dimensions: map[string]string{}}
		for k, key := range by {
			out[i].Dimensions[key] = r.Dimensions[k]
		}
		if r.State == insight.OK {
			out[i].Value = r.Value
		}
	}
	return out, nil
}

package predict

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/predict/sendhour"
	"github.com/headwater-cdp/headwater/core/work"
)

// The bins of what people are told apart by, as their lower edges after the first;
// amounts are in those of a typical customer.
var (
	driftKeys  = []string{"orders_after_first", "weeks_since_last_order", "average_order"}
	driftEdges = [][]float64{{1, 2, 3, 5, 8, 13}, {2, 4, 8, 13, 26, 52, 104}, {0.25, 0.5, 0.75, 1, 1.5, 2, 4}}
)

// histogram counts people in the bins.
type histogram struct {
	typical typical
	counts  [][]float64
}

func newHistogram(t typical) *histogram {
	h := &histogram{typical: t}
	for _, edges := range driftEdges {
		h.counts = append(h.counts, make([]float64, len(edges)+1))
	}
	return h
}

func (g *histogram) add(h history) {
	amount := h.mean / max(g.typical.Amount, 1e-9)
	for i, v := range []float64{float64(h.x), float64(h.t-h.tx) / week, amount} {
		if i == 2 && h.worthDays == 0 {
			continue // what was not paid says nothing of amounts
		}
		bin, at := slices.BinarySearch(driftEdges[i], v)
		if at {
			bin++
		}
		g.counts[i][bin]++
	}
}

// shares returns the counts as shares of their sums.
func (g *histogram) shares() [][]float64 { return sharesOf(g.counts) }

func sharesOf(lists [][]float64) [][]float64 {
	out := make([][]float64, len(lists))
	for i, counts := range lists {
		all := sum(counts)
		out[i] = make([]float64, len(counts))
		for j, n := range counts {
			out[i][j] = n / max(all, 1)
		}
	}
	return out
}

func sum(list []float64) float64 {
	out := 0.0
	for _, n := range list {
		out += n
	}
	return out
}

// drift returns the population stability index of each number between two sets of
// shares,
//
//	Σ (now − then) ln(now/then)
//
// with shares taken as at least a ten-thousandth. By custom, below 0.1 nothing much has
// changed, and above 0.25 a model should be trained anew (Siddiqi, "Credit Risk
// Scorecards", 2006).
func drift(keys []string, then, now [][]float64) map[string]float64 {
	out := map[string]float64{}
	for i, key := range keys {
		if i >= len(then) || i >= len(now) || len(then[i]) != len(now[i]) {
			continue
		}
		index := 0.0
		for j := range then[i] {
			a, b := max(then[i][j], 1e-4), max(now[i][j], 1e-4)
			index += (b - a) * math.Log(b/a)
		}
		out[key] = index
	}
	return out
}

// The hours of engagements are told apart by threes: by single ones a few hundred would seem
// to drift by chance alone. Recent are those of the last weeks, whatever the training had.
const (
	hourKey  = "hour"
	hourBin  = 3
	hourBins = 24 / hourBin
	lately   = 28 * 24 * time.Hour
)

// byHours adds what engagements fell in each hour to the bins.
func byHours(bins []float64, counts sendhour.Shares) {
	for h, n := range counts {
		bins[h/hourBin] += n
	}
}

// counts counts the people who are scored, in the bins of each model.
type counts struct {
	set    *Settings
	models models
	orders *histogram
	leads  *tally
	hours  [][]float64 // of recent engagements; nil: there is no model of hours
}

// newCounts goes on from what another process has counted for the same models.
func newCounts(m models, set *Settings, before map[string][][]float64) *counts {
	c := &counts{set: set, models: m}
	if m.orders != nil {
		c.orders = newHistogram(m.orders.Params.Typical)
		if had := before[m.orders.ModelID()]; len(had) > 0 {
			c.orders.counts = had
		}
	}
	if m.conversions != nil {
		c.leads = m.conversions.Conversion.tally()
		if had := before[m.conversions.ModelID()]; len(had) > 0 {
			c.leads.counts = had
		}
	}
	if m.hours != nil {
		if c.hours = before[m.hours.ModelID()]; len(c.hours) == 0 {
			c.hours = [][]float64{make([]float64, hourBins)}
		}
	}
	return c
}

// engaged counts recent engagements, by the clock of a zone.
func (c *counts) engaged(signals []sendhour.Signal, zone *time.Location, now time.Time) {
	recent, _ := sendhour.Hours(slices.DeleteFunc(signals, func(s sendhour.Signal) bool { return s.At.Before(now.Add(-lately)) }), zone, now)
	byHours(c.hours[0], recent)
}

func (c *counts) add(o *Outlook, today int32) {
	if c.orders != nil {
		if h, ok := historyUntil(o.days(), today); ok {
			c.orders.add(h)
		}
	}
	if c.leads != nil {
		if row, lacks := c.models.conversions.Conversion.row(c.set, o, today); lacks == "" {
			c.leads.add(row)
		}
	}
}

// all returns the counts by model.
func (c *counts) all() map[string][][]float64 {
	out := map[string][][]float64{}
	if c.orders != nil {
		out[c.models.orders.ModelID()] = c.orders.counts
	}
	if c.leads != nil {
		out[c.models.conversions.ModelID()] = c.leads.counts
	}
	if c.hours != nil {
		out[c.models.hours.ModelID()] = c.hours
	}
	return out
}

// note notes how far people have moved since the training of each model.
func (c *counts) note(ctx context.Context, s *Service) error {
	if c.orders != nil {
		if err := s.noteDrift(ctx, c.models.orders, driftKeys, c.orders.counts); err != nil {
			return err
		}
	}
	if c.hours != nil && sum(c.hours[0]) >= MinEngagements { // fewer say nothing
		if err := s.noteDrift(ctx, c.models.hours, []string{hourKey}, c.hours); err != nil {
			return err
		}
	}
	if c.leads == nil {
		return nil
	}
	return s.noteDrift(ctx, c.models.conversions, c.models.conversions.Conversion.Keys, c.leads.counts)
}

func (s *Service) noteDrift(ctx context.Context, m *Model, keys []string, found [][]float64) error {
	return work.Retry(ctx, attempts, func() error {
		now, err := Models.Get(ctx, s.Store, m.ID)
		if err != nil || now == nil || len(now.Shares) == 0 {
			return err
		}
		now.Drift, now.DriftAt = drift(keys, now.Shares, sharesOf(found)), s.now()
		return work.Commit(ctx, s.Store, Models.Replace(now))
	})
}

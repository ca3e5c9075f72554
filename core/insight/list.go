package insight

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Get returns a metric; nil when there is none with the name.
func (s *Service) Get(ctx context.Context, ws, name string) (*Metric, error) {
	if _, err := access.Require(ctx, access.Read); err != nil {
		return nil, err
	}
	c, err := s.set(ctx, ws)
	if err != nil {
		return nil, work.Outward(err)
	}
	if m := c.metrics[name]; m != nil {
		return m.Metric, nil
	}
	return nil, nil
}

// List returns a page of the metrics, built-in ones among them, in the order of their
// names; archived ones only when asked for.
func (s *Service) List(ctx context.Context, ws string, archived bool, w core.Window) (store.Page[Metric], int64, error) {
	var page store.Page[Metric]
	if _, err := access.Require(ctx, access.Read); err != nil {
		return page, 0, err
	}
	all, err := s.metrics(ctx, ws)
	if err != nil {
		return page, 0, work.Outward(err)
	}
	all = slices.DeleteFunc(all, func(m *Metric) bool { return m.Archived && !archived })
	low, high := 0, len(all)
	if w.After != "" {
		name, err := nameAt(w.After, "after")
		if err != nil {
			return page, 0, err
		}
		low, _ = slices.BinarySearchFunc(all, name, func(m *Metric, name string) int { return strings.Compare(m.Name(), name) })
		if low < len(all) && all[low].Name() == name {
			low++
		}
	}
	if w.Before != "" {
		name, err := nameAt(w.Before, "before")
		if err != nil {
			return page, 0, err
		}
		high, _ = slices.BinarySearchFunc(all, name, func(m *Metric, name string) int { return strings.Compare(m.Name(), name) })
	}
	high = max(low, high)
	first, last := low, high
	if w.Backward {
		first = max(low, high-w.Limit)
	} else {
		last = min(high, low+w.Limit)
	}
	for _, m := range all[first:last] {
		page.Items = append(page.Items, m)
		page.Cursors = append(page.Cursors, base64.RawURLEncoding.EncodeToString([]byte(m.Name())))
	}
	page.HasPrev, page.HasNext = first > 0, last < len(all)
	return page, int64(len(all)), nil
}

func nameAt(cursor, argument string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return "", core.Errorf(core.Invalid, "CURSOR", "this is no cursor of this list").At(argument)
	}
	return string(name), nil
}

// Watched returns the changes after which a metric's values may be others: of what its
// measures and those of the metrics that it is made of have counted, of their definitions,
// of what is known to be complete, and for money of rates, the currency and the costs. A
// changed definition may count something else: ask again then. Errors: NOT_FOUND (METRIC).
func (s *Service) Watched(ctx context.Context, ws, name string) ([]store.Filter, error) {
	c, err := s.fresh(ctx, ws)
	if err != nil {
		return nil, work.Outward(err)
	}
	if c.metrics[name] == nil {
		return nil, errNoMetric
	}
	names := c.madeOf(name, nil)
	out := []store.Filter{{Spec: heads.Spec, Keys: []string{headKey(ws)}}}
	keys := make([]string, len(names))
	money, costs := false, false
	for i, one := range names {
		keys[i] = store.Key(ws, one)
		m := c.metrics[one]
		if m == nil {
			continue
		}
		for _, t := range m.terms() {
			spec := rollups.Spec
			if t.Value == Distinct {
				spec = crowds.Spec
			}
			out = append(out, store.Filter{Spec: spec, Prefix: store.Key(ws, t.id) + "/"})
			money = money || t.Currency != ""
		}
		costs = costs || spends(m)
	}
	out = append(out, store.Filter{Spec: Metrics.Spec, Keys: keys})
	if costs && s.Costs != nil {
		out = append(out, s.Costs.Watched(ws)...)
	}
	if money || costs {
		out = append(out, store.Filter{Spec: rates.Spec, Prefix: ws + "/"}, store.Filter{Spec: reportings.Spec, Keys: []string{reportingKey(ws)}})
	}
	return out, nil
}

// madeOf adds to names that of a metric and those of the metrics that it is made of, whether
// they are there or not.
func (c *set) madeOf(name string, names []string) []string {
	if slices.Contains(names, name) {
		return names
	}
	names = append(names, name)
	m := c.metrics[name]
	if m == nil {
		return names
	}
	for _, t := range []*Measure{&m.Numerator, m.Minus, m.Denominator} {
		if t != nil && t.Value == Other {
			names = c.madeOf(t.Metric, names)
		}
	}
	return names
}

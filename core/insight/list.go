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

// Watched lists the collections whose changes may change a metric's values.
func Watched() []*store.Spec {
	return []*store.Spec{rollups.Spec, crowds.Spec, rates.Spec, Metrics.Spec, reportings.Spec}
}

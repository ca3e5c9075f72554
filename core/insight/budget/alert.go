package budget

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

func alertKey(t *Target) string { return store.Key(store.WorkspaceOf(t.ID), "target", t.Key()) }

var whole = decimalOf(10_000)

func decimalOf(n int64) condition.Decimal {
	d, _ := condition.ParseDecimal(textOf(n))
	return d
}

// missed reports whether a figure misses a target by more than a share of it, in
// hundredths of a percent. 3.60 of 4.0 is 10 % less, and not more.
func missed(value, target condition.Decimal, d Direction, share int64) bool {
	if d == AtMost {
		return value.Mul(whole).Cmp(target.Mul(decimalOf(10_000+share))) > 0
	}
	return value.Mul(whole).Cmp(target.Mul(decimalOf(10_000-share))) < 0
}

// next says whether an alert is to be open, from what the figure is and whether it is
// open now: raised beyond the tolerance, cleared within half of it.
func next(open bool, value, target condition.Decimal, t *Target) bool {
	if open {
		return missed(value, target, t.Direction, t.Tolerance/2)
	}
	return missed(value, target, t.Direction, t.Tolerance)
}

// Check looks at every target and account of a workspace, and raises and clears alerts.
// A figure that has no value, for want of data or because a part is missing, changes
// nothing.
func (s *Service) Check(ctx context.Context, ws string) error {
	ctx = core.WithActor(ctx, access.System(ws, "targets"))
	targets, err := s.ListTargets(ctx, ws)
	if err != nil {
		return err
	}
	for _, t := range targets {
		if err := s.checkOne(ctx, ws, t); err != nil {
			return err
		}
	}
	gaps, err := s.CostGaps(ctx, ws)
	if err != nil {
		return err
	}
	for _, g := range gaps {
		if err := s.checkGaps(ctx, ws, g); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) checkOne(ctx context.Context, ws string, t *Target) error {
	to := s.now().Truncate(24 * time.Hour)
	from := to.AddDate(0, 0, -int(t.Days))
	by := slices.Sorted(maps.Keys(t.Dimensions))
	cells, err := s.Figures.Values(ctx, ws, t.Metric, from, to, by)
	if err != nil {
		var e *core.Error
		if errors.As(err, &e) && (e.Code == core.Invalid || e.Code == core.NotFound || e.Code == core.TooComplex) {
			s.Logger.Warn("budget: a target cannot be looked at", "workspace", ws, "target", t.Key(), "reason", e.Reason)
			return nil // the metric has changed, or reads too much; the others are looked at
		}
		return err
	}
	target, _ := condition.ParseDecimal(t.Value)
	var value *condition.Decimal
	few := false
	for _, c := range cells {
		if maps.Equal(known(c.Dimensions), known(t.Dimensions)) {
			value, few = c.Value, c.Few
		}
	}
	if value == nil || few && t.Aggregates {
		return nil
	}
	return s.note(ctx, alertKey(t), func(a *Alert) (bool, error) {
		open := next(a.Open, *value, target, t)
		if !open && a.RaisedAt.IsZero() {
			return false, nil // nothing to tell of
		}
		raised := open && !a.Open
		a.Kind, a.Of, a.Value, a.Target, a.From, a.To = Missed, t.Key(), value.String(), t.Value, from, to
		a.Metric, a.Few = t.Metric, few || a.Few && a.Shift != nil && !raised
		if raised && t.Metric == ReturnMetric && len(by) == 1 && by[0] == "channel" {
			shift, few, err := s.propose(ctx, ws, from, to)
			if err != nil {
				return false, err
			}
			a.Shift, a.Few = shift, a.Few || few
		}
		a.set(open, s.now())
		return true, nil
	})
}

func (s *Service) checkGaps(ctx context.Context, ws string, g Gaps) error {
	return s.note(ctx, store.Key(ws, "account", g.Account.Name()), func(a *Alert) (bool, error) {
		open := len(g.Days) > 0
		if !open && a.RaisedAt.IsZero() {
			return false, nil
		}
		a.Kind, a.Of, a.Days, a.To = Gap, g.Account.Name(), g.Days, s.now()
		if a.set(open, s.now()); open {
			a.From, _ = time.Parse(time.DateOnly, g.Days[0])
		}
		return true, nil
	})
}

// set opens or closes an alert.
func (a *Alert) set(open bool, now time.Time) {
	switch {
	case open && !a.Open:
		a.RaisedAt, a.ClearedAt = now, time.Time{}
	case !open && a.Open:
		a.ClearedAt = now
	}
	a.Open, a.CheckedAt = open, now
	if a.Status = "CLEARED"; open {
		a.Status = "OPEN"
	}
}

// note changes an alert, or makes it.
func (s *Service) note(ctx context.Context, key string, change func(*Alert) (bool, error)) error {
	return work.Retry(ctx, attempts, func() error {
		a, err := Alerts.Get(ctx, s.Store, key)
		if err != nil {
			return err
		}
		if a == nil {
			a = &Alert{Meta: store.Meta{ID: key}}
		}
		if tell, err := change(a); err != nil || !tell {
			return err
		}
		return work.Commit(ctx, s.Store, Alerts.Put(a))
	})
}

// ListAlerts returns a window of alerts, the latest raised first: of one status, OPEN or
// CLEARED, or all for "".
func (s *Service) ListAlerts(ctx context.Context, ws, status string, w core.Window) (store.Page[Alert], error) {
	page, err := Alerts.Page(ctx, s.Store, alertQuery(ws, status), w)
	if err != nil {
		return page, work.Outward(err)
	}
	for i, a := range page.Items {
		if page.Items[i], err = s.shown(ctx, ws, a); err != nil {
			return page, work.Outward(err)
		}
	}
	return page, nil
}

// shown returns an alert as the actor of ctx may see it: without its figures where they may
// not ask for the metric, or see aggregates only and few people are behind them.
func (s *Service) shown(ctx context.Context, ws string, a *Alert) (*Alert, error) {
	if a.Kind != Missed {
		return a, nil
	}
	metric := a.Metric
	if metric == "" { // raised before alerts named it
		metric = ReturnMetric
	}
	few, err := s.Figures.Admit(ctx, ws, metric)
	var refused *core.Error
	switch {
	case err == nil && (!few || !a.Few):
		return a, nil
	case err != nil && (!errors.As(err, &refused) || refused.Code != core.Forbidden && refused.Code != core.NotFound):
		return nil, err
	}
	without := *a
	without.Value, without.Shift = "", nil
	return &without, nil
}

// CountAlerts returns how many ListAlerts lists in all.
func (s *Service) CountAlerts(ctx context.Context, ws, status string) (int64, error) {
	n, err := Alerts.Count(ctx, s.Store, alertQuery(ws, status))
	return n, work.Outward(err)
}

func alertQuery(ws, status string) store.Query {
	q := store.Query{Workspace: ws, Order: []string{"-raisedAt"}}
	if status != "" {
		q.Where = []store.Cond{store.Eq("status", status)}
	}
	return q
}

package insight

import (
	"context"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Reporting is what a workspace's figures have in common.
type Reporting struct {
	store.Meta `bson:",inline"` // key: workspace/reporting
	// Currency is that of money in metrics that name none themselves; "": that of the
	// events, where it is one.
	Currency string    `bson:"currency"`
	At       time.Time `bson:"at"`
}

// Version returns the version; 0 while nothing was set.
func (r *Reporting) Version() int64 { return r.V }

func reportingKey(ws string) string { return store.Key(ws, "reporting") }

// ReportingOf returns what the figures of a workspace have in common.
func (s *Service) ReportingOf(ctx context.Context, ws string) (*Reporting, error) {
	r, err := reportings.Get(ctx, s.Store, reportingKey(ws))
	if r == nil {
		r = &Reporting{Meta: store.Meta{ID: reportingKey(ws)}}
	}
	return r, work.Outward(err)
}

// SetCurrency sets the currency of metrics that name none, "" for none, when what is set
// has the version expected. Nothing is counted anew: money is kept in the currency of each
// event and converted when it is asked for. Errors: INVALID (CURRENCY), CONFLICT
// (VERSION_CONFLICT).
func (s *Service) SetCurrency(ctx context.Context, ws, currency string, expected int64, dryRun bool) (*Reporting, error) {
	if _, err := access.Require(ctx, access.Design); err != nil {
		return nil, err
	}
	if currency = strings.ToUpper(currency); currency != "" && !isCurrency(currency) {
		return nil, core.Errorf(core.Invalid, "CURRENCY", "a currency is three capital letters, such as EUR").At("currency")
	}
	var out *Reporting
	err := work.Retry(ctx, attempts, func() error {
		r, err := s.ReportingOf(ctx, ws)
		switch {
		case err != nil:
			return err
		case r.V != expected:
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "what figures have in common has version %d, not %d; read it and try again", r.V, expected).At("expectedVersion")
		}
		r.Currency, r.At = currency, s.now()
		if out = r; dryRun {
			return nil
		}
		if err := work.Commit(ctx, s.Store, reportings.Put(r)); err != nil {
			return err
		}
		r.V++
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !dryRun {
		s.Drop(ws)
	}
	return out, nil
}

// MissingRate says that money in a currency was taken or spent on days before the first
// rate by which it could be converted.
type MissingRate struct {
	From, To string
	Day      Date // the first of these days
}

// MissingRates returns which rates would be needed to say all money that a metric has ever
// counted in its currency, or in that of the workspace; of the metrics that name none for
// the name "". Instead of the workspace's currency it takes the one given, unless that
// is "".
func (s *Service) MissingRates(ctx context.Context, ws, name, instead string) ([]MissingRate, error) {
	if _, err := access.Require(ctx, access.Read); err != nil {
		return nil, err
	}
	c, err := s.fresh(ctx, ws)
	if err != nil {
		return nil, work.Outward(err)
	}
	n := &needs{s: s, ctx: ctx, ws: ws, set: c, first: map[string]map[string]int64{}, done: map[string]bool{}}
	if instead == "" {
		instead = c.currency
	}
	for key, m := range c.metrics {
		if m.Archived || name == "" && m.Currency != "" || name != "" && key != name {
			continue
		}
		to := m.Currency
		if to == "" {
			to = instead
		}
		if to == "" {
			continue
		}
		if err := n.metric(m, to, 0); err != nil {
			return nil, work.Outward(err)
		}
	}
	return n.missing()
}

// needs gathers since when money of which currency is converted into which.
type needs struct {
	s     *Service
	ctx   context.Context
	ws    string
	set   *set
	first map[string]map[string]int64 // day, unix seconds, by the currency into and that from which
	done  map[string]bool
}

func (n *needs) note(to, from string, day int64) {
	if from == to || from == noCurrency {
		return
	}
	if n.first[to] == nil {
		n.first[to] = map[string]int64{}
	}
	if old, ok := n.first[to][from]; !ok || day < old {
		n.first[to][from] = day
	}
}

func (n *needs) metric(m *metric, to string, level int) error {
	compiled := []*measure{m.numerator, m.minus, m.denominat}
	for i, t := range []*Measure{&m.Numerator, m.Minus, m.Denominator} {
		switch {
		case t == nil:
		case t.Value == Other:
			if other := n.set.metrics[t.Metric]; other != nil && level < maxDepth {
				if err := n.metric(other, to, level+1); err != nil {
					return err
				}
			}
		case t.Value == Cost:
			if err := n.costs(to); err != nil {
				return err
			}
		case t.Value == Sum && t.Currency != "" && compiled[i] != nil:
			if err := n.events(compiled[i], to); err != nil {
				return err
			}
		}
	}
	return nil
}

// events reads the rollups of a measure, one week after another.
func (n *needs) events(t *measure, to string) error {
	if n.done[t.id+to] {
		return nil
	}
	n.done[t.id+to] = true
	err := rollups.Each(n.ctx, n.s.Store, store.Query{
		Workspace: n.ws, Where: []store.Cond{store.Prefix("_id", t.id+"/")}, Order: []string{"_id"},
	}, func(d *rollup) error {
		if d.lane != goneLane {
			for _, m := range d.money {
				n.note(to, m.currency, floorDiv(m.hour, 24)*86400)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("insight: read the currencies of a measure: %w", err)
	}
	return nil
}

func (n *needs) costs(to string) error {
	if n.s.Costs == nil || n.done[to] {
		return nil
	}
	n.done[to] = true
	list, err := n.s.Costs.Spent(n.ctx, n.ws, Date{1970, time.January, 1}, Date{9999, time.January, 1})
	for _, c := range list {
		n.note(to, c.Currency, c.Day.In(time.UTC).Unix())
	}
	return err
}

// missing compares what is needed with the rates that are there.
func (n *needs) missing() ([]MissingRate, error) {
	var out []MissingRate
	for to, from := range n.first {
		e := &exchange{ctx: n.ctx, s: n.s, ws: n.ws, to: to, read: map[string][]ExchangeRate{}, back: map[string]bool{}}
		for currency, day := range from {
			_, ok, err := e.worth(newDecimal(1), currency, day)
			if err != nil {
				return nil, work.Outward(err)
			}
			if !ok {
				out = append(out, MissingRate{currency, to, DateOf(time.Unix(day, 0).UTC())})
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].From+out[i].To < out[j].From+out[j].To })
	return out, nil
}

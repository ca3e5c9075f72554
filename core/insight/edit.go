package insight

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Definition is what people say of a metric.
type Definition struct {
	Title, Description string
	Unit               Unit
	Calc               Calc // "": PLAIN
	Numerator          Measure
	Minus, Denominator *Measure
	Dimensions         []Dimension
	Currency           string
	TimeZone           string // "": UTC
}

// Create makes a metric. The same key again returns what it made. A dry run checks it and
// stores nothing. The job counts what happened before; nil where nothing must be counted
// anew.
func (s *Service) Create(ctx context.Context, ws, name string, d Definition, key string, dryRun bool) (*Metric, *work.Job, error) {
	if _, err := access.Require(ctx, access.Design); err != nil {
		return nil, nil, err
	}
	if key == "" || len(key) > 200 {
		return nil, nil, core.Errorf(core.Invalid, "KEY", "give a key of 1 to 200 bytes, which makes a repetition of the call harmless").At("idempotencyKey")
	}
	return s.write(ctx, ws, name, dryRun, func(old *Metric, count int) (*Metric, error) {
		switch {
		case old != nil && old.V > 0 && old.Claim == key:
			return old, nil
		case old != nil:
			return nil, core.Errorf(core.Conflict, "METRIC_TAKEN", "there is a metric with this name; change that one, or choose another name").At("name")
		case count >= maxMetrics:
			return nil, core.Errorf(core.Invalid, "TOO_MANY_METRICS", "a workspace has at most %d metrics", maxMetrics).At("name")
		}
		m := &Metric{Meta: store.Meta{ID: store.Key(ws, name)}, CreatedAt: s.now(), Claim: key}
		d.into(m)
		return m, nil
	})
}

// Update changes the metric that has the version expected; a built-in one that nobody has
// changed has version 0. What it counts otherwise than before is counted anew.
func (s *Service) Update(ctx context.Context, ws, name string, expected int64, change func(*Definition), dryRun bool) (*Metric, *work.Job, error) {
	if _, err := access.Require(ctx, access.Design); err != nil {
		return nil, nil, err
	}
	return s.write(ctx, ws, name, dryRun, func(old *Metric, _ int) (*Metric, error) {
		if err := stands(old, expected); err != nil {
			return nil, err
		}
		d := old.definition()
		change(&d)
		m := *old
		d.into(&m)
		m.Data = nil // of what it says now
		if old.same(&m) {
			m.Data = old.Data
		}
		return &m, nil
	})
}

// Archive puts a metric away, or takes it out again. While it is away nothing is counted
// for it; when it is taken out, what it missed is.
func (s *Service) Archive(ctx context.Context, ws, name string, expected int64, archived, dryRun bool) (*Metric, *work.Job, error) {
	if _, err := access.Require(ctx, access.Design); err != nil {
		return nil, nil, err
	}
	return s.write(ctx, ws, name, dryRun, func(old *Metric, _ int) (*Metric, error) {
		if err := stands(old, expected); err != nil {
			return nil, err
		}
		m := *old
		m.Archived = archived
		return &m, nil
	})
}

func stands(m *Metric, expected int64) error {
	switch {
	case m == nil:
		return core.Errorf(core.NotFound, "METRIC", "there is no metric with this name").At("name")
	case m.V != expected:
		return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the metric has version %d, not %d; read it and try again", m.V, expected).At("expectedVersion")
	}
	return nil
}

func (d *Definition) into(m *Metric) {
	m.Title, m.Description = strings.TrimSpace(d.Title), strings.TrimSpace(d.Description)
	m.Unit, m.Calc, m.Numerator, m.Minus, m.Denominator = d.Unit, d.Calc, d.Numerator, d.Minus, d.Denominator
	m.Dimensions, m.Currency, m.TimeZone = d.Dimensions, strings.ToUpper(d.Currency), d.TimeZone
	if m.Calc == "" {
		m.Calc = Plain
	}
	if m.TimeZone == "" {
		m.TimeZone = "UTC"
	}
}

func (m *Metric) definition() Definition {
	return Definition{
		Title: m.Title, Description: m.Description, Unit: m.Unit, Calc: m.Calc, Numerator: m.Numerator, Minus: m.Minus, Denominator: m.Denominator,
		Dimensions: m.Dimensions, Currency: m.Currency, TimeZone: m.TimeZone,
	}
}

// same reports whether two metrics count the same.
func (m *Metric) same(o *Metric) bool {
	a, errA := compile(m)
	b, errB := compile(o)
	if errA != nil || errB != nil {
		return false
	}
	ids := func(c *metric) string {
		var out []string
		for _, t := range []*measure{c.numerator, c.minus, c.denominat} {
			id := "-"
			if t != nil {
				id = t.id
			}
			out = append(out, id)
		}
		return strings.Join(out, " ")
	}
	return ids(a) == ids(b)
}

// write stores what change makes of a metric (nil: there is none), and starts the job that
// counts what is new of it.
func (s *Service) write(ctx context.Context, ws, name string, dryRun bool, change func(old *Metric, count int) (*Metric, error)) (out *Metric, job *work.Job, err error) {
	err = work.Retry(ctx, attempts, func() error {
		job = nil
		c, err := s.fresh(ctx, ws)
		if err != nil {
			return err
		}
		var old *Metric
		if had := c.metrics[name]; had != nil {
			old = had.Metric
		}
		m, err := change(old, len(c.metrics))
		if err != nil {
			return err
		}
		if out = m; m == old {
			return nil
		}
		if fault := m.check(c.metrics); fault != nil {
			return fault
		}
		if err := s.may(ctx, ws, m); err != nil {
			return err
		}
		if dryRun {
			return nil
		}
		m.UpdatedAt = s.now()
		ops, err := s.publish(ctx, ws)
		if err != nil {
			return err
		}
		more, err := s.unfinished(ctx, ws, c, m)
		if err != nil {
			return err
		}
		ops = append(append(ops, more...), Metrics.Put(m))
		if s.Jobs != nil {
			var start []store.Op
			if job, start, err = s.Jobs.Prepare(ctx, BackfillKind, ws, BackfillInput{}, ""); err != nil {
				return err
			}
			ops = append(ops, start...)
		}
		if err := work.Commit(ctx, s.Store, ops...); err != nil {
			s.Drop(ws)
			return err
		}
		s.Drop(ws)
		m.V++
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return out, job, nil
}

// unfinished takes out of what is complete what a metric was not counted for, or is not
// any more: a measure that nobody counts falls behind.
func (s *Service) unfinished(ctx context.Context, ws string, c *set, m *Metric) ([]store.Op, error) {
	h, err := s.head(ctx, ws)
	if err != nil {
		return nil, err
	}
	list := []*Metric{m}
	for name, had := range c.metrics {
		if name != m.Name() {
			list = append(list, had.Metric)
		}
	}
	next, fault := compileSet(list)
	if fault != nil {
		return nil, fault
	}
	kept := *h
	kept.Complete, kept.At = nil, s.now()
	for _, id := range h.Complete {
		if next.all[id] != nil {
			kept.Complete = append(kept.Complete, id)
		}
	}
	return []store.Op{heads.Put(&kept)}, nil
}

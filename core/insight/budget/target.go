package budget

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// What a target has when nothing else is said.
const (
	UsualTolerance = 1000 // 10 %
	UsualDays      = 28
)

// Exactly is a Tolerance of none: 0 stands for the usual one.
const Exactly = -1

// Usual are targets that many begin with: the key of each is its id.
func Usual() []Target {
	return []Target{
		{Meta: store.Meta{ID: "roas-search"}, Metric: "roas", Value: "4", Dimensions: map[string]string{"channel": "search"}},
		{Meta: store.Meta{ID: "roas-social"}, Metric: "roas", Value: "3", Dimensions: map[string]string{"channel": "social"}},
		{Meta: store.Meta{ID: "roas-email"}, Metric: "roas", Value: "6", Dimensions: map[string]string{"channel": "email"}},
		{Meta: store.Meta{ID: "ltv-cac"}, Metric: "ltv_cac", Value: "3"},
	}
}

var keyForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// maxTargets is how many targets a workspace has.
const maxTargets = 200

// ListTargets lists the targets by key.
func (s *Service) ListTargets(ctx context.Context, ws string) ([]*Target, error) {
	list, err := Targets.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	return list, work.Outward(err)
}

// SetTarget makes a target, when expected is 0, or changes the one that has the version
// expected. The metric and its dimensions must be there. Errors: INVALID with a path,
// CONFLICT (VERSION_CONFLICT).
func (s *Service) SetTarget(ctx context.Context, ws, key string, expected int64, t Target) (*Target, error) {
	actor, err := access.Require(ctx, access.Design)
	if err != nil {
		return nil, err
	}
	if t.Direction == "" {
		t.Direction = AtLeast
	}
	switch t.Tolerance {
	case 0:
		t.Tolerance = UsualTolerance
	case Exactly:
		t.Tolerance = 0
	}
	if t.Days == 0 {
		t.Days = UsualDays
	}
	if err := s.checkTarget(ctx, ws, key, &t); err != nil {
		return nil, err
	}
	t.Meta = store.Meta{ID: store.Key(ws, key)}
	t.SetBy, t.SetAt = actor.ID, s.now()
	err = work.Retry(ctx, attempts, func() error {
		old, err := Targets.Get(ctx, s.Store, t.ID)
		if err != nil {
			return err
		}
		t.V = 0
		if old != nil {
			t.V = old.V
		}
		if t.V != expected {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the target has version %d, not %d; read it and try again", t.V, expected).At("expectedVersion")
		}
		if old == nil {
			n, err := Targets.Count(ctx, s.Store, store.Query{Workspace: ws})
			if err != nil {
				return err
			}
			if n >= maxTargets {
				return core.Errorf(core.Invalid, "TOO_MANY_TARGETS", "a workspace has at most %d targets", maxTargets)
			}
		}
		ops, err := s.begin(ctx, ws)
		if err != nil {
			return err
		}
		return work.Commit(ctx, s.Store, append(ops, Targets.Put(&t))...)
	})
	if err != nil {
		return nil, err
	}
	t.V++
	return &t, nil
}

func (s *Service) checkTarget(ctx context.Context, ws, key string, t *Target) error {
	fault := func(path, reason, format string, args ...any) error {
		return core.Errorf(core.Invalid, reason, format, args...).At(path)
	}
	value, ok := condition.ParseDecimal(t.Value)
	switch {
	case !keyForm.MatchString(key):
		return fault("key", "TARGET_KEY", "a target's key is a letter and up to 63 letters, digits, _ and -")
	case !ok || value.Sign() <= 0 || value.NumDigits() > 18:
		return fault("value", "TARGET_VALUE", "a target is a number above 0")
	case t.Direction != AtLeast && t.Direction != AtMost:
		return fault("direction", "DIRECTION", "a figure should be AT_LEAST or AT_MOST its target")
	case t.Tolerance < 0 || t.Tolerance >= 10_000:
		return fault("tolerance", "TOLERANCE", "a target may be missed by a share from 0 to below 1: 0.1 is 10 %%")
	case t.Days < 1 || t.Days > 366:
		return fault("days", "DAYS", "a target is looked at over 1 to 366 days")
	}
	t.Value = value.String()
	dims, err := s.Figures.Dimensions(ctx, ws, t.Metric)
	if err != nil {
		return core.AsError(err).At("metric")
	}
	if t.Aggregates, err = s.Figures.Admit(ctx, ws, t.Metric); err != nil {
		return core.AsError(err).At("metric")
	}
	for _, d := range slices.Sorted(maps.Keys(t.Dimensions)) {
		if !slices.Contains(dims, d) {
			return fault("dimensions", "DIMENSION", "the metric is not told apart by %q", d)
		}
		if v := t.Dimensions[d]; v == "" || len(v) > 200 {
			return fault("dimensions", "DIMENSION", "say of which %s, in at most 200 bytes", d)
		}
	}
	return nil
}

// DeleteTarget takes a target and its alert away.
func (s *Service) DeleteTarget(ctx context.Context, ws, key string) error {
	if _, err := access.Require(ctx, access.Design); err != nil {
		return err
	}
	return work.Retry(ctx, attempts, func() error {
		if !keyForm.MatchString(key) {
			return core.Errorf(core.NotFound, "TARGET", "there is no target with this key").At("key")
		}
		t, err := Targets.Get(ctx, s.Store, store.Key(ws, key))
		if err != nil {
			return err
		}
		if t == nil {
			return core.Errorf(core.NotFound, "TARGET", "there is no target with this key").At("key")
		}
		ops := []store.Op{Targets.Delete(t)}
		a, err := Alerts.Get(ctx, s.Store, alertKey(t))
		if err != nil {
			return err
		}
		if a != nil {
			ops = append(ops, Alerts.Delete(a))
		}
		return work.Commit(ctx, s.Store, ops...)
	})
}

// Target implements insight.Targets: the target of a metric's whole, or of the cell whose
// dimensions it names.
func (s *Service) Target(ctx context.Context, ws, metric string, _, _ time.Time, dimensions map[string]string) (condition.Decimal, bool, error) {
	list, err := s.targetsOf(ctx, ws)
	if err != nil {
		return condition.Decimal{}, false, work.Outward(err)
	}
	for _, t := range list {
		if t.Metric == metric && maps.Equal(known(dimensions), known(t.Dimensions)) {
			v, ok := condition.ParseDecimal(t.Value)
			return v, ok, nil
		}
	}
	return condition.Decimal{}, false, nil
}

// known leaves out dimensions without a value.
func known(d map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range d {
		if v != "" {
			out[k] = v
		}
	}
	return out
}

package resolver

import (
	"context"
	"encoding/json"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/insight/budget"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

type alertFields struct{ *Resolver }

// Alert implements gen.ResolverRoot.
func (r *Resolver) Alert() gen.AlertResolver { return alertFields{r} }

// Status answers Alert.status.
func (alertFields) Status(_ context.Context, a *budget.Alert) (gen.AlertStatus, error) {
	return gen.AlertStatus(a.Status), nil
}

// Value answers Alert.value.
func (alertFields) Value(_ context.Context, a *budget.Alert) (*scalar.Decimal, error) {
	return numeral(a.Value), nil
}

// Target answers Alert.target.
func (alertFields) Target(_ context.Context, a *budget.Alert) (*scalar.Decimal, error) {
	return numeral(a.Target), nil
}

func numeral(text string) *scalar.Decimal {
	if text == "" {
		return nil
	}
	return ptr(scalar.Decimal(text))
}

// Days answers Alert.days.
func (alertFields) Days(_ context.Context, a *budget.Alert) ([]string, error) {
	return append([]string{}, a.Days...), nil
}

// ClearedAt answers Alert.clearedAt.
func (alertFields) ClearedAt(_ context.Context, a *budget.Alert) (*time.Time, error) {
	return instant(a.ClearedAt), nil
}

// Shift answers Alert.shift.
func (alertFields) Shift(_ context.Context, a *budget.Alert) (*gen.BudgetShift, error) {
	if a.Shift == nil {
		return nil, nil
	}
	out := &gen.BudgetShift{Currency: a.Shift.Currency, Status: a.Shift.Status, DecidedBy: text(a.Shift.DecidedBy), DecidedAt: instant(a.Shift.DecidedAt), Moves: []*gen.BudgetMove{}}
	for _, m := range a.Shift.Moves {
		out.Moves = append(out.Moves, &gen.BudgetMove{
			Channel: m.Channel, Spent: scalar.Decimal(m.Spent), Next: scalar.Decimal(m.Next), Value: scalar.Decimal(m.Value), Target: scalar.Decimal(m.Target),
		})
	}
	return out, nil
}

// AdAccounts answers Query.adAccounts.
func (r query) AdAccounts(ctx context.Context) ([]*gen.AdAccount, error) {
	list, err := r.Budget.CostGaps(ctx, workspace(ctx))
	out := make([]*gen.AdAccount, len(list))
	for i, g := range list {
		out[i] = &gen.AdAccount{Name: g.Account.Name(), First: g.Account.First, Last: g.Account.Last, At: g.Account.At, Missing: append([]string{}, g.Days...)}
	}
	return out, err
}

func targetOf(t *budget.Target) (*gen.Target, error) {
	if t == nil {
		return nil, nil
	}
	dims := t.Dimensions
	if dims == nil {
		dims = map[string]string{}
	}
	raw, err := json.Marshal(dims)
	return &gen.Target{
		Key: t.Key(), Metric: t.Metric, Value: scalar.Decimal(t.Value), Direction: t.Direction, Dimensions: raw,
		Tolerance: partOf(t.Tolerance), Days: int(t.Days), Version: int(t.V),
	}, err
}

// Targets answers Query.targets.
func (r query) Targets(ctx context.Context) ([]*gen.Target, error) {
	list, err := r.Budget.ListTargets(ctx, workspace(ctx))
	if err != nil {
		return nil, err
	}
	out := make([]*gen.Target, len(list))
	for i, t := range list {
		if out[i], err = targetOf(t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Alerts answers Query.alerts.
func (r query) Alerts(ctx context.Context, status *gen.AlertStatus, first *int, after *string, last *int, before *string) (*view.AlertConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws, of := workspace(ctx), string(value(status))
	page, err := r.Budget.ListAlerts(ctx, ws, of, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Budget.CountAlerts(ctx, ws, of) }), nil
}

// ImportAdCosts answers Mutation.importAdCosts.
func (r mutation) ImportAdCosts(ctx context.Context, in gen.ImportAdCostsInput) (*gen.ImportAdCostsPayload, error) {
	list := make([]budget.Cost, len(in.Costs))
	for i, c := range in.Costs {
		list[i] = budget.Cost{Day: c.Day, Currency: c.Currency, Amount: string(c.Amount), Channel: value(c.Channel), Campaign: value(c.Campaign), Source: value(c.Source)}
	}
	out := &gen.ImportAdCostsPayload{}
	got, err := r.Budget.Import(ctx, workspace(ctx), in.Account, list, value(in.DryRun))
	if got != nil {
		out.Stored, out.Changed, out.Same = got.Stored, got.Changed, got.Same
	}
	if out.UserErrors, err = problems(err); err == nil && got != nil {
		for _, f := range got.Faults {
			out.UserErrors = append(out.UserErrors, f.At("input"))
		}
	}
	return out, err
}

// SetTarget answers Mutation.setTarget.
func (r mutation) SetTarget(ctx context.Context, in gen.SetTargetInput) (*gen.SetTargetPayload, error) {
	out := &gen.SetTargetPayload{MissingRates: []*gen.MissingRate{}}
	t, err := targetIn(in)
	if err == nil {
		var made *budget.Target
		if made, err = r.Budget.SetTarget(ctx, workspace(ctx), in.Key, int64(in.ExpectedVersion), t); err == nil {
			out.Target, err = targetOf(made)
		}
	}
	if err == nil {
		out.MissingRates, err = r.missingRates(ctx, in.Metric, "")
	}
	out.UserErrors, err = problems(err)
	return out, err
}

func targetIn(in gen.SetTargetInput) (budget.Target, error) {
	t := budget.Target{Metric: in.Metric, Value: string(in.Value), Direction: in.Direction, Days: int64(in.Days)}
	share, err := hundredths(in.Tolerance)
	if err != nil {
		return t, core.Errorf(core.Invalid, "TOLERANCE", "a target may be missed by a share from 0 to below 1, with at most four digits: 0.1 is 10 %%").At("tolerance")
	}
	if t.Tolerance = share; share == 0 {
		t.Tolerance = budget.Exactly
	}
	if !in.Dimensions.IsNull() {
		if err := json.Unmarshal(in.Dimensions, &t.Dimensions); err != nil {
			return t, core.Errorf(core.Invalid, "DIMENSION", `dimensions are an object of texts: {"channel":"search"}`).At("dimensions")
		}
	}
	return t, nil
}

// DeleteTarget answers Mutation.deleteTarget.
func (r mutation) DeleteTarget(ctx context.Context, in gen.DeleteTargetInput) (*gen.DeleteTargetPayload, error) {
	out := &gen.DeleteTargetPayload{}
	err := r.Budget.DeleteTarget(ctx, workspace(ctx), in.Key)
	if err == nil {
		out.Key = &in.Key
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// CheckTargets answers Mutation.checkTargets.
func (r mutation) CheckTargets(ctx context.Context, _ gen.CheckTargetsInput) (*gen.CheckTargetsPayload, error) {
	out := &gen.CheckTargetsPayload{}
	ws := workspace(ctx)
	err := r.Budget.Check(ctx, ws)
	if err == nil {
		var n int64
		n, err = r.Budget.CountAlerts(ctx, ws, string(gen.AlertStatusOpen))
		out.Open = int(n)
	}
	out.UserErrors, err = problems(err)
	return out, err
}

// DecideBudgetShift answers Mutation.decideBudgetShift.
func (r mutation) DecideBudgetShift(ctx context.Context, in gen.DecideBudgetShiftInput) (*gen.DecideBudgetShiftPayload, error) {
	a, err := r.Budget.DecideShift(ctx, workspace(ctx), in.AlertID, in.Approve)
	out := &gen.DecideBudgetShiftPayload{Alert: a}
	out.UserErrors, err = problems(err)
	return out, err
}

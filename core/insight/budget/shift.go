package budget

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// ReturnMetric is the metric whose targets by channel shifts are proposed for.
const ReturnMetric = "roas"

// maxCut is how much of a channel's money is proposed to be taken at most, in hundredths
// of a percent: returns fall as more is spent, so that a shift goes in steps.
const maxCut = 2000

// channel is what is known of one.
type channel struct {
	name                 string
	spent, value, target condition.Decimal
}

// shift works out who gives and who takes. A channel below its target gives the share of
// its money by which it misses it, at most maxCut; what is given goes to the channels
// above their targets, in proportion to the money with which they earned the excess. The
// sums agree to the cent. Nil when nobody gives or nobody can take.
func shift(list []channel) []Move {
	zero := decimalOf(0)
	given, weights := zero, zero
	next, weight := make([]condition.Decimal, len(list)), make([]condition.Decimal, len(list))
	for i, c := range list {
		next[i], weight[i] = c.spent, zero
		switch {
		case missed(c.value, c.target, AtLeast, 0):
			lack := c.target.Sub(c.value).Mul(whole).DivRound(c.target, 0)
			if lack.Cmp(decimalOf(maxCut)) > 0 {
				lack = decimalOf(maxCut)
			}
			cut := c.spent.Mul(lack).DivRound(whole, 2)
			next[i], given = c.spent.Sub(cut), given.Add(cut)
		case c.value.Cmp(c.target) > 0:
			weight[i] = c.spent.Mul(c.value.Sub(c.target)).DivRound(c.target, 6)
			weights = weights.Add(weight[i])
		}
	}
	if given.Sign() <= 0 || weights.Sign() <= 0 {
		return nil
	}
	left, last := given, -1
	for i := range list {
		if weight[i].Sign() <= 0 {
			continue
		}
		part := given.Mul(weight[i]).DivRound(weights, 2)
		if part.Cmp(left) > 0 {
			part = left
		}
		next[i], left, last = next[i].Add(part), left.Sub(part), i
	}
	next[last] = next[last].Add(left) // the cents that rounding left
	var out []Move
	for i, c := range list {
		if next[i].Cmp(c.spent) != 0 {
			out = append(out, Move{Channel: c.name, Spent: c.spent.StringFixed(2), Next: next[i].StringFixed(2), Value: c.value.String(), Target: c.target.String()})
		}
	}
	return out
}

// propose works out a shift between the channels that have a target and costs in one
// currency in a period; nil when there is none.
// few reports whether few people are behind the return of one of these channels.
func (s *Service) propose(ctx context.Context, ws string, from, to time.Time) (out *Shift, few bool, err error) {
	cells, err := s.Figures.Values(ctx, ws, ReturnMetric, from, to, []string{"channel"})
	if err != nil {
		return nil, false, err
	}
	costs, err := s.Spent(ctx, ws, insight.DateOf(from), insight.DateOf(to))
	if err != nil {
		return nil, false, err
	}
	spent, currency := map[string]condition.Decimal{}, ""
	for _, c := range costs {
		if currency != "" && currency != c.Currency {
			return nil, false, nil // what is in two currencies is not shifted without somebody who thinks
		}
		currency = c.Currency
		spent[c.Dimensions["channel"]] = spent[c.Dimensions["channel"]].Add(c.Amount)
	}
	var list []channel
	for _, cell := range cells {
		name := cell.Dimensions["channel"]
		target, ok, err := s.Target(ctx, ws, ReturnMetric, from, to, cell.Dimensions)
		if err != nil {
			return nil, false, err
		}
		if !ok || cell.Value == nil || name == "" || spent[name].Sign() <= 0 {
			continue
		}
		few = few || cell.Few
		list = append(list, channel{name, spent[name], *cell.Value, target})
	}
	slices.SortFunc(list, func(a, b channel) int { return cmp.Compare(a.name, b.name) })
	moves := shift(list)
	if moves == nil {
		return nil, false, nil
	}
	return &Shift{Currency: currency, Moves: moves, Status: Proposed}, few, nil
}

// DecideShift agrees to the shift that an alert proposes, or not. It stands from then on:
// Headwater spends nothing by itself. Errors: NOT_FOUND (ALERT), CONFLICT (NO_SHIFT,
// ALREADY_DECIDED).
func (s *Service) DecideShift(ctx context.Context, ws, alert string, agree bool) (*Alert, error) {
	actor, err := access.Require(ctx, access.Design)
	if err != nil {
		return nil, err
	}
	var out *Alert
	err = work.Retry(ctx, attempts, func() error {
		var a *Alert
		if strings.HasPrefix(alert, "target/") {
			if a, err = Alerts.Get(ctx, s.Store, store.Key(ws, alert)); err != nil {
				return err
			}
		}
		switch {
		case a == nil:
			return core.Errorf(core.NotFound, "ALERT", "there is no alert with this id").At("alertId")
		case a.Shift == nil:
			return core.Errorf(core.Conflict, "NO_SHIFT", "the alert proposes no shift").At("alertId")
		case a.Shift.Status != Proposed:
			return core.Errorf(core.Conflict, "ALREADY_DECIDED", "the shift is %s already", a.Shift.Status).At("alertId")
		}
		next := *a.Shift
		next.DecidedBy, next.DecidedAt = actor.ID, s.now()
		if next.Status = Rejected; agree {
			next.Status = Approved
		}
		a.Shift = &next
		if err := work.Commit(ctx, s.Store, Alerts.Put(a)); err != nil {
			return err
		}
		a.V++
		out, err = s.shown(ctx, ws, a)
		return err
	})
	return out, err
}

func textOf(n int64) string { return strconv.FormatInt(n, 10) }

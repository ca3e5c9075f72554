package insight

import (
	"context"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// ExchangeRate says what one unit of a currency is worth in another, from a day on until
// the next rate of the two.
type ExchangeRate struct {
	From, To string
	Day      Date
	Rate     condition.Decimal
}

// maxRates is how many rates one call sets.
const maxRates = 400

// SetRates sets rates. One that is set again is replaced: figures of those days change at
// once, for money is converted when it is asked for.
func (s *Service) SetRates(ctx context.Context, ws string, list []ExchangeRate) error {
	if _, err := access.Require(ctx, access.Design); err != nil {
		return err
	}
	if len(list) == 0 || len(list) > maxRates {
		return core.Errorf(core.Invalid, "RATES", "give 1 to %d rates at once", maxRates).At("rates")
	}
	keys := make([]string, len(list))
	at := map[string]int{}
	for i, r := range list {
		fault := func(reason, format string, args ...any) error {
			return core.Errorf(core.Invalid, reason, format, args...).At("rates", strconv.Itoa(i))
		}
		switch {
		case !isCurrency(r.From) || !isCurrency(r.To) || r.From == r.To:
			return fault("CURRENCY", "a rate is between two currencies of three capital letters each, such as EUR and USD")
		case r.Rate.Sign() <= 0 || r.Rate.Cmp(limit) > 0 || -r.Rate.Exponent() > 18:
			return fault("RATE", "a rate is above 0, with at most 18 decimal places")
		case r.Day.Year < 1970 || r.Day.Year > 9999:
			return fault("DATE", "a rate is of a day from 1970 on")
		}
		keys[i] = store.Key(ws, r.From, r.To, r.Day.String())
		if _, twice := at[keys[i]]; twice {
			return fault("RATE_TWICE", "this rate stands twice; give one for each day and pair")
		}
		at[keys[i]] = i
	}
	return work.Retry(ctx, attempts, func() error {
		had, err := rates.GetMany(ctx, s.Store, keys)
		if err != nil {
			return err
		}
		ops := make([]store.Op, len(list))
		for i, r := range list {
			next := &rate{Meta: store.Meta{ID: keys[i]}, Rate: r.Rate.String()}
			if had[i] != nil {
				next.V = had[i].V
			}
			ops[i] = rates.Put(next)
		}
		return work.Commit(ctx, s.Store, ops...)
	})
}

// Rates returns the rates between two currencies, the earliest first.
func (s *Service) Rates(ctx context.Context, ws, from, to string) ([]ExchangeRate, error) {
	if !isCurrency(from) || !isCurrency(to) {
		return nil, core.Errorf(core.Invalid, "CURRENCY", "a currency is three capital letters, such as EUR").At("from")
	}
	docs, err := rates.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Prefix("_id", from+"/"+to+"/")}}, 0)
	if err != nil {
		return nil, work.Outward(err)
	}
	out := make([]ExchangeRate, 0, len(docs))
	for _, d := range docs {
		keys := strings.Split(store.Rest(d.ID), "/")
		day, err := time.Parse(time.DateOnly, keys[len(keys)-1])
		value, ok := condition.ParseDecimal(d.Rate)
		if err != nil || !ok {
			return nil, fmt.Errorf("insight: a rate has the key %q", d.ID)
		}
		out = append(out, ExchangeRate{from, to, DateOf(day), value})
	}
	return out, nil
}

// exchange converts into one currency, by the rate of each day.
type exchange struct {
	ctx  context.Context
	s    *Service
	ws   string
	to   string
	read map[string][]ExchangeRate
	back map[string]bool // read the other way about
}

// worth returns an amount of a currency in the exchange's; false when no rate is known for
// the day.
func (x *exchange) worth(a condition.Decimal, currency string, unix int64) (condition.Decimal, bool, error) {
	if currency == x.to || currency == noCurrency {
		return a, true, nil
	}
	list, known := x.read[currency]
	if !known {
		var err error
		if list, err = x.s.Rates(x.ctx, x.ws, currency, x.to); err != nil {
			return a, false, err
		}
		if len(list) == 0 {
			if list, err = x.s.Rates(x.ctx, x.ws, x.to, currency); err != nil {
				return a, false, err
			}
			x.back[currency] = len(list) > 0
		}
		x.read[currency] = list
	}
	day := DateOf(time.Unix(unix, 0).UTC()).String()
	i := sort.Search(len(list), func(i int) bool { return list[i].Day.String() > day })
	if i == 0 {
		return a, false, nil
	}
	if x.back[currency] {
		return a.DivRound(list[i-1].Rate, 2*places), true, nil
	}
	return a.Mul(list[i-1].Rate), true, nil
}

package budget

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"time"

	"golang.org/x/text/currency"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/insight"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Imported is what came of an import.
type Imported struct {
	Stored, Changed, Same int
	Faults                []*core.Error // of the costs that were not taken; the others were
	Places                []int         // of Faults, in the list that was given
}

// MaxCosts is how many costs one call takes.
const MaxCosts = 5000

var accountForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

// Import takes what an account spent. A cost of the same day and dimensions replaces the
// one before. A cost that cannot be is left out, and told with its path; the others are
// taken. Dry run: nothing is stored. Errors: INVALID (ACCOUNT, COSTS).
func (s *Service) Import(ctx context.Context, ws, account string, list []Cost, dryRun bool) (*Imported, error) {
	if _, err := access.Require(ctx, access.Design); err != nil {
		return nil, err
	}
	if !accountForm.MatchString(account) {
		return nil, core.Errorf(core.Invalid, "ACCOUNT", "an account is named by letters, digits, _ . and -, such as google-ads").At("account")
	}
	if len(list) == 0 || len(list) > MaxCosts {
		return nil, core.Errorf(core.Invalid, "COSTS", "give 1 to %d costs at once", MaxCosts).At("costs")
	}
	out := &Imported{}
	docs, at := []*Cost{}, map[string]int{}
	for i, c := range list {
		c.Account, c.At = account, s.now()
		if err := c.check(); err != nil {
			out.refuse(i, err)
			continue
		}
		c.ID = costKey(ws, &c)
		if j, twice := at[c.ID]; twice {
			out.refuse(i, core.Errorf(core.Invalid, "COST_TWICE", "costs.%d is of the same day, channel, campaign and source; add them up", j))
			continue
		}
		at[c.ID] = i
		docs = append(docs, &c)
	}
	for chunk := range slices.Chunk(docs, 400) {
		if err := s.take(ctx, ws, account, chunk, dryRun, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (out *Imported) refuse(place int, err *core.Error) {
	out.Faults = append(out.Faults, err.At("costs", strconv.Itoa(place)))
	out.Places = append(out.Places, place)
}

func (c *Cost) same(other *Cost) bool {
	return c.Amount == other.Amount && c.Currency == other.Currency && c.Day == other.Day &&
		c.Channel == other.Channel && c.Campaign == other.Campaign && c.Source == other.Source
}

// Retract takes back what an account told under its own ids, and returns how much of it
// there was. Errors: FORBIDDEN.
func (s *Service) Retract(ctx context.Context, ws, account string, refs []string) (int, error) {
	if _, err := access.Require(ctx, access.Design); err != nil {
		return 0, err
	}
	n := 0
	for chunk := range slices.Chunk(refs, 400) {
		keys := make([]string, len(chunk))
		for i, ref := range chunk {
			keys[i] = costKey(ws, &Cost{Account: account, Ref: ref})
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		took := 0
		err := work.Retry(ctx, attempts, func() error {
			had, err := Costs.GetMany(ctx, s.Store, keys)
			if err != nil {
				return err
			}
			var ops []store.Op
			for _, c := range had {
				if c != nil {
					ops = append(ops, Costs.Delete(c))
				}
			}
			if took = len(ops); took == 0 {
				return nil
			}
			return work.Commit(ctx, s.Store, ops...)
		})
		if err != nil {
			return n, work.Outward(err)
		}
		n += took
	}
	return n, nil
}

// take stores some costs, and how far the account's reach.
func (s *Service) take(ctx context.Context, ws, account string, docs []*Cost, dryRun bool, out *Imported) error {
	return work.Retry(ctx, attempts, func() error {
		keys := make([]string, len(docs))
		for i, c := range docs {
			keys[i] = c.ID
		}
		had, err := Costs.GetMany(ctx, s.Store, keys)
		if err != nil {
			return err
		}
		acc, err := Accounts.Get(ctx, s.Store, store.Key(ws, account))
		if err != nil {
			return err
		}
		if acc == nil {
			acc = &Account{Meta: store.Meta{ID: store.Key(ws, account)}, First: docs[0].Day, Last: docs[0].Day}
		}
		acc.At = s.now()
		stored, changed, same := 0, 0, 0
		var ops []store.Op
		for i, c := range docs {
			acc.First, acc.Last = min(acc.First, c.Day), max(acc.Last, c.Day)
			c.V = 0
			switch old := had[i]; {
			case old == nil:
				stored++
			case old.same(c):
				same++
				continue
			default:
				changed++
				c.V = old.V
			}
			ops = append(ops, Costs.Put(c))
		}
		if !dryRun {
			daily, err := s.begin(ctx, ws)
			if err != nil {
				return err
			}
			ops = append(ops, daily...)
			if err := work.Commit(ctx, s.Store, append(ops, Accounts.Put(acc))...); err != nil {
				return err
			}
		}
		out.Stored, out.Changed, out.Same = out.Stored+stored, out.Changed+changed, out.Same+same
		return nil
	})
}

func (c *Cost) check() *core.Error {
	amount, ok := condition.ParseDecimal(c.Amount)
	switch _, err := insight.ParseDate(c.Day); {
	case err != nil:
		return core.Errorf(core.Invalid, "DATE", "a day is written as 2026-11-22").At("day")
	case !ok || amount.Sign() < 0 || -amount.Exponent() > 6 || amount.NumDigits() > 18:
		return core.Errorf(core.Invalid, "AMOUNT", "an amount is 0 or more, with at most six decimal places").At("amount")
	case len(c.Channel) > 100 || len(c.Campaign) > 200 || len(c.Source) > 100:
		return core.Errorf(core.Invalid, "DIMENSION", "a channel and a source have at most 100 bytes, a campaign 200").At("channel")
	}
	if _, err := currency.ParseISO(c.Currency); err != nil || len(c.Currency) != 3 || c.Currency[0] > 'Z' {
		return core.Errorf(core.Invalid, "CURRENCY", "a currency is one of ISO 4217, in three capital letters: EUR").At("currency")
	}
	c.Amount = amount.String()
	return nil
}

// Spent implements insight.Costs.
func (s *Service) Spent(ctx context.Context, ws string, from, to insight.Date) ([]insight.Spent, error) {
	var out []insight.Spent
	err := Costs.Each(ctx, s.Store, store.Query{
		Workspace: ws, Where: []store.Cond{store.Gte("day", from.String()), store.Lt("day", to.String())}, Order: []string{"day"},
	}, func(c *Cost) error {
		day, err := insight.ParseDate(c.Day)
		if err != nil {
			return err
		}
		amount, _ := condition.ParseDecimal(c.Amount) // it was checked when it came
		spent := insight.Spent{Day: day, Currency: c.Currency, Amount: amount, Dimensions: map[string]string{}}
		for key, v := range map[string]string{"channel": c.Channel, "campaign": c.Campaign, "source": c.Source} {
			if v != "" {
				spent.Dimensions[key] = v
			}
		}
		out = append(out, spent)
		return nil
	})
	return out, work.Outward(err)
}

// Watched implements insight.Costs.
func (s *Service) Watched(ws string) []store.Filter {
	return []store.Filter{{Spec: Costs.Spec, Prefix: ws + "/"}}
}

// Gaps are the days of an account of which no cost was told.
type Gaps struct {
	Account *Account
	Days    []string // between the first day and the day before yesterday, the earliest first; at most maxGaps
}

const (
	maxGaps  = 62
	lookBack = 400 // days
)

// CostGaps returns the accounts, each with its gaps.
func (s *Service) CostGaps(ctx context.Context, ws string) ([]Gaps, error) {
	list, err := Accounts.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return nil, work.Outward(err)
	}
	out := make([]Gaps, 0, len(list))
	for _, a := range list {
		days, err := s.gaps(ctx, ws, a)
		if err != nil {
			return nil, work.Outward(err)
		}
		out = append(out, Gaps{a, days})
	}
	return out, nil
}

func (s *Service) gaps(ctx context.Context, ws string, a *Account) ([]string, error) {
	until := s.now().AddDate(0, 0, -1).Truncate(24 * time.Hour) // yesterday is still on its way
	from, err := time.Parse(time.DateOnly, a.First)
	if err != nil {
		return nil, err
	}
	if oldest := until.AddDate(0, 0, -lookBack); from.Before(oldest) {
		from = oldest
	}
	told := map[string]bool{}
	err = Costs.Each(ctx, s.Store, store.Query{
		Workspace: ws, Where: []store.Cond{store.Eq("account", a.Name()), store.Gte("day", from.Format(time.DateOnly))}, Order: []string{"day"},
	}, func(c *Cost) error {
		told[c.Day] = true
		return nil
	})
	var out []string
	for d := from; d.Before(until) && len(out) < maxGaps; d = d.AddDate(0, 0, 1) {
		if day := d.Format(time.DateOnly); !told[day] {
			out = append(out, day)
		}
	}
	return out, err
}

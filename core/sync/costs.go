package sync

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Cost is what an account spent on a day, as a record of a stream tells it. All but Ref is
// as it came: who keeps it checks it.
type Cost struct {
	Ref      string // the record's id there: told again, it replaces what it told before
	Day      string // 2026-11-22, as the account counts days
	Amount   string // decimal
	Currency string // of ISO 4217
	Channel  string
	Campaign string
	Source   string
	Gone     bool // it is not there any more
}

// CostsKept is what became of costs.
type CostsKept struct {
	Written int                 // that were new, changed, or taken back
	Faults  map[int]*core.Error // of those that cannot be, by their place in the list
}

const inCosts = "cost."

// costPlaces are what a record of costs is mapped to; the first three have to be.
var costPlaces = []string{"cost.day", "cost.amount", "cost.currency", "cost.channel", "cost.campaign", "cost.source"}

func checkCostPlace(local string) error {
	if slices.Contains(costPlaces, local) {
		return nil
	}
	return core.Errorf(core.Invalid, "LOCAL", "a field of costs is one of %s", strings.Join(costPlaces, ", "))
}

var accountForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$`)

// checkCosts refuses a sync of costs that cannot be.
func (s *Service) checkCosts(y *Sync, fail func(reason, member, format string, args ...any)) {
	if s.Costs == nil {
		fail("KIND", "kind", "this server keeps no costs")
	}
	if y.Stream == "" {
		fail("STREAM", "stream", "name the stream; the connection's streams list them")
	}
	if !accountForm.MatchString(y.Type) {
		fail("ACCOUNT", "type", "name the account that bills the costs by letters, digits, _ . and -, such as google-ads")
	}
	mapped := map[string]int{}
	for _, f := range y.Fields {
		mapped[f.Local]++
	}
	for i, place := range costPlaces {
		switch n := mapped[place]; {
		case n == 0 && i < 3:
			fail("FIELDS", "fieldMap", "map %s; where the stream has no such field, map any and let an expression give the value", place)
		case n > 1:
			fail("LOCAL", "fieldMap", "%s is mapped twice", place)
		}
	}
}

// takeCosts keeps what an account spent. It can be done again: a record replaces what it told
// before.
func (j *job) takeCosts(ctx context.Context, list []Record) error {
	if j.Costs == nil {
		return &Fault{Kind: FaultInvalidConfig, Origin: FromConfig, Reason: "KIND", Message: "this server keeps no costs"}
	}
	var costs []Cost
	var of []*Record
	var ops []store.Op
	bury := func(r *Record, f *Fault) error {
		op, err := j.dead(ctx, Pull, "", r, f)
		ops = append(ops, op)
		j.run.Failed++
		return err
	}
	last := map[string]int{}
	for i := range list {
		last[list[i].ID] = i
	}
	for i := range list {
		r := &list[i]
		j.run.Read++
		if last[r.ID] != i || r.Deleted && j.sync.Deletions == KeepDeleted { // twice in one page: the later one counts
			j.run.Skipped++
			continue
		}
		c, fault := j.cost(r)
		if fault != nil {
			if err := bury(r, fault); err != nil {
				return err
			}
			continue
		}
		costs, of = append(costs, c), append(of, r)
	}
	if len(costs) > 0 {
		kept, err := j.Costs(ctx, j.ws, j.sync.Type, costs)
		if err != nil {
			return err
		}
		for i, r := range of {
			if e := kept.Faults[i]; e != nil {
				f := &Fault{Kind: FaultInvalidRecord, Origin: FromVendor, Reason: e.Reason, Message: e.Message, Path: inCosts + e.Path[len(e.Path)-1]}
				if err := bury(r, f); err != nil {
					return err
				}
			}
		}
		j.run.Written += int64(kept.Written)
		j.run.Skipped += int64(len(costs) - kept.Written - len(kept.Faults))
	}
	return j.save(ctx, ops...)
}

// cost makes a cost of a record.
func (j *job) cost(r *Record) (Cost, *Fault) {
	c := Cost{Ref: r.ID, Gone: r.Deleted}
	if r.Deleted {
		return c, nil
	}
	all := allOf(r)
	for i := range j.m.fields {
		f := &j.m.fields[i]
		v, err := f.local(r, all)
		if err != nil {
			return c, AsFault(err)
		}
		text := amountText(v)
		switch f.Local {
		case "cost.day":
			c.Day = text
		case "cost.amount":
			c.Amount = text
		case "cost.currency":
			c.Currency = text
		case "cost.channel":
			c.Channel = text
		case "cost.campaign":
			c.Campaign = text
		case "cost.source":
			c.Source = text
		}
	}
	return c, nil
}

// amountText returns a text or a number as text; "" for what is neither. Numbers that an
// expression made are rounded to six decimal places: what money is kept with.
func amountText(v any) string {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case json.Number:
		return v.String()
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		text := strconv.FormatFloat(v, 'f', 6, 64)
		return strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return ""
}

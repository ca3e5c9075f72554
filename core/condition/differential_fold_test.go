package condition_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/condition/conditiontest"
)

// fold keeps the ledgers of some programs, for each part of a profile its own.
type fold struct {
	programs []*condition.Program
	specs    map[string]*condition.LedgerSpec // by key, keeping enough for all
	folds    map[string]*condition.LedgerFold
	ledgers  map[string]map[string]*condition.Ledger // by key and part
	seen     map[string]bool                         // events, by id
}

func newFold(conditions []*condition.Node, zones []condition.Zone) (*fold, error) {
	f := &fold{
		specs: map[string]*condition.LedgerSpec{}, folds: map[string]*condition.LedgerFold{},
		ledgers: map[string]map[string]*condition.Ledger{}, seen: map[string]bool{},
	}
	for i, c := range conditions {
		p, err := compiled(c, zones[i])
		if err != nil {
			return nil, fmt.Errorf("compile condition %d: %w", i, err)
		}
		f.programs = append(f.programs, p)
		for _, s := range p.Needs().Ledgers {
			if have, ok := f.specs[s.Key]; ok {
				merged := *s
				merged.Keep = condition.MergeKeep(have.Keep, s.Keep)
				s = &merged
			}
			f.specs[s.Key] = s
		}
	}
	for key, s := range f.specs {
		lf, err := condition.CompileLedger(s)
		if err != nil {
			return nil, fmt.Errorf("compile ledger %s: %w", key, err)
		}
		f.folds[key] = lf
		f.ledgers[key] = map[string]*condition.Ledger{}
	}
	return f, nil
}

// compiled compiles what comes back of the canonical form, while the reference has
// the condition as it was drawn.
func compiled(c *condition.Node, zone condition.Zone) (*condition.Program, error) {
	text, err := condition.MarshalJSON(c)
	if err != nil {
		return nil, err
	}
	if c, err = condition.ParseJSON(text); err != nil {
		return nil, err
	}
	return condition.Compile(c, zone)
}

func (f *fold) add(e conditiontest.Event, now time.Time) {
	if f.seen[e.ID] {
		return
	}
	f.seen[e.ID] = true
	for key, s := range f.specs {
		if s.Event != e.Name || s.System != e.System {
			continue
		}
		l := f.ledgers[key][e.Part]
		if l == nil {
			l = &condition.Ledger{}
			f.ledgers[key][e.Part] = l
		}
		f.folds[key].Add(l, condition.LedgerEvent{ID: e.ID, At: e.At, Properties: e.Properties}, now)
	}
}

// rebuild forgets the ledgers and makes them again, as a backfill does.
func (f *fold) rebuild(events []conditiontest.Event, now time.Time) {
	for key := range f.ledgers {
		f.ledgers[key] = map[string]*condition.Ledger{}
	}
	clear(f.seen)
	for _, e := range slices.Backward(events) {
		f.add(e, now)
	}
}

func (f *fold) prune(now time.Time) {
	for key, parts := range f.ledgers {
		for _, l := range parts {
			f.folds[key].Prune(l, now)
		}
	}
}

func (f *fold) all() map[string][]*condition.Ledger {
	out := map[string][]*condition.Ledger{}
	for key, parts := range f.ledgers {
		for _, l := range parts {
			out[key] = append(out[key], l)
		}
	}
	return out
}

func (f *fold) clone() *fold {
	c := *f
	c.ledgers = map[string]map[string]*condition.Ledger{}
	for key, parts := range f.ledgers {
		c.ledgers[key] = map[string]*condition.Ledger{}
		for part, l := range parts {
			m := *l
			m.Entries = slices.Clone(l.Entries)
			m.Total.Distinct = slices.Clone(l.Total.Distinct)
			c.ledgers[key][part] = &m
		}
	}
	return &c
}

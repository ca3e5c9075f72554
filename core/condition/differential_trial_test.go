package condition_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/condition/conditiontest"
)

// trial is a history, conditions that share their ledgers, and what is done when.
type trial struct {
	history    *conditiontest.History // Events stands in steps
	conditions []*condition.Node
	kinds      []string // of their outermost nodes
	zones      []condition.Zone
	steps      []step
	refused    int
}

// step is one arrival.
type step struct {
	event   conditiontest.Event
	clock   time.Time
	prune   bool // afterwards
	compare bool // afterwards
	rebuild bool // the ledgers from all that arrived, as a backfill does
	seed    uint64
}

func draw(seed uint64) *trial {
	r := conditiontest.NewRandom(seed)
	d := &trial{history: r.History(14)}
	for _, e := range d.history.Events {
		d.steps = append(d.steps, step{event: e, clock: e.Arrived, prune: r.IntN(3) == 0, compare: r.IntN(4) == 0, rebuild: r.IntN(12) == 0, seed: r.Uint64()})
	}
	if n := len(d.steps); n > 0 {
		d.steps[n-1].compare = true
	} else { // nothing ever happened
		d.steps = []step{{clock: r.Now(), compare: true, seed: r.Uint64()}}
	}
	for n := 1 + r.IntN(3); len(d.conditions) < n; {
		tree := r.Condition(2)
		c, err := condition.Parse(tree)
		if err != nil {
			d.refused++
			continue
		}
		d.conditions = append(d.conditions, c)
		for kind := range tree {
			d.kinds = append(d.kinds, kind)
		}
		z := condition.Zone{OfProfile: r.IntN(3) == 0}
		if r.IntN(4) > 0 {
			z.Location = r.Zone
		}
		d.zones = append(d.zones, z)
	}
	return d
}

// run does the steps and returns what is wrong, or "". It does the same each time.
func (d *trial) run(sum *tally) string {
	f, err := newFold(d.conditions, d.zones)
	if err != nil {
		return err.Error()
	}
	known := *d.history
	known.Events = nil
	for _, s := range d.steps {
		if s.event.ID != "" {
			f.add(s.event, s.clock)
			known.Events = append(known.Events, s.event)
		}
		if s.rebuild {
			f.rebuild(known.Events, s.clock)
		}
		if s.prune {
			f.prune(s.clock)
		}
		if s.compare {
			if what := d.compare(f, &known, s, sum); what != "" {
				return what
			}
		}
	}
	return ""
}

// shrink leaves out of a trial that failed what it fails without.
func (d *trial) shrink(what string) (*trial, string) {
	try := func(smaller *trial) bool {
		now := smaller.run(&tally{kinds: map[string]*[2]int{}})
		if now != "" {
			d, what = smaller, now
		}
		return now != ""
	}
	for again := true; again; {
		again = false
		for i := len(d.steps) - 1; i >= 0; i-- {
			c := *d
			c.steps = slices.Delete(slices.Clone(d.steps), i, i+1)
			again = try(&c) || again
		}
		for i := range d.steps {
			c := *d
			c.steps = slices.Clone(d.steps)
			if s := &c.steps[i]; s.prune || s.rebuild {
				s.prune, s.rebuild = false, false
				again = try(&c) || again
			}
		}
		for i := len(d.conditions) - 1; i >= 0 && len(d.conditions) > 1; i-- {
			c := *d
			c.conditions = slices.Delete(slices.Clone(d.conditions), i, i+1)
			c.zones = slices.Delete(slices.Clone(d.zones), i, i+1)
			c.kinds = slices.Delete(slices.Clone(d.kinds), i, i+1)
			again = try(&c) || again
		}
		for i, n := range d.conditions {
			for _, part := range slices.Concat(n.And, n.Or, []*condition.Node{n.Not}) {
				if part != nil {
					c := *d
					c.conditions = slices.Clone(d.conditions)
					c.conditions[i] = part
					if try(&c) {
						again = true
						break
					}
				}
			}
		}
	}
	return d, what
}

// String writes out all that is needed to do it again by hand.
func (d *trial) String() string {
	var b strings.Builder
	for i, c := range d.conditions {
		text, err := condition.MarshalJSON(c)
		fmt.Fprintf(&b, "condition %d: %s %v, zone %v, of the profile: %v\n", i, text, err, d.zones[i].Location, d.zones[i].OfProfile)
	}
	h := *d.history
	h.Events = nil
	for _, s := range d.steps {
		if s.event.ID != "" {
			h.Events = append(h.Events, s.event)
		}
		fmt.Fprintf(&b, "step at %s: event %s, prune %v, rebuild %v, compare %v\n", stamp(s.clock), s.event.ID, s.prune, s.rebuild, s.compare)
	}
	return b.String() + h.String()
}

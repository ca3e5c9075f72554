package journey

import (
	"time"

	"github.com/headwater-cdp/headwater/core/condition"
)

// plan is what all people of a simulation share.
type plan struct {
	p        *Program
	o        *SimulateOptions
	folds    []*condition.LedgerFold
	byKey    map[string]int // ledgers, by key
	byEvent  map[named][]int
	watchers []watcher
	wanted   map[string]bool       // profiles whose trails are told
	from, to time.Time             // whole milliseconds
	binding  map[*Program][]*asked // conditions that mention the entering event
	hears    map[string]bool       // names of events that matter to something
	number   int64                 // of p, where the versions are known
}

// named is a name of events: Headwater's own, or others.
type named struct {
	name   string
	system bool
}

// watcher is a condition whose changes matter.
type watcher struct {
	program *condition.Program
	segment string    // "" for a date
	enters  *Entrance // by coming to hold; nil: none
	leaves  *Entrance
}

func newPlan(p *Program, o *SimulateOptions) (*plan, error) {
	pl := &plan{
		p: p, o: o, byKey: map[string]int{}, byEvent: map[named][]int{}, wanted: map[string]bool{}, hears: map[string]bool{}, binding: map[*Program][]*asked{},
		from: up(o.From), to: up(o.To),
	}
	for _, id := range o.Trails {
		pl.wanted[id] = true
	}
	segments := map[string]int{}
	for _, id := range sortedKeys(o.Segments) {
		segments[id] = len(pl.watchers)
		pl.watchers = append(pl.watchers, watcher{program: o.Segments[id], segment: id})
	}
	for _, e := range p.entrances {
		if e.Date != nil {
			pl.watchers = append(pl.watchers, watcher{program: e.Asks, enters: e})
		}
		if i, ok := segments[e.SegmentEntered]; ok {
			pl.watchers[i].enters = e
		}
		if i, ok := segments[e.SegmentLeft]; ok {
			pl.watchers[i].leaves = e
		}
		if e.match != nil {
			pl.hears[e.match.name] = true
		}
		if e.Asks != nil {
			if err := pl.keep(e.Asks); err != nil {
				return nil, err
			}
		}
	}
	for _, w := range pl.watchers {
		if err := pl.keep(w.program); err != nil {
			return nil, err
		}
	}
	if err := pl.lead(p); err != nil {
		return nil, err
	}
	for _, number := range sortedKeys(o.Versions) {
		if other := o.Versions[number]; other == p {
			pl.number = number
		} else if err := pl.lead(other); err != nil {
			return nil, err
		}
	}
	return pl, nil
}

// lead readies what those inside a version ask.
func (pl *plan) lead(p *Program) error {
	for _, n := range p.nodes {
		if n.event != nil {
			pl.hears[n.event.name] = true
		}
	}
	for _, a := range p.conditions() {
		if !a.binds {
			if err := pl.keep(a.program); err != nil {
				return err
			}
			continue
		}
		pl.binding[p] = append(pl.binding[p], a)
		c, err := condition.Compile(a.node, a.zone)
		if err != nil {
			return err
		}
		for _, spec := range c.Needs().Ledgers {
			pl.hears[spec.Event] = true
		}
	}
	return nil
}

// keep folds what a program asks.
func (pl *plan) keep(c *condition.Program) error {
	for _, spec := range c.Needs().Ledgers {
		pl.hears[spec.Event] = true
		if _, ok := pl.byKey[spec.Key]; ok {
			continue
		}
		fold, err := condition.CompileLedger(whole(spec))
		if err != nil {
			return err
		}
		i := len(pl.folds)
		pl.byKey[spec.Key] = i
		pl.folds = append(pl.folds, fold)
		at := named{spec.Event, spec.System}
		pl.byEvent[at] = append(pl.byEvent[at], i)
	}
	return nil
}

// whole returns a spec that keeps everything: one person's events are in memory
// anyway, and who asks since the entering must find them one by one.
func whole(spec *condition.LedgerSpec) *condition.LedgerSpec {
	if spec.Kind == condition.Latest || spec.Kind == condition.Last {
		return spec // the latest is all that is asked
	}
	c := *spec
	c.Keep = condition.Keep{All: true}
	return &c
}

// warnings tells what a simulation leaves out.
func (pl *plan) warnings() []condition.Warning {
	var out []condition.Warning
	add := func(node, why string) {
		out = append(out, condition.Warning{Reason: WarnNotSimulated, Message: why, Path: []string{node}})
	}
	for _, e := range pl.p.entrances {
		switch {
		case e.API:
			add(e.Node, "nobody enters by API in a simulation")
		case e.List != "":
			add(e.Node, "nobody is put on a list in a simulation")
		case e.SegmentEntered != "" && pl.o.Segments[e.SegmentEntered] == nil, e.SegmentLeft != "" && pl.o.Segments[e.SegmentLeft] == nil:
			add(e.Node, "the segment's condition is not known here, so nobody enters by it")
		}
	}
	for _, n := range pl.p.def.Nodes {
		if n.Step.SubJourney != "" {
			add(n.ID, "the other journey is taken to end at once")
		}
	}
	return out
}

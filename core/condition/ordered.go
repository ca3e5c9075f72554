package condition

import (
	"cmp"
	"sort"
)

// ordering asks for events in an order.
type ordering struct {
	steps   []string // keys of ledgers
	without []string
	within  *Period
	window  *stretch
}

func (k *compiler) sequence(n *Node, p *part) error {
	q := n.Sequence
	if len(q.Steps) == 0 {
		return operandFault("sequence")
	}
	o := &ordering{within: q.Within, window: k.window(q.Window)}
	k.zoned = k.zoned || q.Within != nil && q.Within.Months != 0
	for i, spec := range Ledgers(n) {
		if i < len(q.Steps) {
			o.steps = append(o.steps, spec.Key)
		} else {
			o.without = append(o.without, spec.Key)
		}
	}
	p.eval = func(c call) (bool, int64) {
		steps, next := o.load(c)
		if chain := o.latest(steps, c); chain != nil {
			// It holds at least until the first event of this one leaves.
			return true, o.window.leaves(chain[0].At, c.loc)
		}
		return false, next // only an event that comes can complete one
	}
	p.decide = func(c call) any {
		steps, _ := o.load(c)
		out := map[string]any{"found": nil, "window": o.window.shown(c.clock)}
		if chain := o.latest(steps, c); chain != nil {
			out["found"] = times(chain)
		}
		return out
	}
	return nil
}

// load returns the events of each step that lie in the window, and when the next
// one enters it.
func (o *ordering) load(c call) (steps [][]Entry, next int64) {
	steps, next = make([][]Entry, len(o.steps)), never
	for s, key := range o.steps {
		entries := gather(c.facts.Ledgers(key))
		i, j := o.window.within(entries, c.clock)
		steps[s] = entries[i:j]
		if j < len(entries) {
			next = min(next, o.window.enters(entries[j].At, c.loc))
		}
	}
	return steps, next
}

// latest returns the events of the sequence that begins last; nil when there is
// none. From a first event on the earliest choice for each further step ends
// earliest, and what ends earliest is what within and without can object to least:
// so each first event needs only one try.
func (o *ordering) latest(steps [][]Entry, c call) []Entry {
	without := make([][]Entry, len(o.without))
	for i, key := range o.without {
		without[i] = gather(c.facts.Ledgers(key))
	}
	chain := make([]Entry, len(steps))
	for first := len(steps[0]) - 1; first >= 0; first-- {
		chain[0] = steps[0][first]
		if o.complete(steps, chain) && o.allowed(without, chain, c) {
			return chain
		}
	}
	return nil
}

func (o *ordering) complete(steps [][]Entry, chain []Entry) bool {
	for s := 1; s < len(steps); s++ {
		i := following(steps[s], chain[s-1])
		if i == len(steps[s]) {
			return false
		}
		chain[s] = steps[s][i]
	}
	return true
}

func (o *ordering) allowed(without [][]Entry, chain []Entry, c call) bool {
	first, last := chain[0], chain[len(chain)-1]
	if o.within != nil && last.At > o.within.plus(first.At, c.loc) {
		return false
	}
	for _, entries := range without {
		if i := following(entries, first); i < len(entries) && earlier(entries[i], last) {
			return false
		}
	}
	return true
}

// following returns the index of the first entry that comes after e.
func following(entries []Entry, e Entry) int {
	return sort.Search(len(entries), func(i int) bool { return earlier(e, entries[i]) })
}

// earlier orders events by time, and at one instant by id.
func earlier(a, b Entry) bool {
	if a.At != b.At {
		return a.At < b.At
	}
	return cmp.Less(a.Event, b.Event)
}

package conditiontest

import "github.com/headwater-cdp/headwater/core/condition"

// sequence tries every choice of events for the steps.
func (v view) sequence(n *condition.Sequence) bool {
	steps := make([][]Event, len(n.Steps))
	for i, s := range n.Steps {
		steps[i] = v.inside(n.Window, v.matching(s))
	}
	var without []Event
	for _, w := range n.Without {
		without = append(without, v.matching(w)...)
	}
	return v.choose(n, steps, without, nil)
}

func (v view) choose(n *condition.Sequence, steps [][]Event, without, chosen []Event) bool {
	if len(chosen) == len(steps) {
		return v.ordered(n, without, chosen)
	}
	for _, e := range steps[len(chosen)] {
		if v.choose(n, steps, without, append(chosen[:len(chosen):len(chosen)], e)) {
			return true
		}
	}
	return false
}

// ordered tells whether the chosen events are the sequence asked for.
func (v view) ordered(n *condition.Sequence, without, chosen []Event) bool {
	for i := 1; i < len(chosen); i++ {
		if !before(chosen[i-1], chosen[i]) {
			return false
		}
	}
	first, last := chosen[0], chosen[len(chosen)-1]
	if n.Within != nil && last.At.After(v.later(first.At, *n.Within)) {
		return false
	}
	for _, e := range without {
		if before(first, e) && before(e, last) {
			return false
		}
	}
	return true
}

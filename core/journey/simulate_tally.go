package journey

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/condition"
)

// tally counts what one worker has seen.
type tally struct {
	pl                        *plan
	people, reached, enrolled int64
	nodes                     map[string]*NodeCount
	sends                     map[DayCount]int64 // Sent is 0 in the keys
	ended                     map[Status]int64
	arms                      map[string]map[string]int64
	trails                    []PersonTrail
}

func newTally(pl *plan) *tally {
	t := &tally{pl: pl, nodes: map[string]*NodeCount{}, sends: map[DayCount]int64{}, ended: map[Status]int64{}, arms: map[string]map[string]int64{}}
	for _, n := range pl.p.def.Nodes {
		t.nodes[n.ID] = &NodeCount{Node: n.ID}
	}
	return t
}

// passed counts a step's passages.
func (t *tally) passed(l *life, trail []Passage) {
	for i := range trail {
		n := t.nodes[trail[i].Node]
		if n == nil {
			continue
		}
		if trail[i].Came {
			n.Entered++
		}
		if trail[i].Left {
			n.Left++
		}
		if trail[i].Did == DidSend {
			n.Sent++
			t.sends[DayCount{Node: n.Node, Day: l.now.In(t.pl.p.loc).Format("2006-01-02")}]++
		}
	}
}

// count counts a person whose time is over.
func (t *tally) count(l *life) {
	t.people++
	if len(l.enrolled) > 0 {
		t.reached++
	}
	for _, en := range l.enrolled {
		t.enrolled++
		t.ended[en.state.Status]++
		for node, arm := range en.state.Arms {
			t.arm(node, arm, 1)
		}
	}
	if !t.pl.wanted[l.person.Profile] {
		return
	}
	p := PersonTrail{Profile: l.person.Profile}
	for _, en := range l.enrolled {
		p.Enrollments = append(p.Enrollments, EnrollmentTrail{Key: en.key, Began: en.state.Began, Status: en.state.Status, Node: en.state.Node, Trail: en.trail})
	}
	t.trails = append(t.trails, p)
}

func (t *tally) arm(node, arm string, n int64) {
	if t.arms[node] == nil {
		t.arms[node] = map[string]int64{}
	}
	t.arms[node][arm] += n
}

// add adds what another worker has seen.
func (t *tally) add(o *tally) {
	t.people, t.reached, t.enrolled = t.people+o.people, t.reached+o.reached, t.enrolled+o.enrolled
	for id, n := range o.nodes {
		m := t.nodes[id]
		m.Entered, m.Left, m.Sent = m.Entered+n.Entered, m.Left+n.Left, m.Sent+n.Sent
	}
	for k, n := range o.sends {
		t.sends[k] += n
	}
	for k, n := range o.ended {
		t.ended[k] += n
	}
	for node, arms := range o.arms {
		for arm, n := range arms {
			t.arm(node, arm, n)
		}
	}
	t.trails = append(t.trails, o.trails...)
}

func (t *tally) result() *Simulation {
	s := &Simulation{People: t.people, Reached: t.reached, Entered: t.enrolled, Ended: t.ended, Arms: t.arms, Trails: t.trails, Warnings: t.pl.warnings()}
	for _, n := range t.pl.p.def.Nodes {
		c := *t.nodes[n.ID]
		c.Inside = c.Entered - c.Left
		s.Nodes = append(s.Nodes, c)
		if c.Entered == 0 {
			s.Warnings = append(s.Warnings, condition.Warning{Reason: WarnNobody, Message: fmt.Sprintf("node %q: nobody comes here", n.ID), Path: []string{n.ID}})
		}
	}
	for k, n := range t.sends {
		k.Sent = n
		s.Sends = append(s.Sends, k)
	}
	slices.SortFunc(s.Sends, func(a, b DayCount) int { return cmp.Or(strings.Compare(a.Day, b.Day), strings.Compare(a.Node, b.Node)) })
	slices.SortFunc(s.Trails, func(a, b PersonTrail) int { return strings.Compare(a.Profile, b.Profile) })
	return s
}

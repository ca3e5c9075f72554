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
	stood                     int64 // inside when it began
	nodes                     map[spot]*NodeCount
	sends                     map[DayCount]int64 // Sent is 0 in the keys
	ended                     map[Status]int64
	arms                      map[string]map[string]int64
	trails                    []PersonTrail
}

// spot is a node of a version; 0 is the one that is simulated.
type spot struct {
	version int64
	node    string
}

// at is the count of a node.
func (t *tally) at(version int64, node string) *NodeCount {
	if n := t.nodes[spot{version, node}]; n != nil {
		return n
	}
	n := &NodeCount{Version: version, Node: node}
	t.nodes[spot{version, node}] = n
	return n
}

func newTally(pl *plan) *tally {
	t := &tally{pl: pl, nodes: map[spot]*NodeCount{}, sends: map[DayCount]int64{}, ended: map[Status]int64{}, arms: map[string]map[string]int64{}}
	for _, n := range pl.p.def.Nodes {
		t.at(0, n.ID)
	}
	return t
}

// passed counts a step's passages.
func (t *tally) passed(l *life, en *enrolled, trail []Passage) {
	for i := range trail {
		n := t.at(en.version, trail[i].Node)
		if trail[i].Came {
			n.Entered++
		}
		if trail[i].Left {
			n.Left++
		}
		if trail[i].Did == DidQueue {
			n.Sent++
			t.sends[DayCount{Node: n.Node, Day: l.now.In(t.pl.p.loc).Format("2006-01-02")}]++
		}
	}
}

// count counts a person whose time is over.
func (t *tally) count(l *life) {
	t.people++
	if slices.ContainsFunc(l.enrolled, func(en *enrolled) bool { return !en.stood }) {
		t.reached++
	}
	for _, en := range l.enrolled {
		if en.stood {
			t.stood++
		} else {
			t.enrolled++
		}
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
	t.stood += o.stood
	for _, n := range o.nodes {
		m := t.at(n.Version, n.Node)
		m.Began, m.Entered, m.Left, m.Sent, m.Stopped = m.Began+n.Began, m.Entered+n.Entered, m.Left+n.Left, m.Sent+n.Sent, m.Stopped+n.Stopped
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
	s := &Simulation{People: t.people, Reached: t.reached, Inside: t.stood, Entered: t.enrolled, Ended: t.ended, Arms: t.arms, Trails: t.trails, Warnings: t.pl.warnings()}
	for _, n := range t.pl.p.def.Nodes {
		c := t.at(0, n.ID).sum()
		s.Nodes = append(s.Nodes, c)
		if c.Began+c.Entered == 0 {
			s.Warnings = append(s.Warnings, condition.Warning{Reason: WarnNobody, Message: fmt.Sprintf("node %q: nobody comes here", n.ID), Path: []string{n.ID}})
		}
	}
	for _, number := range sortedKeys(t.pl.o.Versions) {
		for _, n := range t.pl.o.Versions[number].def.Nodes {
			if c := t.nodes[spot{number, n.ID}]; c != nil {
				s.Nodes = append(s.Nodes, c.sum())
			}
		}
	}
	for _, n := range s.Nodes {
		if n.Stopped > 0 {
			s.Warnings = append(s.Warnings, condition.Warning{Reason: WarnEndless, Path: []string{n.Node}, Message: fmt.Sprintf(
				"node %q: %d of the people had passed %d nodes and were followed no further; they go round without a pause, or with one that is too short", n.Node, n.Stopped, MaxPassed,
			)})
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

// sum works out who is inside at the end.
func (n *NodeCount) sum() NodeCount {
	c := *n
	c.Inside = c.Began + c.Entered - c.Left
	return c
}

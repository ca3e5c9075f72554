package journey

import (
	"slices"
	"strconv"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/message"
	"github.com/headwater-cdp/headwater/core/object"
)

// ends tells which edges a node can have and which of these it must have.
func ends(s *Step) (may, must []string) {
	next := []string{OnNext}
	switch {
	case s.Entry != nil:
		return next, next
	case s.Wait != nil && s.Wait.Event != nil:
		both := []string{OnNext, OnTimeout}
		return both, both
	case s.Wait != nil && s.Wait.Trait != "":
		return []string{OnNext, OnElse}, next
	case s.Wait != nil:
		return next, next
	case s.Branch != nil:
		all := append(armNames(s.Branch), OnElse)
		return all, all
	case s.Split != nil:
		all := armNames(s.Split.Arms)
		return all, all
	case s.Holdout != nil:
		return armNames(s.Holdout.Arms), nil
	case s.Coupon != nil:
		return []string{OnNext, OnElse}, nil
	case s.Approval != nil && s.Approval.Timeout != nil:
		all := []string{OnNext, OnElse, OnTimeout}
		return all, all
	case s.Approval != nil:
		both := []string{OnNext, OnElse}
		return both, both
	case s.Goal != nil:
		return []string{OnNext, OnElse}, []string{OnElse}
	case s.Exit:
		return nil, nil
	}
	return next, nil
}

func armNames(arms []Arm) []string {
	out := make([]string, len(arms))
	for i, a := range arms {
		out[i] = a.Name
	}
	return out
}

// graph judges how nodes and edges hang together.
func (r *reader) graph(d *Definition) {
	index, out := map[string]int{}, map[string]map[string]string{}
	for i, n := range d.Nodes {
		index[n.ID], out[n.ID] = i, map[string]string{}
	}
	before := len(r.faults)
	for i, e := range d.Edges {
		r.path = []string{"edges", strconv.Itoa(i)}
		r.edge(d, e, index, out)
	}
	r.path = nil
	if len(r.faults) > before {
		return
	}
	entries := 0
	for i, n := range d.Nodes {
		if n.Step.Entry != nil {
			entries++
		}
		r.aboutNode(i, n.ID, func() { r.outgoing(n, out[n.ID]) })
	}
	if entries == 0 {
		r.at("nodes", func() { r.fault(ReasonNoEntry, "nobody can enter: a journey has at least one entry") })
		return
	}
	r.reach(d, index, out)
	before = len(r.faults)
	r.loops(d, index, out)
	if len(r.faults) == before && r.voc != nil { // what was kept before this was asked stays readable
		r.echoes(d, index, out)
	}
}

func (r *reader) aboutNode(i int, id string, f func()) {
	r.path, r.node = []string{"nodes", strconv.Itoa(i)}, id
	f()
	r.path, r.node = nil, ""
}

func (r *reader) edge(d *Definition, e Edge, index map[string]int, out map[string]map[string]string) {
	from, ok := index[e.From]
	if !ok {
		r.at("from", func() { r.fault(ReasonNoSuchNode, "there is no node %q", e.From) })
		return
	}
	to, ok := index[e.To]
	if !ok {
		r.at("to", func() {
			r.fault(ReasonNoSuchNode, "node %q: its edge %q leads to %q, and there is no such node", e.From, e.On, e.To)
		})
		return
	}
	may, _ := ends(&d.Nodes[from].Step)
	switch {
	case !slices.Contains(may, e.On):
		r.at("on", func() {
			r.fault(ReasonEdge, "node %q: it has no edge %q; it can have %s", e.From, e.On, orNone(may))
		})
	case d.Nodes[to].Step.Entry != nil:
		r.at("to", func() {
			r.fault(ReasonEdge, "node %q: its edge leads to the entry %q, by which people only come in", e.From, e.To)
		})
	case out[e.From][e.On] != "":
		r.fault(ReasonDuplicate, "node %q: another edge goes out on %q", e.From, e.On)
	}
	out[e.From][e.On] = e.To
}

func (r *reader) outgoing(n *Node, out map[string]string) {
	_, must := ends(&n.Step)
	for _, on := range must {
		if out[on] == "" {
			r.fault(ReasonNoEdge, "an edge is missing for %q", on)
		}
	}
	if n.Step.Holdout != nil && (len(out) == 0 || len(out) == len(n.Step.Holdout.Arms)) {
		r.fault(ReasonNoEdge, "of a holdout's arms some have edges, and who falls to one without is kept out; here %d of %d have", len(out), len(n.Step.Holdout.Arms))
	}
}

// reach finds nodes that nobody can come to.
func (r *reader) reach(d *Definition, index map[string]int, out map[string]map[string]string) {
	seen := make([]bool, len(d.Nodes))
	var todo []int
	for i, n := range d.Nodes {
		if n.Step.Entry != nil {
			seen[i] = true
			todo = append(todo, i)
		}
	}
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, to := range out[d.Nodes[at].ID] {
			if i := index[to]; !seen[i] {
				seen[i] = true
				todo = append(todo, i)
			}
		}
	}
	for i, n := range d.Nodes {
		if !seen[i] {
			r.aboutNode(i, n.ID, func() { r.fault(ReasonUnreachable, "no edge leads here from an entry") })
		}
	}
}

// takesTime tells whether whoever comes to a node surely stays for a while, so that
// a circle through it does not run for ever at one instant.
func takesTime(s *Step) bool {
	return s.Approval != nil || s.Wait != nil && (s.Wait.Duration != nil || s.Wait.Event != nil || s.Wait.LocalTime != "" || s.Wait.Best != nil)
}

// loops finds circles without a wait: nodes that take no time and lead to themselves.
func (r *reader) loops(d *Definition, index map[string]int, out map[string]map[string]string) {
	const fresh, open, done = 0, 1, 2
	state := make([]int, len(d.Nodes))
	var trail []string
	var visit func(i int)
	visit = func(i int) {
		n := d.Nodes[i]
		state[i] = open
		trail = append(trail, n.ID)
		for _, on := range sortedKeys(out[n.ID]) {
			to := index[out[n.ID][on]]
			switch {
			case takesTime(&d.Nodes[to].Step):
			case state[to] == open:
				circle := trail[slices.Index(trail, d.Nodes[to].ID):]
				r.aboutNode(to, d.Nodes[to].ID, func() {
					r.fault(ReasonLoop, "people would go round without a pause: %s; a circle needs a wait for a duration, an event or a time of day", orNone(append(slices.Clone(circle), circle[0])))
				})
			case state[to] == fresh:
				visit(to)
			}
		}
		trail = trail[:len(trail)-1]
		state[i] = done
	}
	for i, n := range d.Nodes {
		if state[i] == fresh && !takesTime(&n.Step) {
			visit(i)
		}
	}
}

// tells are the events that Headwater tells of by itself when a node is passed.
func tells(s *Step) []string {
	switch {
	case s.Message != nil:
		return []string{condition.MessageEvent(message.WasSent), condition.MessageEvent(message.WasDelivered), condition.MessageEvent(message.WasBounced)}
	case s.Points != nil:
		return []string{"Points Earned", "Points Spent"}
	case s.Score != nil:
		return []string{"Lead Score Adjusted"}
	case s.Coupon != nil:
		return []string{"Coupon Assigned"}
	case s.UpsertObject != nil:
		return []string{object.NameRecordChanged}
	}
	return nil
}

// echoes finds circles whose only wait is for the very event that a node in them brings
// about: a message that is sent again because it was sent. A wait for some of these events
// only, by its where, may be for those of others.
func (r *reader) echoes(d *Definition, index map[string]int, out map[string]map[string]string) {
	for i, n := range d.Nodes {
		told := tells(&n.Step)
		if told == nil {
			continue
		}
		from := map[int]int{} // how one comes there
		for todo := []int{i}; len(todo) > 0; todo = todo[1:] {
			at := d.Nodes[todo[0]]
			w := at.Step.Wait
			echo := w != nil && w.Event != nil && slices.Contains(told, w.Event.Name) && len(w.Event.Where) == 0
			for _, on := range sortedKeys(out[at.ID]) {
				to := index[out[at.ID][on]]
				if _, seen := from[to]; !seen && (echo && on == OnNext || !takesTime(&at.Step)) {
					from[to] = todo[0]
					todo = append(todo, to)
				}
			}
		}
		if _, round := from[i]; !round {
			continue
		}
		circle := []string{n.ID}
		for at := from[i]; at != i; at = from[at] {
			circle = append(circle, d.Nodes[at].ID)
		}
		slices.Reverse(circle)
		r.aboutNode(i, n.ID, func() {
			r.fault(ReasonLoop, "people would go round without a pause, for what is waited for comes of this node itself: %s; wait for a duration or a time of day as well", orNone(append([]string{n.ID}, circle...)))
		})
		return
	}
}

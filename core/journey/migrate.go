package journey

import (
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// NodeMap says where those go who stand on a node of an older version: to a node of
// the new one, or out of the journey with "". Who is not in it stays on the node of
// the same id.
type NodeMap map[string]string

// CheckNodeMap tells what is wrong with moving people from one version to another:
// nodes that neither version has, people who would stand on an entry, and people who
// would stand nowhere, since the new version has no node of that id or one that does
// something else. inside counts the live enrollments on each node of the older
// version; those where nobody stands need no place. Paths begin with "nodeMap".
func CheckNodeMap(from, to *Definition, m NodeMap, inside map[string]int64) []*core.Error {
	before, after := nodesOf(from), nodesOf(to)
	var out []*core.Error
	fault := func(reason, node, format string, args ...any) {
		out = append(out, core.Errorf(core.Invalid, reason, "node %q: %s", node, fmt.Sprintf(format, args...)).At("nodeMap", node))
	}
	for _, id := range sortedKeys(m) {
		target := m[id]
		switch {
		case before[id] == nil:
			fault(ReasonNodeMap, id, "the version from which people come has no such node")
		case target == "":
		case after[target] == nil:
			fault(ReasonNodeMap, id, "the version to which they go has no node %q", target)
		case after[target].Step.Entry != nil:
			fault(ReasonNodeMap, id, "nobody can be put on the entry %q", target)
		}
	}
	for _, id := range sortedKeys(inside) {
		if _, mapped := m[id]; mapped || inside[id] == 0 {
			continue
		}
		old, next := before[id], after[id]
		switch {
		case next == nil:
			fault(ReasonStranded, id, "%d people stand here, and the new version has no such node; map it to another, or to none to let them leave", inside[id])
		case old != nil && old.Step.Kind() != next.Step.Kind():
			fault(ReasonStranded, id, "%d people stand here, and in the new version it is another kind of node (%s, not %s); map it", inside[id], next.Step.Kind(), old.Step.Kind())
		}
	}
	return out
}

func nodesOf(d *Definition) map[string]*Node {
	out := make(map[string]*Node, len(d.Nodes))
	for _, n := range d.Nodes {
		out[n.ID] = n
	}
	return out
}

// Migrate returns the state that somebody has under this version who stood in another.
// A timer that runs goes on running: who waited goes on waiting if the node is one
// where the same is waited for, and takes the node's step when the old timer ends
// otherwise. Arms, coupons and visits stay.
func (p *Program) Migrate(st State, m NodeMap, now time.Time) State {
	if !st.Status.Live() {
		return st
	}
	target, mapped := m[st.Node]
	if !mapped {
		target = st.Node
	}
	n := p.nodes[target]
	if n == nil {
		st.Status, st.For, st.Due, st.Late = Exited, "", time.Time{}, ""
		return st
	}
	same := st.Status == Waiting && n.awaits() == st.For
	if target != st.Node {
		st.Node, st.Came = target, now.UTC().Truncate(time.Millisecond)
	}
	if same {
		return st
	}
	st.Visit++
	if st.Due.IsZero() {
		st.Due = up(now)
	}
	st.Status, st.For, st.Late = Active, "", ""
	return st
}

// awaits is what somebody who stands on a node waits for; "" for nothing.
func (n *place) awaits() Await {
	switch s := &n.Step; {
	case s.Wait != nil && s.Wait.Event != nil:
		return ForEvent
	case s.Wait != nil:
		return ForTime
	case s.Coupon != nil:
		return ForCoupon
	case s.Approval != nil:
		return ForApproval
	case s.SubJourney != "":
		return ForSubJourney
	case s.Message != nil:
		return ForOverdue
	}
	return ""
}

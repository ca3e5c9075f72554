package journey

import (
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// checkNodeMap tells what is wrong with a map of nodes, by which those go who stand in
// older versions: from a node to one of the new version, or with nil out of the journey.
// known are the nodes of the older ones. Nobody can be put where they would stand
// nowhere, or on an entry, by which people only come in.
func checkNodeMap(known map[string]bool, to *Program, m map[string]*string) []*core.Error {
	var out []*core.Error
	fault := func(node, format string, args ...any) {
		out = append(out, core.Errorf(core.Invalid, ReasonNodeMap, "node %q: %s", node, fmt.Sprintf(format, args...)).At("nodeMap", node))
	}
	for _, from := range sortedKeys(m) {
		target := m[from]
		switch {
		case !known[from]:
			fault(from, "no published version has such a node")
		case target == nil:
		case to.nodes[*target] == nil:
			fault(from, "the new version has no node %q to which people could go", *target)
		case to.nodes[*target].Step.Entry != nil:
			fault(from, "nobody can be put on the entry %q", *target)
		}
	}
	return out
}

// Migrate returns the state at a node of this version of somebody who stood in another.
// A timer that runs goes on running: who waited goes on waiting if the same is waited
// for at the node, and takes the node's step when the old timer ends otherwise, so that
// publishing sends nothing by itself. Arms, coupons and visits stay.
func (p *Program) Migrate(st State, to string, now time.Time) State {
	n := p.nodes[to]
	if !st.Status.Live() || n == nil {
		return st
	}
	if st.Node != to {
		st.Node, st.Came = to, now.UTC().Truncate(time.Millisecond)
	}
	if st.Status == Waiting && n.awaits() == st.For {
		return st
	}
	if st.Due.IsZero() {
		st.Due = up(now)
	}
	st.Visit++
	st.Status, st.For, st.Late, st.Told = Active, "", "", true
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

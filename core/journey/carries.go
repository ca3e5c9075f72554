package journey

import (
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// carries returns conditions that ask about all data of people which a node passes on: what its
// placeholders name, the event that a webhook sends. Who may not read it in clear may not have
// a journey carry it out of the house either, nor into a trait that they may read.
func (n *Node) carries(d *Definition) []*condition.Node {
	var out []*condition.Node
	for _, name := range placeholders(n.filled()) {
		if path, ok := strings.CutPrefix(name, "profile."); ok {
			out = append(out, traitOf(path))
		} else if path, ok := strings.CutPrefix(name, "event."); ok {
			for _, event := range d.enteredBy() {
				out = append(out, &condition.Node{Event: &condition.Event{Name: event, Where: []*condition.Predicate{{Path: path, Operators: exists()}}}})
			}
		}
	}
	return out
}

// traitOf asks about a trait.
func traitOf(path string) *condition.Node {
	return &condition.Node{Trait: &condition.Predicate{Path: path, Operators: exists()}}
}

func exists() []condition.Operator { return []condition.Operator{{Op: condition.Exists, Value: true}} }

// enteredBy lists the names of the events by which people enter.
func (d *Definition) enteredBy() []string {
	var out []string
	for _, n := range d.Nodes {
		if e := n.Step.Entry; e != nil && e.Event != nil && !slices.Contains(out, e.Event.Name) {
			out = append(out, e.Event.Name)
		}
	}
	return out
}

// sendsAll refuses webhooks without a body, which send all that the entering event says: it may
// hold what the author may not read.
func (d *Definition) sendsAll() []*core.Error {
	if len(d.enteredBy()) == 0 {
		return nil
	}
	var faults []*core.Error
	for i, n := range d.Nodes {
		if w := n.Step.Webhook; w != nil && w.Body == nil {
			faults = append(faults, core.Errorf(core.Forbidden, ReasonProtected,
				"node %q: without a body all of the entering event is sent, which may hold data that you may not read; say in the body what is sent", n.ID).At("nodes", strconv.Itoa(i), "step", "webhook"))
		}
	}
	return faults
}

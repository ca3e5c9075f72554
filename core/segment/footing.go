package segment

import (
	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
)

// footing is what a condition looks at of people and their records.
type footing struct {
	fields   []field
	kinds    []core.Category // of what has no path: that something happened, consents, …
	segments []string        // that it names
}

// field is a value that a condition looks at.
type field struct {
	owner, path string
	deep        bool // with all that is below it
	known       bool // only where somebody has it: one of several names for the same
}

// recordOwner begins the owner of a type's fields.
const recordOwner = "object:"

// footingOf lists what a condition looks at. zoned says that it goes by the person's own
// time zone.
func footingOf(n *condition.Node, zoned bool) *footing {
	r := &footing{}
	visit(n, r.node)
	if zoned {
		for _, path := range zoneTraits {
			r.fields = append(r.fields, field{owner: event.OwnerTrait, path: path, deep: true, known: true})
		}
	}
	return r
}

func (r *footing) node(n *condition.Node) {
	switch {
	case n.Trait != nil:
		r.predicate(event.OwnerTrait, "", n.Trait)
	case n.Geo != nil:
		r.fields = append(r.fields, field{owner: event.OwnerTrait, path: n.Geo.Path, deep: true})
	case n.Event != nil:
		r.event(n.Event)
	case n.FirstTime != nil:
		r.event(n.FirstTime)
	case n.Stopped != nil:
		r.event(n.Stopped)
	case n.LastEvent != nil:
		r.event(n.LastEvent)
	case n.Sequence != nil:
		for _, e := range n.Sequence.Steps {
			r.event(e)
		}
		for _, e := range n.Sequence.Without {
			r.event(e)
		}
	case n.Aggregate != nil:
		r.event(n.Aggregate.Event)
		if n.Aggregate.Event != nil && n.Aggregate.Path != "" {
			r.fields = append(r.fields, field{owner: event.OwnerOf(n.Aggregate.Event.Name), path: n.Aggregate.Path, deep: true})
		}
	case n.Object != nil:
		r.kinds = append(r.kinds, core.Behaviour) // that a person has such a record
		for _, p := range n.Object.Where {
			r.predicate(recordOwner+n.Object.Type, "", p)
		}
	case n.Segment != nil:
		r.segments = append(r.segments, n.Segment.ID)
	case n.List != nil:
		r.segments = append(r.segments, n.List.ID)
	case n.Consent != nil:
		r.kinds = append(r.kinds, core.Consent)
	case n.Message != nil:
		r.kinds = append(r.kinds, core.Behaviour)
	case n.Prediction != nil:
		r.kinds = append(r.kinds, core.Inferred)
	}
}

func (r *footing) event(e *condition.Event) {
	if e == nil {
		return
	}
	r.kinds = append(r.kinds, core.Behaviour)
	for _, p := range e.Where {
		r.predicate(event.OwnerOf(e.Name), "", p)
	}
}

// predicate notes the path of a predicate and of those that it makes of an array's
// elements.
func (r *footing) predicate(owner, above string, p *condition.Predicate) {
	if p == nil {
		return
	}
	path := p.Path
	if above != "" && path != "" {
		path = above + "." + path
	} else if above != "" {
		path = above
	}
	nested := false
	for _, list := range [][]*condition.Predicate{p.Any, p.All, p.None} {
		for _, below := range list {
			nested = true
			r.predicate(owner, path, below)
		}
	}
	r.fields = append(r.fields, field{owner: owner, path: path, deep: !nested || len(p.Operators) > 0})
}

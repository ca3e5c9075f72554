package condition

import "time"

// Zone is the time zone of a condition's calendar units.
type Zone struct {
	Location  *time.Location // nil is UTC
	OfProfile bool           // the profile's own zone, Location when it has none
}

// Program is a compiled condition. It is safe for concurrent use.
type Program struct{ needs Needs }

// Compile prepares a condition for evaluation. The error is a *core.Error.
func Compile(n *Node, zone Zone) (*Program, error) { return &Program{}, nil }

// Evaluate says whether the condition holds of the facts at now, and when that can
// change by itself.
func (p *Program) Evaluate(f Facts, now time.Time) Answer { return Answer{} }

// Explain evaluates and says why, node by node.
func (p *Program) Explain(f Facts, now time.Time) *Explanation { return &Explanation{} }

// Needs lists what the program reads.
func (p *Program) Needs() Needs { return p.needs }

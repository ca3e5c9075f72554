package journey

import (
	"context"
	"slices"
	"strings"
)

// Comparison says who gets what under another version.
type Comparison struct {
	Before, After *Simulation
	Same          int64 // people to whom the same is sent at the same times
	More, Fewer   int64 // people to whom more, or fewer, messages are sent
	Other         int64 // as many, but other ones, or at other times
	Nodes         []NodeChange
	Examples      []PersonChange // at most MaxExamples, those with the smallest ids
}

// NodeChange compares the messages of a node; 0 where a version does not have it.
type NodeChange struct {
	Node          string
	Before, After int64
}

// PersonChange compares the messages to a person.
type PersonChange struct {
	Profile       string
	Before, After []Sent
}

// MaxExamples is how many people a comparison shows.
const MaxExamples = 20

// compared is what has been counted of some people, of one version or of two.
type compared struct {
	before, after            *tally // after: nil for one version
	same, more, fewer, other int64
	examples                 []PersonChange
}

// Compare runs the same people through two versions. What becomes of those inside is asked
// for the second: under the first they go on in theirs.
func Compare(ctx context.Context, before, after *Program, people People, o SimulateOptions) (*Comparison, error) {
	c, err := newCourse(before, after, &o)
	if err != nil {
		return nil, err
	}
	total := c.fresh()
	if err := c.run(ctx, people, total); err != nil {
		return nil, err
	}
	return total.comparison(), nil
}

// course is what people are run through: one version, or two.
type course struct {
	a, b    *plan // b: nil for one version
	workers int
}

func newCourse(one, other *Program, o *SimulateOptions) (*course, error) {
	c := &course{workers: o.Workers}
	var err error
	if other == nil {
		c.a, err = newPlan(one, o)
		return c, err
	}
	as := *o
	as.Inside, as.NodeMap = InsidePin, nil
	if c.a, err = newPlan(one, &as); err != nil {
		return nil, err
	}
	c.b, err = newPlan(other, o)
	return c, err
}

// fresh has counted nobody.
func (c *course) fresh() *compared {
	k := &compared{before: newTally(c.a)}
	if c.b != nil {
		k.after = newTally(c.b)
	}
	return k
}

// run adds what comes of people to a total.
func (c *course) run(ctx context.Context, people People, total *compared) error {
	return pool(ctx, people, c.workers, c.fresh, func(k *compared, p *Person) {
		sent := c.a.simulate(p, k.before)
		if c.b != nil {
			k.person(p.Profile, sent, c.b.simulate(p, k.after))
		}
	}, total.add)
}

// comparison tells what was counted of two versions.
func (c *compared) comparison() *Comparison {
	out := &Comparison{
		Before: c.before.result(), After: c.after.result(), Same: c.same, More: c.more, Fewer: c.fewer, Other: c.other, Examples: c.examples,
	}
	out.Nodes = nodeChanges(out.Before.Nodes, out.After.Nodes)
	return out
}

func (c *compared) person(id string, before, after []Sent) {
	same := slices.EqualFunc(before, after, func(a, b Sent) bool {
		return a.Template == b.Template && a.Channel == b.Channel && a.At.Equal(b.At)
	})
	switch {
	case same:
		c.same++
		return
	case len(after) > len(before):
		c.more++
	case len(after) < len(before):
		c.fewer++
	default:
		c.other++
	}
	c.example(PersonChange{id, before, after})
}

// example keeps the changes of the people with the smallest ids, so that the order
// in which people come does not matter.
func (c *compared) example(x PersonChange) {
	i, _ := slices.BinarySearchFunc(c.examples, x.Profile, func(y PersonChange, id string) int { return strings.Compare(y.Profile, id) })
	if i < MaxExamples {
		c.examples = slices.Insert(c.examples, i, x)
		c.examples = c.examples[:min(len(c.examples), MaxExamples)]
	}
}

func (c *compared) add(o *compared) {
	c.before.add(o.before)
	if c.after != nil {
		c.after.add(o.after)
	}
	c.same, c.more, c.fewer, c.other = c.same+o.same, c.more+o.more, c.fewer+o.fewer, c.other+o.other
	for _, x := range o.examples {
		c.example(x)
	}
}

// nodeChanges lists the nodes that send under either version, those of before first.
func nodeChanges(before, after []NodeCount) []NodeChange {
	var out []NodeChange
	index := map[string]int{}
	at := func(id string) *NodeChange {
		i, ok := index[id]
		if !ok {
			i = len(out)
			index[id] = i
			out = append(out, NodeChange{Node: id})
		}
		return &out[i]
	}
	for _, n := range before {
		if n.Sent > 0 {
			at(n.Node).Before += n.Sent
		}
	}
	for _, n := range after {
		if n.Sent > 0 {
			at(n.Node).After += n.Sent
		}
	}
	return out
}

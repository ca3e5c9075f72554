package condition

import (
	"slices"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
)

// Zone is the time zone of a condition's calendar units.
type Zone struct {
	Location  *time.Location // nil is UTC
	OfProfile bool           // the profile's own zone, Location when it has none
}

// Program is a compiled condition. It is safe for concurrent use.
type Program struct {
	root  *part
	needs Needs
	loc   *time.Location
}

// call is one evaluation.
type call struct {
	facts Facts
	clock
}

// part is a compiled node. It says whether it holds, and the first instant at which
// that can change by itself; never when it cannot.
type part struct {
	path   []string
	node   *Node
	kids   []*part
	eval   func(c call) (bool, int64)
	decide func(c call) any // what decided it, for an explanation
}

// Compile prepares a condition for evaluation. It expects what Parse returns; of
// anything else the error is a *core.Error with code INVALID and the path of the
// node.
func Compile(n *Node, zone Zone) (*Program, error) {
	loc := zone.Location
	if loc == nil {
		loc = time.UTC
	}
	k := &compiler{ledgers: map[string]*LedgerSpec{}}
	root, err := k.node(n, nil)
	if err != nil {
		return nil, err
	}
	return &Program{root: root, needs: k.collected(zone.OfProfile), loc: loc}, nil
}

// compiler gathers what a program reads.
type compiler struct {
	needs   Needs
	ledgers map[string]*LedgerSpec
	zoned   bool // something depends on the time zone
	depth   int
}

func (k *compiler) node(n *Node, path []string) (*part, error) {
	if n == nil {
		return nil, core.Errorf(core.Invalid, "ONE_KEY", "a condition has exactly one key").At(path...)
	}
	if k.depth++; k.depth > MaxDepth {
		return nil, core.Errorf(core.Invalid, "TOO_DEEP", "nodes may stand %d deep", MaxDepth).At(path...)
	}
	defer func() { k.depth-- }()
	p := &part{node: n}
	kind, build := k.kind(n)
	if build == nil {
		return nil, core.Errorf(core.Invalid, "ONE_KEY", "a condition has exactly one key").At(path...)
	}
	p.path = append(slices.Clone(path), kind)
	for _, spec := range Ledgers(n) {
		k.needs.Clock = true // an event may lie in the future
		if have, ok := k.ledgers[spec.Key]; ok {
			have.Keep = MergeKeep(have.Keep, spec.Keep)
			continue
		}
		c := *spec
		k.ledgers[spec.Key] = &c
	}
	if err := build(p); err != nil {
		return nil, err
	}
	return p, nil
}

// kind names a node's kind and returns what compiles it.
func (k *compiler) kind(n *Node) (string, func(p *part) error) {
	leaf := func(build func(n *Node, p *part) error) func(p *part) error {
		return func(p *part) error {
			if err := build(n, p); err != nil {
				return at(err, p.path...)
			}
			return nil
		}
	}
	switch {
	case n.And != nil:
		return "and", k.junction(n.And, true)
	case n.Or != nil:
		return "or", k.junction(n.Or, false)
	case n.Not != nil:
		return "not", k.negation(n.Not)
	case n.Trait != nil:
		return "trait", leaf(k.trait)
	case n.Field != nil:
		return "field", leaf(k.field)
	case n.Event != nil:
		return "event", leaf(k.event)
	case n.Message != nil:
		return "message", leaf(k.message)
	case n.Sequence != nil:
		return "sequence", leaf(k.sequence)
	case n.FirstTime != nil:
		return "firstTime", leaf(k.firstTime)
	case n.Stopped != nil:
		return "stopped", leaf(k.stopped)
	case n.Aggregate != nil:
		return "aggregate", leaf(k.aggregate)
	case n.LastEvent != nil:
		return "lastEvent", leaf(k.lastEvent)
	case n.Prediction != nil:
		return "prediction", leaf(k.prediction)
	case n.Object != nil:
		return "object", leaf(k.object)
	case n.Segment != nil:
		return "segment", leaf(k.segment)
	case n.List != nil:
		return "list", leaf(k.segment)
	case n.Consent != nil:
		return "consent", leaf(k.consent)
	case n.Bucket != nil:
		return "bucket", leaf(k.bucket)
	case n.Geo != nil:
		return "geo", leaf(k.geo)
	}
	return "", nil
}

// junction compiles and, and or, which is the same with true and false exchanged.
// A conjunction that holds changes when its first part does; one that does not
// cannot change before the last of those parts has that do not hold.
func (k *compiler) junction(list []*Node, and bool) func(p *part) error {
	return func(p *part) error {
		for i, n := range list {
			kid, err := k.node(n, append(slices.Clone(p.path), strconv.Itoa(i)))
			if err != nil {
				return err
			}
			p.kids = append(p.kids, kid)
		}
		kids := p.kids
		p.eval = func(c call) (bool, int64) {
			decided, soonest, latest := false, int64(never), int64(always)
			for _, kid := range kids {
				held, change := kid.eval(c)
				switch {
				case held == and:
					soonest = min(soonest, change)
				case change == never:
					return !and, never
				default:
					decided, latest = true, max(latest, change)
				}
			}
			if decided {
				return !and, latest
			}
			return and, soonest
		}
		return nil
	}
}

func (k *compiler) negation(n *Node) func(p *part) error {
	return func(p *part) error {
		kid, err := k.node(n, p.path)
		if err != nil {
			return err
		}
		p.kids = []*part{kid}
		p.eval = func(c call) (bool, int64) {
			held, change := kid.eval(c)
			return !held, change
		}
		return nil
	}
}

// judged notes what a predicate depends on.
func (k *compiler) judged(j *judge) *judge {
	k.zoned, k.needs.Clock = k.zoned || j.dated, k.needs.Clock || j.moving
	return j
}

// window compiles a window and notes what it depends on.
func (k *compiler) window(w *Window) *stretch {
	s := newStretch(w)
	k.zoned = k.zoned || s.zoned()
	return s
}

// collected returns what was gathered, each list sorted and without repetitions.
func (k *compiler) collected(ofProfile bool) Needs {
	n := k.needs
	for _, spec := range k.ledgers {
		n.Ledgers = append(n.Ledgers, spec)
	}
	slices.SortFunc(n.Ledgers, func(a, b *LedgerSpec) int {
		if a.Key < b.Key {
			return -1
		}
		return 1
	})
	for _, list := range []*[]string{&n.Traits, &n.Consents, &n.Objects, &n.Segments} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	n.Zone = ofProfile && k.zoned
	return n
}

// Needs lists what the program reads. The caller must not change it.
func (p *Program) Needs() Needs { return p.needs }

// Evaluate says whether the condition holds of the facts at now, and when that can
// change by itself. Instants are whole milliseconds: what is finer in now is cut off.
func (p *Program) Evaluate(f Facts, now time.Time) Answer {
	c := p.call(f, now)
	held, change := p.root.eval(c)
	return Answer{Value: held, Next: instantOf(change, c.now)}
}

func (p *Program) call(f Facts, now time.Time) call {
	loc := p.loc
	if p.needs.Zone {
		if own := f.Location(); own != nil {
			loc = own
		}
	}
	return call{f, clock{now.UnixMilli(), loc}}
}

// instantOf turns a change into Answer's form: later than now, or zero.
func instantOf(change, now int64) time.Time {
	if change == never {
		return time.Time{}
	}
	return time.UnixMilli(max(change, now+1)).UTC()
}

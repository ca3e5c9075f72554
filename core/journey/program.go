package journey

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
)

// Program is a compiled definition. It is safe for concurrent use.
type Program struct {
	def        *Definition
	loc        *time.Location
	nodes      map[string]*place
	entrances  []*Entrance
	exit, goal *asked
	scope      scope // of branches; whole is that of exits and goals
	whole      scope
	wantsEvent bool
	wantsHours bool
	hasGoal    bool // the journey's or a node's
	sends      bool
}

// place is a node, compiled.
type place struct {
	*Node
	kind  string
	out   map[string]string // to, by on
	arms  []*asked          // of a branch
	goal  *asked            // of a goal node
	event *matcher          // of a wait for an event
	sees  bool              // what it does depends on the person
	asks  []*asked          // that a run from here can ask, exit and goal aside

	programs []*condition.Program // of asks, exit and goal; nil when some are another for each entering event
}

// Entrance is a way in.
type Entrance struct {
	Node string
	Entry
	// Asks must hold of the person, at the instant of the event or change, for them to
	// enter; nil: nothing more is asked. A Date entrance is entered when it comes to hold.
	Asks  *condition.Program
	where string // canonical JSON of what Asks asks
	match *matcher
}

// Matches tells whether an event opens the entrance, if Asks holds as well. Only
// those with Event and Object are opened by events.
func (e *Entrance) Matches(ev *event.Event) bool { return e.match != nil && e.match.matches(ev, nil) }

// Names returns the name of the events that can open the entrance; "" for none.
func (e *Entrance) Names() string {
	if e.match == nil {
		return ""
	}
	return e.match.name
}

// Compile prepares a definition that Parse or Check returned. The journey is its
// jrn_…, or "" while it has none: then conditions about messages of its nodes mean
// those of any journey.
func Compile(d *Definition, journey string) (*Program, error) {
	loc, err := time.LoadLocation(d.TimeZone)
	if err != nil {
		return nil, core.Errorf(core.Invalid, ReasonTimeZone, "the name of a time zone is expected, such as Europe/Bucharest").At("timeZone")
	}
	p := &Program{def: d, loc: loc, nodes: make(map[string]*place, len(d.Nodes))}
	own := make(map[string]bool, len(d.Nodes))
	for _, n := range d.Nodes {
		p.nodes[n.ID] = &place{Node: n, kind: n.Step.Kind(), out: map[string]string{}}
		own[n.ID] = true
	}
	for _, e := range d.Edges {
		if from := p.nodes[e.From]; from != nil {
			from.out[e.On] = e.To
		}
	}
	p.hasGoal = d.Goal != nil || slices.ContainsFunc(d.Nodes, func(n *Node) bool { return n.Step.Goal != nil })
	p.sends = slices.ContainsFunc(d.Nodes, func(n *Node) bool { return n.Step.Message != nil })
	p.scope = scope{journey: journey, own: own, horizon: horizon(d)}
	p.whole = p.scope
	p.whole.entered = true
	if p.exit, err = p.ask(d.ExitWhen, p.whole); err != nil {
		return nil, core.AsError(err).At("exitWhen")
	}
	if p.goal, err = p.ask(d.Goal, p.whole); err != nil {
		return nil, core.AsError(err).At("goal")
	}
	for i, n := range d.Nodes {
		if err := p.place(p.nodes[n.ID]); err != nil {
			return nil, core.AsError(err).At("nodes", strconv.Itoa(i), "step", p.nodes[n.ID].kind)
		}
	}
	for _, n := range p.nodes {
		n.asks = p.within(n)
		if !slices.ContainsFunc(append([]*asked{p.goal, p.exit}, n.asks...), func(a *asked) bool { return a != nil && a.binds }) {
			n.programs = p.programs(n, nil)
		}
	}
	return p, nil
}

// zone is that in which the journey's conditions count days: the person's own.
func (p *Program) zone() condition.Zone { return condition.Zone{Location: p.loc, OfProfile: true} }

func (p *Program) ask(n *condition.Node, s scope) (*asked, error) {
	a, err := ask(n, p.zone(), s)
	p.wantsEvent = p.wantsEvent || a != nil && a.binds
	return a, err
}

// place compiles one node.
func (p *Program) place(n *place) error {
	s := &n.Step
	var err error
	switch {
	case s.Entry != nil:
		return p.entrance(n.ID, s.Entry)
	case s.Branch != nil:
		n.sees = true
		for _, a := range s.Branch {
			c, err := p.ask(a.Where, p.scope)
			if err != nil {
				return err
			}
			n.arms = append(n.arms, c)
		}
	case s.Goal != nil:
		n.sees = true
		n.goal, err = p.ask(s.Goal, p.whole)
	case s.Wait != nil:
		n.sees = s.Wait.Trait != "" || s.Wait.LocalTime != "" || s.Wait.Best != nil
		p.wantsHours = p.wantsHours || s.Wait.Best != nil
		if s.Wait.Event != nil {
			n.event, err = newMatcher(s.Wait.Event)
			p.wantsEvent = p.wantsEvent || err == nil && n.event.binds
		}
	default:
		for _, name := range placeholders(n.filled()) {
			n.sees = n.sees || strings.HasPrefix(name, "profile.")
			p.wantsEvent = p.wantsEvent || strings.HasPrefix(name, "event.")
		}
	}
	return err
}

// filled is all of a node that may hold placeholders, as a JSON tree.
func (n *Node) filled() any {
	switch s := n.Step; {
	case s.UpdateTrait != nil:
		return s.UpdateTrait.Value
	case s.UpsertObject != nil:
		return []any{s.UpsertObject.ExternalID, s.UpsertObject.Fields}
	case s.Webhook != nil:
		return []any{s.Webhook.URL, s.Webhook.Headers, s.Webhook.Body}
	case s.Task != nil:
		return []any{s.Task.Title, s.Task.Note}
	}
	return nil
}

func (p *Program) entrance(id string, e *Entry) error {
	in := &Entrance{Node: id, Entry: *e}
	var where *condition.Node
	var err error
	switch {
	case e.Event != nil:
		in.match, err = newMatcher(e.Event)
		if e.Event.Count != nil || e.Event.Window != nil {
			where = &condition.Node{Event: e.Event}
		}
	case e.Object != nil:
		in.match, err = newMatcher(&condition.Event{Name: object.NameRecordChanged, Where: []*condition.Predicate{
			{Path: "type", Operators: []condition.Operator{{Op: condition.Eq, Value: e.Object.Type}}},
		}})
		where = &condition.Node{Object: e.Object}
	case e.Date != nil:
		where = &condition.Node{Trait: e.Date}
	}
	if err != nil {
		return err
	}
	if where != nil {
		if in.Asks, err = condition.Compile(where, p.zone()); err != nil {
			return err
		}
		raw, err := condition.MarshalJSON(where)
		if err != nil {
			return err
		}
		in.where = string(raw)
	}
	p.entrances = append(p.entrances, in)
	return nil
}

// stops tells whether whoever comes to the node surely waits there.
func (n *place) stops() bool {
	w := n.Step.Wait
	return n.Step.Exit || n.Step.Approval != nil || n.Step.SubJourney != "" || w != nil && (w.Duration != nil || w.Event != nil)
}

// within returns what a run that begins at a node can ask.
func (p *Program) within(from *place) []*asked {
	var out []*asked
	seen, todo := map[*place]bool{from: true}, []*place{from}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		out = append(out, n.arms...)
		if n.goal != nil {
			out = append(out, n.goal)
		}
		if n != from && n.stops() {
			continue
		}
		for _, on := range sortedKeys(n.out) {
			if to := p.nodes[n.out[on]]; to != nil && !seen[to] {
				seen[to] = true
				todo = append(todo, to)
			}
		}
	}
	return out
}

// Definition returns what was compiled. It must not be changed.
func (p *Program) Definition() *Definition { return p.def }

// Entrances returns the ways in, in the order of the definition.
func (p *Program) Entrances() []*Entrance { return p.entrances }

// WantsEvent tells whether steps read the entering event: Input.Event must be given
// then. (Templates of messages may show it as well.)
func (p *Program) WantsEvent() bool { return p.wantsEvent }

// Conditions returns the programs that the next step of an enrollment may ask:
// Input.Facts must have the facts for these. entered is the entering event. The list
// must not be changed.
func (p *Program) Conditions(st State, entered *event.Event) []*condition.Program {
	n := p.nodes[st.Node]
	if n == nil {
		return nil
	}
	if n.programs != nil {
		return n.programs
	}
	return p.programs(n, entered)
}

// programs returns what a run from a node can ask, for an entering event.
func (p *Program) programs(n *place, entered *event.Event) []*condition.Program {
	out := []*condition.Program{}
	for _, a := range append([]*asked{p.goal, p.exit}, n.asks...) {
		if a == nil {
			continue
		}
		if c, _ := a.ready(entered); c != nil {
			out = append(out, c)
		}
	}
	return out
}

// conditions returns the conditions of all steps.
func (p *Program) conditions() []*asked {
	all := []*asked{p.goal, p.exit}
	for _, n := range p.def.Nodes {
		all = append(append(all, p.nodes[n.ID].arms...), p.nodes[n.ID].goal)
	}
	return slices.DeleteFunc(all, func(a *asked) bool { return a == nil })
}

// Kept returns the conditions of the journey, in canonical JSON and without
// repetitions, whose ledgers are worth keeping for everybody: those of steps and
// entrances. What mentions the entering event is not among them, for it is another
// condition for each enrollment.
func (p *Program) Kept() ([]string, error) {
	var out []string
	add := func(a *asked) error {
		if a.binds {
			return nil
		}
		raw, err := condition.MarshalJSON(a.node)
		out = append(out, string(raw))
		return err
	}
	for _, a := range p.conditions() {
		if err := add(a); err != nil {
			return nil, err
		}
	}
	for _, e := range p.entrances {
		if e.where != "" {
			out = append(out, e.where)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Begin returns the state of somebody who enters by a node. at is when what made
// them enter happened, due when that was known: a beginning that is worked on long
// after it is overdue like any other step.
func (p *Program) Begin(node string, at, due time.Time) State {
	at, due = at.UTC().Truncate(time.Millisecond), up(due)
	return State{Status: Active, Node: node, Visit: 1, Began: at, Came: due, Due: due}
}

// KeyOf returns the enrollment's key that an entering event gives; "" without one.
func (p *Program) KeyOf(e *event.Event) string {
	if p.def.Key == "" || e == nil {
		return ""
	}
	v, ok := lookup(e.Properties, p.def.Key)
	if !ok {
		return ""
	}
	return text(plain(v))
}

// MayEnter tells whether somebody may enter at an instant who last entered at
// another (zero: never) with the same key, and whether that enrollment is still
// live.
func (p *Program) MayEnter(last time.Time, live bool, at time.Time) bool {
	switch {
	case last.IsZero():
		return true
	case live || p.def.Reentry == Once:
		return false
	case p.def.Reentry == After:
		return !p.def.ReentryAfter.After(last, p.loc).After(at)
	}
	return true
}

// horizon is how long somebody is in the journey at most if each wait is passed
// once, as far as that can be told, and a month to spare.
func horizon(d *Definition) condition.Period {
	const day, unknown = 24 * time.Hour, 366 * 24 * time.Hour
	total := 31 * day
	for _, n := range d.Nodes {
		switch w := n.Step.Wait; {
		case n.Step.Approval != nil && n.Step.Approval.Timeout != nil:
			total += n.Step.Approval.Timeout.Longest()
		case n.Step.Approval != nil, n.Step.SubJourney != "":
			total += 31 * day
		case w == nil:
		case w.Duration != nil:
			total += w.Duration.Longest()
		case w.Timeout != nil:
			total += w.Timeout.Longest()
		case w.LocalTime != "":
			total += day
		case w.Best != nil:
			total += w.Best.Within.Longest() + day
		default:
			total += unknown
		}
	}
	total = min(total, MaxLongest)
	return condition.Period{Elapsed: (total + day - 1).Truncate(day)}
}

// up rounds an instant up to the millisecond, so that no wait ends early.
func up(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(time.Millisecond - 1).Truncate(time.Millisecond).UTC()
}

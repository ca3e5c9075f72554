package journey

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
)

// asked is a condition of a node, compiled; one that mentions the entering event is
// compiled anew for each of those.
type asked struct {
	zone    condition.Zone
	scope   scope
	node    *condition.Node
	binds   bool
	paths   []string // in the entering event's properties, that it mentions
	made    made
	program *condition.Program // nil when it binds
	since   []string           // ledgers of which only what happened since the person entered counts
}

// scope says how a condition looks at the past.
type scope struct {
	journey string
	own     map[string]bool  // nodes of the journey
	entered bool             // events count since the person entered
	horizon condition.Period // how long an enrollment lives
}

// ask compiles a condition. In a scope since the person entered, what asks for all
// time asks for the time of an enrollment, so that only so much has to be kept;
// messages of the journey's own nodes are always those of the enrollment.
func ask(n *condition.Node, zone condition.Zone, s scope) (*asked, error) {
	if n == nil {
		return nil, nil
	}
	own := map[*condition.Event]bool{}
	r := rewriting{message: func(m *condition.Message) (*condition.Event, bool) {
		if !s.own[m.NodeID] || m.CampaignID != "" || s.journey == "" {
			return nil, false
		}
		e := &condition.Event{Name: condition.MessageEvent(m.Status), Window: m.Window, Where: []*condition.Predicate{
			{Path: "journeyId", Operators: []condition.Operator{{Op: condition.Eq, Value: s.journey}}},
			{Path: "nodeId", Operators: []condition.Operator{{Op: condition.Eq, Value: m.NodeID}}},
		}}
		if e.Window == nil {
			e.Window = &condition.Window{Last: &s.horizon}
		}
		own[e] = true
		return e, true
	}}
	if s.entered {
		r.window = func(w *condition.Window) *condition.Window {
			if w == nil {
				return &condition.Window{Last: &s.horizon}
			}
			return w
		}
	}
	a := &asked{zone: zone, scope: s, node: r.node(n), paths: boundPaths(n)}
	a.binds = len(a.paths) > 0
	if a.binds {
		_, err := condition.Compile(a.node, zone) // it is sound whatever the value
		return a, err
	}
	var err error
	if a.program, err = condition.Compile(a.node, zone); err != nil {
		return nil, err
	}
	a.since = sinceKeys(a.node, s.entered, func(e *condition.Event) bool { return own[e] })
	return a, nil
}

// sinceKeys returns the ledgers that are looked at from the entering on.
func sinceKeys(n *condition.Node, all bool, own func(*condition.Event) bool) []string {
	if n == nil {
		return nil
	}
	var out []string
	for _, k := range slices.Concat(n.And, n.Or) {
		out = append(out, sinceKeys(k, all, own)...)
	}
	out = append(out, sinceKeys(n.Not, all, own)...)
	happened := n.Event != nil || n.Message != nil || n.Aggregate != nil || n.Sequence != nil || n.LastEvent != nil
	if all && happened || n.Event != nil && own(n.Event) {
		for _, l := range condition.Ledgers(n) {
			out = append(out, l.Key)
		}
	}
	return out
}

// ready returns the program for an enrollment and its ledgers since the entering.
func (a *asked) ready(entered *event.Event) (*condition.Program, []string) {
	if !a.binds {
		return a.program, a.since
	}
	return a.made.get(a.valuesOf(entered), func() (*condition.Program, []string) {
		n := bind(a.node, entered)
		p, err := condition.Compile(n, a.zone)
		if err != nil {
			return nil, nil // the value of the entering event makes it impossible: it does not hold
		}
		return p, sinceKeys(n, a.scope.entered, func(e *condition.Event) bool {
			return slices.ContainsFunc(e.Where, func(p *condition.Predicate) bool {
				return p.Path == "journeyId" && len(p.Operators) == 1 && p.Operators[0].Value == a.scope.journey
			})
		})
	})
}

// valuesOf is what an entering event gives to the condition, as one text.
func (a *asked) valuesOf(entered *event.Event) string {
	if entered == nil {
		return ""
	}
	var b strings.Builder
	for _, path := range a.paths {
		if v, ok := lookup(entered.Properties, path); ok {
			b.WriteByte(byte(v.Type))
			b.WriteString(strconv.Itoa(len(v.Value)))
			b.WriteByte(':')
			b.Write(v.Value)
		} else {
			b.WriteByte('-')
		}
	}
	return b.String()
}

// made keeps the programs of the entering events that were seen lately: a step asks
// for the same one several times.
type made struct {
	mu  sync.Mutex
	all map[string]boundProgram
}

type boundProgram struct {
	program *condition.Program
	since   []string
}

const maxMade = 1024

func (m *made) get(key string, compile func() (*condition.Program, []string)) (*condition.Program, []string) {
	m.mu.Lock()
	have, ok := m.all[key]
	m.mu.Unlock()
	if ok {
		return have.program, have.since
	}
	have.program, have.since = compile()
	m.mu.Lock()
	if m.all == nil || len(m.all) >= maxMade {
		m.all = map[string]boundProgram{}
	}
	m.all[key] = have
	m.mu.Unlock()
	return have.program, have.since
}

// holds asks the condition about an enrollment's person.
func (a *asked) holds(f condition.Facts, began time.Time, entered *event.Event, now time.Time) bool {
	p, since := a.ready(entered)
	if p == nil {
		return false
	}
	if len(since) > 0 {
		f = &sinceFacts{Facts: f, keys: since, from: began.UnixMilli()}
	}
	return p.Evaluate(f, now).Value
}

// bind puts the values of the entering event into a condition. What the event does
// not have is equal to nothing.
func bind(n *condition.Node, entered *event.Event) *condition.Node {
	r := rewriting{predicate: func(p *condition.Predicate) { bindPredicate(p, entered) }}
	return r.node(n)
}

func bindPredicate(p *condition.Predicate, entered *event.Event) {
	for i, o := range p.Operators {
		path := boundPath(o)
		if path == "" {
			continue
		}
		var v any
		if entered != nil {
			if raw, ok := lookup(entered.Properties, path); ok {
				v = plain(raw)
			}
		}
		switch v.(type) {
		case string, bool:
			p.Operators[i].Value = v
		default:
			if n, ok := number(v); ok {
				p.Operators[i].Value = n
				continue
			}
			p.Operators[i].Value = unequalled
		}
	}
}

// unequalled is a text that no property holds: none may contain a NUL.
const unequalled = "\x00"

// sinceFacts shows of some ledgers only what happened after an instant.
type sinceFacts struct {
	condition.Facts
	keys []string
	from int64
}

// Ledgers implements condition.Facts.
func (f *sinceFacts) Ledgers(key string) []*condition.Ledger {
	all := f.Facts.Ledgers(key)
	if !slices.Contains(f.keys, key) {
		return all
	}
	out := make([]*condition.Ledger, 0, len(all))
	for _, l := range all {
		if l == nil {
			continue
		}
		i, _ := slices.BinarySearchFunc(l.Entries, f.from, func(e condition.Entry, from int64) int {
			if e.At <= from { // what made the person enter is no news
				return -1
			}
			return 1
		})
		out = append(out, &condition.Ledger{Entries: l.Entries[i:]})
	}
	return out
}

// matcher tells whether an event is one of those that an event condition asks for.
type matcher struct {
	name   string
	system bool
	where  []*condition.Predicate
	binds  bool
	fold   *condition.LedgerFold // nil when it binds
}

func newMatcher(e *condition.Event) (*matcher, error) {
	m := &matcher{name: e.Name, system: condition.IsSystemEvent(e.Name), where: e.Where, binds: binds(&condition.Node{Event: e})}
	var err error
	if !m.binds {
		m.fold, err = condition.CompileLedger(m.spec(m.where))
	}
	return m, err
}

func (m *matcher) spec(where []*condition.Predicate) *condition.LedgerSpec {
	return &condition.LedgerSpec{Event: m.name, System: m.system, Where: where, Kind: condition.Times}
}

// matches tells whether an event is meant; entered is the event by which the person
// entered.
func (m *matcher) matches(e, entered *event.Event) bool {
	if e == nil || e.Name != m.name || (e.Type == event.System) != m.system {
		return false
	}
	fold := m.fold
	if m.binds {
		r := rewriting{predicate: func(p *condition.Predicate) { bindPredicate(p, entered) }}
		var err error
		if fold, err = condition.CompileLedger(m.spec(r.predicates(m.where))); err != nil {
			return false
		}
	}
	properties := e.Properties
	if len(properties) == 0 {
		properties = emptyDocument
	}
	_, ok := fold.Take(condition.LedgerEvent{ID: e.ID, At: e.Timestamp, Properties: properties})
	return ok
}

var emptyDocument = func() bson.Raw { raw, _ := bson.Marshal(bson.D{}); return raw }()

package lead

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
)

// compiled is a model ready to be asked, with the indexes that find the rules that
// something touches.
type compiled struct {
	*Model
	rules  []*rule
	byID   map[string]*rule
	events map[eventName][]*rule
	fits   []*rule
	paths  []string // of traits that fit rules read, sorted
	zoned  bool     // some fit rule reads the person's time zone
	types  map[string]bool
}

// eventName is the name of a client's event, or of one of Headwater's own.
type eventName struct {
	name   string
	system bool
}

// rule is a compiled Rule.
type rule struct {
	Rule
	id      string // a hash of what decides its counts
	program *condition.Program
	needs   condition.Needs
	takes   *condition.LedgerFold
}

// compile prepares a model that was checked. The error has the path of the culprit.
func compile(m *Model) (*compiled, *core.Error) {
	c := &compiled{Model: m, byID: map[string]*rule{}, events: map[eventName][]*rule{}, types: map[string]bool{}}
	for i := range m.Rules {
		r, err := compileRule(&m.Rules[i])
		if err != nil {
			return nil, err.At("rules", strconv.Itoa(i))
		}
		c.rules = append(c.rules, r)
		c.byID[r.id] = r
		if r.Kind == Engagement {
			name := eventName{r.Event, condition.IsSystemEvent(r.Event)}
			c.events[name] = append(c.events[name], r)
			continue
		}
		c.fits = append(c.fits, r)
		c.paths = append(c.paths, r.needs.Traits...)
		c.zoned = c.zoned || r.needs.Zone
		for _, t := range r.needs.Objects {
			c.types[t] = true
		}
	}
	slices.Sort(c.paths)
	c.paths = slices.Compact(c.paths)
	return c, nil
}

func compileRule(in *Rule) (*rule, *core.Error) {
	r := &rule{Rule: *in}
	r.id = core.HashID("rule", r.Key, string(r.Kind), r.Event, r.Where, string(r.Decay), strconv.Itoa(r.DecayDays))
	if r.Kind == Fit {
		n, err := condition.ParseJSON([]byte(r.Where))
		if err != nil {
			return nil, core.AsError(err).At("where")
		}
		if r.program, err = condition.Compile(n, condition.Zone{}); err != nil {
			return nil, core.AsError(err).At("where")
		}
		r.needs = r.program.Needs()
		if len(r.needs.Ledgers)+len(r.needs.Segments)+len(r.needs.Consents) > 0 {
			return nil, core.Errorf(core.Invalid, "FIT_CONDITION", "a rule about fit asks for traits and records; give points for events by a rule about engagement").At("where")
		}
		return r, nil
	}
	n, err := condition.ParseJSON([]byte(eventNode(r.Event, r.Where)))
	if err != nil {
		e := *core.AsError(err)
		e.Path = slices.DeleteFunc(slices.Clone(e.Path), func(p string) bool { return p == "event" })
		return nil, &e
	}
	specs := condition.Ledgers(n)
	if len(specs) != 1 {
		return nil, core.Errorf(core.Invalid, "EVENT", "a rule about engagement asks for one event").At("event")
	}
	if r.takes, err = condition.CompileLedger(specs[0]); err != nil {
		return nil, core.AsError(err).At("where")
	}
	return r, nil
}

// eventNode returns the condition that asks for an event whose properties meet a list of
// predicates, given as JSON.
func eventNode(name, where string) string {
	quoted, _ := json.Marshal(name) // a text: cannot fail
	if where == "" || where == "[]" {
		return fmt.Sprintf(`{"event":{"name":%s}}`, quoted)
	}
	return fmt.Sprintf(`{"event":{"name":%s,"where":%s}}`, quoted, where)
}

// reads reports whether a fit rule reads the trait at a path, something above it or
// something below it.
func (r *rule) reads(path string) bool {
	return slices.ContainsFunc(r.needs.Traits, func(p string) bool {
		return p == path || strings.HasPrefix(p, path+".") || strings.HasPrefix(path, p+".")
	})
}

// takesEvent reports whether an event counts for a rule about engagement of its name.
func (r *rule) takesEvent(e *event.Event) bool {
	_, ok := r.takes.Take(condition.LedgerEvent{ID: e.ID, At: e.Timestamp, Properties: e.Properties})
	return ok
}

// recordChanged returns the type of the record that an event is about, if it is one that
// fit rules read.
func (c *compiled) recordChanged(e *event.Event) (string, bool) {
	if e.Type != event.System || e.Name != object.NameRecordChanged || len(c.types) == 0 {
		return "", false
	}
	t, _ := e.Properties.Lookup("type").StringValueOK()
	return t, c.types[t]
}

package journey

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
)

// tree decodes JSON as a request's is.
func tree(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v), text)
	return v
}

// parsed reads a definition that is sound.
func parsed(t testing.TB, text string) *Definition {
	t.Helper()
	d, err := Parse(tree(t, text))
	require.NoError(t, err)
	return d
}

func compiled(t testing.TB, text string) *Program {
	t.Helper()
	p, err := Compile(parsed(t, text), "jrn_test")
	require.NoError(t, err)
	return p
}

// drawn makes a definition with one way in, by an event "Start", of steps in JSON and
// edges "from on to".
func drawn(more string, nodes []string, edges ...string) string {
	all := []string{`{"id":"in","step":{"entry":{"event":{"name":"Start"}}}}`}
	for _, n := range nodes {
		id, step, _ := strings.Cut(n, " ")
		all = append(all, `{"id":"`+id+`","step":`+step+`}`)
	}
	var es []string
	for _, e := range edges {
		f := strings.Fields(e)
		es = append(es, `{"from":"`+f[0]+`","on":"`+f[1]+`","to":"`+f[2]+`"}`)
	}
	if !strings.Contains(more, "reentry\"") {
		more += `,"reentry":"ALWAYS"`
	}
	if !strings.Contains(more, "timeZone") {
		more += `,"timeZone":"UTC"`
	}
	return `{"nodes":[` + strings.Join(all, ",") + `],"edges":[` + strings.Join(es, ",") + `]` + more + `}`
}

func mail(id string) string {
	return id + ` {"message":{"templateId":"tpl_` + id + `","channel":"EMAIL","purpose":"marketing"}}`
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return v.UTC()
}

// happens makes an event; properties are JSON.
func happens(t testing.TB, name string, when time.Time, properties string) *event.Event {
	t.Helper()
	e := &event.Event{Name: name, Type: event.Track, Timestamp: when, CommittedAt: when}
	if condition.IsSystemEvent(name) {
		e.Type = event.System
	}
	e.ID = "ws/evt_" + name + when.Format(time.RFC3339Nano)
	if properties != "" {
		require.NoError(t, bson.UnmarshalExtJSON([]byte(properties), false, &e.Properties))
	}
	return e
}

// somebody is a person as tests know them. It keeps its own ledgers of what the
// program asks.
type somebody struct {
	t       testing.TB
	id      string
	zone    *time.Location
	traits  bson.Raw
	member  map[string]time.Time
	events  []*event.Event
	program *Program
	state   State
	entered *event.Event
	ledgers map[string][]*condition.Ledger
	last    Outcome
}

func (s *somebody) ProfileID() string                           { return s.id }
func (s *somebody) Location() *time.Location                    { return s.zone }
func (s *somebody) Trait(path string) (bson.RawValue, bool)     { return lookup(s.traits, path) }
func (s *somebody) Ledgers(key string) []*condition.Ledger      { return s.ledgers[key] }
func (s *somebody) Records(_, _ string) []bson.Raw              { return nil }
func (s *somebody) Record() bson.Raw                            { return nil }
func (s *somebody) Member(id string) (since time.Time, in bool) { since, in = s.member[id]; return }
func (s *somebody) ConsentStatus(string, string, time.Time) (string, time.Time) {
	return "UNKNOWN", time.Time{}
}

// set writes the traits, from JSON.
func (s *somebody) set(traits string) *somebody {
	require.NoError(s.t, bson.UnmarshalExtJSON([]byte(traits), false, &s.traits))
	return s
}

// facts folds what the next step may ask.
func (s *somebody) facts(now time.Time) condition.Facts {
	s.ledgers = map[string][]*condition.Ledger{}
	for _, c := range s.program.Conditions(s.state, s.entered) {
		for _, spec := range c.Needs().Ledgers {
			if s.ledgers[spec.Key] != nil {
				continue
			}
			fold, err := condition.CompileLedger(spec)
			require.NoError(s.t, err)
			l := &condition.Ledger{}
			for _, e := range s.events {
				if e.Name == spec.Event && (e.Type == event.System) == spec.System && !e.Timestamp.After(now) {
					fold.Add(l, condition.LedgerEvent{ID: e.ID, At: e.Timestamp, Properties: propertiesOf(e)}, now)
				}
			}
			s.ledgers[spec.Key] = []*condition.Ledger{l}
		}
	}
	return s
}

func propertiesOf(e *event.Event) bson.Raw {
	if len(e.Properties) == 0 {
		return emptyDocument
	}
	return e.Properties
}

// enters begins an enrollment by an event and takes its first step.
func enters(t testing.TB, p *Program, e *event.Event) *somebody {
	t.Helper()
	return entersAs(t, p, e, "prof_1")
}

func entersAs(t testing.TB, p *Program, e *event.Event, id string) *somebody {
	t.Helper()
	s := &somebody{t: t, id: id, program: p, entered: e, events: []*event.Event{e}}
	s.state = p.Begin(p.entrances[0].Node, e.Timestamp, e.CommittedAt)
	return s
}

// step takes one step and returns what it brought.
func (s *somebody) step(now time.Time, more ...func(*Input)) Outcome {
	in := Input{Now: now, Facts: s.facts(now), Event: s.entered, Enrollment: "enr_1"}
	for _, m := range more {
		m(&in)
	}
	out := s.program.Step(s.state, in)
	s.state, s.last = out.State, out
	return out
}

// sees tells the enrollment of an event, if it listens.
func (s *somebody) sees(e *event.Event) Outcome {
	s.events = append(s.events, e)
	return s.step(e.Timestamp, func(in *Input) { in.Woke = e })
}

func answered(a Answer) func(*Input) { return func(in *Input) { in.Answer = &a } }

// sends lists the nodes that sent.
func sends(o Outcome) []string {
	out := []string{}
	for _, e := range o.Effects {
		if e.Message != nil {
			out = append(out, e.Node)
		}
	}
	return out
}

// run steps whenever something is due, until an instant, and returns what was sent
// and when, as "node at".
func (s *somebody) run(until time.Time) []string {
	s.t.Helper()
	out := []string{}
	for i := 0; s.state.Status.Live() && !s.state.Due.IsZero() && !s.state.Due.After(until); i++ {
		require.Less(s.t, i, 10_000)
		now := s.state.Due
		o := s.step(now)
		for _, n := range sends(o) {
			out = append(out, n+" "+now.Format("01-02T15:04"))
		}
		for _, e := range o.Effects {
			if e.Coupon != nil {
				s.step(now, answered(Answer{For: ForCoupon, Visit: s.state.Visit, OK: true, Code: "CODE", Expires: e.Coupon.Expires}))
				for _, n := range sends(s.last) {
					out = append(out, n+" "+now.Format("01-02T15:04"))
				}
			}
		}
	}
	return out
}

func jsonNumber(s string) json.Number { return json.Number(s) }

func replace(s string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(s) }

// decodeTree is tree for text that is known to be JSON.
func decodeTree(text string) any {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

package lead

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Stage is a step on the way from a stranger to a customer.
type Stage struct {
	Key  string   `bson:"key"`
	Name string   `bson:"name"`
	Next []string `bson:"next,omitempty"` // keys of the stages that may follow
}

// Machine is the stages of a workspace, from the first to the furthest.
type Machine struct {
	store.Meta `bson:",inline"` // key: workspace/stages; its version is the machine's
	Stages     []Stage          `bson:"stages,omitempty"`
	Converted  string           `bson:"converted,omitempty"` // the stage of whoever is converted
	At         time.Time        `bson:"at"`
}

// Version returns the machine's version, 0 while none was set.
func (m *Machine) Version() int64 { return m.V }

// usual are the stages of a workspace that has declared none.
func usual() []Stage {
	return []Stage{
		{Key: "subscriber", Name: "Subscriber", Next: []string{"lead", "mql", "customer", "lost"}},
		{Key: "lead", Name: "Lead", Next: []string{"mql", "sql", "customer", "lost"}},
		{Key: "mql", Name: "Marketing qualified", Next: []string{"lead", "sql", "customer", "lost"}},
		{Key: "sql", Name: "Sales qualified", Next: []string{"lead", "opportunity", "customer", "lost"}},
		{Key: "opportunity", Name: "Opportunity", Next: []string{"customer", "lost"}},
		{Key: "lost", Name: "Lost", Next: []string{"lead", "mql", "sql"}},
		{Key: "customer", Name: "Customer"},
	}
}

func machineKey(ws string) string { return store.Key(ws, "stages") }

// maxStages is how many stages a workspace may have.
const maxStages = 50

// Machine returns the stages of a workspace.
func (s *Service) Machine(ctx context.Context, ws string) (*Machine, error) {
	m, err := machines.Get(ctx, s.Store, machineKey(ws))
	if err != nil {
		return nil, work.Outward(err)
	}
	if m == nil {
		m = &Machine{Meta: store.Meta{ID: machineKey(ws)}, Stages: usual(), Converted: "customer"}
	}
	return m, nil
}

// SetMachine replaces the stages that have the version expected; 0 is before the first
// change. Whoever stands at a stage that there is no more may go anywhere.
func (s *Service) SetMachine(ctx context.Context, ws string, expected int64, stages []Stage, converted string) (*Machine, error) {
	var out *Machine
	err := work.Retry(ctx, attempts, func() error {
		old, err := s.Machine(ctx, ws)
		if err != nil {
			return err
		}
		if old.V != expected {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the stages have version %d, not %d; read them and try again", old.V, expected).At("expectedVersion")
		}
		m := &Machine{Meta: old.Meta, Stages: stages, Converted: converted, At: s.now()}
		if err := m.check(); err != nil {
			return err
		}
		if err := work.Commit(ctx, s.Store, machines.Put(m)); err != nil {
			return err
		}
		m.V++
		out = m
		return nil
	})
	return out, err
}

func (m *Machine) check() *core.Error {
	if len(m.Stages) == 0 || len(m.Stages) > maxStages {
		return core.Errorf(core.Invalid, "STAGES", "declare 1 to %d stages", maxStages).At("stages")
	}
	for i, st := range m.Stages {
		at := func(e *core.Error) *core.Error { return e.At("stages", strconv.Itoa(i)) }
		if !keyForm.MatchString(st.Key) || m.rank(st.Key) != i {
			return at(core.Errorf(core.Invalid, "STAGE_KEY", "a stage has a key of its own: a letter and up to 63 letters, digits, _ and -").At("key"))
		}
		if strings.TrimSpace(st.Name) == "" || len(st.Name) > 200 {
			return at(core.Errorf(core.Invalid, "NAME", "give the stage a name of at most 200 bytes").At("name"))
		}
		for j, next := range st.Next {
			if m.stage(next) == nil || next == st.Key {
				return at(core.Errorf(core.Invalid, "STAGE_UNKNOWN", "what may follow is another of the stages: %s", m.names()).At("next", strconv.Itoa(j)))
			}
		}
	}
	if m.Converted != "" && m.stage(m.Converted) == nil {
		return core.Errorf(core.Invalid, "STAGE_UNKNOWN", "whoever is converted comes to one of the stages: %s", m.names()).At("converted")
	}
	return nil
}

func (m *Machine) rank(key string) int {
	return slices.IndexFunc(m.Stages, func(st Stage) bool { return st.Key == key })
}

func (m *Machine) stage(key string) *Stage {
	if i := m.rank(key); i >= 0 {
		return &m.Stages[i]
	}
	return nil
}

func (m *Machine) names() string {
	var out []string
	for _, st := range m.Stages {
		out = append(out, st.Key)
	}
	return strings.Join(out, ", ")
}

// words returns the parts whose stages hold: those that no other of the person's has
// superseded.
func (l *Lead) words() []*Part {
	if l == nil {
		return nil
	}
	var out []*Part
	for i := range l.Parts {
		p := &l.Parts[i]
		if p.Stage != "" && !slices.ContainsFunc(l.Parts, func(o Part) bool { return slices.Contains(o.Supersedes, p.StageEvent) }) {
			out = append(out, p)
		}
	}
	return out
}

// StageOf returns the stage at which somebody stands, and since when: the furthest of
// what holds; "" is none.
func (m *Machine) StageOf(l *Lead) (key string, since time.Time) {
	best := -2
	for _, p := range l.words() {
		if r := m.rank(p.Stage); r > best {
			best, key, since = r, p.Stage, p.StageAt
		}
	}
	return key, since
}

// refusal returns why nobody goes from one stage to another; nil when they may.
func (m *Machine) refusal(from, to string) *core.Error {
	if m.stage(to) == nil {
		return core.Errorf(core.Invalid, "STAGE_UNKNOWN", "there is no stage with this key; the stages are %s", m.names()).At("stage")
	}
	st := m.stage(from)
	if st == nil || slices.Contains(st.Next, to) { // whoever stands nowhere may begin anywhere
		return nil
	}
	if len(st.Next) == 0 {
		return core.Errorf(core.Invalid, "TRANSITION", "%s is the last stage; nothing follows it", from).At("stage")
	}
	return core.Errorf(core.Invalid, "TRANSITION", "%s does not follow %s; allowed are %s", to, from, strings.Join(st.Next, ", ")).At("stage")
}

// stepOf makes the event of a step to a stage; nil when the person stands there, or may
// not go there.
func (s *Service) stepOf(ctx context.Context, ws string, l *Lead, to, reason string) (*event.SystemEvent, error) {
	m, err := s.Machine(ctx, ws)
	if err != nil {
		return nil, err
	}
	from, _ := m.StageOf(l)
	if allowed := m.refusal(from, to) == nil; from == to || !allowed {
		return nil, nil
	}
	return s.step(l, l.ProfileID(), from, to, reason), nil
}

// step makes the event of a step.
func (s *Service) step(l *Lead, profileID, from, to, reason string) *event.SystemEvent {
	props := bson.D{{Key: "from", Value: from}, {Key: "to", Value: to}}
	if reason != "" {
		props = append(props, bson.E{Key: "reason", Value: reason})
	}
	said := slices.Clone(props)
	var over bson.A
	for _, p := range l.words() {
		over = append(over, p.StageEvent)
	}
	if over != nil {
		props = append(props, bson.E{Key: "supersedes", Value: over})
	}
	return &event.SystemEvent{ProfileID: profileID, Input: saying(NameStageChanged, "lead:"+core.NewID(core.PrefixMessageID, s.now()), props, said)}
}

// Move says to which stage somebody goes.
type Move struct {
	ProfileID string
	Stage     string
	Reason    string // for people, no personal value
}

// Standing is where somebody stands after a call.
type Standing struct {
	Stage string
	Since time.Time
	Moved bool // false: they stood there
}

// MoveStage moves somebody to a stage. Whoever stands there stays. The error is INVALID,
// reason TRANSITION, when the step is not allowed; it names those that are.
func (s *Service) MoveStage(ctx context.Context, ws string, in Move) (*Standing, error) {
	var out *Standing
	err := work.Retry(ctx, attempts, func() (err error) {
		out, err = s.move(ctx, ws, in, nil)
		return err
	})
	return out, err
}

// move is one attempt of MoveStage, which commits more together with the step. With
// more, somebody who stands there already makes the commit all the same.
func (s *Service) move(ctx context.Context, ws string, in Move, more []event.SystemEvent) (*Standing, error) {
	if len(in.Reason) > 200 {
		return nil, core.Errorf(core.Invalid, "REASON", "a reason has at most 200 bytes").At("reason")
	}
	p, err := s.Profiles.Get(ctx, ws, in.ProfileID)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, core.Errorf(core.NotFound, "PROFILE", "there is no profile with this id").At("profileId")
	}
	m, err := s.Machine(ctx, ws)
	if err != nil {
		return nil, err
	}
	held, err := s.guard(ctx, p.ID) // before the lead: of two steps at once one is computed anew
	if err != nil {
		return nil, err
	}
	l, err := Leads.Get(ctx, s.Store, p.ID)
	if err != nil {
		return nil, err
	}
	from, since := m.StageOf(l)
	events := more
	if from != in.Stage {
		if err := m.refusal(from, in.Stage); err != nil {
			return nil, err
		}
		events = append([]event.SystemEvent{*s.step(l, p.ProfileID(), from, in.Stage, in.Reason)}, more...)
	}
	if len(events) == 0 {
		return &Standing{Stage: from, Since: since}, nil
	}
	if _, err := s.Committer.CommitAll(ctx, ws, events, bump(held)); err != nil {
		return nil, err
	}
	l, err = Leads.Get(ctx, s.Store, p.ID)
	if err != nil {
		return nil, err
	}
	out := &Standing{Moved: from != in.Stage}
	out.Stage, out.Since = m.StageOf(l)
	return out, nil
}

// HistoryEntry is one step of a person.
type HistoryEntry struct {
	EventID  string // evt_…
	From, To string
	At       time.Time
	Reason   string
}

// History returns the steps of a person's parts, the latest first; at most limit.
func (s *Service) History(ctx context.Context, ws string, parts []string, limit int) ([]HistoryEntry, error) {
	var out []HistoryEntry
	err := s.Profiles.EachEventOf(ctx, ws, parts, func(e *event.Event) error {
		if e.Name != NameStageChanged || !told(e) {
			return nil
		}
		h := HistoryEntry{EventID: store.Rest(e.ID), At: e.CommittedAt}
		h.From, _ = e.Properties.Lookup("from").StringValueOK()
		h.To, _ = e.Properties.Lookup("to").StringValueOK()
		h.Reason, _ = e.Properties.Lookup("reason").StringValueOK()
		out = append(out, h)
		return nil
	})
	slices.SortStableFunc(out, func(a, b HistoryEntry) int { return b.At.Compare(a.At) })
	return out[:min(len(out), limit)], work.Outward(err)
}

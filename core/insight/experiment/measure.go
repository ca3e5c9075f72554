package experiment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// MeasureKind is the kind of the job that measures an experiment of more facts than a
// request reads.
const MeasureKind = "experiment.measure"

// maxFacts is how many facts a request reads.
const maxFacts = 200_000

var errTooMany = core.Errorf(core.TooComplex, "TOO_MANY_FACTS", "a request reads at most %d exposures and conversions; have a job measure the experiment (measureExperiment)", maxFacts).At("id")

// Result returns what came of an experiment so far, of the people whom the actor of ctx
// may see; of one that has ended, what it was then. Of more facts than a request reads it
// is what the last job has measured.
func (s *Service) Result(ctx context.Context, ws, id string) (*Result, error) {
	e, err := s.Get(ctx, ws, id)
	if err != nil || e == nil {
		return nil, err
	}
	r, err := s.result(ctx, e)
	return r, work.Outward(err)
}

func (s *Service) result(ctx context.Context, e *Experiment) (*Result, error) {
	gate, err := s.gate(ctx, e)
	switch {
	case err != nil:
		return nil, err
	case e.Final != nil:
		return e.Final, nil
	case e.Status == Draft:
		return &Result{State: NotStarted, AsOf: s.now(), Ratio: Ratio{P: 1}, Alpha: e.Size.Alpha}, nil
	}
	r, err := s.measure(ctx, e, gate, maxFacts, func(int64) error { return nil })
	if !errors.Is(err, errTooMany) {
		return r, err
	}
	stored, serr := Results.Get(ctx, s.Store, e.ID)
	if serr != nil || stored == nil {
		return nil, errors.Join(serr, err)
	}
	return &stored.Result, nil
}

// gate refuses who may not ask what the experiment counts. The people of one owner or
// segment are no experiment: who is limited to some is refused.
func (s *Service) gate(ctx context.Context, e *Experiment) (*profile.Gate, error) {
	if a := core.ActorFrom(ctx); a != nil && !a.Limits.None() {
		return nil, core.Errorf(core.Forbidden, "LIMITED", "an experiment is of everybody, and this key is limited to some people")
	}
	g, err := s.Profiles.Gate(ctx, e.workspace())
	if err != nil {
		return nil, err
	}
	if err := g.UsableCategory(core.Behaviour, "what people did"); err != nil {
		return nil, err
	}
	if path, ok := strings.CutPrefix(e.Plan.ValuePath, "properties."); ok {
		if err := g.Usable(event.OwnerOf(e.Plan.Event), path); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// measuring is one measuring.
type measuring struct {
	s     *Service
	e     *Experiment
	gate  *profile.Gate
	all   bool
	now   time.Time
	most  int64
	facts int64
	arms  [][]unit
	out   Result
	// came holds who came to the arms of a journey; nil where exposures are facts.
	came map[string][]*Fact
}

// measure walks the facts of an experiment by parts, puts those of each person together
// and judges them.
func (s *Service) measure(ctx context.Context, e *Experiment, gate *profile.Gate, most int64, step func(done int64) error) (*Result, error) {
	m := &measuring{s: s, e: e, gate: gate, now: s.now(), most: most, arms: make([][]unit, len(e.Plan.Arms))}
	var err error
	if m.all, err = gate.Everyone(ctx); err != nil {
		return nil, err
	}
	if e.Plan.Assignment.Via == ViaJourney {
		if err := m.passed(ctx); err != nil {
			return nil, err
		}
	}
	var batch []*Fact
	last, parts := "", 0
	flush := func() error {
		err := m.people(ctx, batch)
		batch, parts = nil, 0
		if err == nil {
			err = step(m.facts)
		}
		return err
	}
	q := store.Query{Workspace: e.workspace(), Where: []store.Cond{store.Eq("x", e.ExperimentID())}, Order: []string{"part", "at"}}
	err = Facts.Each(ctx, s.Store, q, func(f *Fact) error {
		if m.facts++; m.facts > m.most {
			return errTooMany
		}
		if f.Part != last {
			if parts == 500 {
				if err := flush(); err != nil {
					return err
				}
			}
			last, parts = f.Part, parts+1
		}
		batch = append(batch, f)
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err == nil {
		err = m.rest(ctx)
	}
	if err != nil {
		if errors.Is(err, errTooMany) {
			return nil, errTooMany
		}
		return nil, fmt.Errorf("experiment: measure: %w", err)
	}
	out := e.Plan.judge(e.Size, m.arms, m.now)
	out.Crossed, out.Strange = m.out.Crossed, m.out.Strange
	return out, nil
}

// passed reads who came to the arms of the journey's node.
func (m *measuring) passed(ctx context.Context) error {
	if m.s.journeys == nil {
		return core.Errorf(core.Unavailable, "NO_JOURNEYS", "this process knows of no journeys")
	}
	m.came = map[string][]*Fact{}
	a := m.e.Plan.Assignment
	return m.s.journeys.Passed(ctx, m.e.workspace(), a.Journey, a.Node, m.e.StartedAt, func(p Passed) error {
		if m.facts++; m.facts > m.most {
			return errTooMany
		}
		if !p.At.Before(m.e.StartedAt) {
			m.came[p.Part] = append(m.came[p.Part], &Fact{Part: p.Part, At: p.At, Exposed: true, Arm: p.Arm})
		}
		return nil
	})
}

// people adds those whose facts these are, which are ordered by part.
func (m *measuring) people(ctx context.Context, facts []*Fact) error {
	byPart := map[string][]*Fact{}
	var parts []string
	for _, f := range facts {
		if _, known := byPart[f.Part]; !known {
			parts = append(parts, f.Part)
		}
		byPart[f.Part] = append(byPart[f.Part], f)
	}
	return m.add(ctx, parts, byPart)
}

// rest adds those who came to an arm of a journey and of whom there is no other fact.
func (m *measuring) rest(ctx context.Context) error {
	parts := make([]string, 0, len(m.came))
	for part := range m.came {
		parts = append(parts, part)
	}
	slices.Sort(parts)
	for chunk := range slices.Chunk(parts, 500) {
		if err := m.add(ctx, chunk, nil); err != nil {
			return err
		}
	}
	return nil
}

// add adds the people whose facts are given by part.
func (m *measuring) add(ctx context.Context, parts []string, byPart map[string][]*Fact) error {
	if len(parts) == 0 {
		return nil
	}
	people, err := m.s.Profiles.GetMany(ctx, m.e.workspace(), parts)
	if err != nil {
		return err
	}
	for i, part := range parts {
		p, facts := people[i], byPart[part]
		if p == nil {
			continue
		}
		if !m.all {
			if ok, _ := m.gate.Admits(ctx, p); !ok {
				continue
			}
		}
		if len(p.Parts) > 1 {
			if facts, err = m.together(ctx, part, facts, p.Parts); err != nil {
				return err
			}
		} else {
			facts = m.take(facts, part)
		}
		m.person(facts)
	}
	return nil
}

// take adds who came by the journey under parts, once.
func (m *measuring) take(facts []*Fact, parts ...string) []*Fact {
	for _, part := range parts {
		facts = append(facts, m.came[part]...)
		delete(m.came, part)
	}
	return facts
}

// together returns the facts of all parts of a person, for the least of the parts that have
// any in the collection; nil for the others. Where none has, what the journey tells of them
// goes with the part that is asked first.
func (m *measuring) together(ctx context.Context, part string, facts []*Fact, parts []string) ([]*Fact, error) {
	own := len(facts) > 0
	for _, other := range parts {
		if other == part {
			continue
		}
		q := store.Query{Workspace: m.e.workspace(), Where: []store.Cond{store.Eq("x", m.e.ExperimentID()), store.Eq("part", other)}, Order: []string{"at"}}
		more, err := Facts.Find(ctx, m.s.Store, q, 0)
		if err != nil {
			return nil, err
		}
		if len(more) > 0 && (other < part || !own) {
			return nil, nil // that part's turn was or comes
		}
		facts = append(facts, more...)
	}
	return m.take(facts, parts...), nil
}

// person puts somebody into the arm of their first exposure. Of what happened in the same
// millisecond the exposure was first.
func (m *measuring) person(facts []*Fact) {
	if m.gate.Limited() {
		facts = slices.DeleteFunc(facts, func(f *Fact) bool { return m.gate.Foreign(f.Source) })
	}
	slices.SortStableFunc(facts, func(a, b *Fact) int {
		switch c := a.At.Compare(b.At); {
		case c != 0 || a.Exposed == b.Exposed:
			return cmp.Or(c, strings.Compare(a.ID, b.ID))
		case a.Exposed:
			return -1
		}
		return 1
	})
	arm, crossed := -1, false
	u := unit{}
	var until time.Time
	for _, f := range facts {
		if f.Exposed {
			i := slices.IndexFunc(m.e.Plan.Arms, func(a Arm) bool { return a.Name == f.Arm })
			switch {
			case i < 0:
				m.out.Strange++
			case arm < 0:
				arm, u.at, until = i, f.At.UnixMilli(), f.At.Add(m.e.Plan.Window)
			case i != arm:
				crossed = true
			}
		}
		if f.Hit && arm >= 0 && !f.At.After(until) {
			u.hit = true
			u.value += f.Value
		}
	}
	if arm < 0 {
		return
	}
	if crossed {
		m.out.Crossed++
	}
	u.ready = m.now.After(until)
	m.arms[arm] = append(m.arms[arm], u)
}

// Measure has a job measure an experiment; Result then gives what it found.
func (s *Service) Measure(ctx context.Context, ws, id, idempotencyKey string) (*work.Job, error) {
	if err := access.Allow(ctx, access.Design); err != nil {
		return nil, err
	}
	e, err := s.Get(ctx, ws, id)
	switch {
	case err != nil:
		return nil, err
	case e == nil:
		return nil, core.Errorf(core.NotFound, "EXPERIMENT", "there is no experiment with this id").At("id")
	case s.Jobs == nil || s.View == nil:
		return nil, core.Errorf(core.Unavailable, "NO_JOBS", "this process runs no jobs")
	case idempotencyKey == "" || len(idempotencyKey) > 300:
		return nil, invalid("KEY", "give a key of 1 to 300 bytes, which makes a repetition of the call harmless").At("idempotencyKey")
	}
	if _, err := s.gate(ctx, e); err != nil {
		return nil, err
	}
	j, err := s.Jobs.Start(ctx, MeasureKind, ws, measureInput{id}, idempotencyKey)
	return j, work.Outward(err)
}

type measureInput struct {
	ID string `bson:"id"`
}

// measureJob is the handler of MeasureKind.
func (s *Service) measureJob(ctx context.Context, run *work.JobRun) error {
	var in measureInput
	if err := run.Input(&in); err != nil {
		return err
	}
	ctx, err := access.ForJob(ctx, run.Workspace(), s.View)
	if err != nil {
		return err
	}
	e, err := s.Get(ctx, run.Workspace(), in.ID)
	if err != nil || e == nil || e.Status != Running {
		return err
	}
	gate, err := s.gate(ctx, e)
	if err != nil {
		return err
	}
	r, err := s.measure(ctx, e, gate, math.MaxInt64, func(done int64) error { return run.Step(ctx, done, 0, nil) })
	if err != nil {
		return err
	}
	old, err := Results.Get(ctx, s.Store, e.ID)
	if err != nil {
		return err
	}
	if old == nil {
		old = &Stored{Meta: store.Meta{ID: e.ID}}
	}
	old.Result = *r
	return work.Commit(ctx, s.Store, Results.Put(old))
}

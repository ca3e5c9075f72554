package experiment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Passed is that somebody came to an arm of a journey's split or holdout.
type Passed struct {
	Part string
	Arm  string
	At   time.Time
}

// Journeys tells who came to which arm of a split or holdout of a journey.
type Journeys interface {
	// Arms returns the arms of a node, with their weights; nil for no such node.
	Arms(ctx context.Context, ws, journey, node string) ([]Arm, error)
	// Passed calls f with those who entered the journey from an instant on and passed the
	// node, in no order; a person can come several times.
	Passed(ctx context.Context, ws, journey, node string, from time.Time, f func(Passed) error) error
}

// Options are what a Service is made of. Store, Clock and Profiles are required.
type Options struct {
	Store    store.Store
	Clock    core.Clock
	Profiles *profile.Service
	Jobs     *work.Jobs // nil: nothing is measured by jobs
	// View returns what roles may see for a purpose: by it a job measures for whoever asked
	// for it. Nil: nothing is measured by jobs.
	View func(ctx context.Context, ws string, roles []string, purpose string) (*core.View, error)
}

// Service keeps experiments. It is safe for concurrent use; several processes may run one
// on the same store.
type Service struct {
	Options
	journeys Journeys
	mu       sync.Mutex
	kept     map[string]kept // by workspace
}

type kept struct {
	live []*Experiment
	at   time.Time // by the process's own clock
}

// NewService returns a service over a store whose collections (Specs) are declared, and
// registers its job.
func NewService(o Options) *Service {
	s := &Service{Options: o, kept: map[string]kept{}}
	if s.Jobs != nil {
		s.Jobs.Handle(MeasureKind, work.JobHandlerFunc(s.measureJob), 1)
		s.Jobs.Handle(RebuildKind, s.rebuildHandler(), 1)
	}
	return s
}

// SetJourneys gives the service the port to journeys; without it there are no experiments
// by them. It is called once, before the first request.
func (s *Service) SetJourneys(j Journeys) { s.journeys = j }

const (
	// liveAge is how long a process may go on with a list of running experiments that another
	// has changed.
	liveAge = 500 * time.Millisecond
	// notice is how long after somebody started it an experiment begins: until then every
	// process knows of it, so that no exposure is missed.
	notice  = 2 * liveAge
	maxKept = 1000
	// maxLive bounds how many experiments each event is held against.
	maxLive = 100
)

// live returns the running experiments of a workspace, as they were at most half a second
// ago.
func (s *Service) live(ctx context.Context, ws string) ([]*Experiment, error) {
	s.mu.Lock()
	k, ok := s.kept[ws]
	s.mu.Unlock()
	if ok && time.Since(k.at) < liveAge {
		return k.live, nil
	}
	at := time.Now()
	list, err := Experiments.Find(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("live", true)}}, 0)
	if err != nil {
		return nil, fmt.Errorf("experiment: read what runs: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxKept {
		clear(s.kept)
	}
	if k, ok := s.kept[ws]; !ok || k.at.Before(at) {
		s.kept[ws] = kept{list, at}
	}
	return list, nil
}

// Drop forgets what is kept of a workspace: to be called when it was deleted.
func (s *Service) Drop(ws string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, ws)
}

// Input describes an experiment.
type Input struct {
	Name, Hypothesis string
	Plan             Plan
}

func (in *Input) check() (Size, error) {
	switch {
	case badText(in.Name):
		return Size{}, invalid("NAME", "the name of an experiment has 1 to %d bytes", maxText).At("name")
	case len(in.Hypothesis) > 2000:
		return Size{}, invalid("HYPOTHESIS", "a hypothesis has at most 2000 bytes").At("hypothesis")
	}
	size, err := in.Plan.Check()
	if err != nil {
		return size, core.AsError(err).At("plan")
	}
	return size, nil
}

// attempts is how often a change is computed anew that others overtook.
const attempts = 50

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// Create makes an experiment, a draft. The same key with the same input gives the same
// experiment.
func (s *Service) Create(ctx context.Context, ws string, in Input, idempotencyKey string) (*Experiment, error) {
	if err := access.Allow(ctx, access.Design); err != nil {
		return nil, err
	}
	if idempotencyKey == "" || len(idempotencyKey) > 300 {
		return nil, invalid("KEY", "give a key of 1 to 300 bytes, which makes a repetition of the call harmless").At("idempotencyKey")
	}
	size, err := in.check()
	if err != nil {
		return nil, err
	}
	raw, _ := json.Marshal(in) // numbers were checked to be finite: cannot fail
	h := sha256.Sum256(raw)
	e := &Experiment{
		Meta: store.Meta{ID: store.Key(ws, core.HashID(core.PrefixExperiment, ws, idempotencyKey))},
		Name: strings.TrimSpace(in.Name), Hypothesis: in.Hypothesis, Status: Draft, Plan: in.Plan, Size: size, CreatedAt: s.now(), CreatedBy: actorID(ctx),
		Sum: hex.EncodeToString(h[:16]),
	}
	err = work.Retry(ctx, attempts, func() error {
		old, err := Experiments.Get(ctx, s.Store, e.ID)
		switch {
		case err != nil:
			return err
		case old != nil && old.Sum != e.Sum:
			return core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_USED", "this key was used for something else; take another").At("idempotencyKey")
		case old != nil:
			e = old
			return nil
		}
		if err := work.Commit(ctx, s.Store, Experiments.Insert(e)); err != nil {
			return err
		}
		e.V = 1
		return nil
	})
	return e, work.Outward(err)
}

func actorID(ctx context.Context) string {
	if a := core.ActorFrom(ctx); a != nil {
		return a.ID
	}
	return ""
}

// Get returns an experiment, or nil.
func (s *Service) Get(ctx context.Context, ws, id string) (*Experiment, error) {
	if core.IDPrefix(id) != core.PrefixExperiment {
		return nil, nil
	}
	e, err := Experiments.Get(ctx, s.Store, store.Key(ws, id))
	return e, work.Outward(err)
}

func listed(ws string) store.Query {
	return store.Query{Workspace: ws, Order: []string{"-createdAt"}}
}

// List returns a window of the experiments, the latest first.
func (s *Service) List(ctx context.Context, ws string, w core.Window) (store.Page[Experiment], error) {
	page, err := Experiments.Page(ctx, s.Store, listed(ws), w)
	return page, work.Outward(err)
}

// Count returns how many experiments List lists.
func (s *Service) Count(ctx context.Context, ws string) (int64, error) {
	n, err := Experiments.Count(ctx, s.Store, listed(ws))
	return n, work.Outward(err)
}

// change does something to an experiment that has the version expected (nil: whichever).
func (s *Service) change(ctx context.Context, ws, id string, expected *int64, do func(e *Experiment) error) (*Experiment, error) {
	if err := access.Allow(ctx, access.Design); err != nil {
		return nil, err
	}
	var out *Experiment
	err := work.Retry(ctx, attempts, func() error {
		e, err := s.Get(ctx, ws, id)
		switch {
		case err != nil:
			return err
		case e == nil:
			return core.Errorf(core.NotFound, "EXPERIMENT", "there is no experiment with this id").At("id")
		case expected != nil && *expected != e.V:
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the experiment has version %d, not %d; read it and try again", e.V, *expected).At("expectedVersion")
		}
		if err := do(e); err != nil {
			if errors.Is(err, errSame) {
				out = e
				return nil
			}
			return err
		}
		if err := work.Commit(ctx, s.Store, Experiments.Replace(e)); err != nil {
			return err
		}
		e.V++
		out = e
		return nil
	})
	return out, work.Outward(err)
}

// errSame says that there is nothing to change.
var errSame = errors.New("experiment: as it is")

var errFrozen = core.Errorf(core.Conflict, "FROZEN", "the plan of an experiment that was started is not changed any more; stop it and make another").At("id")

// Update changes an experiment that was not started yet.
func (s *Service) Update(ctx context.Context, ws, id string, expected int64, change func(*Input)) (*Experiment, error) {
	return s.change(ctx, ws, id, &expected, func(e *Experiment) error {
		if e.Status != Draft {
			return errFrozen
		}
		in := Input{e.Name, e.Hypothesis, e.Plan}
		change(&in)
		size, err := in.check()
		if err != nil {
			return err
		}
		e.Name, e.Hypothesis, e.Plan, e.Size = strings.TrimSpace(in.Name), in.Hypothesis, in.Plan, size
		return nil
	})
}

// Start freezes the plan and begins to count a second later. A started one stays as it is.
func (s *Service) Start(ctx context.Context, ws, id string, expected *int64) (*Experiment, error) {
	if e, err := s.Get(ctx, ws, id); err != nil || e != nil && e.Status == Running {
		return e, errors.Join(err, access.Allow(ctx, access.Design))
	}
	return s.change(ctx, ws, id, expected, func(e *Experiment) error {
		switch e.Status {
		case Running:
			return errSame
		case Draft:
		default:
			return core.Errorf(core.Conflict, "ENDED", "the experiment has ended; make another").At("id")
		}
		running, err := Experiments.Count(ctx, s.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("live", true)}})
		if err != nil {
			return err
		}
		if running >= maxLive {
			return core.Errorf(core.Conflict, "TOO_MANY_RUNNING", "at most %d experiments run at once; end one", maxLive).At("id")
		}
		if err := s.fits(ctx, ws, &e.Plan); err != nil {
			return err
		}
		if e.Size, err = e.Plan.Check(); err != nil {
			return err
		}
		e.Status, e.Live, e.Hash, e.StartedAt = Running, true, e.Plan.Hash(), s.now().Add(notice)
		return nil
	})
}

// fits refuses a plan whose arms are not those of the journey's node.
func (s *Service) fits(ctx context.Context, ws string, p *Plan) error {
	if p.Assignment.Via != ViaJourney {
		return nil
	}
	if s.journeys == nil {
		return core.Errorf(core.Unavailable, "NO_JOURNEYS", "this process knows of no journeys")
	}
	arms, err := s.journeys.Arms(ctx, ws, p.Assignment.Journey, p.Assignment.Node)
	if err != nil {
		return err
	}
	if arms == nil {
		return core.Errorf(core.NotFound, "NODE", "the journey has no split or holdout with this id in the version by which people enter").At("assignment", "node")
	}
	total, ours := 0, 0
	has := map[string]int{}
	for _, a := range arms {
		has[a.Name], total = a.Weight, total+a.Weight
	}
	for _, a := range p.Arms {
		ours += a.Weight
	}
	same := len(arms) == len(p.Arms)
	for _, a := range p.Arms {
		w, ok := has[a.Name]
		same = same && ok && w*ours == a.Weight*total
	}
	if !same {
		names := make([]string, len(arms))
		for i, a := range arms {
			names[i] = fmt.Sprintf("%s %d", a.Name, a.Weight)
		}
		return invalid("ARMS", "the arms and weights of the node are %s; give the same", strings.Join(names, ", ")).At("arms")
	}
	return nil
}

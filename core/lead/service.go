package lead

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// The names of the system events about leads. Properties: of the first two score, fit and
// engagement; of a stage from, to, reason and supersedes (see Part.Supersedes); of a
// conversion stage and, with a record, type and externalId; of an adjustment points and
// reason, or rule, and by (see Adjustment).
const (
	NameQualified    = "Lead Qualified" // a marketing qualified lead (MQL)
	NameCooled       = "Lead Cooled"
	NameStageChanged = "Lead Stage Changed"
	NameConverted    = "Lead Converted"
	NameAdjusted     = "Lead Score Adjusted"
)

// PredictionName is the name under which conditions ask for the score.
const PredictionName = "lead.score"

// Objects keeps records. *object.Service is one.
type Objects interface {
	Related(ctx context.Context, ws, typeKey string, ids []event.Identifier, parts []string) ([]*object.Related, error)
	Upsert(ctx context.Context, ws, typeKey string, items []object.Item) ([]object.ItemResult, error)
}

// Options are what a Service is made of. Store, Clock, Profiles and Committer are
// required; without a Runner nothing is told of crossings, without Jobs models are not
// applied to what was before.
type Options struct {
	Store     store.Store
	Clock     core.Clock
	Profiles  *profile.Service
	Objects   Objects // nil: nobody has records
	Committer event.Committer
	Runner    *work.Runner
	Jobs      *work.Jobs
	Logger    *slog.Logger // slog.Default()
	// May refuses a condition that the actor of ctx may not ask; nil: everybody may.
	May func(ctx context.Context, ws string, n *condition.Node) error
}

// Service scores people and moves them from stage to stage. It is safe for concurrent
// use; several processes may run one on the same store.
type Service struct {
	Options
	mu   sync.Mutex
	kept map[string]kept // by workspace
}

type kept struct {
	*compiled
	at time.Time // by the process's own clock
}

// NewService returns a service over a store whose collections (Specs) are declared, and
// registers its sweep and job.
func NewService(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{Options: o, kept: map[string]kept{}}
	s.handle()
	return s
}

// modelAge is how long a process may go on with a model that another has changed.
const modelAge = 500 * time.Millisecond

// maxKept bounds what is kept: beyond it everything is read again.
const maxKept = 1000

func modelKey(ws string) string { return store.Key(ws, "model") }

// model returns a workspace's model, at most half a second old.
func (s *Service) model(ctx context.Context, ws string) (*compiled, error) {
	s.mu.Lock()
	k, ok := s.kept[ws]
	s.mu.Unlock()
	if ok && time.Since(k.at) < modelAge {
		return k.compiled, nil
	}
	return s.readModel(ctx, ws)
}

func (s *Service) readModel(ctx context.Context, ws string) (*compiled, error) {
	at := time.Now()
	m, err := models.Get(ctx, s.Store, modelKey(ws))
	if err != nil {
		return nil, fmt.Errorf("lead: read the model: %w", err)
	}
	if m == nil {
		m = &Model{Meta: store.Meta{ID: modelKey(ws)}}
	}
	s.mu.Lock()
	k, ok := s.kept[ws]
	s.mu.Unlock()
	c := k.compiled
	if !ok || k.V != m.V {
		var fault *core.Error
		if c, fault = compile(m); fault != nil { // it was checked when it was set
			return nil, fmt.Errorf("lead: compile the model: %w", fault)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.kept) >= maxKept {
		clear(s.kept)
	}
	if k, ok := s.kept[ws]; !ok || k.V <= c.V {
		s.kept[ws] = kept{c, at}
	}
	return c, nil
}

// Drop forgets what is kept of a workspace: to be called when it was deleted.
func (s *Service) Drop(ws string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, ws)
}

// Model returns how a workspace scores people.
func (s *Service) Model(ctx context.Context, ws string) (*Model, error) {
	c, err := s.readModel(ctx, ws)
	if err != nil {
		return nil, work.Outward(err)
	}
	return c.Model, nil
}

// SetModel changes the model that has the version expected; 0 is before the first. A job
// then scores everybody by it, from their past; it is nil without Jobs.
func (s *Service) SetModel(ctx context.Context, ws string, expected int64, change func(*Model)) (*Model, *work.Job, error) {
	var out *Model
	var job *work.Job
	err := work.Retry(ctx, attempts, func() error {
		old, err := s.readModel(ctx, ws)
		if err != nil {
			return err
		}
		if old.V != expected {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the score model has version %d, not %d; read it and try again", old.V, expected).At("expectedVersion")
		}
		m := *old.Model
		change(&m)
		m.At = s.now()
		if err := s.admit(ctx, ws, &m); err != nil {
			return err
		}
		ops, err := s.sweep().Begin(ctx, s.Store, ws)
		if err != nil {
			return err
		}
		ops = append(ops, models.Put(&m))
		if s.Jobs != nil {
			var more []store.Op
			if job, more, err = s.Jobs.Prepare(ctx, RebuildKind, ws, profile.RebuildInput{Mode: profile.ModeRebuild}, ""); err != nil {
				return err
			}
			ops = append(ops, more...)
		}
		if err := work.Commit(ctx, s.Store, ops...); err != nil {
			return err
		}
		c, err := s.readModel(ctx, ws)
		if err == nil {
			out = c.Model
		}
		return err
	})
	if err == nil && s.Runner != nil {
		s.Runner.Wake()
	}
	return out, job, err
}

// admit refuses a model that cannot be, or whose conditions the caller may not ask.
func (s *Service) admit(ctx context.Context, ws string, m *Model) error {
	if err := m.check(); err != nil {
		return err
	}
	if _, err := compile(m); err != nil {
		return err
	}
	if m.Stage != "" {
		machine, err := s.Machine(ctx, ws)
		if err != nil {
			return err
		}
		if machine.stage(m.Stage) == nil {
			return core.Errorf(core.Invalid, "STAGE_UNKNOWN", "there is no stage with this key; the stages are %s", machine.names()).At("stage")
		}
	}
	for i, r := range m.Rules {
		if s.May == nil {
			break
		}
		text := r.Where
		if r.Kind == Engagement {
			text = eventNode(r.Event, r.Where)
		}
		n, err := condition.ParseJSON([]byte(text))
		if err == nil {
			err = s.May(ctx, ws, n)
		}
		if err != nil {
			return core.AsError(err).At("rules", fmt.Sprint(i), "where")
		}
	}
	return nil
}

// ScoreOf returns somebody's score now, with its reasons.
func (s *Service) ScoreOf(ctx context.Context, ws, profileID string) (Score, *Lead, error) {
	c, err := s.model(ctx, ws)
	if err != nil {
		return Score{}, nil, work.Outward(err)
	}
	l, err := Leads.Get(ctx, s.Store, store.Key(ws, profileID))
	if err != nil {
		return Score{}, nil, work.Outward(err)
	}
	if l == nil {
		return Score{}, nil, nil
	}
	return c.score(l, s.now()), l, nil
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// attempts is how often a change is computed anew that others overtook.
const attempts = 50

// saying makes a system event. Its sum is that of said alone, so that the same call
// again is known by what the caller said and not by what time it was.
func saying(name, messageID string, properties, said bson.D) event.Input {
	h := sha256.Sum256(document(said))
	return event.Input{Type: event.System, Name: name, MessageID: messageID, Properties: document(properties), Sum: h[:16]}
}

func document(d bson.D) bson.Raw {
	raw, _ := bson.Marshal(d) // texts, times and numbers: cannot fail
	return raw
}

package quality

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// The kinds of jobs and of the task that starts the first of them daily.
const (
	RunKind        = "quality.run"
	DuplicatesKind = "quality.duplicates"
	dailyKind      = "quality.daily"
)

// Options are what a Service is made of. All but Logger, May and Knowers are required.
type Options struct {
	Store    store.Store
	Clock    core.Clock
	Profiles *profile.Service
	Runner   *work.Runner
	Jobs     *work.Jobs
	Logger   *slog.Logger // slog.Default()
	// May refuses a condition that the actor of ctx may not ask; nil: everybody may.
	May func(ctx context.Context, ws string, n *condition.Node) error
	// Knowers tell of what reads and writes fields; see Known.
	Knowers []Knower
	// SourceName names a source, "" when it is not known; nil: by their ids.
	SourceName func(ctx context.Context, ws, source string) string
	// Sent returns how many messages a journey or campaign has sent; nil: nobody knows.
	Sent func(ctx context.Context, ws, id string) (int64, error)
}

// Service judges data by rules, looks for duplicates and traces fields. It is safe for
// concurrent use; several processes may run one on the same store.
type Service struct{ Options }

// New returns a service over a store whose collections (Specs) are declared, and
// registers its jobs and its daily task.
func New(o Options) *Service {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	s := &Service{o}
	o.Jobs.Handle(RunKind, work.JobHandlerFunc(s.run), 1)
	o.Jobs.Handle(DuplicatesKind, work.JobHandlerFunc(s.findDuplicates), 1)
	o.Runner.Handle(dailyKind, work.Kind{Handler: work.HandlerFunc(s.daily), Attempts: -1})
	return s
}

func (s *Service) now() time.Time { return s.Clock.Now().UTC().Truncate(time.Millisecond) }

// Rules lists the rules by key.
func (s *Service) Rules(ctx context.Context, ws string) ([]*Rule, error) {
	list, err := Rules.Find(ctx, s.Store, store.Query{Workspace: ws}, 0)
	return list, work.Outward(err)
}

// Rule returns the rule with a key, or nil.
func (s *Service) Rule(ctx context.Context, ws, key string) (*Rule, error) {
	if !keyForm.MatchString(key) {
		return nil, nil
	}
	r, err := Rules.Get(ctx, s.Store, store.Key(ws, key))
	return r, work.Outward(err)
}

// attempts is how often a change is computed anew that others overtook.
const attempts = 20

// SetRule makes the rule with a key, when expected is 0, or changes the one that has the
// version expected. The first rule of a workspace begins the daily judgement. Errors:
// INVALID with the path of what is wrong, CONFLICT (VERSION_CONFLICT).
func (s *Service) SetRule(ctx context.Context, ws, key string, expected int64, in Rule) (*Rule, error) {
	in.Meta = store.Meta{ID: store.Key(ws, key)}
	if err := in.check(); err != nil {
		return nil, err
	}
	if s.May != nil && in.Condition() != "" {
		n, err := condition.ParseJSON([]byte(in.Condition()))
		if err == nil {
			err = s.May(ctx, ws, n)
		}
		if err != nil {
			return nil, core.AsError(err).At("path")
		}
	}
	in.SetBy, in.SetAt = "", s.now()
	if a := core.ActorFrom(ctx); a != nil {
		in.SetBy = a.ID
	}
	err := work.Retry(ctx, attempts, func() error {
		old, err := Rules.Get(ctx, s.Store, in.ID)
		if err != nil {
			return err
		}
		in.V = 0
		if old != nil {
			in.V = old.V
		}
		if in.V != expected {
			return core.Errorf(core.Conflict, "VERSION_CONFLICT", "the rule has version %d, not %d; read it and try again", in.V, expected).At("expectedVersion")
		}
		if old == nil {
			if n, err := Rules.Count(ctx, s.Store, store.Query{Workspace: ws}); err != nil || n >= MaxRules {
				return errors.Join(err, core.Errorf(core.Invalid, "TOO_MANY_RULES", "a workspace has at most %d rules of quality", MaxRules))
			}
		}
		ops, err := s.begin(ctx, ws)
		if err != nil {
			return err
		}
		return work.Commit(ctx, s.Store, append(ops, Rules.Put(&in))...)
	})
	if err != nil {
		return nil, err
	}
	in.V++
	return &in, nil
}

// DeleteRule takes a rule away; what it said stays until its days are forgotten.
func (s *Service) DeleteRule(ctx context.Context, ws, key string) error {
	return work.Retry(ctx, attempts, func() error {
		r, err := s.Rule(ctx, ws, key)
		if err != nil {
			return err
		}
		if r == nil {
			return core.Errorf(core.NotFound, "QUALITY_RULE", "there is no rule with this key").At("key")
		}
		return work.Commit(ctx, s.Store, Rules.Delete(r))
	})
}

// Results returns a window of results, the latest day first: of one rule, of one
// verdict, or of all when both are "".
func (s *Service) Results(ctx context.Context, ws, rule string, verdict Verdict, w core.Window) (store.Page[Result], error) {
	page, err := Results.Page(ctx, s.Store, resultsQuery(ws, rule, verdict), w)
	return page, work.Outward(err)
}

// CountResults returns how many Results lists in all.
func (s *Service) CountResults(ctx context.Context, ws, rule string, verdict Verdict) (int64, error) {
	n, err := Results.Count(ctx, s.Store, resultsQuery(ws, rule, verdict))
	return n, work.Outward(err)
}

func resultsQuery(ws, rule string, verdict Verdict) store.Query {
	q := store.Query{Workspace: ws, Order: []string{"-day"}}
	switch {
	case rule != "":
		q.Where = []store.Cond{store.Eq("rule", rule)}
	case verdict != "":
		q.Where = []store.Cond{store.Eq("verdict", string(verdict))}
	}
	return q
}

// Latest returns what each rule said last, by the rule's key; nothing of a rule that was
// not judged yet.
func (s *Service) Latest(ctx context.Context, ws string, keys []string) (map[string]*Result, error) {
	out := map[string]*Result{}
	for _, key := range keys {
		list, err := Results.Find(ctx, s.Store, resultsQuery(ws, key, ""), 1)
		if err != nil {
			return nil, work.Outward(err)
		}
		if len(list) > 0 {
			out[key] = list[0]
		}
	}
	return out, nil
}

// runInput is the input of RunKind.
type runInput struct {
	Day time.Time `bson:"day"`
}

// Run starts the job that judges the last day that is over. Its result is a RunResult.
func (s *Service) Run(ctx context.Context, ws, idempotencyKey string) (*work.Job, error) {
	j, err := s.Jobs.Start(ctx, RunKind, ws, runInput{day(s.now()).Add(-24 * time.Hour)}, idempotencyKey)
	return j, work.Outward(err)
}

// hour is when a day is judged: late enough for what was under way at its end.
const hour = time.Hour

const dailyName = "daily"

// begin returns the operation that begins the daily task; none when there is one.
func (s *Service) begin(ctx context.Context, ws string) ([]store.Op, error) {
	task, err := work.Find(ctx, s.Store, ws, dailyKind, dailyName)
	if err != nil || task != nil {
		return nil, err
	}
	return []store.Op{work.Enqueue(work.Item{Kind: dailyKind, Workspace: ws, Name: dailyName, DueAt: s.next()})}, nil
}

// next returns when the day that is going on is judged.
func (s *Service) next() time.Time { return day(s.now()).Add(24*time.Hour + hour) }

// daily starts the job of the day that is over, while there are rules.
func (s *Service) daily(ctx context.Context, l *work.Lease) error {
	ws := l.Task().Workspace
	ctx = core.WithActor(ctx, &core.Actor{Workspace: ws, ID: "system:quality", Name: "quality", Purpose: "compliance"})
	n, err := Rules.Count(ctx, s.Store, store.Query{Workspace: ws})
	if err != nil {
		return err
	}
	if n > 0 {
		of := day(s.now()).Add(-24 * time.Hour)
		if _, err := s.Jobs.Start(ctx, RunKind, ws, runInput{of}, "daily "+dayText(of)); err != nil && core.CodeOf(err) != core.Conflict {
			return err
		}
	}
	return l.Reschedule(ctx, s.next(), nil)
}

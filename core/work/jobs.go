package work

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// jobTask begins the task kind of a job kind. Each job kind is a task kind of its
// own, so that long imports never hold up something else.
const jobTask = "job."

// jobClaim is the kind of claim that an idempotency key is.
const jobClaim = "job"

// Jobs starts, shows and cancels jobs. Authorization is its caller's.
type Jobs struct {
	store   Store
	clock   core.Clock
	runner  *Runner
	lasting map[string]bool // kinds
}

// NewJobs returns the service. Jobs are run by the runner of each process that
// has one; a process whose runner does not run can still start jobs.
func NewJobs(r *Runner) *Jobs {
	return &Jobs{store: r.opt.Store, clock: r.opt.Clock, runner: r, lasting: map[string]bool{}}
}

// Handle registers the handler of a job kind, with at most concurrency jobs of it
// at once in this process (0: 2).
func (s *Jobs) Handle(kind string, h JobHandler, concurrency int) {
	if concurrency <= 0 {
		concurrency = 2
	}
	s.runner.Handle(jobTask+kind, Kind{
		Handler: &jobWork{jobs: s, handler: h}, Concurrency: concurrency, Attempts: -1,
	})
}

// HandleLasting registers the handler of a kind of jobs that must not stay half done.
// Nobody can cancel one, and it is tried until it succeeds: only an error that is
// Permanent fails it.
func (s *Jobs) HandleLasting(kind string, h JobHandler, concurrency int) {
	s.lasting[kind] = true
	s.Handle(kind, h, concurrency)
}

// Start stores a job, queued, together with ops. The actor of ctx is who acts in
// it. With an idempotency key a second Start of the kind returns the first one's
// job (and writes none of ops); with another input it is CONFLICT, reason
// IDEMPOTENCY_KEY_REUSED. A key is good for KeepJobs at least. Input encodes to a BSON
// document; nil for none.
func (s *Jobs) Start(ctx context.Context, kind, workspace string, input any, idempotencyKey string, ops ...store.Op) (*Job, error) {
	return s.StartWith(ctx, kind, workspace, input, idempotencyKey, func(*Job) []store.Op { return ops })
}

// StartWith is Start with operations that need to know the job, such as a document
// that names it.
func (s *Jobs) StartWith(ctx context.Context, kind, workspace string, input any, idempotencyKey string, with func(*Job) []store.Op) (*Job, error) {
	j, batch, err := s.Prepare(ctx, kind, workspace, input, idempotencyKey)
	if err != nil {
		return nil, err
	}
	err = Commit(ctx, s.store, append(batch, with(j)...)...)
	if idempotencyKey != "" && errors.Is(err, store.ErrConflict) {
		if earlier, eerr := s.earlier(ctx, orSystem(workspace), claimOf(kind, idempotencyKey), j.Input); eerr != nil || earlier != nil {
			return earlier, eerr
		}
	}
	if err != nil {
		return nil, err
	}
	j.V = 1
	s.runner.Wake()
	return j, nil
}

func claimOf(kind, idempotencyKey string) string { return core.HashID("idem", kind, idempotencyKey) }

// Prepare returns a job that is not stored yet, with the operations that store and
// queue it: put them into the batch of its cause, and Wake the runner after the commit.
// The batch conflicts when the idempotency key was used before.
func (s *Jobs) Prepare(ctx context.Context, kind, workspace string, input any, idempotencyKey string) (*Job, []store.Op, error) {
	workspace = orSystem(workspace)
	now := ceil(s.clock.Now())
	j := &Job{
		Meta: store.Meta{ID: store.Key(workspace, core.NewID(core.PrefixJob, now))},
		Kind: kind, Status: Queued, By: actorOf(core.ActorFrom(ctx)), CreatedAt: now,
	}
	var err error
	if j.Input, err = encode(input); err != nil {
		return nil, nil, err
	}
	batch := []store.Op{
		JobDocs.Insert(j),
		Enqueue(Item{Kind: jobTask + kind, Workspace: workspace, Name: j.JobID(), DueAt: now}),
	}
	if idempotencyKey != "" {
		claim, err := s.claim(ctx, workspace, claimOf(kind, idempotencyKey), j.JobID())
		if err != nil {
			return nil, nil, err
		}
		batch = append(batch, claim)
	}
	return j, batch, nil
}

// claim returns the operation that takes an idempotency key for a job: from one that is
// over for so long that it is forgotten, too.
func (s *Jobs) claim(ctx context.Context, workspace, claim, id string) (store.Op, error) {
	c, err := store.Claims.Get(ctx, s.store, store.Key(workspace, jobClaim, claim))
	if err != nil {
		return store.Op{}, err
	}
	if c != nil {
		j, err := JobDocs.Get(ctx, s.store, store.Key(workspace, c.Owner))
		if err != nil {
			return store.Op{}, err
		}
		if j == nil {
			c.Owner = id
			return store.Claims.Replace(c), nil
		}
	}
	return store.Claim(workspace, jobClaim, claim, id), nil
}

// Wake makes the runner of this process look for jobs now.
func (s *Jobs) Wake() { s.runner.Wake() }

// earlier returns the job that owns the claim, or nil when nobody does.
func (s *Jobs) earlier(ctx context.Context, workspace, claim string, input bson.Raw) (*Job, error) {
	c, err := store.Claims.Get(ctx, s.store, store.Key(workspace, jobClaim, claim))
	if err != nil || c == nil {
		return nil, err
	}
	j, err := JobDocs.Get(ctx, s.store, store.Key(workspace, c.Owner))
	if err != nil || j == nil {
		return nil, err
	}
	if !sameDocument(j.Input, input) {
		return nil, core.Errorf(core.Conflict, "IDEMPOTENCY_KEY_REUSED", "the idempotency key was used for another request; use a new one").At("idempotencyKey")
	}
	return j, nil
}

// sameDocument compares without regard to the order of fields, which a Go map has
// none of.
func sameDocument(a, b bson.Raw) bool {
	var am, bm map[string]any
	_, aerr := decode(a, &am)
	_, berr := decode(b, &bm)
	return aerr == nil && berr == nil && reflect.DeepEqual(am, bm)
}

// Get returns a job, or nil when the workspace has none with that id.
func (s *Jobs) Get(ctx context.Context, workspace, id string) (*Job, error) {
	return JobDocs.Get(ctx, s.store, store.Key(orSystem(workspace), id))
}

// Filter chooses jobs; what is empty chooses all.
type Filter struct {
	Kind   string
	Status Status
}

func (f Filter) query(workspace string) store.Query {
	q := store.Query{Workspace: orSystem(workspace), Order: []string{"-createdAt"}}
	if f.Kind != "" {
		q.Where = append(q.Where, store.Eq("kind", f.Kind))
	}
	if f.Status != "" {
		q.Where = append(q.Where, store.Eq("status", string(f.Status)))
	}
	return q
}

// List returns a page of a workspace's jobs, the latest first.
func (s *Jobs) List(ctx context.Context, workspace string, f Filter, page core.PageArgs) (store.Page[Job], error) {
	w, err := page.Resolve()
	if err != nil {
		return store.Page[Job]{}, err
	}
	return JobDocs.Page(ctx, s.store, f.query(workspace), w)
}

// Count returns how many jobs List lists.
func (s *Jobs) Count(ctx context.Context, workspace string, f Filter) (int64, error) {
	return JobDocs.Count(ctx, s.store, f.query(workspace))
}

// Cancel ends a job. Once it returns, nothing more of the job is written: its task
// goes in the same commit, and with it the fence. What it had done stays done.
// Cancelling a cancelled job returns it; another finished one is CONFLICT, reason
// JOB_FINISHED; one of a lasting kind CONFLICT, reason NOT_CANCELLABLE; an unknown one
// NOT_FOUND.
func (s *Jobs) Cancel(ctx context.Context, workspace, id string) (*Job, error) {
	for try := 0; ; try++ {
		j, err := s.Get(ctx, workspace, id)
		switch {
		case err != nil:
			return nil, err
		case j == nil:
			return nil, core.Errorf(core.NotFound, "JOB", "there is no such job in this workspace").At("id")
		case j.Status == Cancelled:
			return j, nil
		case j.Status.Final():
			return nil, core.Errorf(core.Conflict, "JOB_FINISHED", "the job is %s already; only a queued or running job can be cancelled", j.Status).At("id")
		case s.lasting[j.Kind]:
			return nil, core.Errorf(core.Conflict, "NOT_CANCELLABLE", "a job of the kind %s is carried through once it has begun; it cannot be cancelled", j.Kind).At("id")
		}
		task, err := Find(ctx, s.store, workspace, jobTask+j.Kind, id)
		if err != nil {
			return nil, err
		}
		j.finish(Cancelled, ceil(s.clock.Now()))
		ops := []store.Op{JobDocs.Replace(j)}
		if task != nil {
			ops = append(ops, Drop(task))
		}
		err = Commit(ctx, s.store, ops...)
		if err == nil {
			j.V++
			return j, nil
		}
		if !errors.Is(err, store.ErrConflict) || try == 100 {
			return nil, err
		}
		// A running job writes its progress often: try between two writes.
		if err := (core.SystemClock{}).Sleep(ctx, time.Duration(rand.Int64N(int64(10*time.Millisecond)))); err != nil {
			return nil, err
		}
	}
}

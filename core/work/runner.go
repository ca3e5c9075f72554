package work

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Store is what the package needs of the storage port.
type Store interface {
	store.Reader
	store.Writer
}

// Handler does the work of one kind of task. When it returns nil without having
// finished the task, the task is deleted. An error means another attempt, unless
// it is Permanent. ctx ends when the lease is lost, with the cause ErrLost, or
// when the process can wait no longer, with the cause ErrStopping.
type Handler interface {
	Handle(ctx context.Context, l *Lease) error
}

// HandlerFunc is a Handler.
type HandlerFunc func(ctx context.Context, l *Lease) error

// Handle implements Handler.
func (f HandlerFunc) Handle(ctx context.Context, l *Lease) error { return f(ctx, l) }

// Kind says how tasks of one kind are run. Zero values mean the defaults.
type Kind struct {
	Handler     Handler
	Concurrency int           // at once in this process; Options.Concurrency
	Lease       time.Duration // Options.Lease
	Attempts    int           // then the task is dead; 10; less than 0 for no end
	Backoff     Backoff       // Options.Backoff
}

// Outcome is how a claim ended.
type Outcome string

// The outcomes.
const (
	Done     Outcome = "done"     // completed or rescheduled
	Retried  Outcome = "retried"  // failed, and due again
	Died     Outcome = "dead"     // failed for good
	Released Outcome = "released" // given back because the process stops
	Lost     Outcome = "lost"     // another holds it, or it was dropped
)

// Options configure a Runner. Zero values mean the defaults.
type Options struct {
	Store       Store
	Clock       core.Clock    // SystemClock
	Owner       string        // names this process in its leases; unique; random
	Concurrency int           // tasks of one kind at once; 8
	Lease       time.Duration // 1 min; at least 30 s where several processes run
	Backoff     Backoff       // 1 s to 10 min
	Poll        time.Duration // how long an idle runner waits; 1 s
	Grace       time.Duration // how long handlers may go on when Run is told to end; 10 s of real time
	Logger      *slog.Logger  // slog.Default()
	// Observe, when set, is called after each claim: for metrics.
	Observe func(kind string, o Outcome, took time.Duration)
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = core.SystemClock{}
	}
	if o.Owner == "" {
		o.Owner = core.NewID(core.PrefixRunner, o.Clock.Now())
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 8
	}
	if o.Lease <= 0 {
		o.Lease = time.Minute
	}
	if o.Backoff == (Backoff{}) {
		o.Backoff = Backoff{Base: time.Second, Max: 10 * time.Minute}
	}
	if o.Poll <= 0 {
		o.Poll = time.Second
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Observe == nil {
		o.Observe = func(string, Outcome, time.Duration) {}
	}
	return o
}

// Runner claims and runs due tasks. Make it with New, tell it its kinds with
// Handle, then call Run.
type Runner struct {
	opt     Options
	kinds   map[string]*kindState
	started atomic.Bool

	wakeup   chan struct{}
	stopping chan struct{}
	handlers context.Context // of every handler
	wg       sync.WaitGroup  // of handlers

	mu   sync.Mutex
	held map[string]*Lease // by the task's key
}

type kindState struct {
	Kind
	name string
	free atomic.Int64
	more atomic.Bool // more was due than could be taken
}

// New returns a runner that knows no kinds yet.
func New(opt Options) *Runner {
	return &Runner{
		opt: opt.withDefaults(), kinds: map[string]*kindState{},
		wakeup: make(chan struct{}, 1), stopping: make(chan struct{}), held: map[string]*Lease{},
	}
}

// Handle registers a kind. It panics after Run, or when the kind is known: both
// are a programmer's mistake.
func (r *Runner) Handle(name string, k Kind) {
	if r.started.Load() || r.kinds[name] != nil {
		panic("work: kind " + name + " registered twice or too late")
	}
	if k.Concurrency <= 0 {
		k.Concurrency = r.opt.Concurrency
	}
	if k.Lease <= 0 {
		k.Lease = r.opt.Lease
	}
	if k.Attempts == 0 {
		k.Attempts = 10
	}
	if k.Backoff == (Backoff{}) {
		k.Backoff = r.opt.Backoff
	}
	ks := &kindState{Kind: k, name: name}
	ks.free.Store(int64(k.Concurrency))
	r.kinds[name] = ks
}

// Wake makes the runner look for due tasks now: call it after an enqueue.
func (r *Runner) Wake() {
	select {
	case r.wakeup <- struct{}{}:
	default:
	}
}

// Run claims and runs tasks until ctx ends. Then it claims no more, lets handlers
// finish for Options.Grace, cancels those that have not, gives back what they
// held, and returns nil. It can be called once.
func (r *Runner) Run(ctx context.Context) error {
	if !r.started.CompareAndSwap(false, true) {
		panic("work: Run called twice")
	}
	handlers, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(ErrStopping)
	r.handlers = handlers
	keeping, stopKeeping := context.WithCancel(handlers)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		r.keep(keeping)
	}()
	for ctx.Err() == nil {
		r.wait(ctx, r.poll(ctx))
	}
	close(r.stopping)
	if !r.drain(r.opt.Grace) {
		kill(ErrStopping)
		if !r.drain(2 * store.MaxTime) {
			r.opt.Logger.Error("work: handlers ignore the end of their context", "held", r.Held())
		}
	}
	stopKeeping()
	<-kept
	return nil
}

// Held returns how many tasks this process holds.
func (r *Runner) Held() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.held)
}

func (r *Runner) drain(limit time.Duration) bool {
	done := make(chan struct{})
	go func() {
		r.wg.Wait()
		close(done)
	}()
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

// wait returns after d by the clock, on Wake, or when ctx ends.
func (r *Runner) wait(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	slept := make(chan struct{})
	go func() {
		defer close(slept)
		_ = r.opt.Clock.Sleep(ctx, d)
	}()
	select {
	case <-slept:
	case <-r.wakeup:
	}
	cancel()
	<-slept
}

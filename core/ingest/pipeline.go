package ingest

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Options are what a Pipeline is made of. Store, Clock, Events and Profiles are
// required; the rest has defaults.
type Options struct {
	Store    store.Store
	Clock    core.Clock
	Events   *event.Service
	Profiles *profile.Service

	Lanes           int   // units of work at a time; default: the number of processors, at least 2
	MaxUnit         int   // events in a unit; default 400
	MaxPending      int   // events held at a time, beyond which callers are refused; default 20,000
	MaxPendingBytes int64 // bytes held at a time, as sent; default 64 MB
	Hooks           Hooks
	Log             *slog.Logger // default slog.Default()
}

func (o *Options) defaults() {
	if o.Lanes <= 0 {
		o.Lanes = max(2, runtime.GOMAXPROCS(0))
	}
	if o.MaxUnit <= 0 {
		o.MaxUnit = 400
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 20_000
	}
	if o.MaxPendingBytes <= 0 {
		o.MaxPendingBytes = 64 << 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// Pipeline takes events into the log. It is safe for concurrent use.
type Pipeline struct {
	Options
	lanes  []*lane
	gate   gate
	ctx    context.Context // of the lanes: ends when Close gives up waiting
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

var _ event.Committer = (*Pipeline)(nil)

// grace is how long Run lets queued events finish.
const grace = 20 * time.Second

// New starts a pipeline. Close ends it.
func New(o Options) *Pipeline {
	o.defaults()
	if o.Events != nil && o.Profiles != nil {
		o.Events.SetNormalise(o.Profiles.Normalise)
	}
	p := &Pipeline{Options: o, gate: gate{events: o.MaxPending, bytes: o.MaxPendingBytes}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.lanes = make([]*lane, o.Lanes)
	for i := range p.lanes {
		l := &lane{wake: make(chan struct{}, 1)}
		p.lanes[i] = l
		p.wg.Go(func() { p.run(l) })
	}
	return p
}

// Run waits until ctx ends, then finishes what the pipeline holds, for 20 seconds
// at most.
func (p *Pipeline) Run(ctx context.Context) error {
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	return p.Close(ctx)
}

// Close refuses new events and waits until those held are committed. When ctx
// ends first, what is left is answered UNAVAILABLE and ctx's error returned.
func (p *Pipeline) Close(ctx context.Context) error {
	p.gate.close()
	p.pokeAll()
	done := make(chan struct{})
	go func() { p.wg.Wait(); close(done) }()
	defer p.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		p.cancel()
		<-done
		return ctx.Err()
	}
}

// Pending returns how many events the pipeline holds.
func (p *Pipeline) Pending() int { return p.gate.held() }

// Ingest implements event.Committer. The events of one person in inputs are
// applied in their order. The inputs belong to the pipeline from now on. When it
// is full the error is RATE_LIMITED, reason OVERLOADED, and nothing was taken.
// When ctx ends first the events are committed nevertheless.
func (p *Pipeline) Ingest(ctx context.Context, workspace, source string, inputs []event.Input) ([]event.Result, error) {
	return p.ingest(ctx, workspace, source, inputs, nil)
}

// ingest is Ingest; adjust, if any, may change each item before it is queued.
func (p *Pipeline) ingest(ctx context.Context, workspace, source string, inputs []event.Input, adjust func(int, *item)) ([]event.Result, error) {
	if len(inputs) == 0 {
		return nil, nil
	}
	ctx, end := p.trace(ctx, "ingest")
	defer end()
	c := newCall(ctx, len(inputs))
	items := make([]item, len(inputs))
	size := 0
	at := p.Clock.Now()
	for i := range inputs {
		items[i] = item{call: c, index: i, workspace: workspace, source: source, in: &inputs[i], at: at, size: weigh(&inputs[i])}
		if adjust != nil {
			adjust(i, &items[i])
		}
		size += items[i].size
	}
	if err := p.gate.enter(len(inputs), int64(size)); err != nil {
		p.Hooks.overloaded(len(inputs))
		return nil, err
	}
	p.enqueue(workspace, inputs, items)
	select {
	case <-c.done:
		return c.results, c.err
	case <-ctx.Done():
		return nil, core.AsError(ctx.Err())
	}
}

// enqueue puts each item on its lane, in order, waking each lane once.
func (p *Pipeline) enqueue(workspace string, inputs []event.Input, items []item) {
	groups := make([][]*item, len(p.lanes))
	for i, n := range route(workspace, inputs, len(p.lanes)) {
		groups[n] = append(groups[n], &items[i])
	}
	for n, group := range groups {
		if len(group) > 0 {
			p.lanes[n].push(group)
		}
	}
}

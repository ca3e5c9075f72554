package ingest

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
)

// Unit is what became of one unit of work, for metrics.
type Unit struct {
	Workspace                                   string
	Events                                      int // Accepted + Duplicates + Quarantined + Rejected + Dropped
	Accepted, Duplicates, Quarantined, Rejected int
	Dropped                                     int
	Ops                                         int           // operations in its batch
	Commit                                      time.Duration // how long the store took
}

func (s *Unit) count(status event.Status) {
	switch status {
	case event.Accepted:
		s.Accepted++
	case event.Duplicate:
		s.Duplicates++
	case event.Quarantined:
		s.Quarantined++
	case event.Rejected:
		s.Rejected++
	case event.Dropped:
		s.Dropped++
	}
}

// Hooks are told what the pipeline does. Each may be nil; they are called from
// several goroutines and must not block.
type Hooks struct {
	Unit       func(Unit)       // a unit was answered
	Conflict   func()           // a unit lost a race and is computed again
	Split      func()           // a unit kept failing and is cut in halves
	Failed     func(events int) // events ended without a result
	Overloaded func(events int) // events were refused because too many wait
	// Trace begins a span and returns its context and how to end it.
	Trace func(ctx context.Context, name string) (context.Context, func())
}

func (h *Hooks) unit(u Unit) {
	if h.Unit != nil {
		h.Unit(u)
	}
}

func (h *Hooks) conflict() {
	if h.Conflict != nil {
		h.Conflict()
	}
}

func (h *Hooks) split() {
	if h.Split != nil {
		h.Split()
	}
}

func (h *Hooks) failed(n int) {
	if h.Failed != nil {
		h.Failed(n)
	}
}

func (h *Hooks) overloaded(n int) {
	if h.Overloaded != nil {
		h.Overloaded(n)
	}
}

func (p *Pipeline) trace(ctx context.Context, name string) (context.Context, func()) {
	if p.Hooks.Trace == nil {
		return ctx, func() {}
	}
	return p.Hooks.Trace(ctx, name)
}

package ingest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
)

const (
	// maxRaces is how many times a unit may lose a race before it is cut in halves.
	maxRaces = 6
	// systemRaces is how many times a commit by the system may lose them: it cannot be
	// cut, and a withdrawal must get through beside a stream of the person's events.
	systemRaces = 60
	// carefulFor is how many units of a lane look for repetitions beforehand after
	// one has met some. Others just insert: a repetition is then a conflict, and
	// nearly every event is spared a read.
	carefulFor = 50
	// maxCommits is how many times a batch of unknown fate is repeated with its id.
	maxCommits = 4
)

// work takes items to their results: in one unit, or in ever smaller ones until
// whoever is to blame is alone.
func (p *Pipeline) work(l *lane, items []*item) {
	ctx, end := p.trace(items[0].call.ctx, "ingest.unit")
	defer end()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	p.unit(ctx, l, items)
}

func (p *Pipeline) unit(ctx context.Context, l *lane, items []*item) {
	var err error
	look := l.careful > 0
	l.careful = max(l.careful-1, 0)
	for races := 0; ; {
		var s Unit
		if s, err = p.attempt(ctx, l, items, look); err == nil {
			p.Hooks.unit(s)
			return
		}
		if errors.Is(err, errCulprits) {
			continue // each round marks more, so this ends
		}
		if !errors.Is(err, store.ErrConflict) {
			break
		}
		p.Hooks.conflict()
		if !look && about(err, event.Events.Spec) {
			look, l.careful = true, carefulFor
			continue
		}
		look = true
		if races++; races == maxRaces || !pause(ctx, time.Duration(races)*2*time.Millisecond) {
			break
		}
	}
	switch {
	case ctx.Err() != nil:
		p.fail(items, errClosing().Wrap(err))
	case errors.Is(err, store.ErrUnavailable):
		p.fail(items, unavailable(err))
	case core.CodeOf(err) == core.Unavailable: // nobody's fault
		p.fail(items, core.AsError(err))
	case len(items) > 1:
		p.Hooks.split()
		half := len(items) / 2
		p.unit(ctx, l, items[:half])
		p.unit(ctx, l, items[half:])
	case errors.Is(err, store.ErrConflict):
		p.fail(items, core.Errorf(core.Unavailable, "CONTENDED",
			"too many writers change the same person at once; send the event again").After(time.Second).Wrap(err))
	case items[0].bad == nil:
		// The reason is for the log: it may name anything.
		p.Log.Error("ingest: an event cannot be processed", "workspace", items[0].workspace, "event", event.ID(items[0].workspace, items[0].in.MessageID), "error", err)
		items[0].bad = asRefusal(err)
		p.unit(ctx, l, items)
	default: // not even the quarantine takes it
		p.fail(items, core.AsError(err))
	}
}

// attempt builds the items' unit, commits it and tells their callers.
func (p *Pipeline) attempt(ctx context.Context, l *lane, items []*item, look bool) (s Unit, err error) {
	var u *unit
	defer func() {
		if r := recover(); r != nil {
			// Where, not with what: that may hold anything.
			err = fmt.Errorf("ingest: panic: %T\n%s", r, debug.Stack())
		}
		if err != nil && u != nil {
			u.forget()
		}
	}()
	if u, err = p.build(ctx, items, look); err != nil {
		return s, err
	}
	l.learn(len(items), len(u.ops))
	if len(u.ops) > 0 {
		began := time.Now()
		if err := p.commit(ctx, u.ops); err != nil {
			return s, err
		}
		s.Commit = time.Since(began)
	}
	u.settle(&s)
	return s, nil
}

// about reports whether err is a conflict in the collection.
func about(err error, spec *store.Spec) bool {
	var c *store.ConflictError
	return errors.As(err, &c) && c.Collection == spec.Name
}

// commit writes one batch, repeating it while its fate is unknown.
func (p *Pipeline) commit(ctx context.Context, ops []store.Op) error {
	b := store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: ops}
	for try := 1; ; try++ {
		err := p.commitOnce(ctx, b)
		unknown := errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
		if !unknown {
			return err
		}
		if try == maxCommits || !pause(ctx, time.Duration(try*try)*20*time.Millisecond) {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
		}
	}
}

func (p *Pipeline) commitOnce(ctx context.Context, b store.Batch) error {
	ctx, end := p.trace(ctx, "ingest.commit")
	defer end()
	ctx, cancel := context.WithTimeout(ctx, store.MaxTime)
	defer cancel()
	_, err := p.Store.Commit(ctx, b)
	return err
}

// settle tells the caches and the callers what is on disk now.
func (u *unit) settle(s *Unit) {
	if u.people != nil {
		u.p.Profiles.Committed(u.people)
		u.derived.Settle(true)
	}
	if u.observed != nil {
		u.observed()
	}
	s.Workspace, s.Events, s.Ops = u.workspace, len(u.items), len(u.ops)
	for i, it := range u.items {
		s.count(u.results[i].Status)
		u.p.finish(it, u.results[i], nil)
	}
}

// forget drops what the unit may have read stale.
func (u *unit) forget() {
	if u.people != nil {
		u.p.Profiles.Conflicted(u.people)
		u.derived.Settle(false)
	}
	u.p.Events.Forget(u.workspace)
}

func (p *Pipeline) fail(items []*item, err *core.Error) {
	p.Log.Warn("ingest: events not taken", "events", len(items), "reason", err.Reason, "error", err.Err)
	p.Hooks.failed(len(items))
	for _, it := range items {
		p.finish(it, event.Result{}, err)
	}
}

// pause waits for about d, by the machine's clock even under a virtual one: it
// lets real rivals pass. It is false when ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

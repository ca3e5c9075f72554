package benchmark

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/ingest"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// direct measures the pipeline in this process, without HTTP, and notes the shape
// of what it writes.
func direct(ctx context.Context, o Options, h *house) error {
	return h.open(ctx, o, func(b Base) error {
		var events, units atomic.Int64
		p := ingest.New(ingest.Options{
			Store: b.Store, Clock: core.SystemClock{}, Events: b.Events, Profiles: b.Profiles,
			Hooks: ingest.Hooks{Unit: func(u ingest.Unit) { events.Add(int64(u.Events)); units.Add(1) }},
		})
		before := o.Groups(b.Store)
		rate, err := Drive(ctx, Load{Kind: Uniform, People: h.people, For: o.size().run / 2, Name: "direct"}, Direct(p, b.Workspace, b.Source))
		if cerr := p.Close(ctx); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
		if h.shape, err = shapeOf(ctx, b); err != nil {
			return err
		}
		unit := int(events.Load() / max(units.Load(), 1))
		h.shape.People = h.people
		h.shape.Events = int(events.Load() / max(o.Groups(b.Store)-before, 1))
		h.shape.Profiles = h.shape.Events // people are so many that nearly each event has its own
		h.shape.Changes = 2 * 36 * h.shape.Events
		against := fmt.Sprintf("in process, %d events a unit, %d B an event, %d B a profile", unit, h.shape.EventBytes, h.shape.ProfileBytes)
		return o.Report.Add(Line{Bench: "ingest.direct.uniform", Value: rate, Unit: "events/s", Against: against})
	})
}

// shapeOf measures the documents that were written last.
func shapeOf(ctx context.Context, b Base) (Shape, error) {
	var s Shape
	events, err := event.Events.Find(ctx, b.Store, store.Query{Workspace: b.Workspace, Order: []string{"-receivedAt"}}, 100)
	if err != nil || len(events) == 0 {
		return s, fmt.Errorf("bench: no events were written: %w", err)
	}
	ids := make([]string, len(events))
	for i, e := range events {
		raw, err := event.Events.Encode(e)
		if err != nil {
			return s, err
		}
		s.EventBytes += len(raw) / len(events)
		ids[i] = e.Part
	}
	people, err := b.Profiles.GetMany(ctx, b.Workspace, ids)
	if err != nil {
		return s, err
	}
	for _, p := range people {
		raw, err := profile.Profiles.Encode(p)
		if err != nil {
			return s, err
		}
		s.ProfileBytes += len(raw) / len(people)
	}
	return s, nil
}

// overHTTP measures both streams over HTTP, the uniform one between two runs of the
// bare loop, so that a machine that gets slower or faster meanwhile shows in both.
func overHTTP(ctx context.Context, o Options, h *house, s *Server) error {
	run := o.size().run
	before, err := bareRate(ctx, o, h, run/2)
	if err != nil {
		return err
	}
	uniform, err := Drive(ctx, Load{Kind: Uniform, People: h.people, For: run, Name: "uniform"}, HTTP(s.URL, s.WriteKey))
	if err != nil {
		return err
	}
	after, err := bareRate(ctx, o, h, run/2)
	if err != nil {
		return err
	}
	loop := (before + after) / 2
	sessions, err := Drive(ctx, Load{Kind: Sessions, People: h.people, For: run, Name: "sessions"}, HTTP(s.URL, s.WriteKey))
	if err != nil {
		return err
	}
	bareLine := Line{Bench: "ingest.bare", Value: loop, Unit: "events/s", Against: fmt.Sprintf("the rows of the uniform stream, %d events a transaction", h.shape.Events)}
	line := Line{Bench: "ingest.http.uniform", Value: uniform, Unit: "events/s"}.atLeast(">= 3000, ratio >= 0.6", 3000).beside("ingest.bare", loop)
	met := *line.Met && line.Ratio != nil && *line.Ratio >= 0.6
	line.Met = &met
	for _, l := range []Line{bareLine, line, Line{Bench: "ingest.http.sessions", Value: sessions, Unit: "events/s"}.atLeast(">= 6000", 6000)} {
		if err := o.Report.Add(l); err != nil {
			return err
		}
	}
	return nil
}

func bareRate(ctx context.Context, o Options, h *house, d time.Duration) (rate float64, err error) {
	dir, err := os.MkdirTemp(o.Dir, "bare")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return Bare(ctx, filepath.Clean(dir), h.shape, d)
}

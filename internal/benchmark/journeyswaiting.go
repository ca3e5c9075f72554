package benchmark

import (
	"context"
	"errors"
	"fmt"
	stdsync "sync"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph"
)

// waiting compares the memory of a server with nobody inside with that of one on the same
// store with very many who wait, both after the same load.
func waiting(ctx context.Context, o Options, h *house) error {
	n := o.size().waiting
	var j *journey.Journey
	err := o.Wire(ctx, h.dir, nil, func(ctx context.Context, s graph.Services) (err error) {
		g := &guided{Services: s, h: h, ws: h.keys.Workspace}
		j, err = g.published(ctx, "waiting", "Bench Waits", []string{`w {"wait":{"duration":"P30D"}}`, `end {"exit":true}`}, "")
		return err
	})
	if err != nil {
		return err
	}
	before, _, err := h.residentAfter(ctx, o, "before")
	if err != nil {
		return err
	}
	began := time.Now()
	err = h.open(ctx, o, func(b Base) error { return seedWaiting(ctx, b, h.ids, j, n) })
	if err != nil {
		return fmt.Errorf("store those who wait: %w", err)
	}
	seeded := time.Since(began)
	after, peak, err := h.residentAfter(ctx, o, "after")
	if err != nil {
		return err
	}
	const mb = 1e6
	what := fmt.Sprintf("%.0f MB with nobody waiting; %d enrollments of %d people, stored at %.0f/s; %.0f MB at the peak", before/mb, n, len(h.ids), float64(n)/seeded.Seconds(), peak/mb)
	return o.Report.Add(Line{Bench: "journeys.waiting.memory", Value: (after - before) / mb, Unit: "MB", Against: what}.atMost("< 150", 150))
}

// residentAfter returns the memory of a server that has taken in events for a while and
// then rested.
func (h *house) residentAfter(ctx context.Context, o Options, name string) (now, peak float64, err error) {
	s, err := start(ctx, o.Binary, h.dir, h.keys)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	l := Load{Kind: Uniform, People: h.people, For: o.size().run, Name: "waiting-" + name}
	if _, err := Drive(ctx, l, HTTP(s.URL, s.WriteKey)); err != nil {
		return 0, 0, err
	}
	select {
	case <-time.After(min(o.size().run, 5*time.Second)):
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	a, b, err := s.Resident()
	return float64(a), float64(b), err
}

// seedWaiting stores enrollments that wait, as many of each person, as their steps would
// have left them. They fall due in the course of a month, in a day at the earliest.
func seedWaiting(ctx context.Context, b Base, people []string, j *journey.Journey, n int) error {
	each := (n + len(people) - 1) / len(people)
	unit := 900 / (each + 1)
	now := time.Now().UTC().Truncate(time.Millisecond)
	units := make(chan []string)
	errs := make(chan error, 4)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg stdsync.WaitGroup
	for range 4 { // commits made at once share a sync
		wg.Go(func() {
			for part := range units {
				var ops []store.Op
				keys := make([]string, len(part))
				for i, id := range part {
					keys[i] = store.Key(b.Workspace, id)
				}
				there, err := journey.Presences.GetMany(ctx, b.Store, keys)
				for i, p := range there {
					if p == nil {
						p = &journey.Presence{Meta: store.Meta{ID: keys[i]}}
					}
					ops = append(ops, waits(b.Workspace, part[i], p, j, each, now)...)
				}
				if err == nil {
					err = work.Commit(ctx, b.Store, ops...)
				}
				if err != nil {
					errs <- err
					cancel()
					return
				}
			}
		})
	}
	for from := 0; from < len(people) && from*each < n && ctx.Err() == nil; from += unit {
		select {
		case units <- people[from:min(from+unit, len(people))]:
		case <-ctx.Done():
		}
	}
	close(units)
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return ctx.Err()
	}
}

// waits are the enrollments of one person, with different keys, and what tells of them.
func waits(ws, part string, presence *journey.Presence, j *journey.Journey, each int, now time.Time) []store.Op {
	var ops []store.Op
	for k := range each {
		id := core.HashID(core.PrefixEnrollment, ws, part, fmt.Sprint(k))
		key := fmt.Sprintf("%032x", k)
		h := 0
		for _, c := range []byte(id) {
			h = (31*h + int(c)) % (29 * 24 * 3600)
		}
		due := now.Add(24*time.Hour + time.Duration(h)*time.Second)
		ops = append(ops, journey.Enrollments.Insert(&journey.Enrollment{
			Meta: store.Meta{ID: store.Key(ws, id)}, Journey: j.JourneyID(), Version: j.Entry, Part: part, Key: key, Event: core.HashID(core.PrefixEvent, id),
			Cause: journey.CauseEvent, EnteredAt: now, Status: journey.Waiting, Lane: journey.LaneOf(part), Due: due, Passed: 2,
			State: journey.State{Status: journey.Waiting, For: journey.ForTime, Node: "w", Visit: 1, Began: now, Came: now, Due: due},
			Trail: []journey.Passage{
				{Node: "in", At: now, Came: true, Left: true, Did: journey.DidEnter, On: journey.OnNext},
				{Node: "w", Visit: 1, At: now, Came: true, Did: journey.DidWait, Detail: due.Format(time.RFC3339)},
			},
		}))
		presence.Live = append(presence.Live, journey.Present{Enrollment: id, Journey: j.JourneyID(), Version: j.Entry, Key: key, Since: now})
	}
	return append(ops, journey.Presences.Put(presence))
}

package privacy

import (
	"context"
	"slices"
	"time"

	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// marking is a mark on its way into the store.
type marking struct {
	r     *Request
	e     *profile.Erasing // nil: nobody is known
	ids   []event.Identifier
	parts []string
	ops   []store.Op
	at    time.Time
}

// mark commits the mark of an erasure, with its job. What it commits stands on the
// person as they were when the holds were looked for, so that a hold that is placed
// meanwhile is met when mark is called again. A person who is under one by then is
// parked.
func (s *Service) mark(ctx context.Context, r *Request, t *target) (*Erased, error) {
	ws := r.Workspace()
	m := &marking{r: r, ids: t.identifiers(), parts: t.parts(), at: millis(s.o.Clock.Now())}
	if t.profile == nil {
		for _, key := range profile.IdentifierKeys(ws, t.named) {
			m.ops = append(m.ops, profile.Identifiers.Absent(key)) // somebody may come to have it just now
		}
		out, _, err := s.commitMark(ctx, m, t)
		return out, err
	}
	var err error
	if m.e, err = s.o.Profiles.BeginErasure(ctx, ws, t.profile.ProfileID(), r.marked(m.at)); err != nil {
		return nil, err
	}
	t = &target{profile: m.e.Profile, named: t.named}
	m.ids, m.parts, m.ops = t.identifiers(), m.e.Parts, m.e.Ops
	marked := false
	var out *Erased
	if err = s.name(ctx, r, t); err == nil { // of whom it is since a merge
		out, marked, err = s.commitMark(ctx, m, t)
	}
	m.e.Settle(marked)
	return out, err
}

// commitMark looks for holds and commits the mark, or parks the request. It reports
// whether the mark is on disk.
func (s *Service) commitMark(ctx context.Context, m *marking, t *target) (out *Erased, marked bool, err error) {
	r, ws := m.r, m.r.Workspace()
	if err := s.before(ctx, m); err != nil {
		return nil, false, err
	}
	own := m.ids[:min(len(m.ids), perMark)]
	tombs, err := s.tombstoneOps(ctx, ws, r.RequestID(), own, m.at)
	if err != nil {
		return nil, false, err
	}
	// After everything was read that the mark stands on: see PlaceHold.
	holds, err := s.holdsOn(ctx, ws, m.parts, m.ids)
	if err != nil {
		return nil, false, err
	}
	if len(holds) > 0 {
		out, err := s.park(ctx, r, t, holds)
		return out, false, err
	}
	sealed, err := s.subjectOp(ctx, ws, r.RequestID(), m.parts, m.ids)
	if err != nil {
		return nil, false, err
	}
	trail, err := s.audited(ctx, ws, "erasure.begin", r.RequestID(), r.Reason, m.parts)
	if err != nil {
		return nil, false, err
	}
	links, err := s.remembered(ctx, ws, own, m.parts[:min(len(m.parts), perMark)])
	if err != nil {
		return nil, false, err
	}
	r.Status, r.ErasedAt = InProgress, &m.at
	r.Tasks = append(slices.Clone(r.Tasks), Task{Target: targetHere, Status: work.Queued, At: &m.at})
	watch, err := s.watched(ctx, r)
	if err != nil {
		return nil, false, err
	}
	ops := slices.Concat(m.ops, tombs, trail, links, watch, []store.Op{sealed})
	job, err := s.o.Jobs.StartWith(ctx, EraseKind, ws, eraseJob{r.RequestID()}, r.RequestID(), func(j *work.Job) []store.Op {
		r.Job = j.JobID()
		return append(ops, Requests.Put(r))
	})
	if err != nil {
		return nil, false, err
	}
	r.Job = job.JobID()
	r.V++
	return &Erased{Request: r, Job: job}, true, nil
}

// marked returns what the marks of a request say.
func (r *Request) marked(at time.Time) profile.Erased {
	return profile.Erased{At: at, Request: r.RequestID(), Anonymised: r.Anonymise}
}

// before writes what is too much for one commit: more of it may stand than is needed,
// when the mark loses a race after it.
func (s *Service) before(ctx context.Context, m *marking) error {
	ws, request := m.r.Workspace(), m.r.RequestID()
	for some := range slices.Chunk(m.ids[min(len(m.ids), perMark):], perMark) {
		tombs, err := s.tombstoneOps(ctx, ws, request, some, m.at)
		if err != nil {
			return err
		}
		links, err := s.remembered(ctx, ws, some, m.parts[:min(len(m.parts), perMark)])
		if err != nil {
			return err
		}
		if err := work.Commit(ctx, s.o.Store, append(tombs, links...)...); err != nil {
			return err
		}
	}
	if m.e == nil {
		return nil
	}
	for some := range slices.Chunk(m.e.Beyond(), perMark) {
		if err := s.markBefore(ctx, ws, some, m.r.marked(m.at)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) markBefore(ctx context.Context, ws string, parts []string, as profile.Erased) error {
	var ops []store.Op
	for _, part := range parts {
		m, err := s.o.Profiles.ErasureOf(ctx, ws, part)
		if err != nil {
			return err
		}
		if m == nil {
			ops = append(ops, profile.Erasures.Insert(as.Of(ws, part)))
		}
	}
	return work.Commit(ctx, s.o.Store, ops...)
}

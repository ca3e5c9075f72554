package segment

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// redefine publishes a change of definitions, computed anew when somebody else
// changed a definition meanwhile. A change without operations publishes nothing.
// With the id of a segment to be built, its job is started in the same commit and
// returned.
func (s *Service) redefine(ctx context.Context, ws, build string, change func(rev int64) ([]store.Op, error)) (job string, err error) {
	write := func(rev int64) ([]store.Op, error) {
		ops, err := change(rev)
		if err == nil && len(ops) == 0 {
			err = errNothing
		}
		return ops, err
	}
	for try := 1; ; try++ {
		if build != "" {
			_, job, err = s.publishBuilding(ctx, ws, build, write)
		} else {
			_, err = s.publish(ctx, ws, write)
		}
		if errors.Is(err, errNothing) {
			return "", nil
		}
		if !conflicted(err) || try == maxRedefines || !pause(ctx, time.Duration(try)*time.Millisecond) {
			s.forget(ws)
			return job, err
		}
	}
}

// errNothing says that a change turned out to be none.
var errNothing = errors.New("segment: nothing to change")

// maxRedefines bounds how often a change is computed anew.
const maxRedefines = 20

// retouch commits a change of definitions that changes no answer.
func (s *Service) retouch(ctx context.Context, ws string, change func() ([]store.Op, error)) error {
	for try := 1; ; try++ {
		ops, err := change()
		if err != nil || len(ops) == 0 {
			return err
		}
		err = s.commit(ctx, ops)
		if !conflicted(err) || try == maxRedefines || !pause(ctx, time.Duration(try)*time.Millisecond) {
			s.forget(ws)
			return err
		}
	}
}

// firstLook is how long an answer waits for a backfill that may be quick.
const firstLook = time.Second

// follow waits a little for the job that brings the members of a changed segment up
// to date, "" for none, and returns the segment as it is then.
func (s *Service) follow(ctx context.Context, ws, id, job string) (*Outcome, error) {
	out := &Outcome{Job: job}
	if job != "" {
		if err := s.retouch(ctx, ws, func() ([]store.Op, error) { return s.built(ctx, ws, id, job) }); err != nil {
			return nil, err
		}
		if err := s.await(ctx, ws, job); err != nil {
			return nil, err
		}
	}
	var err error
	out.Segment, err = Segments.Get(ctx, s.db, store.Key(ws, id))
	if err == nil && out.Segment == nil {
		err = notFound("id")
	}
	s.forget(ws)
	return out, err
}

// built notes in a segment which job works on it. Jobs get their ids when they are
// started, in the commit that the segment's own document is part of.
func (s *Service) built(ctx context.Context, ws, id, job string) ([]store.Op, error) {
	seg, err := Segments.Get(ctx, s.db, store.Key(ws, id))
	if err != nil || seg == nil || seg.Backfill >= job {
		return nil, err
	}
	seg.Backfill = job
	return []store.Op{Segments.Replace(seg)}, nil
}

// await waits for a job that may be quick: for a second of real time at most.
func (s *Service) await(ctx context.Context, ws, job string) error {
	until := time.Now().Add(firstLook)
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 40*time.Millisecond) {
		j, err := work.JobDocs.Get(ctx, s.db, store.Key(ws, job))
		if err != nil || j == nil || j.Status.Final() {
			return err
		}
		if time.Now().Add(wait).After(until) || !pause(ctx, wait) {
			return nil
		}
	}
}

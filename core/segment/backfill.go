package segment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// BackfillKind is the kind of the job that asks everybody about new definitions.
const BackfillKind = "segment.backfill"

// BackfillInput is the input of a backfill job: the segment that it was started
// for. It serves all that are being built.
type BackfillInput struct {
	Segment string `bson:"segment"`
}

// BackfillResult is the result of a backfill job.
type BackfillResult struct {
	People  int64 `bson:"people"`  // looked at
	Entered int64 `bson:"entered"` // memberships
	Left    int64 `bson:"left"`
	Events  int64 `bson:"events"` // read
}

// backfillPosition is where a backfill goes on.
type backfillPosition struct {
	After          string `bson:"after"`           // profile id
	Until          string `bson:"until"`           // profile id: who comes later is derived from the first event on
	Rev            int64  `bson:"rev"`             // definitions up to here are served by this walk
	Total          int64  `bson:"total,omitempty"` // people at the start
	BackfillResult `bson:",inline"`

	ws string
}

// startBackfill starts the job that asks everybody about the definition of a
// segment, after it was published, and returns its id.
func (s *Service) startBackfill(ctx context.Context, ws, segmentID string) (string, error) {
	j, err := s.jobs.Start(ctx, BackfillKind, ws, BackfillInput{segmentID}, "")
	if err != nil {
		return "", err
	}
	return j.JobID(), nil
}

// publishBuilding is publish, and starts the backfill of a segment in the same
// commit: a definition that is being built never lacks the job that builds it.
func (s *Service) publishBuilding(ctx context.Context, ws, segmentID string, change func(rev int64) ([]store.Op, error)) (rev int64, jobID string, err error) {
	rev, err = s.publishBy(ctx, ws, change, func(ops []store.Op) error {
		j, err := s.jobs.Start(ctx, BackfillKind, ws, BackfillInput{segmentID}, "", ops...)
		if err == nil {
			jobID = j.JobID()
		}
		return err
	})
	return rev, jobID, err
}

// backfill is the handler of BackfillKind.
func (s *Service) backfill(ctx context.Context, run *work.JobRun) error {
	ws := run.Workspace()
	var in BackfillInput
	if err := run.Input(&in); err != nil {
		return err
	}
	var pos backfillPosition
	begun, err := run.Position(&pos)
	if err != nil {
		return err
	}
	def, err := Segments.Get(ctx, s.db, store.Key(ws, in.Segment))
	if err != nil {
		return err
	}
	job := run.Job()
	id := job.JobID()
	// Whoever published may have died before the segment said which job builds it.
	if err := s.retouch(ctx, ws, func() ([]store.Op, error) { return s.built(ctx, ws, in.Segment, id) }); err != nil {
		return err
	}
	if def == nil || def.Status != Building {
		return run.Result(pos.BackfillResult) // archived, or built by the job of another
	}
	// Again, lest whoever published it died before.
	if err := s.ensureSweeps(ctx, ws); err != nil {
		return err
	}
	t, err := s.fresh(ctx, ws)
	if err != nil {
		return err
	}
	if t.byID[in.Segment] == nil && def.Since <= t.rev {
		return fmt.Errorf("segment: this version cannot read the condition of %s", in.Segment)
	}
	if !begun || pos.Rev == 0 {
		if pos, err = s.beginBackfill(ctx, t); err != nil {
			return err
		}
	}
	pos.ws = ws
	if len(t.building) > 0 && pos.Until != "" {
		if err := s.walk(ctx, run, t, &pos); err != nil {
			return err
		}
	}
	if err := s.live(ctx, ws, pos.Rev); err != nil {
		return err
	}
	return run.Result(pos.BackfillResult)
}

// beginBackfill says how far a walk goes: to who is the last now, for those who
// come later are derived under the new definitions from their first event on.
func (s *Service) beginBackfill(ctx context.Context, t *Set) (backfillPosition, error) {
	pos := backfillPosition{Rev: t.since()}
	if pos.Rev == 0 {
		return pos, nil
	}
	last, err := profile.Profiles.Find(ctx, s.db, store.Query{Workspace: t.ws, Order: []string{"-_id"}}, 1)
	if err != nil || len(last) == 0 {
		return pos, err
	}
	pos.Until = last[0].ProfileID()
	pos.Total, err = profile.Profiles.Count(ctx, s.db, store.Query{Workspace: t.ws})
	return pos, err
}

// live publishes that definitions up to a revision are complete. Those that have
// changed meanwhile are left to the job that was started for them.
func (s *Service) live(ctx context.Context, ws string, rev int64) error {
	for range maxPublishes {
		var done []*Segment
		defs, err := Segments.Find(ctx, s.db, store.Query{Workspace: ws}, 0)
		if err != nil {
			return fmt.Errorf("segment: read definitions: %w", err)
		}
		t, err := s.fresh(ctx, ws)
		if err != nil {
			return err
		}
		for _, d := range defs {
			if d.Status == Building && d.Since <= rev && t.byID[d.SegmentID()] != nil {
				d.Status, d.UpdatedAt = Live, s.clock.Now().UTC().Truncate(time.Millisecond)
				done = append(done, d)
			}
		}
		if len(done) == 0 {
			return nil
		}
		more := len(done) > 500
		done = done[:min(len(done), 500)]
		_, err = s.publish(ctx, ws, func(int64) ([]store.Op, error) {
			ops := make([]store.Op, len(done))
			for i, d := range done {
				ops[i] = Segments.Replace(d)
			}
			return ops, nil
		})
		if err == nil && !more {
			return nil
		}
		if err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
		if err != nil && (core.SystemClock{}).Sleep(ctx, time.Duration(rand.Int64N(int64(5*time.Millisecond)))) != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("segment: publish live: %w", store.ErrConflict)
}

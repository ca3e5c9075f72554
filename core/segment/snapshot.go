package segment

import (
	"context"
	"errors"
	"io"

	"github.com/headwater-cdp/headwater/core/work"
)

// SnapshotInput asks for a list of who is in a segment now.
type SnapshotInput struct {
	SegmentID      string
	Name           string // "" for the segment's name and the day
	Description    string
	Tags           []string
	IdempotencyKey string // as in CreateInput
}

type snapshotInput struct {
	List string   `bson:"list"`
	Of   []string `bson:"of"`           // seg_…
	Op   string   `bson:"op,omitempty"` // Operation; "" for the one segment
}

type snapshotPosition struct {
	Member string `bson:"member"`
	Done   int64  `bson:"done"`
}

// SnapshotResult is the result of a snapshot's job.
type SnapshotResult struct {
	Added int64 `bson:"added"`
}

// Snapshot makes a static list of a segment's members. The job copies them in the
// order of their ids; who enters or leaves meanwhile may be on the list or not.
func (s *Service) Snapshot(ctx context.Context, ws string, in SnapshotInput) (*Outcome, error) {
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	seg, err := by.among(in.SegmentID, "segmentId")
	if err != nil {
		return nil, err
	}
	if in.Name == "" {
		in.Name = seg.Name + " " + s.clock.Now().UTC().Format("2006-01-02")
	}
	return s.freeze(ctx, ws, CreateInput{
		Name: in.Name, Description: in.Description, Tags: in.Tags, IdempotencyKey: in.IdempotencyKey, Kind: Static, origin: in.SegmentID,
	}, snapshotInput{Of: []string{in.SegmentID}})
}

// freeze makes a static list and starts the job that fills it.
func (s *Service) freeze(ctx context.Context, ws string, in CreateInput, from snapshotInput) (*Outcome, error) {
	var err error
	if in.rests, err = s.restsOf(ctx, ws, from.Of); err != nil {
		return nil, fail(err)
	}
	out, err := s.Create(ctx, ws, in)
	if err != nil {
		return nil, err
	}
	from.List = out.Segment.SegmentID()
	j, err := s.jobs.Start(ctx, JobSnapshot, ws, from, from.List) // one for the list, whoever repeats it
	if err != nil {
		return nil, fail(err)
	}
	out.Job = j.JobID()
	if err := s.await(ctx, ws, out.Job); err != nil {
		return nil, fail(err)
	}
	return out, nil
}

// runSnapshot copies members to a list.
func (s *Service) runSnapshot(ctx context.Context, run *work.JobRun) error {
	var in snapshotInput
	var pos snapshotPosition
	if err := run.Input(&in); err != nil {
		return err
	}
	if _, err := run.Position(&pos); err != nil {
		return err
	}
	ws := run.Workspace()
	if _, err := s.list(ctx, ws, in.List); err != nil {
		return err
	}
	var total int64
	for _, id := range in.Of {
		seg, err := s.Get(ctx, ws, id)
		if err != nil {
			return err
		}
		if seg == nil {
			return notFound("segmentId")
		}
		size, err := s.size(ctx, ws, seg)
		if err != nil {
			return err
		}
		total = max(total, size.Value)
	}
	streams := make([]*keyStream, len(in.Of))
	for i, id := range in.Of {
		streams[i] = openMembers(ctx, s.db, ws, id, keyRange{from: pos.Member})
	}
	from := pos.Member
	for {
		ids, last, err := combined(streams, Operation(in.Op), from, listSlice)
		if err != nil {
			return err
		}
		if last == "" {
			return run.Result(SnapshotResult{Added: pos.Done})
		}
		results, err := s.moveOnList(ctx, ws, in.List, ids, true)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Status != ListUnknown {
				pos.Done++
			}
		}
		pos.Member = last
		if err := run.Step(ctx, pos.Done, max(total, pos.Done), pos); err != nil {
			return err
		}
	}
}

// combined returns the next people of a combination of streams, at most limit, and
// the last one that was looked at; "" at the end. The person from is passed over.
func combined(streams []*keyStream, op Operation, from string, limit int) (ids []string, last string, err error) {
	for looked := 0; looked < 10*limit && len(ids) < limit; looked++ {
		id, mask, err := advance(streams)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", err
		}
		if last = id; id != from && op.takes(mask, len(streams)) {
			ids = append(ids, id)
		}
	}
	return ids, last, nil
}

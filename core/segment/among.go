package segment

import (
	"context"
	"errors"
	"io"

	"github.com/headwater-cdp/headwater/core"
)

// Among walks those who are in one of some segments and in none of some others, in the
// order of their ids. One goroutine uses it at a time.
type Among struct {
	streams []*keyStream
	inside  uint // the mask of the streams that somebody is to be in
	after   string
}

// Among begins such a walk, after a person ("" is at the start). It asks for no
// permission: whether the segments may be used is MayUse's to say.
func (s *Service) Among(ctx context.Context, ws string, in, out []string, after string) *Among {
	a := &Among{inside: 1<<len(in) - 1, after: after}
	for _, list := range [][]string{in, out} {
		for _, id := range list {
			a.streams = append(a.streams, openMembers(ctx, s.db, ws, id, keyRange{from: after}))
		}
	}
	return a
}

// Next returns the next people, at most limit, and the last one that was looked at, after
// whom another walk would go on; none and "" at the end.
func (a *Among) Next(limit int) (ids []string, last string, err error) {
	for looked := 0; looked < 10*limit && len(ids) < limit; looked++ {
		id, mask, err := advance(a.streams)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, "", fail(err)
		}
		if last = id; id != a.after && mask&a.inside != 0 && mask&^a.inside == 0 {
			ids = append(ids, id)
		}
	}
	return ids, last, nil
}

// MayUse refuses segments that are not there, those named twice, those whose members the
// actor of ctx may not see, and archived ones (CONFLICT, reason SEGMENT_ARCHIVED).
func (s *Service) MayUse(ctx context.Context, ws string, ids []string) error {
	by, err := s.look(ctx, ws)
	if err != nil {
		return err
	}
	if err := by.exist(ids); err != nil {
		return err
	}
	_, err = s.Complete(ctx, ws, ids)
	return err
}

// Complete reports whether everybody was looked at for some segments. One that is gone is
// NOT_FOUND, an archived one CONFLICT (reason SEGMENT_ARCHIVED).
func (s *Service) Complete(ctx context.Context, ws string, ids []string) (bool, error) {
	segs, err := s.GetMany(ctx, ws, ids)
	if err != nil {
		return false, err
	}
	complete := true
	for _, seg := range segs {
		switch {
		case seg == nil:
			return false, notFound("segmentIds")
		case seg.Status == Archived:
			return false, core.Errorf(core.Conflict, "SEGMENT_ARCHIVED", "the segment %s is archived; take another, or restore it", seg.Name).At("segmentIds")
		case seg.Status != Live:
			complete = false
		}
	}
	return complete, nil
}

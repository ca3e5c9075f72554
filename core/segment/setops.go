package segment

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/headwater-cdp/headwater/core"
)

// Operation is an operation on sets of people.
type Operation string

// The operations.
const (
	Union        Operation = "UNION"
	Intersection Operation = "INTERSECTION"
	Difference   Operation = "DIFFERENCE" // in the first and in none of the others
)

// takes tells whether people in the segments of a mask, of n, are in the result.
func (op Operation) takes(mask uint, n int) bool {
	switch op {
	case Intersection:
		return mask == 1<<n-1
	case Difference:
		return mask == 1
	}
	return mask != 0
}

// CombineInput makes a segment of others.
type CombineInput struct {
	Operation      Operation
	Segments       []string // 2 to MaxCombined, for a difference the first is taken from
	Name           string
	Description    string
	Tags           []string
	Static         bool // a list of who is in it now, else a segment that follows the others
	IdempotencyKey string
}

// MaxCombined is how many segments can be combined at once.
const MaxCombined = 20

// CreateFrom makes the union, intersection or difference of segments: a dynamic
// segment whose condition names them, or a static list that a job fills.
func (s *Service) CreateFrom(ctx context.Context, ws string, in CombineInput) (*Outcome, error) {
	if len(in.Segments) < 2 || len(in.Segments) > MaxCombined {
		return nil, invalid("SEGMENTS", "combine 2 to %d segments, not %d", MaxCombined, len(in.Segments)).At("segmentIds")
	}
	if in.Operation != Union && in.Operation != Intersection && in.Operation != Difference {
		return nil, invalid("OPERATION", "the operation is UNION, INTERSECTION or DIFFERENCE").At("operation")
	}
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	if err := by.exist(in.Segments); err != nil {
		return nil, err
	}
	out := CreateInput{Name: in.Name, Description: in.Description, Tags: in.Tags, IdempotencyKey: in.IdempotencyKey}
	if in.Static {
		out.Kind, out.origin = Static, string(in.Operation)+" "+strings.Join(in.Segments, " ")
		return s.freeze(ctx, ws, out, snapshotInput{Of: in.Segments, Op: string(in.Operation)})
	}
	out.Where = in.Operation.where(in.Segments)
	return s.Create(ctx, ws, out)
}

// where is the condition that names the segments.
func (op Operation) where(ids []string) any {
	nodes := make([]any, len(ids))
	for i, id := range ids {
		nodes[i] = map[string]any{"segment": map[string]any{"id": id}}
		if op == Difference && i > 0 {
			nodes[i] = map[string]any{"not": nodes[i]}
		}
	}
	if op == Union {
		return map[string]any{"or": nodes}
	}
	return map[string]any{"and": nodes}
}

// exist refuses segments that are not there, those named twice, and those whose members
// the actor may not see.
func (v *sight) exist(ids []string) error {
	segs, err := v.s.GetMany(v.ctx, v.ws, ids)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			return invalid("DUPLICATE", "each segment can be named once").At("segmentIds", strconv.Itoa(i))
		}
		if segs[i] == nil {
			return notFound("segmentIds", strconv.Itoa(i))
		}
		if err := v.members(segs[i]); err != nil {
			return core.AsError(err).At("segmentIds", strconv.Itoa(i))
		}
	}
	return nil
}

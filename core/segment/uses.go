package segment

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// User is something that refers to a segment.
type User struct {
	ID   string // seg_…, jrn_…
	Kind string // "segment", "journey", …
	Name string
}

// Uses finds what refers to a segment. Packages above register theirs with OnUses.
type Uses func(ctx context.Context, ws, segmentID string) ([]User, error)

// OnUses registers who else knows users of segments: at start, before anything is
// asked.
func (s *Service) OnUses(u Uses) { s.desk.users = append(s.desk.users, u) }

// Limits refuses to let the actor of ctx change who is in some segments, because whom
// somebody may see rests on one of them.
type Limits func(ctx context.Context, ws string, segments []string) error

// SetLimits sets who knows whom people's access is limited to. Call it before the
// service is used.
func (s *Service) SetLimits(f Limits) { s.desk.limits = f }

// mayMove refuses to let the actor of ctx change who is in a segment where access rests
// on it, or on one whose condition names it, however far.
func (s *Service) mayMove(ctx context.Context, voc *vocabulary, id string) error {
	if s.desk.limits == nil {
		return nil
	}
	moved := []string{id}
	for i := 0; i < len(moved); i++ {
		for _, seg := range voc.segments {
			if sid := seg.SegmentID(); slices.Contains(seg.Refers, moved[i]) && !slices.Contains(moved, sid) {
				moved = append(moved, sid)
			}
		}
	}
	if err := s.desk.limits(ctx, voc.ws, moved); err != nil {
		return core.AsError(err).At("id")
	}
	return nil
}

// UsedBy returns what refers to a segment: the segments whose condition names it,
// archived ones aside, by name, then what other packages know of.
func (s *Service) UsedBy(ctx context.Context, ws, id string) ([]User, error) {
	voc, err := s.vocabulary(ctx, ws)
	if err != nil {
		return nil, fail(err)
	}
	out, err := s.usedBy(ctx, voc, id)
	return out, fail(err)
}

func (s *Service) usedBy(ctx context.Context, voc *vocabulary, id string) ([]User, error) {
	var out []User
	for _, seg := range voc.segments {
		if seg.Status != Archived && slices.Contains(seg.Refers, id) {
			out = append(out, User{ID: seg.SegmentID(), Kind: "segment", Name: seg.Name})
		}
	}
	slices.SortFunc(out, func(a, b User) int { return strings.Compare(a.Name+a.ID, b.Name+b.ID) })
	for _, uses := range s.desk.users {
		more, err := uses(ctx, voc.ws, id)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

// maxNamed is how many users a refusal names.
const maxNamed = 5

// inUse is the refusal to take away what users refer to.
func inUse(what string, users []User) *core.Error {
	names := make([]string, 0, maxNamed)
	for _, u := range users[:min(len(users), maxNamed)] {
		names = append(names, u.Kind+" "+u.ID+" ("+u.Name+")")
	}
	more := ""
	if len(users) > maxNamed {
		more = ", …"
	}
	return core.Errorf(core.Conflict, "IN_USE", "%s is used by %s%s; change those first", what, strings.Join(names, ", "), more)
}

// ObjectUses names the segments, archived ones aside, whose condition asks for
// records of a type, or, with the key of a field or relation, for that: "segment
// seg_… (name)". Whoever would delete a type or a part of it asks here first.
func (s *Service) ObjectUses(ctx context.Context, ws, typeKey, field string) ([]string, error) {
	voc, err := s.vocabularyNow(ctx, ws)
	if err != nil {
		return nil, fail(err)
	}
	var out []string
	for id, seg := range voc.segments {
		if seg.Status == Archived || !strings.Contains(seg.Where, typeKey) {
			continue
		}
		n, err := s.nodeOf(seg)
		if err != nil {
			return nil, fail(err)
		}
		if asksFor(n, typeKey, field) {
			out = append(out, "segment "+id+" ("+seg.Name+")")
		}
	}
	slices.Sort(out)
	return out, nil
}

// parsedWhere is a condition as read once.
type parsedWhere struct {
	where string
	node  *condition.Node
}

// nodeOf reads a segment's condition; nil for a list.
func (s *Service) nodeOf(seg *Segment) (*condition.Node, error) {
	if seg.Where == "" {
		return nil, nil
	}
	s.desk.mu.Lock()
	have := s.desk.parsed[seg.ID]
	s.desk.mu.Unlock()
	if have.where == seg.Where {
		return have.node, nil
	}
	raw, err := condition.Upgrade(seg.WhereVersion, []byte(seg.Where))
	if err != nil {
		return nil, err
	}
	n, err := condition.ParseJSON(raw)
	if err != nil {
		return nil, err
	}
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	if len(s.desk.parsed) >= 2*MaxSegments {
		clear(s.desk.parsed)
	}
	s.desk.parsed[seg.ID] = parsedWhere{seg.Where, n}
	return n, nil
}

package segment

import (
	"context"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// Explained says why a person is in a segment or is not.
type Explained struct {
	Member bool      // by the condition, as evaluated now; of a list, as stored
	Stored bool      // whether the segment has the person as a member
	Since  time.Time // since when it has; zero when it has not
	Root   *condition.Explanation
	Next   time.Time // when the answer can next change by itself; zero: never
}

// noProfile is the answer about a person who is not there.
func noProfile(path ...string) *core.Error {
	return core.Errorf(core.NotFound, "PROFILE", "no profile has this id").At(path...)
}

// Explain evaluates a segment's condition for a person and says why it says what it
// says, beside what is stored. An archived segment is explained too.
func (s *Service) Explain(ctx context.Context, ws, segmentID, profileID string) (*Explained, error) {
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	seg, err := by.among(segmentID, "segmentId")
	if err != nil {
		return nil, err
	}
	out, err := s.explain(ctx, by, seg, profileID)
	return out, fail(err)
}

// ExplainWhere is Explain for a condition that is not saved.
func (s *Service) ExplainWhere(ctx context.Context, ws string, in PreviewInput, profileID string) (*Explained, error) {
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	voc, err := by.vocabulary()
	if err != nil {
		return nil, fail(err)
	}
	n, faults, _, err := s.checkWhere(ctx, voc, in.Where, in.SegmentID, by, in.ZoneOfProfile)
	if err != nil {
		return nil, fail(err)
	}
	if zone := checkZone(in.TimeZone); zone != nil {
		faults = append(faults, zone)
	}
	if err := faultsAt(faults); err != nil {
		return nil, err
	}
	draft := &Segment{TimeZone: in.TimeZone, ZoneOfProfile: in.ZoneOfProfile}
	if faults := define(draft, n); len(faults) > 0 {
		return nil, faultsAt(faults)
	}
	out, err := s.explain(ctx, by, draft, profileID)
	return out, fail(err)
}

// explain evaluates the condition of a segment, stored or drafted, for a person.
func (s *Service) explain(ctx context.Context, by *sight, seg *Segment, profileID string) (*Explained, error) {
	ws := by.ws
	p, err := s.profiles.Get(ctx, ws, profileID)
	if err != nil {
		return nil, err
	}
	if ok, _ := by.gate.Admits(ctx, p); !ok { // no different from one who is not there
		return nil, noProfile("profileId")
	}
	if err := by.gate.Note(ctx, "profile", p.ProfileID()); err != nil {
		return nil, err
	}
	out := &Explained{}
	if seg.ID != "" {
		m, err := Memberships.Get(ctx, s.db, membershipKey(ws, seg.SegmentID(), p.ProfileID()))
		if err != nil {
			return nil, err
		}
		if m != nil {
			out.Stored, out.Since = true, m.Since
		}
	}
	if seg.Kind == Static {
		out.Member, out.Root = out.Stored, explainList(seg, out)
		return out, nil
	}
	q, err := s.ask(ctx, by, seg)
	if err != nil {
		return nil, err
	}
	b, err := Behaviours.Get(ctx, s.db, p.ID)
	if err != nil {
		return nil, err
	}
	f, err := q.facts(ctx, p, b)
	if err != nil {
		return nil, err
	}
	out.Root = q.program.Explain(f, q.now)
	out.Member, out.Next = out.Root.Value, out.Root.Next
	return out, f.fault
}

// explainList says whether a person is on a list.
func explainList(seg *Segment, e *Explained) *condition.Explanation {
	root := &condition.Explanation{Path: []string{"list"}, Words: "is on the list " + strconv.Quote(seg.Name), Value: e.Stored}
	if e.Stored {
		root.Decided = map[string]any{"since": e.Since.UTC().Format(time.RFC3339Nano)}
	}
	return root
}

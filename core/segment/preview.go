package segment

import (
	"context"
	"errors"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/condition"
)

// PreviewInput asks what a condition would find.
type PreviewInput struct {
	Where         any    // as in CreateInput
	SegmentID     string // whose members to compare with; "" for none
	TimeZone      string // as in CreateInput; "" and a SegmentID: the segment's
	ZoneOfProfile bool
	// Exact looks at everybody, however long it takes up to ExactTime; beyond it is
	// TOO_COMPLEX, reason PREVIEW_TOO_LARGE. Otherwise small workspaces are counted
	// exactly and large ones are estimated.
	Exact bool
}

// Preview says what a condition finds now.
type Preview struct {
	Count Count
	// Entering and Leaving compare with the present members of a segment; nil when
	// none was named.
	Entering, Leaving *Count
	Sample            []string // up to PreviewSample profile ids that it finds
	Warnings          []condition.Warning
}

// The bounds of a preview.
const (
	PreviewSample = 10
	ExactTime     = 60 * time.Second
)

// Preview evaluates a condition that is not saved: over everybody or over a sample of
// people by their buckets, with a 95% interval. It counts those who may be seen.
func (s *Service) Preview(ctx context.Context, ws string, in PreviewInput) (*Preview, error) {
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, err
	}
	voc, err := by.vocabulary()
	if err != nil {
		return nil, fail(err)
	}
	draft := &Segment{TimeZone: in.TimeZone, ZoneOfProfile: in.ZoneOfProfile}
	if in.SegmentID != "" {
		seg := voc.segments[in.SegmentID]
		if seg == nil {
			return nil, notFound("segmentId")
		}
		if err := by.members(seg); err != nil {
			return nil, core.AsError(err).At("segmentId")
		}
		draft.ID = seg.ID
		if in.TimeZone == "" {
			draft.TimeZone, draft.ZoneOfProfile = seg.TimeZone, seg.ZoneOfProfile
		}
	}
	n, faults, warnings, err := s.checkWhere(ctx, voc, in.Where, in.SegmentID, by, draft.ZoneOfProfile)
	if err != nil {
		return nil, fail(err)
	}
	if zone := checkZone(draft.TimeZone); zone != nil {
		faults = append(faults, zone)
	}
	if err := faultsAt(faults); err != nil {
		return nil, err
	}
	if faults := define(draft, n); len(faults) > 0 {
		return nil, faultsAt(faults)
	}
	out, err := s.previewDraft(ctx, by, draft, in.Exact)
	if err != nil {
		return nil, fail(err)
	}
	out.Warnings = warnings
	return out, nil
}

// errTooLarge is the end of an exact preview that takes too long.
var errTooLarge = core.Errorf(core.TooComplex, "PREVIEW_TOO_LARGE", "the exact count takes longer than a minute; ask for an estimate, or save the segment and read its size")

// The choice between counting and estimating, where the caller leaves it.
const (
	exactUpTo      = 200_000 // people, for what is kept of everybody
	exactUpToHeavy = 5000    // people, where each costs reads of events or records
	patience       = 5 * time.Second
)

// previewDraft asks the condition of a segment, stored or drafted, of the workspace's
// people, and compares with the members of the segment when it has an id. What takes
// too long to count is estimated, unless the caller insists.
func (s *Service) previewDraft(ctx context.Context, by *sight, seg *Segment, exact bool) (*Preview, error) {
	ws := by.ws
	q, err := s.ask(ctx, by, seg)
	if err != nil {
		return nil, err
	}
	if q.whose, err = by.audience(); err != nil {
		return nil, err
	}
	people, err := s.people(ctx, ws)
	if err != nil {
		return nil, err
	}
	id := ""
	if seg.ID != "" {
		id = seg.SegmentID()
	}
	var t *tally
	if exact || !q.heavy() && people.Value <= exactUpTo {
		limit := patience
		if exact {
			limit = ExactTime
		}
		limited, cancel := context.WithTimeoutCause(ctx, limit, errTooLarge)
		t, err = q.everybody(limited, id)
		err = cause(limited, err)
		cancel()
		switch {
		case err == nil:
			people = exactly(t.people)
		case exact || !errors.Is(err, errTooLarge):
			return nil, err
		}
	}
	if t == nil || err != nil {
		limit := sampleTime
		if people.Value <= exactUpToHeavy {
			limit = patience // so few are soon asked, and the answer is exact then
		}
		if t, err = q.some(ctx, people.Value, id, limit); err != nil {
			return nil, err
		}
	}
	out := &Preview{Count: estimate(t.matching, t.people, people), Sample: t.sample.ids()}
	if id != "" {
		entering, leaving := estimate(t.entering, t.people, people), estimate(t.leaving, t.people, people)
		out.Entering, out.Leaving = &entering, &leaving
	}
	return out, nil
}

// cause returns why a context ended, if that is what err says.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// peopleCounted is how many people a workspace had at an instant.
type peopleCounted struct {
	at    time.Time
	count Count
}

// people returns how many people a workspace has, at most peopleTTL old where they
// are many.
func (s *Service) people(ctx context.Context, ws string) (Count, error) {
	now := time.Now()
	s.desk.mu.Lock()
	have, ok := s.desk.people[ws]
	s.desk.mu.Unlock()
	if ok && now.Sub(have.at) < peopleTTL && have.count.Value > exactUpTo {
		return have.count, nil
	}
	c, err := population(ctx, s.db, ws)
	if err != nil {
		return c, err
	}
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	if len(s.desk.people) >= maxCachedWorkspaces {
		clear(s.desk.people)
	}
	s.desk.people[ws] = peopleCounted{now, c}
	return c, nil
}

// peopleTTL is how long a large number of people stands.
const peopleTTL = 30 * time.Second

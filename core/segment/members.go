package segment

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// Members returns a window of a segment's members, in the order of their profile
// ids.
func (s *Service) Members(ctx context.Context, ws, id string, w core.Window) (store.Page[Membership], error) {
	if !isSegment(id) {
		return store.Page[Membership]{}, notFound("id")
	}
	page, err := Memberships.Page(ctx, s.db, everyKey(ws, id+"/"), w)
	return page, fail(err)
}

// Changes returns a window of who entered and left a segment, the latest first.
func (s *Service) Changes(ctx context.Context, ws, id string, w core.Window) (store.Page[Change], error) {
	if !isSegment(id) {
		return store.Page[Change]{}, notFound("id")
	}
	q := everyKey(ws, id+"/")
	q.Order = []string{"-_id"}
	page, err := Changes.Page(ctx, s.db, q, w)
	return page, fail(err)
}

// Stay is a time that a person was in a segment.
type Stay struct {
	SegmentID string
	EnteredAt time.Time // zero: before what is kept
	LeftAt    time.Time // zero: still in it
	Entered   Cause     // why; "" when that is not kept
	Left      Cause     // "" while in it
}

// MaxHistory is how many changes of a person MembershipsOf looks at.
const MaxHistory = 1000

// MembershipsOf returns in which segments a person is, by segment, archived ones
// aside, and, with history, the stays that have ended after them, the latest first.
func (s *Service) MembershipsOf(ctx context.Context, ws, profileID string, history bool) ([]Stay, error) {
	p, err := s.profiles.Get(ctx, ws, profileID)
	if err != nil || p == nil {
		return nil, fail(err)
	}
	var out []Stay
	b, err := Behaviours.Get(ctx, s.db, p.ID)
	if err != nil {
		return nil, fail(err)
	}
	if b != nil {
		voc, err := s.vocabulary(ctx, ws)
		if err != nil {
			return nil, fail(err)
		}
		for _, m := range b.Members {
			if seg := voc.segments[m.Segment]; seg != nil && seg.Status == Archived {
				continue
			}
			out = append(out, Stay{SegmentID: m.Segment, EnteredAt: time.UnixMilli(m.Since).UTC()})
		}
	}
	if !history {
		return out, nil
	}
	changes, err := Changes.Find(ctx, s.db, store.Query{
		Workspace: ws, Where: []store.Cond{store.Eq("profile", p.ProfileID())}, Order: []string{"-at"},
	}, MaxHistory)
	if err != nil {
		return nil, fail(err)
	}
	return withHistory(out, changes), nil
}

// withHistory adds to present stays why they began, and the stays before them.
func withHistory(present []Stay, changes []*Change) []Stay {
	// Changes of one instant are in the order of their keys once they are by segment.
	slices.SortFunc(changes, func(a, b *Change) int { return cmp.Or(a.At.Compare(b.At), strings.Compare(a.ID, b.ID)) })
	open := map[string]*Change{} // by segment
	var past []Stay
	for _, c := range changes {
		if c.Change == Entered {
			open[c.Segment] = c
			continue
		}
		stay := Stay{SegmentID: c.Segment, LeftAt: c.At, Left: c.Cause}
		if in := open[c.Segment]; in != nil {
			stay.EnteredAt, stay.Entered = in.At, in.Cause
			delete(open, c.Segment)
		}
		past = append(past, stay)
	}
	for i := range present {
		if in := open[present[i].SegmentID]; in != nil {
			present[i].Entered = in.Cause
		}
	}
	slices.Reverse(past)
	return append(present, past...)
}

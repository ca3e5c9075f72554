package segment

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// Members returns a window of a segment's members who may be seen, in the order of their
// profile ids. The error is FORBIDDEN, reason PROTECTED_SEGMENT, for whoever may not read
// what the segment rests on.
func (s *Service) Members(ctx context.Context, ws, id string, w core.Window) (profile.Listed[Membership], error) {
	by, whose, err := s.lookAt(ctx, ws, id)
	if err != nil {
		return profile.Listed[Membership]{}, err
	}
	whom := func(m *Membership) string { return m.Profile }
	page, err := shown(w, whose, func(w core.Window) (store.Page[Membership], error) {
		return Memberships.Page(ctx, s.db, everyKey(ws, id+"/"), w)
	}, func(list []*Membership) error { return keep(ctx, whose, list, whom) })
	if err != nil {
		return page, fail(err)
	}
	return page, by.gate.Note(ctx, "membership", idsOf(page.Items, whom)...)
}

// CountMembers returns how many members Members lists in all.
func (s *Service) CountMembers(ctx context.Context, ws, id string) (int64, error) {
	by, err := s.look(ctx, ws)
	if err != nil {
		return 0, err
	}
	seg, err := by.among(id, "id")
	if err != nil {
		return 0, err
	}
	n, err := by.countMembers(ctx, seg)
	return n, fail(err)
}

// Changes returns a window of who entered and left a segment, of those who may be seen,
// the latest first. Errors are those of Members.
func (s *Service) Changes(ctx context.Context, ws, id string, w core.Window) (profile.Listed[Change], error) {
	by, whose, err := s.lookAt(ctx, ws, id)
	if err != nil {
		return profile.Listed[Change]{}, err
	}
	q := everyKey(ws, id+"/")
	q.Order = []string{"-_id"}
	whom := func(c *Change) string { return c.Profile }
	page, err := shown(w, whose, func(w core.Window) (store.Page[Change], error) {
		return Changes.Page(ctx, s.db, q, w)
	}, func(list []*Change) error { return keep(ctx, whose, list, whom) })
	if err != nil {
		return page, fail(err)
	}
	return page, by.gate.Note(ctx, "membership", idsOf(page.Items, whom)...)
}

// lookAt returns what the actor may see of a segment's members.
func (s *Service) lookAt(ctx context.Context, ws, id string) (*sight, *audience, error) {
	by, err := s.look(ctx, ws)
	if err != nil {
		return nil, nil, err
	}
	if _, err := by.among(id, "id"); err != nil {
		return nil, nil, err
	}
	whose, err := by.audience()
	return by, whose, fail(err)
}

// shown reads a window of what is about people who may be seen.
func shown[T any](w core.Window, whose *audience, read func(core.Window) (store.Page[T], error), keep func([]*T) error) (profile.Listed[T], error) {
	if !whose.everybody() {
		return profile.VisiblePage(w, read, keep)
	}
	page, err := read(w)
	out := profile.Listed[T]{Page: page}
	if n := len(page.Cursors); n > 0 {
		out.Start, out.End = page.Cursors[0], page.Cursors[n-1]
	}
	return out, err
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

// MembershipsOf returns in which segments a person is, as far as the actor may hear of it, by segment, archived ones
// aside, and, with history, the stays that have ended after them, the latest first.
func (s *Service) MembershipsOf(ctx context.Context, ws, profileID string, history bool) ([]Stay, error) {
	by, err := s.look(ctx, ws)
	if err != nil || !by.gate.Category(core.Behaviour).Allowed() {
		return nil, err
	}
	p, err := s.profiles.Get(ctx, ws, profileID)
	if err != nil {
		return nil, fail(err)
	}
	if ok, _ := by.gate.Admits(ctx, p); !ok {
		return nil, nil
	}
	if err := by.gate.Note(ctx, "profile", p.ProfileID()); err != nil {
		return nil, err
	}
	voc, err := by.vocabulary()
	if err != nil {
		return nil, fail(err)
	}
	teller := by.teller(voc)
	tells := func(id string) bool { return isSegment(id) && teller(id) }
	var out []Stay
	b, err := Behaviours.Get(ctx, s.db, p.ID)
	if err != nil {
		return nil, fail(err)
	}
	if b != nil {
		out = present(voc, b, tells)
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
	changes = slices.DeleteFunc(changes, func(c *Change) bool { return !tells(c.Segment) })
	return withHistory(out, changes), nil
}

// present lists the memberships that may be told of, archived segments aside.
func present(voc *vocabulary, b *Behaviour, tells func(segmentID string) bool) []Stay {
	var out []Stay
	for _, m := range b.Members {
		if seg := voc.segments[m.Segment]; seg != nil && seg.Status == Archived || !tells(m.Segment) {
			continue
		}
		out = append(out, Stay{SegmentID: m.Segment, EnteredAt: time.UnixMilli(m.Since).UTC()})
	}
	return out
}

// teller tells of which segments the actor may hear who is in them. It remembers.
func (v *sight) teller(voc *vocabulary) func(segmentID string) bool {
	if v.all() {
		return func(string) bool { return true }
	}
	known := map[string]bool{}
	return func(id string) bool {
		yes, ok := known[id]
		if !ok {
			seg := voc.segments[id]
			yes = seg != nil && v.readable(seg) == nil
			known[id] = yes
		}
		return yes
	}
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

package resolver

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/graph/engine"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Members answers Segment.members.
func (r segmentFields) Members(ctx context.Context, s *segment.Segment, first *int, after *string, last *int, before *string) (*view.SegmentMemberConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Resolver.Segments.Members(ctx, ws, s.SegmentID(), w)
	if err != nil {
		return nil, err
	}
	c := view.NewMembers(page.Page, func(ctx context.Context) (int64, error) {
		return r.Resolver.Segments.CountMembers(ctx, ws, s.SegmentID())
	})
	c.PageInfo.StartCursor, c.PageInfo.EndCursor = text(page.Start), text(page.End)
	return c, nil
}

// Node answers SegmentMemberEdge.node.
func (r memberFields) Node(ctx context.Context, e *view.SegmentMemberEdge) (*profile.Profile, error) {
	p, err := loadProfile(ctx, e.Profile)
	if err == nil && p == nil {
		err = core.Errorf(core.Conflict, "MEMBER_GONE", "the person was deleted while the page was read; read it again")
	}
	return p, err
}

// History answers Segment.history.
func (r segmentFields) History(ctx context.Context, s *segment.Segment, first *int, after *string, last *int, before *string) (*view.MembershipEntryConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Resolver.Segments.Changes(ctx, ws, s.SegmentID(), w)
	if err != nil {
		return nil, err
	}
	return listed(page, func(ctx context.Context) (int64, error) {
		return r.Resolver.Segments.CountChanges(ctx, ws, s.SegmentID())
	}), nil
}

// Segment answers MembershipEntry.segment.
func (r entryFields) Segment(ctx context.Context, c *segment.Change) (*segment.Segment, error) {
	return scopeOf(ctx).segments.Load(ctx, c.Segment)
}

// Profile answers MembershipEntry.profile.
func (r entryFields) Profile(ctx context.Context, c *segment.Change) (*profile.Profile, error) {
	return loadProfile(ctx, c.Profile)
}

// Segments answers Profile.segments.
func (r profileFields) Segments(ctx context.Context, p *profile.Profile, past *bool) ([]*gen.Membership, error) {
	stays, err := r.stays(ctx, p.ProfileID(), value(past))
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(stays))
	for i, stay := range stays {
		ids[i] = stay.SegmentID
	}
	segments, err := scopeOf(ctx).segments.LoadAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := []*gen.Membership{}
	for i, stay := range stays {
		if segments[i] == nil || len(out) == maxStays {
			continue
		}
		m := &gen.Membership{Segment: segments[i], EnteredAt: stay.EnteredAt}
		if stay.Entered != "" {
			m.EnteredBecause = &stay.Entered
		}
		if !stay.LeftAt.IsZero() {
			m.LeftAt, m.LeftBecause = &stay.LeftAt, &stay.Left
		}
		out = append(out, m)
	}
	return out, nil
}

// stays returns the memberships of a person; the present ones of many people are read
// together.
func (r profileFields) stays(ctx context.Context, id string, past bool) ([]segment.Stay, error) {
	if past {
		return r.Resolver.Segments.MembershipsOf(ctx, workspace(ctx), id, true)
	}
	return scopeOf(ctx).stays.Load(ctx, id)
}

// maxStays bounds a list without pages.
const maxStays = 1000

// Explain answers Profile.explain.
func (r profileFields) Explain(ctx context.Context, p *profile.Profile, segmentID string) (*gen.Explanation, error) {
	return r.explain(ctx, segmentID, p.ProfileID())
}

// membershipMark begins the cursors of segmentMembershipChanged, so that one of
// profileChanged is not taken for one.
const membershipMark = "~:"

func encodeMembershipCursor(token store.Token) string {
	return base64.RawURLEncoding.EncodeToString([]byte(membershipMark + string(token)))
}

func decodeMembershipCursor(s string) (store.Token, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	token, ok := strings.CutPrefix(string(raw), membershipMark)
	if err != nil || !ok || token == "" || len(s) > 4096 {
		return "", core.Errorf(core.Invalid, "BAD_CURSOR", "use Segment.cursor or the cursor of a change").At("after")
	}
	return store.Token(token), nil
}

// SegmentMembershipChanged answers Subscription.segmentMembershipChanged.
func (r subscription) SegmentMembershipChanged(ctx context.Context, segmentID string, after *string) (<-chan *view.MembershipChange, error) {
	ws := workspace(ctx)
	var at store.Token
	var err error
	if after != nil {
		at, err = decodeMembershipCursor(*after)
	} else {
		at, err = r.Hub.Now(ctx)
	}
	if err != nil {
		return nil, err
	}
	if _, err := r.Segments.Watch(ctx, ws, segmentID); err != nil {
		return nil, err
	}
	f, err := r.Hub.Subscribe(ctx, at, store.Filter{Spec: segment.Changes.Spec, Prefix: store.Key(ws, segmentID) + "/"})
	if err != nil {
		return nil, err
	}
	out := make(chan *view.MembershipChange)
	go func() {
		defer close(out)
		err := inOrder(ctx, f, func(changes []store.Change) error { return r.tellMembers(ctx, segmentID, changes, out) })
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil && ctx.Err() == nil {
			engine.EndStream(ctx, err)
		}
	}()
	return out, nil
}

// gateHolds is how long what the gate said of some changes is gone by.
const gateHolds = 100 * time.Millisecond

// tellMembers reads what changes of the store are about and sends each in its place. The
// gate is asked about all that are ready, and anew when a subscriber takes its time: the
// actor may have lost sight of the person, or of what the segment rests on.
func (r *Resolver) tellMembers(ctx context.Context, segmentID string, changes []store.Change, out chan<- *view.MembershipChange) error {
	keys := make([]string, len(changes))
	for i, c := range changes {
		keys[i] = c.Key
	}
	found, err := r.Segments.ChangesAt(ctx, keys)
	if err != nil {
		return err
	}
	for i := range found {
		if changes[i].Kind != store.Inserted { // being taken away
			found[i] = nil
		}
	}
	var asked time.Time
	var heard []*segment.Change
	for i := range found {
		if found[i] == nil {
			continue
		}
		if heard == nil || time.Since(asked) > gateHolds {
			asked = time.Now()
			if heard, err = r.Segments.Heard(ctx, workspace(ctx), segmentID, found); err != nil {
				return err
			}
		}
		c := heard[i]
		if c == nil {
			continue
		}
		select {
		case out <- &view.MembershipChange{
			Cursor: encodeMembershipCursor(changes[i].Token), ProfileID: c.Profile, Change: c.Change, At: c.At, Cause: c.Cause,
		}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Profile answers MembershipChange.profile.
func (r memberChangeFields) Profile(ctx context.Context, c *view.MembershipChange) (*profile.Profile, error) {
	return loadProfile(ctx, c.ProfileID)
}

package view

import (
	"context"
	"io"
	"time"

	"github.com/headwater-cdp/headwater/core/object"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/store"
)

// Condition is an input of the language of conditions as it came: maps, slices,
// text, booleans and exact numbers. core/condition reads it and tells what is wrong
// with the path of the culprit.
type Condition struct {
	Tree any
	keys
}

// keys are those that the input may have. gqlgen wants a place for each, though
// UnmarshalGQL fills none.
type keys struct {
	And, Or                                          []*Condition
	Not                                              *Condition
	Trait, Event, Sequence, FirstTime, Stopped       map[string]any
	Aggregate, LastEvent, Object, Segment, List      map[string]any
	Consent, Message, Prediction, Bucket, Geo, Field map[string]any
}

// UnmarshalGQL implements graphql.Unmarshaler.
func (c *Condition) UnmarshalGQL(v any) error {
	c.Tree = v
	return nil
}

// MarshalGQL implements graphql.Marshaler, which gqlgen demands beside the other;
// nothing of the schema gives a condition out but as JSON.
func (c Condition) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, "null") }

// Count is a number that was counted or estimated. Low and High are only there for
// an estimate.
type Count struct {
	Value     int64
	Exact     bool
	Low, High *int64
}

// NewCount makes a Count of one of the segments.
func NewCount(c segment.Count) *Count {
	out := &Count{Value: c.Value, Exact: c.Exact}
	if !c.Exact {
		out.Low, out.High = &c.Low, &c.High
	}
	return out
}

// SegmentConnection is a page of segments.
type SegmentConnection = Connection[segment.Segment]

// SegmentEdge is an item of such a page.
type SegmentEdge = Edge[segment.Segment]

// SegmentVersionConnection is a page of definitions.
type SegmentVersionConnection = Connection[segment.Version]

// SegmentVersionEdge is an item of such a page.
type SegmentVersionEdge = Edge[segment.Version]

// MembershipEntryConnection is a page of who entered and left.
type MembershipEntryConnection = Connection[segment.Change]

// MembershipEntryEdge is an item of such a page.
type MembershipEntryEdge = Edge[segment.Change]

// RecordConnection is a page of records.
type RecordConnection = Connection[object.Record]

// RecordEdge is an item of such a page.
type RecordEdge = Edge[object.Record]

// SegmentMemberConnection is a page of members.
type SegmentMemberConnection struct {
	Edges    []*SegmentMemberEdge
	PageInfo *PageInfo
	Count    func(ctx context.Context) (int64, error)
}

// TotalCount counts the members.
func (c *SegmentMemberConnection) TotalCount(ctx context.Context) (int64, error) { return c.Count(ctx) }

// SegmentMemberEdge is an item of such a page. The person is read when asked for.
type SegmentMemberEdge struct {
	Cursor    string
	Profile   string // prof_…
	EnteredAt time.Time
}

// NewMembers makes a connection of a page of memberships.
func NewMembers(p store.Page[segment.Membership], count func(ctx context.Context) (int64, error)) *SegmentMemberConnection {
	generic := NewConnection(p, count)
	c := &SegmentMemberConnection{PageInfo: generic.PageInfo, Count: count, Edges: make([]*SegmentMemberEdge, len(p.Items))}
	for i, m := range p.Items {
		c.Edges[i] = &SegmentMemberEdge{Cursor: p.Cursors[i], Profile: m.Profile, EnteredAt: m.Since}
	}
	return c
}

// MembershipChange is somebody who entered or left a segment, told live.
type MembershipChange struct {
	Cursor    string
	ProfileID string
	Change    segment.ChangeKind
	At        time.Time
	Cause     segment.Cause
}

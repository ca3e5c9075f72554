package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/condition"
	"github.com/headwater-cdp/headwater/core/segment"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Segment answers Query.segment.
func (r query) Segment(ctx context.Context, id string) (*segment.Segment, error) {
	return r.Resolver.Segments.Get(ctx, workspace(ctx), id)
}

// Segments answers Query.segments.
func (r query) Segments(ctx context.Context, where *gen.SegmentFilter, first *int, after *string, last *int, before *string) (*view.SegmentConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	f := segment.Filter{Statuses: []segment.Status{segment.Building, segment.Live}}
	if where != nil {
		f.Kinds, f.Tag, f.Text = where.Kinds, value(where.Tag), value(where.Text)
		if where.Statuses != nil {
			f.Statuses = where.Statuses
		}
	}
	page, total, err := r.Resolver.Segments.List(ctx, workspace(ctx), f, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(context.Context) (int64, error) { return total, nil }), nil
}

// PreviewSegment answers Query.previewSegment.
func (r query) PreviewSegment(ctx context.Context, where view.Condition, segmentID *string, exact *bool, timeZone *string, zoneOfProfile *bool) (*gen.SegmentPreview, error) {
	p, err := r.Resolver.Segments.Preview(ctx, workspace(ctx), segment.PreviewInput{
		Where: where.Tree, SegmentID: value(segmentID), Exact: value(exact), TimeZone: value(timeZone), ZoneOfProfile: value(zoneOfProfile),
	})
	if err != nil {
		return nil, each(ctx, err)
	}
	seg, err := draft(where)
	if err != nil {
		return nil, err
	}
	return r.preview(ctx, p, seg)
}

// draft is a segment that is not saved, of a condition that was checked.
func draft(where view.Condition) (*segment.Segment, error) {
	n, err := condition.Parse(where.Tree)
	if err != nil {
		return nil, err
	}
	raw, err := condition.MarshalJSON(n)
	return &segment.Segment{Where: string(raw), WhereVersion: condition.Version}, err
}

// preview puts a condition into words and reads who is in the sample.
func (r *Resolver) preview(ctx context.Context, p *segment.Preview, seg *segment.Segment) (*gen.SegmentPreview, error) {
	words, err := r.Segments.Words(ctx, workspace(ctx), seg)
	if err != nil {
		return nil, err
	}
	out := &gen.SegmentPreview{Count: view.NewCount(p.Count), Words: words, Warnings: pointers(p.Warnings)}
	if p.Entering != nil {
		out.Entering, out.Leaving = view.NewCount(*p.Entering), view.NewCount(*p.Leaving)
	}
	people, err := r.Profiles.ShowMany(ctx, workspace(ctx), p.Sample)
	for _, one := range people {
		if one != nil {
			out.Sample = append(out.Sample, one)
		}
	}
	return out, err
}

// ExplainMembership answers Query.explainMembership.
func (r query) ExplainMembership(ctx context.Context, segmentID, profileID string) (*gen.Explanation, error) {
	return r.explain(ctx, segmentID, profileID)
}

func (r *Resolver) explain(ctx context.Context, segmentID, profileID string) (*gen.Explanation, error) {
	e, err := r.Segments.Explain(ctx, workspace(ctx), segmentID, profileID)
	if err == nil {
		err = audit.Note(ctx, audit.Seen{Resource: segmentID, Profiles: []string{profileID}})
	}
	if err != nil {
		return nil, each(ctx, err)
	}
	out := &gen.Explanation{Member: e.Member, Stored: e.Stored, Root: e.Root}
	if !e.Since.IsZero() {
		out.EnteredAt = &e.Since
	}
	if !e.Next.IsZero() {
		out.NextChangeAt = &e.Next
	}
	return out, nil
}

// DecidedBy answers ExplanationNode.decidedBy.
func (r explanationFields) DecidedBy(_ context.Context, e *condition.Explanation) (scalar.JSON, error) {
	if e.Decided == nil {
		return nil, nil
	}
	var out scalar.JSON
	err := out.UnmarshalGQL(e.Decided)
	return out, err
}

// SegmentOverlap answers Query.segmentOverlap.
func (r query) SegmentOverlap(ctx context.Context, segmentIds []string) (*segment.Overlap, error) {
	out, err := r.Resolver.Segments.Overlap(ctx, workspace(ctx), segmentIds)
	return out, each(ctx, err)
}

// Segments answers SegmentRegion.segments.
func (r regionFields) Segments(ctx context.Context, region *segment.Region) ([]*segment.Segment, error) {
	return scopeOf(ctx).segments.LoadAll(ctx, region.Segments)
}

// Description answers Segment.description.
func (r segmentFields) Description(_ context.Context, s *segment.Segment) (*string, error) {
	return text(s.Description), nil
}

// Where answers Segment.where: null for whoever may not read what it asks.
func (r segmentFields) Where(ctx context.Context, s *segment.Segment) (scalar.JSON, error) {
	if hidden, err := r.Resolver.Segments.Hidden(ctx, workspace(ctx), s); err != nil || len(hidden) > 0 {
		return nil, err
	}
	return conditionJSON(s.WhereVersion, s.Where)
}

// conditionJSON gives a stored condition in the present form of the language.
func conditionJSON(version int, where string) (scalar.JSON, error) {
	if where == "" {
		return nil, nil
	}
	raw, err := condition.Upgrade(version, []byte(where))
	return raw, err
}

// Words answers Segment.words.
func (r segmentFields) Words(ctx context.Context, s *segment.Segment) (string, error) {
	return r.Resolver.Segments.Words(ctx, workspace(ctx), s)
}

// TimeZone answers Segment.timeZone.
func (r segmentFields) TimeZone(_ context.Context, s *segment.Segment) (*string, error) {
	return text(s.TimeZone), nil
}

// Size answers Segment.size.
func (r segmentFields) Size(ctx context.Context, s *segment.Segment) (*view.Count, error) {
	n, err := r.Resolver.Segments.Size(ctx, workspace(ctx), s)
	switch {
	case err != nil && core.AsError(err).Reason == "PROTECTED_SEGMENT":
		return nil, nil
	case err != nil:
		return nil, err
	}
	return view.NewCount(n), nil
}

// UsedBy answers Segment.usedBy.
func (r segmentFields) UsedBy(ctx context.Context, s *segment.Segment) ([]view.Node, error) {
	users, err := r.Resolver.Segments.UsedBy(ctx, workspace(ctx), s.SegmentID())
	if err != nil {
		return nil, err
	}
	out := []view.Node{}
	for _, u := range users {
		n, err := query{r.Resolver}.Node(ctx, u.ID)
		if err != nil {
			return nil, err
		}
		if n != nil {
			out = append(out, n)
		}
	}
	return out, nil
}

// Backfill answers Segment.backfill.
func (r segmentFields) Backfill(ctx context.Context, s *segment.Segment) (*work.Job, error) {
	return r.job(ctx, s.Backfill)
}

// Stalled answers Segment.stalled.
func (r segmentFields) Stalled(ctx context.Context, s *segment.Segment) (bool, error) {
	return r.Segments.Stalled(ctx, workspace(ctx), s)
}

// job returns a job by its id, nil for "".
func (r *Resolver) job(ctx context.Context, id string) (*work.Job, error) {
	if id == "" {
		return nil, nil
	}
	j, err := r.Jobs.Get(ctx, workspace(ctx), id)
	return r.toldJob(ctx, j, err)
}

// Versions answers Segment.versions.
func (r segmentFields) Versions(ctx context.Context, s *segment.Segment, first *int, after *string, last *int, before *string) (*view.SegmentVersionConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	page, err := r.Resolver.Segments.Versions(ctx, ws, s.SegmentID(), w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) {
		return r.Resolver.Segments.CountVersions(ctx, ws, s.SegmentID())
	}), nil
}

// Where answers SegmentVersion.where.
func (r versionFields) Where(ctx context.Context, v *segment.Version) (scalar.JSON, error) {
	if hidden, err := r.Segments.HiddenVersion(ctx, workspace(ctx), v); err != nil || len(hidden) > 0 {
		return nil, err
	}
	return conditionJSON(v.WhereVersion, v.Where)
}

// Words answers SegmentVersion.words.
func (r versionFields) Words(ctx context.Context, v *segment.Version) (string, error) {
	hidden, err := r.Segments.HiddenVersion(ctx, workspace(ctx), v)
	if err != nil {
		return "", err
	}
	if len(hidden) > 0 {
		return segment.CoverWords(hidden), nil
	}
	return v.Words, nil
}

// By answers SegmentVersion.by.
func (r versionFields) By(_ context.Context, v *segment.Version) (*string, error) {
	return text(v.By), nil
}

// Cursor answers Segment.cursor.
func (r segmentFields) Cursor(ctx context.Context, _ *segment.Segment) (string, error) {
	return scopeOf(ctx).membershipCursor()
}

package resolver

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/journey"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// Journey answers Query.journey.
func (r query) Journey(ctx context.Context, id string) (*journey.Journey, error) {
	return r.Resolver.Journeys.Journey(ctx, workspace(ctx), id)
}

// Journeys answers Query.journeys.
func (r query) Journeys(ctx context.Context, where *gen.JourneyFilter, first *int, after *string, last *int, before *string) (*view.JourneyConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	ws := workspace(ctx)
	all, err := r.Resolver.Journeys.List(ctx, ws, false)
	if err == nil && where != nil && slices.Contains(where.Statuses, journey.Archived) {
		var more []*journey.Journey
		more, err = r.Resolver.Journeys.List(ctx, ws, true)
		all = append(all, more...)
	}
	if err != nil {
		return nil, err
	}
	if where != nil {
		all = slices.DeleteFunc(all, func(j *journey.Journey) bool {
			return where.Statuses != nil && !slices.Contains(where.Statuses, j.Mode) || where.Tag != nil && !slices.Contains(j.Tags, *where.Tag) ||
				!strings.Contains(strings.ToLower(j.Name), strings.ToLower(value(where.Text)))
		})
	}
	// The latest first.
	place := func(j *journey.Journey) string {
		return fmt.Sprintf("%019d/%s", math.MaxInt64-j.CreatedAt.UnixNano(), j.JourneyID())
	}
	slices.SortFunc(all, func(a, b *journey.Journey) int { return strings.Compare(place(a), place(b)) })
	page, err := pageOf(all, place, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(context.Context) (int64, error) { return int64(len(all)), nil }), nil
}

// Description answers Journey.description.
func (r journeyFields) Description(_ context.Context, j *journey.Journey) (*string, error) {
	return text(j.Description), nil
}

// EntryVersion answers Journey.entryVersion.
func (r journeyFields) EntryVersion(_ context.Context, j *journey.Journey) (*int, error) {
	if j.Entry == 0 {
		return nil, nil
	}
	n := int(j.Entry)
	return &n, nil
}

// PausedAt answers Journey.pausedAt.
func (r journeyFields) PausedAt(_ context.Context, j *journey.Journey) (*time.Time, error) {
	return instant(j.PausedAt), nil
}

// Cursor answers Journey.cursor.
func (r journeyFields) Cursor(ctx context.Context, _ *journey.Journey) (string, error) {
	return scopeOf(ctx).enrollmentCursor()
}

// Versions answers Journey.versions.
func (r journeyFields) Versions(ctx context.Context, j *journey.Journey) ([]*journey.Version, error) {
	return r.Journeys.Versions(ctx, workspace(ctx), j.JourneyID())
}

// Stats answers Journey.stats: null for whoever may not read what the conditions ask.
func (r journeyFields) Stats(ctx context.Context, j *journey.Journey, version *int) ([]*gen.NodeStats, error) {
	list, err := r.Journeys.Versions(ctx, workspace(ctx), j.JourneyID())
	if err != nil {
		return nil, err
	}
	out := []*gen.NodeStats{}
	for _, v := range list {
		if v.PublishedAt.IsZero() || version != nil && int64(*version) != v.Number {
			continue
		}
		s, err := drawingFields{r.Resolver}.stats(ctx, v)
		if s == nil || err != nil {
			return nil, err
		}
		for _, n := range s.Nodes {
			out = append(out, &gen.NodeStats{NodeID: n.Node, Version: int(v.Number), Entered: int(n.Entered), Inside: int(n.Inside), Left: int(n.Left)})
		}
	}
	return out, nil
}

// stats returns the counts of a version, nil for whoever may not read them.
func (r drawingFields) stats(ctx context.Context, v *journey.Version) (*journey.Stats, error) {
	if ok, err := r.Journeys.Reads(ctx, workspace(ctx), v); !ok || err != nil {
		return nil, err
	}
	return r.Journeys.Stats(ctx, workspace(ctx), v)
}

// Definition answers JourneyVersion.definition.
func (r drawingFields) Definition(ctx context.Context, v *journey.Version) (scalar.JSON, error) {
	if ok, err := r.Journeys.Reads(ctx, workspace(ctx), v); !ok || err != nil {
		return nil, err
	}
	return scalar.JSON(v.Definition), nil
}

// drawn draws a version, "" for whoever may not read it.
func (r drawingFields) drawn(ctx context.Context, v *journey.Version, draw func(*journey.Definition, journey.Names) string) (*string, error) {
	ws := workspace(ctx)
	if ok, err := r.Journeys.Reads(ctx, ws, v); !ok || err != nil {
		return nil, err
	}
	d, err := journey.ParseJSON([]byte(v.Definition))
	if err != nil {
		return nil, err
	}
	names, err := r.Journeys.Names(ctx, ws)
	if err != nil {
		return nil, err
	}
	return text(draw(d, names)), nil
}

// Mermaid answers JourneyVersion.mermaid.
func (r drawingFields) Mermaid(ctx context.Context, v *journey.Version) (*string, error) {
	return r.drawn(ctx, v, journey.Mermaid)
}

// Text answers JourneyVersion.text.
func (r drawingFields) Text(ctx context.Context, v *journey.Version) (*string, error) {
	return r.drawn(ctx, v, journey.Text)
}

// PublishedAt answers JourneyVersion.publishedAt.
func (r drawingFields) PublishedAt(_ context.Context, v *journey.Version) (*time.Time, error) {
	return instant(v.PublishedAt), nil
}

// PublishedBy answers JourneyVersion.publishedBy.
func (r drawingFields) PublishedBy(_ context.Context, v *journey.Version) (*string, error) {
	return text(v.PublishedBy), nil
}

// Inside answers JourneyVersion.inside.
func (r drawingFields) Inside(_ context.Context, v *journey.Version) (*gen.InsidePolicy, error) {
	if v.Inside == "" {
		return nil, nil
	}
	p := gen.InsidePolicy(v.Inside)
	return &p, nil
}

// Approval answers JourneyVersion.approval.
func (r drawingFields) Approval(ctx context.Context, v *journey.Version) (*access.Approval, error) {
	if v.Approval == "" {
		return nil, nil
	}
	return r.Access.Approval(ctx, v.Approval)
}

// Entered answers JourneyVersion.entered.
func (r drawingFields) Entered(ctx context.Context, v *journey.Version) (*int, error) {
	s, err := r.stats(ctx, v)
	if s == nil || err != nil {
		return nil, err
	}
	n := int(s.Entered)
	return &n, nil
}

// Ended answers JourneyVersion.ended.
func (r drawingFields) Ended(ctx context.Context, v *journey.Version) ([]*gen.EndedCount, error) {
	s, err := r.stats(ctx, v)
	if s == nil || err != nil {
		return nil, err
	}
	return endedCounts(s.Ended), nil
}

func endedCounts(m map[journey.Status]int64) []*gen.EndedCount {
	out := []*gen.EndedCount{}
	for status, n := range m {
		out = append(out, &gen.EndedCount{Status: status, Count: int(n)})
	}
	slices.SortFunc(out, func(a, b *gen.EndedCount) int { return strings.Compare(string(a.Status), string(b.Status)) })
	return out
}

// Refused answers JourneyVersion.refused.
func (r drawingFields) Refused(ctx context.Context, v *journey.Version) ([]*gen.RefusedCount, error) {
	s, err := r.stats(ctx, v)
	if s == nil || err != nil {
		return nil, err
	}
	out := []*gen.RefusedCount{}
	for why, n := range s.Refused {
		out = append(out, &gen.RefusedCount{Reason: why, Count: int(n)})
	}
	slices.SortFunc(out, func(a, b *gen.RefusedCount) int { return strings.Compare(a.Reason, b.Reason) })
	return out, nil
}

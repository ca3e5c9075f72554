package resolver

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/view"
)

// BreakGlassUses answers Query.breakGlassUses.
func (r query) BreakGlassUses(ctx context.Context, open *bool, first *int, after *string, last *int, before *string) (*view.BreakGlassUseConnection, error) {
	page, err := r.Access.GlassUses(ctx, open, core.PageArgs{First: first, After: after, Last: last, Before: before})
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Access.CountGlassUses(ctx, open) }), nil
}

// ReviewBreakGlass answers Mutation.reviewBreakGlass.
func (r mutation) ReviewBreakGlass(ctx context.Context, in gen.ReviewBreakGlassInput) (*gen.ReviewBreakGlassPayload, error) {
	use, err := r.Access.ReviewGlass(ctx, in.ID, value(in.Note))
	out := &gen.ReviewBreakGlassPayload{Use: use}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// ReviewedBy answers BreakGlassUse.reviewedBy.
func (r glassFields) ReviewedBy(_ context.Context, u *access.GlassUse) (*string, error) {
	return text(u.ReviewedBy), nil
}

// ReviewedAt answers BreakGlassUse.reviewedAt.
func (r glassFields) ReviewedAt(_ context.Context, u *access.GlassUse) (*time.Time, error) {
	return instant(u.ReviewedAt), nil
}

// Note answers BreakGlassUse.note.
func (r glassFields) Note(_ context.Context, u *access.GlassUse) (*string, error) {
	return text(u.Note), nil
}

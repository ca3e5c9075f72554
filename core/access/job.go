package access

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
)

// ForJob returns ctx with its actor, who asked for a job, as they may see in the workspace
// now: view returns what roles may see for a purpose. A part of the system sees everything
// anyway.
func ForJob(ctx context.Context, ws string, view func(ctx context.Context, ws string, roles []string, purpose string) (*core.View, error)) (context.Context, error) {
	a := core.ActorFrom(ctx)
	if a == nil || a.IsSystem() {
		return ctx, nil
	}
	v, err := view(ctx, ws, a.Roles, a.Purpose)
	if err != nil {
		return nil, err
	}
	as := *a
	as.Decider = fixed{Scoped(v, a.Scopes)}
	return core.WithActor(ctx, &as), nil
}

// fixed decides by one view.
type fixed struct{ view *core.View }

// View implements core.Decider.
func (f fixed) View(context.Context) (*core.View, error) { return f.view, nil }

package access

import (
	"context"
	"slices"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// MayRedefine refuses to let the actor of ctx change who is in segments while keys,
// members or roles are limited to one of them: that decides whom they may see. Whoever
// may manage, and is limited to nobody, may; so may parts of the server. The error is
// FORBIDDEN, reason LIMITS_ACCESS.
func (s *Service) MayRedefine(ctx context.Context, ws string, segments []string) error {
	a := core.ActorFrom(ctx)
	if a.IsSystem() || a.Limits.None() && !a.BreakGlass && Can(ctx, Manage) {
		return nil
	}
	limiting, err := s.Limiting(ctx, ws, segments)
	if err != nil || !limiting {
		return err
	}
	return core.Errorf(core.Forbidden, "LIMITS_ACCESS",
		"somebody may see only the people of this segment: to change who is in it needs the permission manage, and no limits of one's own; make another segment")
}

// Limiting reports whether a role, a key that works or a member is limited to one of
// some segments.
func (s *Service) Limiting(ctx context.Context, ws string, segments []string) (bool, error) {
	names := func(l core.Limits) bool {
		return slices.ContainsFunc(l.Segments, func(id string) bool { return slices.Contains(segments, id) })
	}
	w, err := Workspaces.Get(ctx, s.store, ws)
	if err != nil || w == nil {
		return false, err
	}
	if slices.ContainsFunc(w.Access.RoleLimits, func(r RoleLimits) bool { return names(r.Limits) }) {
		return true, nil
	}
	keys, err := Keys.Find(ctx, s.store, keysOf(ws), 0)
	if err != nil {
		return false, err
	}
	now := s.clock.Now()
	for _, k := range keys {
		if k.works(now) && names(k.Limits) {
			return true, nil
		}
	}
	members, err := Members.Find(ctx, s.store, store.Query{Workspace: ws}, 0)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(members, func(m *Member) bool { return names(m.Limits) }), nil
}

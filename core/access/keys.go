package access

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// DefaultGrace is how long a rotated key goes on working.
const DefaultGrace = 24 * time.Hour

// CreateKey makes a key. An actor cannot make a key that may do more than its
// own: that is FORBIDDEN (reason ESCALATION).
func (s *Service) CreateKey(ctx context.Context, k NewKey) (*Issued, error) {
	ws, a, err := in(ctx, k.Workspace, Manage)
	if err != nil {
		return nil, err
	}
	k.Workspace = ws
	now := s.clock.Now()
	if err := s.checkKey(ctx, a, &k, now); err != nil {
		return nil, err
	}
	for _, p := range append(slices.Clone(k.Purposes), k.Purpose) {
		if p == "" {
			continue
		}
		if err := s.knownPurpose(ctx, ws, p); err != nil {
			return nil, core.AsError(err).At("purposes")
		}
	}
	w, err := s.active(ctx, ws)
	if err != nil {
		return nil, err
	}
	made := k.issue(now, a.ID)
	ops := append([]store.Op{Keys.Insert(made.Key), Workspaces.Check(w)}, k.Also...)
	if k.IdempotencyKey != "" {
		ops = append(ops, store.Claim(ws, "key", core.HashID("idem", k.IdempotencyKey), made.Key.KeyID))
	}
	if ops, err = s.recorded(ctx, ops, ws, "key.create", made.Key.KeyID, map[string]string{"roles": strings.Join(k.Roles, " ")}); err != nil {
		return nil, err
	}
	err = s.write(ctx, ops...)
	switch {
	case conflictIn(err, store.Claims.Spec):
		return nil, core.Errorf(core.Conflict, "KEY_EXISTS", "a key was made with this idempotency key; its secret was shown then and cannot be shown again").At("idempotencyKey")
	case conflict(err) && len(k.Also) > 0 || conflictIn(err, Workspaces.Spec):
		return nil, core.Errorf(core.Conflict, "WORKSPACE_CHANGED", "the workspace changed at the same moment; try again")
	case err != nil:
		return nil, err
	}
	made.Key.V = 1
	return &made, nil
}

// checkKey refuses a key that cannot be, and one that may do more than its maker.
func (s *Service) checkKey(ctx context.Context, a *core.Actor, k *NewKey, now time.Time) error {
	roles, err := s.roles(ctx, k.Workspace)
	if err != nil {
		return err
	}
	if err := k.check(now, roles); err != nil {
		return err
	}
	if err := within(a, k.Roles, k.Scopes, k.Purposes, k.Limits); err != nil {
		return err
	}
	return s.noMore(ctx, a, k.Workspace, k.Roles)
}

// roles lists the roles that there are: the built-in ones, and those that the
// workspace's policy defines.
func (s *Service) roles(ctx context.Context, ws string) ([]string, error) {
	book := s.book()
	if book == nil {
		return Roles, nil
	}
	own, err := book.OwnRoles(ctx, ws)
	return append(slices.Clone(Roles), own...), err
}

// noMore refuses to give roles that may do or read, by the policy, what the actor may
// not.
func (s *Service) noMore(ctx context.Context, a *core.Actor, ws string, roles []string) error {
	book := s.book()
	if book == nil || a.IsSystem() {
		return nil
	}
	more, err := book.Exceeds(ctx, ws, roles, a.Roles)
	if err == nil && more {
		err = core.Errorf(core.Forbidden, "ESCALATION", "these roles may do or read what yours may not").At("roles")
	}
	return err
}

// within refuses what the actor could not do itself: a role of owner by another,
// or wider scopes, purposes or limits than its own.
func within(a *core.Actor, roles, scopes, purposes []string, limits core.Limits) error {
	narrower := func(own, asked []string) bool {
		if len(own) == 0 {
			return true
		}
		return len(asked) > 0 && !slices.ContainsFunc(asked, func(s string) bool { return !slices.Contains(own, s) })
	}
	switch {
	case slices.Contains(roles, Owner) && !slices.Contains(a.Roles, Owner):
		return core.Errorf(core.Forbidden, "ESCALATION", "only an owner may give or take the role of owner").At("roles")
	case !narrower(a.Scopes, scopes):
		return core.Errorf(core.Forbidden, "ESCALATION", "a key with scopes may only manage keys with the same scopes or fewer").At("scopes")
	case !inLimits(a.Limits, limits):
		return core.Errorf(core.Forbidden, "ESCALATION", "who is limited to some people may only manage credentials with the same limits or narrower ones").At("limits")
	case !narrower(a.Purposes, purposes):
		return core.Errorf(core.Forbidden, "ESCALATION", "a key with purposes may only manage keys with the same purposes or fewer").At("purposes")
	}
	return nil
}

// RotateKey makes a new key like the one with the id, which goes on working for
// the grace period and then has expired. One with an end of its own gets the same
// length of life again. workspace "" means the actor's own. A key that may do more than
// the actor is FORBIDDEN (reason ESCALATION). A key that is no more
// is CONFLICT (reason KEY_NOT_ACTIVE), one that was rotated KEY_ROTATED.
func (s *Service) RotateKey(ctx context.Context, workspace, id string, grace time.Duration) (*Issued, error) {
	if grace < 0 {
		return nil, core.Errorf(core.Invalid, "GRACE", "a grace period is not negative; 0 ends the old key at once").At("grace")
	}
	var made Issued
	err := s.changeKey(ctx, workspace, id, "key.rotate", func(old *Key, a *core.Actor, now time.Time) ([]store.Op, error) {
		switch {
		case old.RotatedTo != "":
			return nil, core.Errorf(core.Conflict, "KEY_ROTATED", "this key was rotated; rotate its successor %s", old.RotatedTo).At("id")
		case !old.works(now):
			return nil, core.Errorf(core.Conflict, "KEY_NOT_ACTIVE", "this key was revoked or has expired; create a new one").At("id")
		}
		// Whoever rotates a key gets its secret: as much as making it.
		if err := s.noMore(ctx, a, old.Workspace, old.Roles); err != nil {
			return nil, err
		}
		next := NewKey{
			Workspace: old.Workspace, Name: old.Name, Roles: old.Roles, Source: old.Source, Purposes: old.Purposes,
			Purpose: old.Purpose, Scopes: old.Scopes, Quota: old.Quota, Limits: old.Limits,
		}
		if !old.ExpiresAt.IsZero() {
			next.ExpiresAt = now.Add(old.ExpiresAt.Sub(old.CreatedAt))
		}
		made = next.issue(now, a.ID)
		made.Key.RotatedFrom = old.KeyID
		old.RotatedAt, old.RotatedTo = now, made.Key.KeyID
		if end := now.Add(grace); old.ExpiresAt.IsZero() || end.Before(old.ExpiresAt) {
			old.ExpiresAt = end
		}
		gone, err := s.departing(ctx, old.Workspace, a, old.principal(), nil, old.ExpiresAt)
		return append(gone, Keys.Insert(made.Key)), err
	})
	if err != nil {
		return nil, err
	}
	made.Key.V = 1
	return &made, nil
}

// RevokeKey ends a key at once, and the live streams that it opened. Revoking a
// revoked key changes nothing.
func (s *Service) RevokeKey(ctx context.Context, workspace, id string) (*Key, error) {
	var revoked *Key
	err := s.changeKey(ctx, workspace, id, "key.revoke", func(k *Key, a *core.Actor, now time.Time) ([]store.Op, error) {
		revoked = k
		if !k.RevokedAt.IsZero() {
			return nil, nil
		}
		ended := !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
		k.RevokedAt, k.RevokedBy = now, a.ID
		if ended {
			return nil, nil
		}
		return s.departing(ctx, k.Workspace, a, k.principal(), nil, now)
	})
	if err != nil {
		return nil, err
	}
	return revoked, nil
}

// changeKey replaces a key by what f makes of it, together with the operations
// that f returns.
func (s *Service) changeKey(ctx context.Context, workspace, id, action string, f func(k *Key, a *core.Actor, now time.Time) ([]store.Op, error)) error {
	ws, a, err := in(ctx, workspace, Manage)
	if err != nil {
		return err
	}
	err = again(func() error {
		k, err := s.findKey(ctx, ws, id)
		if err != nil {
			return err
		}
		if k == nil {
			return core.Errorf(core.NotFound, "KEY", "this workspace has no such key").At("id")
		}
		if err := within(a, k.Roles, k.Scopes, k.Purposes, k.Limits); err != nil {
			return err
		}
		ops, err := f(k, a, s.clock.Now().Truncate(time.Millisecond))
		if err != nil {
			return err
		}
		if ops, err = s.recorded(ctx, append(ops, Keys.Replace(k)), ws, action, k.KeyID, nil); err != nil {
			return err
		}
		if err = s.write(ctx, ops...); err == nil {
			k.V++
		}
		return err
	})
	if err == nil {
		s.changed(ctx)
	}
	return err
}

// findKey returns the key with the id, or nil.
func (s *Service) findKey(ctx context.Context, workspace, id string) (*Key, error) {
	keys, err := Keys.Find(ctx, s.store, store.Query{Where: []store.Cond{store.Eq("ws", workspace), store.Eq("key", id)}}, 1)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	return keys[0], nil
}

// Key returns a key, or nil when the workspace has none with that id.
func (s *Service) Key(ctx context.Context, workspace, id string) (*Key, error) {
	ws, _, err := in(ctx, workspace, Manage)
	if err != nil {
		return nil, err
	}
	k, err := s.findKey(ctx, ws, id)
	if err != nil || k == nil {
		return nil, err
	}
	return k, s.fillUsage(ctx, []*Key{k})
}

// Keys returns a page of a workspace's keys, the latest first, those that were
// revoked or have expired among them.
func (s *Service) Keys(ctx context.Context, workspace string, page core.PageArgs) (store.Page[Key], error) {
	ws, _, err := in(ctx, workspace, Manage)
	if err != nil {
		return store.Page[Key]{}, err
	}
	w, err := page.Resolve()
	if err != nil {
		return store.Page[Key]{}, err
	}
	p, err := Keys.Page(ctx, s.store, keysOf(ws), w)
	if err != nil {
		return p, err
	}
	return p, s.fillUsage(ctx, p.Items)
}

// CountKeys returns how many keys Keys lists.
func (s *Service) CountKeys(ctx context.Context, workspace string) (int64, error) {
	ws, _, err := in(ctx, workspace, Manage)
	if err != nil {
		return 0, err
	}
	return Keys.Count(ctx, s.store, keysOf(ws))
}

func keysOf(workspace string) store.Query {
	return store.Query{Where: []store.Cond{store.Eq("ws", workspace)}, Order: []string{"-createdAt"}}
}

package access

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// DecideApproval agrees to what was asked for, or refuses it. The actor must be
// allowed to govern, and be neither who asked nor somebody whom that one made: that is
// FORBIDDEN (reason OWN_REQUEST). What is decided or void already is CONFLICT (reason
// NOT_PENDING).
func (s *Service) DecideApproval(ctx context.Context, id string, approve bool, note string) (*Approval, error) {
	ws, actor, err := in(ctx, "", Govern)
	if err != nil {
		return nil, err
	}
	if len([]rune(note)) > MaxNote {
		return nil, core.Errorf(core.Invalid, "NOTE", "a note has at most %d characters", MaxNote).At("note")
	}
	var decided *Approval
	var done func()
	err = again(func() error {
		a, err := Approvals.Get(ctx, s.store, store.Key(ws, id))
		switch {
		case err != nil:
			return err
		case a == nil:
			return core.Errorf(core.NotFound, "APPROVAL", "this workspace has no such request for approval").At("id")
		case a.Status != ApprovalPending:
			return core.Errorf(core.Conflict, "NOT_PENDING", "this request is decided, or void because what it was asked for has changed").At("id")
		}
		own, err := s.SamePrincipal(ctx, ws, actor.ID, a.RequestedBy)
		switch {
		case err != nil:
			return err
		case own:
			return core.Errorf(core.Forbidden, "OWN_REQUEST", "nobody approves their own request, nor does a key that they made or rotated; ask somebody else who may govern")
		}
		a.Status, a.DecidedBy, a.Note, a.DecidedAt = ApprovalRejected, actor.ID, note, s.clock.Now().UTC().Truncate(time.Millisecond)
		if approve {
			a.Status = ApprovalApproved
		}
		ops := []store.Op{Approvals.Replace(a)}
		done = nil
		if f := s.decisions[core.IDPrefix(a.SubjectID)]; f != nil {
			var more []store.Op
			if more, done, err = f(ctx, a); err != nil {
				return err
			}
			ops = append(ops, more...)
		}
		details := map[string]string{"approval": a.ApprovalID, "status": string(a.Status), "requestedBy": a.RequestedBy, "hash": a.ContentHash}
		if ops, err = s.recorded(ctx, ops, ws, "approval.decide", a.SubjectID, details); err != nil {
			return err
		}
		decided = a
		return s.write(ctx, ops...)
	})
	if err != nil {
		return nil, err
	}
	decided.V++
	if done != nil {
		done()
	}
	return decided, nil
}

// MaxNote is how many characters a note may have.
const MaxNote = 1000

// Principal is somebody who can come in.
type Principal struct {
	ID     string // key_…, mem_…
	Roles  []string
	Scopes []string // empty: all that the roles allow
	// Purposes are those that its data may be used for; empty means all.
	Purposes []string
	// Made lists who made it or what it replaces: key_…, mem_…, "system:…". Nobody made
	// a member: who was invited is a person of their own.
	Made []string
}

// Principals lists who can come into a workspace now: its keys and members. It checks
// nothing: callers are the server's own parts.
func (s *Service) Principals(ctx context.Context, workspace string) ([]Principal, error) {
	keys, err := Keys.Find(ctx, s.store, keysOf(workspace), 0)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	var out []Principal
	for _, k := range keys {
		if k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt)) {
			out = append(out, k.principal())
		}
	}
	q := store.Query{Workspace: workspace, Where: []store.Cond{store.Eq("status", string(Joined))}, Order: []string{"invitedAt"}}
	members, err := Members.Find(ctx, s.store, q, 0)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		out = append(out, Principal{ID: m.MemberID, Roles: m.Roles, Purposes: m.Purposes})
	}
	return out, nil
}

func (k *Key) principal() Principal {
	p := Principal{ID: k.KeyID, Roles: k.Roles, Scopes: k.Scopes, Purposes: k.Purposes, Made: []string{k.CreatedBy}}
	if k.RotatedFrom != "" {
		p.Made = append(p.Made, k.RotatedFrom)
	}
	return p
}

// SamePrincipal reports whether who is the same as other in all that matters for an
// approval: other itself, a key that it was rotated from or to, or one that these made,
// rotated, or made by way of others.
func (s *Service) SamePrincipal(ctx context.Context, workspace, who, other string) (bool, error) {
	if who == other {
		return true, nil
	}
	if strings.HasPrefix(other, "system:") {
		return false, nil // a part of the server makes keys for others, not for itself
	}
	// Keys that have ended count too: what they made lives on.
	keys, err := Keys.Find(ctx, s.store, keysOf(workspace), 0)
	if err != nil {
		return false, err
	}
	made, line := map[string][]string{}, []string{other}
	for _, k := range keys {
		made[k.KeyID] = k.principal().Made
	}
	for grown := true; grown; { // the keys that other was rotated from and to
		grown = false
		for _, k := range keys {
			if k.RotatedFrom == "" || slices.Contains(line, k.KeyID) == slices.Contains(line, k.RotatedFrom) {
				continue
			}
			line, grown = append(line, k.KeyID, k.RotatedFrom), true
		}
	}
	seen, todo := map[string]bool{}, []string{who}
	for len(todo) > 0 {
		id := todo[0]
		todo = todo[1:]
		if slices.Contains(line, id) {
			return true, nil
		}
		if !seen[id] {
			seen[id] = true
			todo = append(todo, made[id]...)
		}
	}
	return false, nil
}

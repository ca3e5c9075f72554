package policies

import (
	"context"
	"slices"
	"strings"

	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// slice is how many waiting versions are voided in one batch: a version of MaxRules has
// some 120 KB, a batch at most 4 MB.
const slice = 20

// waiting returns the version of the same author, over the same version and with the
// same rules, that waits already, and its approval; nil when there is none.
func (e *Enforcer) waiting(ctx context.Context, v *Version) (*Version, *access.Approval, error) {
	ws := store.WorkspaceOf(v.ID)
	alike, err := versions.Find(ctx, e.o.Store, store.Query{Workspace: ws, Where: []store.Cond{store.Eq("hash", v.Hash)}, Order: []string{"-createdAt"}}, 100)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range alike {
		if w.Status != Pending || w.Base != v.Base || w.Author != v.Author {
			continue
		}
		a, err := access.Approvals.Get(ctx, e.o.Store, store.Key(ws, w.Approval))
		if err != nil {
			return nil, nil, err
		}
		if a != nil && a.Status == access.ApprovalPending {
			return w, a, nil
		}
	}
	return nil, nil, nil
}

// voidOps returns the operations that void the first versions that wait over other rules
// than those of v, and whether there are more.
func (e *Enforcer) voidOps(ctx context.Context, ws string, v *Version) (ops []store.Op, more bool, err error) {
	q := store.Query{Workspace: ws, Where: []store.Cond{store.Eq("status", string(Pending))}, Order: []string{"createdAt"}}
	waiting, err := versions.Find(ctx, e.o.Store, q, slice)
	if err != nil {
		return nil, false, err
	}
	for _, w := range waiting {
		if w.VersionID == v.VersionID || w.Base >= v.Number { // the latter was made meanwhile, over v
			continue
		}
		w.Status = Void
		approvals, err := e.o.Access.VoidOps(ctx, ws, w.VersionID)
		if err != nil {
			return nil, false, err
		}
		ops = append(append(ops, versions.Replace(w)), approvals...)
	}
	return ops, len(waiting) == slice && len(ops) > 0, nil
}

// sweep voids what else waits over rules that are in force no more. What is left, as
// after a crash, the next change voids; nobody can approve it: see decided.
func (e *Enforcer) sweep(ctx context.Context, ws string, number int64) {
	for {
		ops, more, err := e.voidOps(ctx, ws, &Version{Number: number})
		if err == nil && len(ops) > 0 {
			err = work.Commit(ctx, e.o.Store, ops...)
		}
		if err != nil {
			e.o.Logger.Warn("policies: void what waits", "error", err.Error())
		}
		if err != nil || !more {
			return
		}
	}
}

// inUse refuses rules without a role that somebody has.
func (e *Enforcer) inUse(ctx context.Context, d *difference) error {
	kept := d.new.rules.roleNames()
	for _, r := range d.old.rules.Roles {
		if slices.Contains(kept, r.Name) {
			continue
		}
		who, err := e.o.Access.Holders(ctx, d.ws, r.Name)
		if err != nil {
			return err
		}
		if len(who) > 0 {
			named, rest := who, ""
			if len(named) > maxNamed {
				named, rest = named[:maxNamed], " and others"
			}
			return invalid("ROLE_IN_USE", "the role %s is still given to %s%s: give them another role, or revoke them, first", r.Name, strings.Join(named, ", "), rest).At("roles")
		}
	}
	return nil
}

package policies

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/work"
)

// Change describes new rules of a workspace.
type Change struct {
	Policy          Rules // all of them
	ExpectedVersion *int64
	DryRun          bool
	Note            string
}

// Outcome is what a change did, or would do.
type Outcome struct {
	// Version is the new version: in force, or waiting for Approval. Of a dry run it is
	// not stored. Of a change that changes nothing it is the present one.
	Version  *Version
	Changes  []CellChange
	Approval *access.Approval // nil: none is needed
	// NeedsApproval says that the author's own roles gain something, or that somebody
	// else may govern no more.
	NeedsApproval bool
	// Alone says that it took effect all the same, since nobody else could approve it.
	Alone bool
	// AloneAt is when the same change would take effect without an approval: nobody else
	// may govern, but somebody could until they were shut out a short while ago. Else zero.
	AloneAt time.Time
}

// Set makes new rules of the actor's workspace, who must be allowed to govern. Rules
// that cannot be are INVALID; ones by which nobody could govern any more are INVALID
// (reason NOBODY_GOVERNS). When the author's own roles gain something by them, or they
// take govern from somebody else, they wait for the approval of somebody else who may
// govern. Where nobody else may, it takes effect, unless somebody else who could was shut
// out within access.Vacancy. A role that somebody has cannot be left out: INVALID (reason
// ROLE_IN_USE). The same change again, while it waits or when it is in force by now,
// is the first one.
func (e *Enforcer) Set(ctx context.Context, c Change) (*Outcome, error) {
	a, err := access.Require(ctx, access.Govern)
	if err != nil {
		return nil, err
	}
	if len([]rune(c.Note)) > access.MaxNote {
		return nil, invalid("NOTE", "a note has at most %d characters", access.MaxNote).At("note")
	}
	reg, err := e.o.Purposes(ctx, a.Workspace)
	if err != nil {
		return nil, err
	}
	c.Policy = Rules{Rules: slices.Clone(c.Policy.Rules), Roles: slices.Clone(c.Policy.Roles)}
	if err := c.Policy.check(reg); err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		out, err := e.set(ctx, a, c)
		switch {
		case !errors.Is(err, store.ErrConflict):
			return out, err
		case try == 20:
			return nil, core.Errorf(core.Unavailable, "BUSY", "the policy changes too often just now; try again").Wrap(err)
		}
	}
}

// state is what a change starts from.
type state struct {
	head *head // nil: the default is in force
	now  *Version
}

func (e *Enforcer) state(ctx context.Context, ws string) (*state, error) {
	h, err := heads.Get(ctx, e.o.Store, headKey(ws))
	if err != nil || h == nil {
		return &state{now: builtIn(ws)}, err
	}
	v, err := versions.Get(ctx, e.o.Store, store.Key(ws, h.Version))
	if err == nil && v == nil {
		err = core.Errorf(core.Internal, "POLICY_MISSING", "the version of the policy that is in force is not stored")
	}
	return &state{head: h, now: v}, err
}

func (e *Enforcer) set(ctx context.Context, a *core.Actor, c Change) (*Outcome, error) {
	st, err := e.state(ctx, a.Workspace)
	if err != nil {
		return nil, err
	}
	hash := c.Policy.hash()
	// A repetition, whose first reply was lost, has seen the version before.
	repeated := st.now.Hash == hash && st.now.Author == a.ID && c.ExpectedVersion != nil && *c.ExpectedVersion == st.now.Base
	if c.ExpectedVersion != nil && *c.ExpectedVersion != st.now.Number && !repeated {
		return nil, core.Errorf(core.Conflict, "VERSION_CONFLICT", "the policy has version %d, not %d; read it and try again", st.now.Number, *c.ExpectedVersion).At("expectedVersion")
	}
	now := e.o.Clock.Now().UTC().Truncate(time.Millisecond)
	id := core.NewID(core.PrefixPolicyVersion, now)
	v := &Version{
		Meta: store.Meta{ID: store.Key(a.Workspace, id)}, VersionID: id, Base: st.now.Number, Status: Pending,
		Policy: c.Policy, Hash: hash, Note: c.Note, Author: a.ID, CreatedAt: now,
	}
	if v.Hash == st.now.Hash {
		return &Outcome{Version: st.now}, nil
	}
	diff, err := e.compare(ctx, a.Workspace, st.now, v)
	if err != nil {
		return nil, err
	}
	if !diff.governed() {
		return nil, invalid("NOBODY_GOVERNS", "nobody who can come in could govern any more; leave the permission govern to somebody").At("rules")
	}
	if err := e.inUse(ctx, diff); err != nil {
		return nil, err
	}
	out := &Outcome{Version: v, Changes: diff.changes}
	other := false
	if !a.IsSystem() {
		var ousts bool
		if other, ousts, err = e.otherGovernors(ctx, a, diff); err != nil {
			return nil, err
		}
		if out.NeedsApproval, err = diff.gains(a.Roles); err != nil {
			return nil, err
		}
		out.NeedsApproval = out.NeedsApproval || ousts
		if out.NeedsApproval && !other {
			until, err := e.o.Access.VacantUntil(ctx, a.Workspace)
			if err != nil {
				return nil, err
			}
			if now.Before(until) {
				out.AloneAt = until
			}
		}
		other = out.NeedsApproval && (other || !out.AloneAt.IsZero())
		out.Alone = out.NeedsApproval && !other
	}
	switch {
	case c.DryRun:
		return out, nil
	case other:
		out.Version, out.Approval, err = e.propose(ctx, st, v)
	default:
		err = e.apply(ctx, st, v, out.Alone)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// otherGovernors reports whether somebody else may govern by the rules in force, who
// could approve what a asks for, and whether one of them may no more by the new ones:
// else whoever changes the rules could first see to it that nobody else is asked.
func (e *Enforcer) otherGovernors(ctx context.Context, a *core.Actor, d *difference) (some, ousted bool, err error) {
	family, err := e.o.Access.Family(ctx, a.Workspace)
	if err != nil {
		return false, false, err
	}
	for _, p := range d.people {
		if family.Same(p.ID, a.ID) {
			continue
		}
		may, err := d.old.permits(p, access.Govern)
		if err != nil {
			return false, false, err
		}
		if !may {
			continue
		}
		still, err := d.new.permits(p, access.Govern)
		if err != nil {
			return false, false, err
		}
		some, ousted = true, ousted || !still
	}
	return some, ousted, nil
}

// propose stores a version that waits for an approval, or returns the one of the same
// author over the same version that waits with the same rules already.
func (e *Enforcer) propose(ctx context.Context, st *state, v *Version) (*Version, *access.Approval, error) {
	w, approval, err := e.waiting(ctx, v)
	if err != nil || w != nil {
		return w, approval, err
	}
	approval, ops, err := e.o.Access.ApprovalOps(ctx, v.VersionID, v.Hash)
	if err != nil {
		return nil, nil, err
	}
	v.Approval = approval.ApprovalID
	ops = append(ops, versions.Insert(v))
	if st.head == nil {
		ops = append(ops, heads.Absent(headKey(store.WorkspaceOf(v.ID))))
	} else {
		ops = append(ops, heads.Check(st.head))
	}
	if ops, err = e.recorded(ctx, ops, "policy.propose", v, map[string]string{"approval": approval.ApprovalID}); err != nil {
		return nil, nil, err
	}
	if err := work.Commit(ctx, e.o.Store, ops...); err != nil {
		return nil, nil, err
	}
	v.V++
	return v, approval, nil
}

// apply puts a version in force.
func (e *Enforcer) apply(ctx context.Context, st *state, v *Version, alone bool) error {
	ops, err := e.applyOps(ctx, st, v)
	if err != nil {
		return err
	}
	details := map[string]string{}
	if alone {
		details["alone"] = "the author's own roles gain by it, and nobody else could have approved it"
	}
	if ops, err = e.recorded(ctx, ops, "policy.set", v, details); err != nil {
		return err
	}
	if err := work.Commit(ctx, e.o.Store, ops...); err != nil {
		return err
	}
	v.V++
	e.outdate(store.WorkspaceOf(v.ID))
	e.sweep(ctx, store.WorkspaceOf(v.ID), v.Number)
	return nil
}

// applyOps returns the operations that put a version in force and void the first of those
// that wait, which were made over other rules. sweep voids the rest.
func (e *Enforcer) applyOps(ctx context.Context, st *state, v *Version) ([]store.Op, error) {
	ws := store.WorkspaceOf(v.ID)
	now := e.o.Clock.Now().UTC().Truncate(time.Millisecond)
	v.Number, v.Status, v.AppliedAt = st.now.Number+1, Active, now
	h := &head{Meta: store.Meta{ID: headKey(ws)}}
	var ops []store.Op
	if st.head != nil {
		h.Meta = st.head.Meta
		st.now.Status = Past
		ops = append(ops, versions.Replace(st.now))
	}
	h.Number, h.Version = v.Number, v.VersionID
	ops = append(ops, heads.Put(h), versions.Put(v))
	voids, _, err := e.voidOps(ctx, ws, v)
	return append(ops, voids...), err
}

// recorded returns the operations with the entry of the audit log that tells of them.
func (e *Enforcer) recorded(ctx context.Context, ops []store.Op, action string, v *Version, details map[string]string) ([]store.Op, error) {
	if e.o.Record == nil {
		return ops, nil
	}
	details["number"], details["base"], details["hash"] = strconv.FormatInt(v.Number, 10), strconv.FormatInt(v.Base, 10), v.Hash
	op, err := e.o.Record(ctx, store.WorkspaceOf(v.ID), action, v.VersionID, details)
	if err != nil {
		return nil, err
	}
	return append(ops, op), nil
}

// decided puts a version in force that was approved, or marks it as rejected: an
// access.DecisionFunc. A version over rules that are no longer in force is CONFLICT
// (reason POLICY_CHANGED).
func (e *Enforcer) decided(ctx context.Context, a *access.Approval) ([]store.Op, func(), error) {
	ws := store.WorkspaceOf(a.ID)
	v, err := versions.Get(ctx, e.o.Store, store.Key(ws, a.SubjectID))
	if err != nil {
		return nil, nil, err
	}
	if v == nil || v.Status != Pending || v.Hash != a.ContentHash || v.Policy.hash() != a.ContentHash {
		return nil, nil, core.Errorf(core.Conflict, "POLICY_CHANGED", "the rules are not the ones that the approval was asked for; make the change again").At("id")
	}
	if a.Status != access.ApprovalApproved {
		v.Status = Rejected
		return []store.Op{versions.Replace(v)}, nil, nil
	}
	st, err := e.state(ctx, ws)
	if err != nil {
		return nil, nil, err
	}
	if st.now.Number != v.Base {
		return nil, nil, core.Errorf(core.Conflict, "POLICY_CHANGED", "other rules came into force meanwhile; make the change again").At("id")
	}
	diff, err := e.compare(ctx, ws, st.now, v)
	if err != nil {
		return nil, nil, err
	}
	if !diff.governed() {
		return nil, nil, invalid("NOBODY_GOVERNS", "nobody who can come in could govern any more").At("id")
	}
	if err := e.inUse(ctx, diff); err != nil {
		return nil, nil, err
	}
	v.ApprovedBy = a.DecidedBy
	ops, err := e.applyOps(ctx, st, v)
	if err != nil {
		return nil, nil, err
	}
	ops, err = e.recorded(ctx, ops, "policy.set", v, map[string]string{"approval": a.ApprovalID, "author": v.Author})
	return ops, func() {
		e.outdate(ws)
		e.sweep(ctx, ws, v.Number)
	}, err
}

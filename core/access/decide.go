package access

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// DecideApproval agrees to what was asked for, or refuses it. The actor must be
// allowed to do so (to govern, or what DecideWith says of the subject), and be neither who
// asked nor somebody whom that one made, or let in within Vacancy; whoever
// made the one who asked may agree only where nobody else could: else it is FORBIDDEN
// (reason OWN_REQUEST). Deciding the same again changes nothing; what is decided
// otherwise or void already is CONFLICT (reason NOT_PENDING).
func (s *Service) DecideApproval(ctx context.Context, id string, approve bool, note string) (*Approval, error) {
	permission := Govern
	if a := core.ActorFrom(ctx); a != nil && a.Workspace != "" {
		asked, err := Approvals.Get(ctx, s.store, store.Key(a.Workspace, id))
		if err != nil {
			return nil, err
		}
		if asked != nil {
			permission = s.deciding(asked.SubjectID)
		}
	}
	ws, actor, err := in(ctx, "", permission)
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
		case a.DecidedBy == actor.ID && a.Status == outcome(approve):
			decided, done = a, nil // said again
			return nil
		case a.Status != ApprovalPending:
			return core.Errorf(core.Conflict, "NOT_PENDING", "this request is decided, or void because what it was asked for has changed").At("id")
		}
		if err := s.mayDecide(ctx, ws, actor, a, approve); err != nil {
			return err
		}
		a.Status, a.DecidedBy, a.Note, a.DecidedAt = outcome(approve), actor.ID, note, s.clock.Now().UTC().Truncate(time.Millisecond)
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
		if err = s.write(ctx, ops...); err == nil {
			a.V++
			decided = a
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if done != nil {
		done()
	}
	return decided, nil
}

func outcome(approve bool) ApprovalStatus {
	if approve {
		return ApprovalApproved
	}
	return ApprovalRejected
}

// mayDecide refuses whoever is too close to the one who asked.
func (s *Service) mayDecide(ctx context.Context, ws string, actor *core.Actor, a *Approval, approve bool) error {
	permission := s.deciding(a.SubjectID)
	f, err := s.family(ctx, ws, permission == Govern) // a colleague who came today may review a template
	switch {
	case err != nil:
		return err
	case f.Same(actor.ID, a.RequestedBy):
		return core.Errorf(core.Forbidden, "OWN_REQUEST", "nobody approves their own request, nor does a key that they made or rotated, nor a member whom they invited or let govern in the last 72 hours; ask somebody else who may %s", permission)
	case !approve || !f.Related(actor.ID, a.RequestedBy):
		return nil
	}
	people, err := s.Principals(ctx, ws)
	if err != nil {
		return err
	}
	for _, p := range people {
		if f.Related(p.ID, a.RequestedBy) {
			continue
		}
		switch may, err := s.may(ctx, ws, p, permission); {
		case err != nil:
			return err
		case may:
			return core.Errorf(core.Forbidden, "OWN_REQUEST", "you and who asked come of the same key or member, or one let the other in lately; %s, who does not, may %s and must decide", p.ID, permission)
		}
	}
	return nil
}

// MaxNote is how many characters a note may have.
const MaxNote = 1000

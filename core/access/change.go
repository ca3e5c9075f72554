package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/store"
)

// PendingChange is something dangerous that somebody asked for and that waits for somebody else
// to agree. Its id is made of what it is, so that an approval is of that and nothing else.
type PendingChange struct {
	store.Meta `bson:",inline"` // key: workspace/dgr_…
	ChangeID   string           `bson:"change"`
	Kind       string           `bson:"kind"`     // what applies it: "auditRetention", "purpose"
	Resource   string           `bson:"resource"` // what it is of: a purpose's key
	Words      string           `bson:"words"`    // what it does
	Content    bson.Raw         `bson:"content"`  // what it is, with the version that it is over
	Author     string           `bson:"author"`
	CreatedAt  time.Time        `bson:"createdAt"`
}

// PendingChanges are those that wait, waited, or were agreed to.
var PendingChanges = store.Declare[PendingChange](store.Spec{Name: "dangerous_changes"})

// ChangeFunc returns the operations that apply a change which somebody agreed to. They
// conflict, or it fails, when what it is over has changed since.
type ChangeFunc func(ctx context.Context, c *PendingChange) ([]store.Op, error)

// OnChange registers what applies changes of a kind. Call it before the first request.
func (s *Service) OnChange(kind string, f ChangeFunc) {
	if s.changes == nil {
		s.changes = map[string]ChangeFunc{}
		s.OnDecision(core.PrefixDangerous, s.decidedChange)
	}
	s.changes[kind] = f
}

// NeedsOther reports whether somebody else must agree to something dangerous that the
// actor asks for: where somebody else may govern who is not of the actor's making, or
// could until they were shut out within Vacancy. An operator needs nobody.
func (s *Service) NeedsOther(ctx context.Context) (bool, error) {
	ws, a, err := in(ctx, "", Govern)
	if err != nil || a.IsSystem() {
		return false, err
	}
	family, err := s.Family(ctx, ws)
	if err != nil {
		return false, err
	}
	people, err := s.Principals(ctx, ws)
	if err != nil {
		return false, err
	}
	for _, p := range people {
		if family.Same(p.ID, a.ID) {
			continue
		}
		if may, err := s.governs(ctx, ws, p); err != nil || may {
			return may, err
		}
	}
	until, err := s.VacantUntil(ctx, ws)
	return err == nil && s.clock.Now().Before(until), err
}

// ProposeChange stores a change that waits, and asks for its approval. The same again is
// the same request, whoever asked first.
func (s *Service) ProposeChange(ctx context.Context, c PendingChange) (*Approval, error) {
	ws, a, err := in(ctx, "", Govern)
	if err != nil {
		return nil, err
	}
	hash := c.hash()
	c.ChangeID = core.HashID(core.PrefixDangerous, ws, hash)
	c.Meta, c.Author, c.CreatedAt = store.Meta{ID: store.Key(ws, c.ChangeID)}, a.ID, s.stamp()
	var made *Approval
	err = again(func() error {
		all, err := s.approvalsOf(ctx, ws, c.ChangeID)
		if err != nil {
			return err
		}
		for _, old := range all {
			if old.Status == ApprovalPending {
				made = old
				return nil
			}
		}
		there, err := PendingChanges.Get(ctx, s.store, c.ID)
		if err != nil {
			return err
		}
		if there != nil {
			c.Meta = there.Meta
		}
		var ops []store.Op
		if made, ops, err = s.ApprovalOps(ctx, c.ChangeID, hash); err != nil {
			return err
		}
		details := map[string]string{"approval": made.ApprovalID, "kind": c.Kind, "resource": c.Resource, "hash": hash}
		if ops, err = s.recorded(ctx, append(ops, PendingChanges.Put(&c)), ws, "change.propose", c.ChangeID, details); err != nil {
			return err
		}
		return s.write(ctx, ops...)
	})
	return made, err
}

// PendingChange returns a change by its id, or nil. The actor must be allowed to govern.
func (s *Service) PendingChange(ctx context.Context, id string) (*PendingChange, error) {
	ws, _, err := in(ctx, "", Govern)
	if err != nil {
		return nil, err
	}
	return PendingChanges.Get(ctx, s.store, store.Key(ws, id))
}

func (c *PendingChange) hash() string {
	sum := sha256.New()
	for _, part := range []string{c.Kind, c.Resource, string(c.Content)} {
		_, _ = sum.Write([]byte(part + "\x00"))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// decidedChange is the DecisionFunc of changes.
func (s *Service) decidedChange(ctx context.Context, a *Approval) ([]store.Op, func(), error) {
	c, err := PendingChanges.Get(ctx, s.store, store.Key(store.WorkspaceOf(a.ID), a.SubjectID))
	if err != nil || a.Status != ApprovalApproved {
		return nil, nil, err
	}
	if c == nil || c.hash() != a.ContentHash || s.changes[c.Kind] == nil {
		return nil, nil, core.Errorf(core.Conflict, "CHANGE_OUTDATED", "this is not what the approval was asked for; make the change again").At("id")
	}
	ops, err := s.changes[c.Kind](ctx, c)
	if core.AsError(err) != nil && core.AsError(err).Reason == "VERSION_CONFLICT" {
		err = core.Errorf(core.Conflict, "CHANGE_OUTDATED", "it was changed otherwise meanwhile; make the change again").At("id")
	}
	return ops, nil, err
}

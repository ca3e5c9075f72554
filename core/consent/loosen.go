package consent

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

// Approver has somebody else agree to what is dangerous. access.Service implements it.
type Approver interface {
	// NeedsOther reports whether somebody else must agree to what the actor asks for.
	NeedsOther(ctx context.Context) (bool, error)
	// ProposeChange keeps a change that waits for them.
	ProposeChange(ctx context.Context, c access.PendingChange) (*access.Approval, error)
	// OnChange registers what applies changes of a kind that were agreed to.
	OnChange(kind string, f access.ChangeFunc)
}

// changeLoosen is the kind of a change by which a purpose asks for consent no more.
const changeLoosen = "purpose"

// loosening is what such a change holds.
type loosening struct {
	Purpose Purpose `bson:"purpose"` // as it would be
	Version int64   `bson:"over"`    // of the purpose that it is over
}

// loosens reports whether people who did not agree come to be used for a purpose.
func loosens(old, next *Purpose) bool {
	return old != nil && old.ConsentRequired && !next.ConsentRequired
}

// ChangePurpose is UpdatePurpose, where what drops the consent that a purpose requires
// waits for the approval of somebody else who may govern, where there is one: the purpose
// is then as it is in force, with what waits.
func (s *Service) ChangePurpose(ctx context.Context, ws, key string, edit Edit, f func(*Purpose)) (*Purpose, *access.Approval, error) {
	if s.Approver != nil && !edit.DryRun {
		waits, old, err := s.proposed(ctx, ws, key, edit, f)
		if err != nil || waits != nil {
			return old, waits, err
		}
	}
	p, err := s.UpdatePurpose(ctx, ws, key, edit, f)
	return p, nil, err
}

// proposed makes a change wait that must; nil when it need not.
func (s *Service) proposed(ctx context.Context, ws, key string, edit Edit, f func(*Purpose)) (*access.Approval, *Purpose, error) {
	c, err := s.read(ctx, ws)
	if err != nil {
		return nil, nil, storeError("read the purposes", err)
	}
	old := c.register.Purpose(key)
	if old == nil {
		return nil, nil, nil // the change says so
	}
	next := old.clone()
	f(&next)
	next.Key = key
	if !loosens(old, &next) {
		return nil, nil, nil
	}
	if other, err := s.Approver.NeedsOther(ctx); err != nil || !other {
		return nil, nil, err
	}
	edit.DryRun = true // what cannot be is refused now
	if _, err := s.UpdatePurpose(ctx, ws, key, edit, f); err != nil {
		return nil, nil, err
	}
	next.Version = 0
	content, err := bson.Marshal(loosening{next, version(old)})
	if err != nil {
		return nil, nil, err
	}
	waits, err := s.Approver.ProposeChange(ctx, access.PendingChange{
		Kind: changeLoosen, Resource: key, Content: content, Words: fmt.Sprintf("the purpose %s requires consent no more", key),
	})
	return waits, old, err
}

// loosened applies a change that somebody else agreed to: an access.ChangeFunc.
func (s *Service) loosened(ctx context.Context, c *access.PendingChange) ([]store.Op, error) {
	var l loosening
	if err := bson.Unmarshal(c.Content, &l); err != nil {
		return nil, err
	}
	p := l.Purpose
	return s.purposeOps(ctx, store.WorkspaceOf(c.ID), Trace{Action: "purpose.update", Resource: p.Key, Purpose: p.Key, Decision: core.Allow, Details: map[string]string{
		"author": c.Author, "change": c.ChangeID,
	}}, replacing(p.Key, Edit{ExpectedVersion: &l.Version}, func(*Purpose) (Purpose, *core.Error) { return p, nil }))
}

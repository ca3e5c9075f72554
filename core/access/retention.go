package access

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
)

// changeRetention is the kind of a PendingChange by which the audit log forgets sooner.
const changeRetention = "auditRetention"

type retentionChange struct {
	Months  int   `bson:"months"`
	Version int64 `bson:"version"` // of the settings that it is over
}

// SetAuditRetention states for how many months the audit log keeps what its entries say;
// 0 is for ever. The actor must be allowed to govern. What would let go of entries sooner
// waits for the approval of somebody else who may govern, where there is one: the
// retention is then the one in force, with what waits.
func (s *Service) SetAuditRetention(ctx context.Context, months int, expected *int64, dryRun bool) (*audit.Retention, *Approval, error) {
	ws, _, err := in(ctx, "", Govern)
	if err != nil {
		return nil, nil, err
	}
	if err := audit.CheckMonths(months); err != nil {
		return nil, nil, err
	}
	shorter, version, err := s.audit.Shortens(ctx, ws, months)
	if err != nil {
		return nil, nil, err
	}
	if !dryRun && shorter && (expected == nil || *expected == version) {
		other, err := s.NeedsOther(ctx)
		if err != nil {
			return nil, nil, err
		}
		if other {
			content, err := bson.Marshal(retentionChange{months, version})
			if err != nil {
				return nil, nil, err
			}
			waits, err := s.ProposeChange(ctx, PendingChange{
				Kind: changeRetention, Resource: "audit", Content: content, Words: fmt.Sprintf("the audit log keeps what its entries say for %d months", months),
			})
			if err != nil {
				return nil, nil, err
			}
			now, err := s.audit.Retention(ctx, ws)
			return now, waits, err
		}
	}
	kept, err := s.audit.SetRetention(ctx, ws, months, expected, dryRun)
	return kept, nil, err
}

// retained applies a retention that somebody else agreed to: a ChangeFunc.
func (s *Service) retained(ctx context.Context, c *PendingChange) ([]store.Op, error) {
	var r retentionChange
	if err := bson.Unmarshal(c.Content, &r); err != nil {
		return nil, err
	}
	return s.audit.RetentionOps(ctx, store.WorkspaceOf(c.ID), r.Months, r.Version)
}

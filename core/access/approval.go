package access

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/store"
)

// ApprovalStatus is where a request for approval stands.
type ApprovalStatus string

// The statuses.
const (
	ApprovalPending  ApprovalStatus = "PENDING"
	ApprovalApproved ApprovalStatus = "APPROVED"
	ApprovalRejected ApprovalStatus = "REJECTED"
	ApprovalVoid     ApprovalStatus = "VOID" // what it was asked for was changed
)

// Approval asks somebody else to agree to something as it is now: it is bound to a
// hash of the content.
type Approval struct {
	store.Meta  `bson:",inline"`
	ApprovalID  string         `bson:"approval"` // apr_…
	SubjectID   string         `bson:"subject"`  // the node that is to be approved: plv_…
	ContentHash string         `bson:"hash"`     // of its content, hex
	RequestedBy string         `bson:"requestedBy"`
	Status      ApprovalStatus `bson:"status"`
	DecidedBy   string         `bson:"decidedBy,omitempty"`
	Note        string         `bson:"note,omitempty"` // why, of who decided
	CreatedAt   time.Time      `bson:"createdAt"`
	DecidedAt   time.Time      `bson:"decidedAt,omitempty"` // or voided
}

// Approvals is the collection of requests for approval.
var Approvals = store.Declare[Approval](store.Spec{
	Name:    "approvals",
	Indexes: []store.Index{store.On("-createdAt"), store.On("status", "-createdAt"), store.On("subject", "-createdAt")},
})

// Record returns the operation that writes an entry of the audit log in the batch of
// the change that it tells of; action is "key.create" or the like, resource the id of
// what was changed, details hold no personal value.
type Record func(ctx context.Context, workspace, action, resource string, details map[string]string) (store.Op, error)

// Recorder writes the entries into an audit log.
func Recorder(l *audit.Log) Record {
	return func(ctx context.Context, workspace, action, resource string, details map[string]string) (store.Op, error) {
		return l.Op(ctx, audit.Entry{Workspace: workspace, Action: action, Resource: resource, Details: details})
	}
}

// recorded returns the operations with the entry that tells of them.
func (s *Service) recorded(ctx context.Context, ops []store.Op, ws, action, resource string, details map[string]string) ([]store.Op, error) {
	entry, err := s.audited(ctx, ws, action, resource, nil, details)
	return append(ops, entry...), err
}

// DecisionFunc takes part in the decision on a subject. It returns what to commit
// together with it, and what to do when that is committed, both may be nil.
type DecisionFunc func(ctx context.Context, a *Approval) (ops []store.Op, done func(), err error)

// OnDecision registers f for the subjects whose ids have the prefix. Call it before
// the first request.
func (s *Service) OnDecision(prefix string, f DecisionFunc) { s.decisions[prefix] = f }

// DecideWith says which permission deciding about subjects with the prefix takes, in
// place of Govern. Call it before the first request.
func (s *Service) DecideWith(prefix string, p Permission) { s.deciders[prefix] = p }

// deciding returns the permission that deciding about a subject takes.
func (s *Service) deciding(subject string) Permission {
	if p, ok := s.deciders[core.IDPrefix(subject)]; ok {
		return p
	}
	return Govern
}

// ApprovalOps returns a new request for approval of a subject, with the operations
// that make it and void the subject's earlier ones, for a batch of the caller's.
func (s *Service) ApprovalOps(ctx context.Context, subject, hash string) (*Approval, []store.Op, error) {
	a := core.ActorFrom(ctx)
	if a == nil {
		return nil, nil, errMissingKey
	}
	ops, err := s.VoidOps(ctx, a.Workspace, subject)
	if err != nil {
		return nil, nil, err
	}
	now := s.clock.Now().UTC().Truncate(time.Millisecond)
	id := core.NewID(core.PrefixApproval, now)
	made := &Approval{
		Meta: store.Meta{ID: store.Key(a.Workspace, id)}, ApprovalID: id, SubjectID: subject, ContentHash: hash,
		RequestedBy: a.ID, Status: ApprovalPending, CreatedAt: now,
	}
	return made, append(ops, Approvals.Insert(made)), nil
}

// VoidOps returns the operations that void what was asked for of a subject and what
// was agreed to: its content has changed.
func (s *Service) VoidOps(ctx context.Context, workspace, subject string) ([]store.Op, error) {
	all, err := s.approvalsOf(ctx, workspace, subject)
	if err != nil {
		return nil, err
	}
	var ops []store.Op
	for _, a := range all {
		if a.Status == ApprovalPending || a.Status == ApprovalApproved {
			a.Status, a.DecidedAt = ApprovalVoid, s.clock.Now().UTC().Truncate(time.Millisecond)
			ops = append(ops, Approvals.Replace(a))
		}
	}
	return ops, nil
}

// RequestApproval asks for the approval of a subject whose content has the hash.
// Earlier requests for the subject are void; asking again for the same content gives
// the same request.
func (s *Service) RequestApproval(ctx context.Context, subject, hash string) (*Approval, error) {
	a := core.ActorFrom(ctx)
	if a == nil {
		return nil, errMissingKey
	}
	var made *Approval
	err := again(func() error {
		all, err := s.approvalsOf(ctx, a.Workspace, subject)
		if err != nil {
			return err
		}
		for _, old := range all {
			if old.ContentHash == hash && (old.Status == ApprovalPending && old.RequestedBy == a.ID || old.Status == ApprovalApproved) {
				made = old
				return nil
			}
		}
		var ops []store.Op
		if made, ops, err = s.ApprovalOps(ctx, subject, hash); err != nil {
			return err
		}
		if ops, err = s.recorded(ctx, ops, a.Workspace, "approval.request", subject, map[string]string{"approval": made.ApprovalID, "hash": hash}); err != nil {
			return err
		}
		return s.write(ctx, ops...)
	})
	return made, err
}

// Approved reports whether somebody agreed to the subject as it is: with this hash.
func (s *Service) Approved(ctx context.Context, subject, hash string) (bool, error) {
	a := core.ActorFrom(ctx)
	if a == nil {
		return false, errMissingKey
	}
	all, err := s.approvalsOf(ctx, a.Workspace, subject)
	if err != nil {
		return false, err
	}
	for _, one := range all {
		if one.Status == ApprovalApproved && one.ContentHash == hash {
			return true, nil
		}
	}
	return false, nil
}

func (s *Service) approvalsOf(ctx context.Context, workspace, subject string) ([]*Approval, error) {
	q := store.Query{Workspace: workspace, Where: []store.Cond{store.Eq("subject", subject)}, Order: []string{"-createdAt"}}
	return Approvals.Find(ctx, s.store, q, 0)
}

// Approval returns a request for approval, or nil. The actor must be allowed to read.
func (s *Service) Approval(ctx context.Context, id string) (*Approval, error) {
	ws, _, err := in(ctx, "", Read)
	if err != nil {
		return nil, err
	}
	return Approvals.Get(ctx, s.store, store.Key(ws, id))
}

func approvalQuery(ws string, status ApprovalStatus) store.Query {
	q := store.Query{Workspace: ws, Order: []string{"-createdAt"}}
	if status != "" {
		q.Where = []store.Cond{store.Eq("status", string(status))}
	}
	return q
}

// ListApprovals returns a page of the requests for approval, the latest first; status
// "" means all.
func (s *Service) ListApprovals(ctx context.Context, status ApprovalStatus, page core.PageArgs) (store.Page[Approval], error) {
	ws, _, err := in(ctx, "", Read)
	if err != nil {
		return store.Page[Approval]{}, err
	}
	w, err := page.Resolve()
	if err != nil {
		return store.Page[Approval]{}, err
	}
	return Approvals.Page(ctx, s.store, approvalQuery(ws, status), w)
}

// CountApprovals returns how many requests ListApprovals lists.
func (s *Service) CountApprovals(ctx context.Context, status ApprovalStatus) (int64, error) {
	ws, _, err := in(ctx, "", Read)
	if err != nil {
		return 0, err
	}
	return Approvals.Count(ctx, s.store, approvalQuery(ws, status))
}

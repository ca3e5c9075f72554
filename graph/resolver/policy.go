package resolver

import (
	"context"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
	"github.com/headwater-cdp/headwater/policies"
)

// Policy answers Query.policy.
func (r query) Policy(ctx context.Context) (*policies.Version, error) {
	return r.Policies.Present(ctx)
}

// PolicyVersions answers Query.policyVersions.
func (r query) PolicyVersions(ctx context.Context, first *int, after *string, last *int, before *string) (*view.PolicyVersionConnection, error) {
	page, err := r.Policies.Versions(ctx, core.PageArgs{First: first, After: after, Last: last, Before: before})
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, r.Policies.CountVersions), nil
}

// AccessMatrix answers Query.accessMatrix.
func (r query) AccessMatrix(ctx context.Context, role, purpose *string) ([]*gen.AccessCell, error) {
	cells, err := r.Policies.Matrix(ctx, value(role), value(purpose))
	if err != nil {
		return nil, err
	}
	out := make([]*gen.AccessCell, len(cells))
	for i := range cells {
		out[i] = cell(&cells[i])
	}
	return out, nil
}

// ExplainAccess answers Query.explainAccess.
func (r query) ExplainAccess(ctx context.Context, principal, action string, category core.Category, purpose string) (*gen.AccessCell, error) {
	c, err := r.Policies.Explain(ctx, principal, action, category, purpose)
	if err != nil {
		return nil, err
	}
	return cell(c), nil
}

func cell(c *policies.Cell) *gen.AccessCell {
	return &gen.AccessCell{
		Role: c.Role, Purpose: c.Purpose, Category: c.Category(), Action: c.Action(), Effect: c.Decision.Effect,
		Form: form(c.Decision.Form), Rule: c.Decision.Rule, Withheld: text(c.Decision.Withheld), NeedsReason: c.NeedsReason,
	}
}

func form(f core.MaskForm) *core.MaskForm {
	if f == "" {
		return nil
	}
	return &f
}

// SetPolicy answers Mutation.setPolicy.
func (r mutation) SetPolicy(ctx context.Context, in gen.SetPolicyInput) (*gen.SetPolicyPayload, error) {
	c := policyChange(in.ExpectedVersion, in.DryRun, in.Note)
	for _, rule := range in.Rules {
		c.Policy.Rules = append(c.Policy.Rules, *rule)
	}
	for _, role := range in.Roles {
		c.Policy.Roles = append(c.Policy.Roles, *role)
	}
	return policyChanged(r.Policies.Set(ctx, c))
}

// RollbackPolicy answers Mutation.rollbackPolicy.
func (r mutation) RollbackPolicy(ctx context.Context, in gen.RollbackPolicyInput) (*gen.RollbackPolicyPayload, error) {
	out, err := policyChanged(r.Policies.Rollback(ctx, int64(in.Number), policyChange(in.ExpectedVersion, in.DryRun, in.Note)))
	return (*gen.RollbackPolicyPayload)(out), err
}

func policyChange(expected *int, dryRun *bool, note *string) policies.Change {
	return policies.Change{ExpectedVersion: long(expected), DryRun: value(dryRun), Note: value(note)}
}

func policyChanged(o *policies.Outcome, err error) (*gen.SetPolicyPayload, error) {
	if errs, err := problems(err); err != nil || errs != nil {
		return &gen.SetPolicyPayload{UserErrors: errs, Changes: []*gen.AccessChange{}}, err
	}
	out := &gen.SetPolicyPayload{Policy: o.Version, Approval: o.Approval, NeedsApproval: o.NeedsApproval, Alone: o.Alone, AloneAt: instant(o.AloneAt), Changes: []*gen.AccessChange{}}
	for i := range o.Changes {
		c := &o.Changes[i]
		out.Changes = append(out.Changes, &gen.AccessChange{
			Role: c.Role, Purpose: c.Purpose, Category: c.Category(), Action: c.Action(), Before: c.Before.Effect, FormBefore: form(c.Before.Form),
			After: c.Decision.Effect, FormAfter: form(c.Decision.Form), Gains: c.Gains, Rule: c.Decision.Rule, Principals: c.Principals,
			PrincipalCount: c.PrincipalCount,
		})
	}
	return out, nil
}

// Rules answers PolicyVersion.rules.
func (r policyFields) Rules(_ context.Context, v *policies.Version) ([]*policies.Rule, error) {
	return pointers(v.Policy.Rules), nil
}

// Form answers PolicyRule.form.
func (r policyRuleFields) Form(_ context.Context, rule *policies.Rule) (*core.MaskForm, error) {
	return form(rule.Form), nil
}

// Roles answers PolicyVersion.roles.
func (r policyFields) Roles(_ context.Context, v *policies.Version) ([]*policies.Role, error) {
	return pointers(v.Policy.Roles), nil
}

// Note answers PolicyVersion.note.
func (r policyFields) Note(_ context.Context, v *policies.Version) (*string, error) {
	return text(v.Note), nil
}

// AppliedAt answers PolicyVersion.appliedAt.
func (r policyFields) AppliedAt(_ context.Context, v *policies.Version) (*time.Time, error) {
	return instant(v.AppliedAt), nil
}

// ApprovedBy answers PolicyVersion.approvedBy.
func (r policyFields) ApprovedBy(_ context.Context, v *policies.Version) (*string, error) {
	return text(v.ApprovedBy), nil
}

// Approval answers PolicyVersion.approval.
func (r policyFields) Approval(ctx context.Context, v *policies.Version) (*access.Approval, error) {
	if v.Approval == "" {
		return nil, nil
	}
	return r.Access.Approval(ctx, v.Approval)
}

// Approvals answers Query.approvals.
func (r query) Approvals(ctx context.Context, status *access.ApprovalStatus, first *int, after *string, last *int, before *string) (*view.ApprovalConnection, error) {
	page, err := r.Access.ListApprovals(ctx, value(status), core.PageArgs{First: first, After: after, Last: last, Before: before})
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Access.CountApprovals(ctx, value(status)) }), nil
}

// DecideApproval answers Mutation.decideApproval.
func (r mutation) DecideApproval(ctx context.Context, in gen.DecideApprovalInput) (*gen.DecideApprovalPayload, error) {
	a, err := r.Access.DecideApproval(ctx, in.ID, in.Approve, value(in.Note))
	out := &gen.DecideApprovalPayload{Approval: a}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// Subject answers Approval.subject.
func (r approvalFields) Subject(ctx context.Context, a *access.Approval) (view.Node, error) {
	return query{r.Resolver}.Node(ctx, a.SubjectID)
}

// Content answers PendingChange.content.
func (r pendingFields) Content(_ context.Context, c *access.PendingChange) (scalar.JSON, error) {
	return event.ToJSON(c.Content)
}

// DecidedBy answers Approval.decidedBy.
func (r approvalFields) DecidedBy(_ context.Context, a *access.Approval) (*string, error) {
	return text(a.DecidedBy), nil
}

// Note answers Approval.note.
func (r approvalFields) Note(_ context.Context, a *access.Approval) (*string, error) {
	return text(a.Note), nil
}

// DecidedAt answers Approval.decidedAt.
func (r approvalFields) DecidedAt(_ context.Context, a *access.Approval) (*time.Time, error) {
	return instant(a.DecidedAt), nil
}

// instant returns nil for the zero time, which the schema writes as null.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

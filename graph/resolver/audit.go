package resolver

import (
	"context"
	"encoding/json"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/graph/gen"
	"github.com/headwater-cdp/headwater/graph/scalar"
	"github.com/headwater-cdp/headwater/graph/view"
)

// AuditEntry implements gen.ResolverRoot.
func (r *Resolver) AuditEntry() gen.AuditEntryResolver { return auditFields{r} }

// AuditCheckpoint implements gen.ResolverRoot.
func (r *Resolver) AuditCheckpoint() gen.AuditCheckpointResolver { return checkpointFields{r} }

// AuditKey implements gen.ResolverRoot.
func (r *Resolver) AuditKey() gen.AuditKeyResolver { return auditKeyFields{r} }

// AuditRetention implements gen.ResolverRoot.
func (r *Resolver) AuditRetention() gen.AuditRetentionResolver { return auditKeptFields{r} }

// AuditEntries answers Query.auditEntries. Who reads the log is in it, too.
func (r query) AuditEntries(ctx context.Context, where *gen.AuditFilter, first *int, after *string, last *int, before *string) (*view.AuditEntryConnection, error) {
	w, err := window(first, after, last, before)
	if err != nil {
		return nil, err
	}
	if err := access.Allow(ctx, access.Audit); err != nil {
		return nil, err
	}
	ws, f := workspace(ctx), auditFilter(where)
	if f.Subject != nil {
		audit.Lookup(ctx, f.Subject.Namespace, f.Subject.Value)
	}
	seen := audit.Seen{Resource: "audit"}
	if f.ProfileID != "" {
		seen.Profiles = []string{f.ProfileID}
	}
	if err := audit.Note(ctx, seen); err != nil {
		return nil, err
	}
	page, err := r.Resolver.Audit.Entries(ctx, ws, f, w)
	if err != nil {
		return nil, err
	}
	return view.NewConnection(page, func(ctx context.Context) (int64, error) { return r.Resolver.Audit.Count(ctx, ws, f) }), nil
}

func auditFilter(in *gen.AuditFilter) audit.Filter {
	if in == nil {
		return audit.Filter{}
	}
	f := audit.Filter{
		Actor: value(in.Actor), ProfileID: value(in.ProfileID), Purpose: value(in.Purpose), Action: value(in.Action),
		Decision: value(in.Decision), RequestID: value(in.RequestID), From: value(in.From), To: value(in.To),
	}
	if in.Subject != nil {
		f.Subject = &audit.Subject{Namespace: in.Subject.Namespace, Value: in.Subject.Value}
	}
	return f
}

// AuditCheckpoint answers Query.auditCheckpoint.
func (r query) AuditCheckpoint(ctx context.Context, size *int) (*audit.Checkpoint, error) {
	if err := access.Allow(ctx, access.Audit); err != nil {
		return nil, err
	}
	return r.Resolver.Audit.Checkpoint(ctx, workspace(ctx), long(size))
}

// AuditKeys answers Query.auditKeys.
func (r query) AuditKeys(ctx context.Context) ([]*keyring.VerifierKey, error) {
	if err := access.Allow(ctx, access.Audit); err != nil {
		return nil, err
	}
	keys, err := r.Resolver.Audit.VerifierKeys(ctx, workspace(ctx))
	return pointers(keys), err
}

// AuditRetention answers Query.auditRetention.
func (r query) AuditRetention(ctx context.Context) (*audit.Retention, error) {
	if err := access.Allow(ctx, access.Audit); err != nil {
		return nil, err
	}
	return r.Resolver.Audit.Retention(ctx, workspace(ctx))
}

// RotateAuditKey answers Mutation.rotateAuditKey.
func (r mutation) RotateAuditKey(ctx context.Context, in gen.RotateAuditKeyInput) (*gen.RotateAuditKeyPayload, error) {
	actor, err := access.Require(ctx, access.Govern)
	if err != nil {
		return nil, err
	}
	if why := value(in.Reason); why != "" {
		told := *actor
		told.Reason = why
		ctx = core.WithActor(ctx, &told)
	}
	key, err := r.Audit.RotateKey(ctx, actor.Workspace)
	out := &gen.RotateAuditKeyPayload{}
	if err == nil {
		out.Key = &key
	}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// SetAuditRetention answers Mutation.setAuditRetention.
func (r mutation) SetAuditRetention(ctx context.Context, in gen.SetAuditRetentionInput) (*gen.SetAuditRetentionPayload, error) {
	kept, waits, err := r.Access.SetAuditRetention(ctx, in.Months, long(in.ExpectedVersion), value(in.DryRun))
	out := &gen.SetAuditRetentionPayload{Retention: kept, Approval: waits}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// Fields answers AuditEntry.fields.
func (r auditFields) Fields(_ context.Context, e *audit.Record) ([]string, error) {
	return some(e.Fields), nil
}

// Subjects answers AuditEntry.subjects.
func (r auditFields) Subjects(_ context.Context, e *audit.Record) ([]string, error) {
	return some(e.Subjects), nil
}

// some returns a list that is not null.
func some(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// Reason answers AuditEntry.reason.
func (r auditFields) Reason(_ context.Context, e *audit.Record) (*string, error) {
	return text(e.Reason), nil
}

// Details answers AuditEntry.details.
func (r auditFields) Details(_ context.Context, e *audit.Record) (scalar.JSON, error) {
	if len(e.Details) == 0 {
		return scalar.JSON("{}"), nil
	}
	return json.Marshal(e.Details)
}

// Proof answers AuditEntry.proof.
func (r auditFields) Proof(ctx context.Context, e *audit.Record, size int) ([]string, error) {
	return r.Audit.Proof(ctx, workspace(ctx), e.Index, int64(size))
}

// Consistency answers AuditCheckpoint.consistency.
func (r checkpointFields) Consistency(ctx context.Context, c *audit.Checkpoint, from int) ([]string, error) {
	return r.Audit.Consistency(ctx, c.Workspace, int64(from), c.Size)
}

// From answers AuditRetention.from.
func (r auditKeptFields) From(_ context.Context, k *audit.Retention) (*time.Time, error) {
	if k.From.IsZero() {
		return nil, nil
	}
	return &k.From, nil
}

// Until answers AuditKey.until.
func (r auditKeyFields) Until(_ context.Context, k *keyring.VerifierKey) (*time.Time, error) {
	if k.Until.IsZero() {
		return nil, nil
	}
	return &k.Until, nil
}

package resolver

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/graph/gen"
)

// Workspace answers Query.workspace.
func (r query) Workspace(ctx context.Context) (*access.Workspace, error) {
	return r.Access.Workspace(ctx, "")
}

// Sources answers Query.sources.
func (r query) Sources(ctx context.Context) ([]*event.Source, error) {
	return r.Resolver.Events.Sources(ctx, workspace(ctx))
}

// CreateSource answers Mutation.createSource.
func (r mutation) CreateSource(ctx context.Context, in gen.CreateSourceInput) (*gen.CreateSourcePayload, error) {
	src, err := r.Events.CreateSource(ctx, workspace(ctx), event.SourceInput{
		Name: in.Name, Kind: in.Kind, Priority: int64(value(in.Priority)), Purposes: in.Purposes, IdempotencyKey: value(in.IdempotencyKey),
	})
	out := &gen.CreateSourcePayload{Source: src}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// UpdateSource answers Mutation.updateSource.
func (r mutation) UpdateSource(ctx context.Context, in gen.UpdateSourceInput) (*gen.UpdateSourcePayload, error) {
	priority, _ := patched(in.Priority, "priority", new(int))
	u := event.SourceUpdate{ID: in.ID, ExpectedVersion: long(in.ExpectedVersion), Priority: long(priority)}
	if purposes, set := in.Purposes.ValueOK(); set {
		u.Purposes = &purposes // null is none: everything
	}
	var src *event.Source
	var err error
	if u.Name, err = patched(in.Name, "name", nil); err == nil {
		src, err = r.Events.UpdateSource(ctx, workspace(ctx), u)
	}
	out := &gen.UpdateSourcePayload{Source: src}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// UpdateWorkspace answers Mutation.updateWorkspace.
func (r mutation) UpdateWorkspace(ctx context.Context, in gen.UpdateWorkspaceInput) (*gen.UpdateWorkspacePayload, error) {
	var w *access.Workspace
	name, err := patched(in.Name, "name", nil)
	switch {
	case err != nil:
	case name == nil:
		err = core.Errorf(core.Invalid, "NOTHING_TO_CHANGE", "give what to change").At("name")
	default:
		w, err = r.Access.RenameWorkspace(ctx, "", *name, int64(value(in.ExpectedVersion)))
	}
	out := &gen.UpdateWorkspacePayload{Workspace: w}
	if out.UserErrors, err = problems(err); err != nil {
		return nil, err
	}
	return out, nil
}

// DeleteWorkspace answers Mutation.deleteWorkspace.
func (r mutation) DeleteWorkspace(ctx context.Context, in gen.DeleteWorkspaceInput) (*gen.DeleteWorkspacePayload, error) {
	plan, err := r.Access.DeleteWorkspace(ctx, access.Deletion{ExpectedName: in.Confirmation, DryRun: value(in.DryRun)})
	if errs, err := problems(err); err != nil || errs != nil {
		for _, e := range errs {
			if e.Reason == "NAME_MISMATCH" {
				e.Path = []string{"input", "confirmation"}
			}
		}
		return &gen.DeleteWorkspacePayload{UserErrors: errs}, err
	}
	return &gen.DeleteWorkspacePayload{Job: plan.Job, Counts: pointers(plan.Counts)}, nil
}

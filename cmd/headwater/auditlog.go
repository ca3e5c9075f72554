package main

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
)

// workspaceIDs lists the workspaces whose audit logs this store keeps.
func (a *app) workspaceIDs(ctx context.Context) ([]string, error) {
	var out []string
	err := eachWorkspace(core.WithActor(ctx, access.Operator("audit")), a, func(w *access.Workspace) error {
		out = append(out, w.ID)
		return nil
	})
	return out, err
}

// profilesOf returns the ids under which the audit log may know who has an identifier:
// those of the profile and of its parts.
func (a *app) profilesOf(ctx context.Context, ws string, s audit.Subject) ([]string, error) {
	p, err := a.profiles.ByIdentifier(ctx, ws, event.Identifier{Namespace: s.Namespace, Value: s.Value})
	if err != nil || p == nil {
		return nil, err
	}
	return p.Parts, nil
}

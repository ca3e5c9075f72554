package main

import (
	"context"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/store"
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

// auditEverywhere writes an entry into the log of every workspace of a store: a command
// reads or writes all of it. The entries name nobody, so no secret is needed.
func auditEverywhere(e *env, s store.Store, action string) error {
	ctx := core.WithActor(e.ctx, access.Operator("cli"))
	all, err := access.Workspaces.Find(ctx, s, store.Query{}, 0)
	if err != nil {
		return err
	}
	var entries []audit.Entry
	for _, w := range all {
		entries = append(entries, audit.Entry{Workspace: w.ID, Action: action, Resource: "store"})
	}
	return audit.New(audit.Options{Store: s, Clock: e.clock, Logger: e.log}).WriteAll(ctx, entries)
}

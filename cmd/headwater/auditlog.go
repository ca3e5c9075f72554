package main

import (
	"context"
	"strings"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/event"
	"github.com/headwater-cdp/headwater/core/profile"
	"github.com/headwater-cdp/headwater/core/store"
)

// workspaceIDs lists the workspaces whose audit logs this store keeps. One that is being
// deleted is none of them.
func (a *app) workspaceIDs(ctx context.Context) ([]string, error) {
	var out []string
	err := eachWorkspace(core.WithActor(ctx, access.Operator("audit")), a, func(w *access.Workspace) error {
		if w.Status != access.Deleting {
			out = append(out, w.ID)
		}
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

// tell writes down what the operator is about to do to a workspace on the command line.
// Nothing is done when it fails.
func (a *app) tell(ctx context.Context, w *access.Workspace, action, resource string, details map[string]string) error {
	return a.audit.Write(ctx, audit.Entry{Workspace: w.ID, Action: action, Resource: resource, Details: details})
}

// normalOf returns the form under which profiles know an identifier. A telephone number
// that begins with 00 is read as international also where no region is set.
func (a *app) normalOf(ctx context.Context, ws string, s audit.Subject) (audit.Subject, bool, error) {
	people, id := a.profiles.ConsentPeople(), event.Identifier{Namespace: s.Namespace, Value: s.Value}
	n, ok, err := people.Normal(ctx, ws, id)
	if rest, abroad := strings.CutPrefix(strings.TrimSpace(s.Value), "00"); err == nil && !ok && abroad && s.Namespace == profile.Phone {
		id.Value = "+" + rest
		n, ok, err = people.Normal(ctx, ws, id)
	}
	return audit.Subject{Namespace: n.Namespace, Value: n.Value}, ok, err
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

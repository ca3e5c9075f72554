package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
)

// workspaceCmd groups what an operator does to workspaces.
type workspaceCmd struct {
	Create createWorkspaceCmd `cmd:"" help:"Make a workspace; prints its id and first two keys as JSON."`
	List   listWorkspacesCmd  `cmd:"" help:"List the workspaces, one JSON object a line."`
	Key    workspaceKeyCmd    `cmd:"" help:"Make a key; prints it as JSON."`
	Member memberCmd          `cmd:"" help:"Invite and list the members of a workspace."`
	Delete deleteWorkspaceCmd `cmd:"" help:"Delete a workspace and everything in it."`
}

// operate runs f with the services over a store, as the operator.
func (f storeFlags) operate(e *env, do func(ctx context.Context, a *app) error) (err error) {
	a, err := f.start(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	return do(core.WithActor(e.ctx, access.Operator("cli")), a)
}

// workspace returns the workspace with a name.
func (a *app) workspace(ctx context.Context, name string) (*access.Workspace, error) {
	w, err := a.access.FindWorkspace(ctx, name)
	if w == nil && err == nil {
		err = core.Errorf(core.NotFound, "WORKSPACE", "there is no workspace %q; headwater workspace list shows them", name)
	}
	return w, err
}

func (e *env) printJSON(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	_, err = fmt.Fprintln(e.out, string(b))
	return err
}

type createWorkspaceCmd struct {
	storeFlags
	Name string `arg:"" help:"Name of the workspace, unique on this store."`
}

// Run implements the command.
func (c *createWorkspaceCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		made, err := createWorkspace(ctx, a, c.Name, "HTTP API")
		if err != nil {
			return err
		}
		return e.printJSON(struct {
			Workspace string `json:"workspace"`
			AdminKey  string `json:"adminKey"`
			WriteKey  string `json:"writeKey"`
		}{made.Workspace.ID, made.AdminKey, made.WriteKey})
	})
}

type listWorkspacesCmd struct{ storeFlags }

// Run implements the command.
func (c *listWorkspacesCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		return eachWorkspace(ctx, a, func(w *access.Workspace) error {
			return e.printJSON(struct {
				Workspace string    `json:"workspace"`
				Name      string    `json:"name"`
				Status    string    `json:"status"`
				CreatedAt time.Time `json:"createdAt"`
			}{w.ID, w.Name, string(w.Status), w.CreatedAt})
		})
	})
}

// eachWorkspace calls f with every workspace.
func eachWorkspace(ctx context.Context, a *app, f func(*access.Workspace) error) error {
	first := core.MaxPage
	page := core.PageArgs{First: &first}
	for {
		p, err := a.access.ListWorkspaces(ctx, page)
		if err != nil {
			return err
		}
		for _, w := range p.Items {
			if err := f(w); err != nil {
				return err
			}
		}
		if !p.HasNext {
			return nil
		}
		page.After = &p.Cursors[len(p.Cursors)-1]
	}
}

type workspaceKeyCmd struct {
	storeFlags
	Workspace string        `arg:"" help:"Name of the workspace."`
	Role      string        `arg:"" help:"Role of the key." enum:"owner,admin,marketer,analyst,compliance,developer"`
	Name      string        `help:"What the key is for." default:"made on the command line"`
	Expires   time.Duration `help:"Lifetime; 0 is for ever." placeholder:"720h"`
}

// Run implements the command.
func (c *workspaceKeyCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		w, err := a.workspace(ctx, c.Workspace)
		if err != nil {
			return err
		}
		k := access.NewKey{Workspace: w.ID, Name: c.Name, Roles: []string{c.Role}}
		if c.Expires > 0 {
			k.ExpiresAt = e.clock.Now().Add(c.Expires)
		}
		err = a.tell(ctx, w, "cli.createKey", "key", map[string]string{"role": c.Role})
		if err != nil {
			return err
		}
		issued, err := a.access.CreateKey(ctx, k)
		if err != nil {
			return err
		}
		return e.printJSON(struct {
			ID     string `json:"id"`
			Role   string `json:"role"`
			Secret string `json:"key"`
		}{issued.Key.KeyID, c.Role, issued.Secret})
	})
}

type deleteWorkspaceCmd struct {
	storeFlags
	Name    string `arg:"" help:"Name of the workspace."`
	Confirm string `help:"The name again: without it only what would be deleted is counted." placeholder:"NAME" env:"-"`
}

// Run implements the command.
func (c *deleteWorkspaceCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		w, err := a.workspace(ctx, c.Name)
		if err != nil {
			return err
		}
		d := access.Deletion{Workspace: w.ID, ExpectedName: c.Confirm}
		if c.Confirm == "" {
			d.ExpectedName, d.DryRun = w.Name, true
		}
		plan, err := a.access.DeleteWorkspace(ctx, d)
		if err != nil {
			return err
		}
		for _, n := range plan.Counts {
			fmt.Fprintf(e.out, "%10d %s\n", n.Documents, n.Collection)
		}
		if plan.Job == nil {
			fmt.Fprintf(e.out, "nothing was deleted; add --confirm %q to delete this\n", w.Name)
			return nil
		}
		_, err = runJob(ctx, a, plan.Job, "deleting")
		return err
	})
}

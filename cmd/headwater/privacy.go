package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/privacy"
)

// privacyCmd is what an officer does outside of the API.
type privacyCmd struct {
	VerifyReceipt verifyReceiptCmd `cmd:"" help:"Check an erasure receipt against a verifier's key, without a store."`
	Erasures      exportErasureCmd `cmd:"" help:"Write the list of erasures of a workspace, keyed hashes only: keep it outside of the store."`
	Record        recordCmd        `cmd:"" help:"Print a workspace's record of processing activities (article 30 GDPR)."`
	Reapply       reapplyCmd       `cmd:"" help:"Erase again, after a backup was restored, whom a list of erasures names."`
}

type verifyReceiptCmd struct {
	File string `arg:"" type:"existingfile" help:"The signed note."`
	Key  string `required:"" help:"The verifier's key: name+hash+key."`
}

// Run implements the command.
func (c *verifyReceiptCmd) Run(e *env) error {
	raw, err := os.ReadFile(c.File)
	if err != nil {
		return core.Errorf(core.Invalid, "FILE", "cannot read the file").Wrap(err)
	}
	st, err := privacy.VerifyReceipt(raw, c.Key)
	if err != nil {
		return err
	}
	out := json.NewEncoder(e.out)
	out.SetIndent("", "  ")
	return out.Encode(st)
}

type exportErasureCmd struct {
	storeFlags
	Workspace string `required:"" help:"Name of the workspace."`
	File      string `arg:"" type:"path" help:"Where to write the list."`
}

// Run implements the command.
func (c *exportErasureCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		w, err := a.workspace(ctx, c.Workspace)
		if err != nil {
			return err
		}
		if err := a.tell(ctx, w, "cli.exportErasures", "erasure", nil); err != nil {
			return err
		}
		f, err := os.OpenFile(c.File, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return core.Errorf(core.Invalid, "FILE", "cannot write the file").Wrap(err)
		}
		n, err := a.privacy.ExportErasures(ctx, w.ID, f)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err == nil {
			fmt.Fprintf(e.out, "%d lines\n", n)
		}
		return err
	})
}

type recordCmd struct {
	storeFlags
	Workspace string    `required:"" help:"Name of the workspace."`
	Format    string    `help:"json, markdown, html or csv." enum:"json,markdown,html,csv" default:"json"`
	AsOf      time.Time `help:"As it was then; as it is when not given." placeholder:"TIME"`
}

// Run implements the command.
func (c *recordCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		w, err := a.workspace(ctx, c.Workspace)
		if err != nil {
			return err
		}
		var asOf *time.Time
		if !c.AsOf.IsZero() {
			asOf = &c.AsOf
		}
		r, err := a.desk.Record(ctx, w.ID, asOf)
		if err != nil {
			return err
		}
		text, err := r.RecordFile(strings.ToUpper(c.Format))
		if err == nil {
			_, err = e.out.Write(text)
		}
		return err
	})
}

type reapplyCmd struct {
	storeFlags
	Workspace string `required:"" help:"Name of the workspace."`
	File      string `arg:"" type:"existingfile" help:"The list that erasures wrote."`
}

// Run implements the command.
func (c *reapplyCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		w, err := a.workspace(ctx, c.Workspace)
		if err != nil {
			return err
		}
		f, err := os.Open(c.File)
		if err != nil {
			return core.Errorf(core.Invalid, "FILE", "cannot read the file").Wrap(err)
		}
		defer func() { _ = f.Close() }()
		if err := a.tell(ctx, w, "cli.reapplyErasures", "erasure", nil); err != nil {
			return err
		}
		a.begin(ctx)
		done, err := a.privacy.Reapply(ctx, w.ID, f)
		if err != nil {
			return err
		}
		for _, id := range done.Requests {
			if err := a.privacy.Wait(ctx, w.ID, id); err != nil {
				return err
			}
		}
		fmt.Fprintf(e.out, "%d lines, %d people erased again\n", done.Lines, len(done.Requests))
		return nil
	})
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/internal/auditverify"
)

// auditCmd groups what an operator or an auditor does with audit logs.
type auditCmd struct {
	Export auditExportCmd `cmd:"" help:"Write a workspace's audit log as JSON lines that can be verified, as OCSF or as CEF."`
	Verify auditVerifyCmd `cmd:"" help:"Prove, without a server, that an exported log is whole and was not changed; prints what was proved as JSON."`
	Pubkey auditPubkeyCmd `cmd:"" help:"Print the public keys of a workspace's log, the newest first."`
}

type auditExportCmd struct {
	storeFlags
	Workspace string    `arg:"" help:"Name of the workspace."`
	Format    string    `help:"jsonl, ocsf or cef." enum:"jsonl,ocsf,cef" default:"jsonl"`
	From      int64     `help:"The first index."`
	Output    string    `help:"File to write; standard output when not given." type:"path" placeholder:"FILE"`
	Resume    bool      `help:"Go on behind the last entry of FILE, which an earlier export of this form wrote."`
	Actor     string    `help:"Only entries of this actor." placeholder:"ID"`
	Profile   string    `help:"Only entries about this person." placeholder:"prof_…"`
	Namespace string    `help:"With --value: only entries about who has this identifier; also after their erasure." placeholder:"NAME"`
	Value     string    `help:"See --namespace." env:"-"`
	Purpose   string    `help:"Only entries under this purpose."`
	Action    string    `help:"Only entries of this action, such as query.profile."`
	Decision  string    `help:"Only entries with this decision." enum:",ALLOW,MASK,DENY" default:""`
	Request   string    `help:"Only entries of this request." placeholder:"req_…"`
	After     time.Time `help:"Only entries from this time on." placeholder:"TIME"`
	Before    time.Time `help:"Only entries up to this time." placeholder:"TIME"`
}

func (c *auditExportCmd) filter() (audit.Filter, error) {
	f := audit.Filter{
		Actor: c.Actor, ProfileID: c.Profile, Purpose: c.Purpose, Action: c.Action, Decision: core.Effect(c.Decision), RequestID: c.Request,
		From: c.After, To: c.Before,
	}
	if (c.Namespace == "") != (c.Value == "") {
		return f, core.Errorf(core.Invalid, "IDENTIFIER", "--namespace and --value belong together")
	}
	if c.Value != "" {
		f.Subject = &audit.Subject{Namespace: c.Namespace, Value: c.Value}
	}
	return f, nil
}

// Run implements the command.
func (c *auditExportCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) (err error) {
		w, err := a.workspace(ctx, c.Workspace)
		if err != nil {
			return err
		}
		in := audit.ExportInput{Format: audit.Format(c.Format), From: c.From}
		if in.Filter, err = c.filter(); err != nil {
			return err
		}
		if err := a.audit.Settle(ctx, w.ID); err != nil {
			return err
		}
		// Whoever takes the log out is in the log: the entry comes after what is exported.
		err = a.audit.Write(ctx, audit.Entry{Workspace: w.ID, Action: "audit.export", Resource: "audit", Details: map[string]string{"format": c.Format, "from": fmt.Sprint(c.From)}})
		if err != nil {
			return err
		}
		out, err := c.open(e, &in)
		if err != nil {
			return err
		}
		next, err := a.audit.Export(ctx, w.ID, in, func(b []byte) error {
			_, err := out.Write(b)
			return err
		})
		if err = errors.Join(err, out.Close()); err != nil {
			return err
		}
		if c.Output != "" {
			return e.printJSON(map[string]any{"file": c.Output, "from": in.From, "next": next})
		}
		return nil
	})
}

// open opens where the export goes; one that goes on is cut behind its last whole line.
func (c *auditExportCmd) open(e *env, in *audit.ExportInput) (io.WriteCloser, error) {
	if c.Output == "" {
		if c.Resume {
			return nil, core.Errorf(core.Invalid, "OUTPUT", "--resume goes on in a file; name it with --output")
		}
		return nopCloser{e.out}, nil
	}
	if !c.Resume {
		f, err := os.OpenFile(c.Output, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return nil, fmt.Errorf("write the export: %w", err)
		}
		return f, nil
	}
	f, err := os.OpenFile(c.Output, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("write the export: %w", err)
	}
	next, end, err := lastEntry(f)
	if err == nil {
		in.From = max(in.From, next)
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("go on with the export: %w", err), f.Close())
	}
	return f, nil
}

// lastEntry returns the index behind the last whole entry of an export, and where its
// last whole line ends.
func lastEntry(r io.Reader) (next, end int64, err error) {
	in := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return next, end, nil
		}
		if err != nil {
			return 0, 0, err
		}
		end += int64(len(line))
		if !bytes.HasPrefix(line, []byte(`{"index":`)) {
			continue
		}
		var l struct{ Index int64 }
		if err := json.Unmarshal(line, &l); err != nil {
			return 0, 0, err
		}
		next = l.Index + 1
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

type auditVerifyCmd struct {
	File       string   `arg:"" help:"The exported file; - for standard input." placeholder:"FILE"`
	Checkpoint string   `help:"File with a checkpoint that was saved before: its signed note, or the whole JSON of auditCheckpoint." type:"existingfile" placeholder:"FILE"`
	Key        []string `help:"A public key to trust, as 'audit pubkey' prints it; without any the file's own are believed." sep:"none" placeholder:"VKEY" env:"-"`
}

// Run implements the command.
func (c *auditVerifyCmd) Run(e *env) error {
	o := auditverify.Options{Keys: c.Key}
	if c.Checkpoint != "" {
		raw, err := os.ReadFile(c.Checkpoint)
		if err != nil {
			return fmt.Errorf("read the saved checkpoint: %w", err)
		}
		var whole struct{ SignedNote string }
		if json.Unmarshal(raw, &whole) == nil && whole.SignedNote != "" {
			raw = []byte(whole.SignedNote)
		}
		o.Checkpoint = raw
	}
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("read the export: %w", err)
		}
		defer f.Close()
		in = f
	}
	res, err := auditverify.Verify(in, o)
	if err != nil {
		return err
	}
	if !res.Trusted {
		fmt.Fprintln(os.Stderr, "headwater: the keys are those of the file itself; give --key to prove who signed")
	}
	return e.printJSON(res)
}

type auditPubkeyCmd struct {
	storeFlags
	Workspace string `arg:"" help:"Name of the workspace."`
	All       bool   `help:"With the keys before the present one, as JSON lines with their times."`
}

// Run implements the command.
func (c *auditPubkeyCmd) Run(e *env) error {
	return c.operate(e, func(ctx context.Context, a *app) error {
		w, err := a.workspace(ctx, c.Workspace)
		if err != nil {
			return err
		}
		keys, err := a.audit.VerifierKeys(ctx, w.ID)
		if err != nil {
			return err
		}
		if !c.All {
			_, err := fmt.Fprintln(e.out, keys[0].Key)
			return err
		}
		for _, k := range keys {
			var until *time.Time
			if !k.Until.IsZero() {
				until = &k.Until
			}
			if err := e.printJSON(map[string]any{"key": k.Key, "id": k.ID, "from": k.From, "until": until}); err != nil {
				return err
			}
		}
		return nil
	})
}

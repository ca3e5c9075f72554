package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/store"
)

// backupCmd writes everything into one file, as it was at one instant.
type backupCmd struct {
	storeFlags
	File string `arg:"" help:"File to write; it appears when it is complete." type:"path"`
}

// Run implements the command.
func (c *backupCmd) Run(e *env) (err error) {
	a, err := c.start(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	s := a.store
	if _, err := os.Stat(c.File); err == nil {
		return core.Errorf(core.Conflict, "FILE_EXISTS", "%s is there already; move it away or choose another name", filepath.Base(c.File))
	}
	part, err := os.OpenFile(c.File+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	defer func() { _ = os.Remove(part.Name()) }()
	if err := auditEverywhere(e, s, "cli.backup"); err != nil {
		return err
	}
	// What waits in the journal is in no backup; what is in the log is.
	if err := eachWorkspace(core.WithActor(e.ctx, access.Operator("backup")), a, func(w *access.Workspace) error {
		return a.audit.Settle(e.ctx, w.ID)
	}); err != nil {
		return err
	}
	bar := newProgress(os.Stderr, "backup")
	err = store.Backup(e.ctx, s, specs(), part, func(documents int64) { bar.set(documents, 0) })
	bar.end()
	if err = errors.Join(err, part.Sync(), part.Close()); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	if err := os.Rename(part.Name(), c.File); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	fmt.Fprintf(e.out, "wrote %s\n", filepath.Base(c.File))
	return nil
}

// restoreCmd fills an empty store from a backup of any engine.
type restoreCmd struct {
	storeFlags
	File string `arg:"" help:"Backup to read." type:"existingfile"`
}

// Run implements the command.
func (c *restoreCmd) Run(e *env) (err error) {
	s, err := c.open(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(e.ctx))) }()
	f, err := os.Open(c.File)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	defer f.Close()
	bar := newProgress(os.Stderr, "restore")
	err = store.Restore(e.ctx, s, specs(), f, func(documents int64) { bar.set(documents, 0) })
	bar.end()
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := auditEverywhere(e, s, "cli.restore"); err != nil {
		return err
	}
	fmt.Fprintln(e.out, "restored; the secrets in it open with the master key of the server that wrote the backup: give this one the same before you start it (DIR/master.key, or --master-key FILE)")
	return nil
}

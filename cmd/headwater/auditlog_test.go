package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/audit"
)

// TestTelephoneNumbersAreFoundInEveryForm asks the log for a person by their number, as
// it was asked for and otherwise.
func TestTelephoneNumbersAreFoundInEveryForm(t *testing.T) {
	e := &env{ctx: context.Background(), out: &bytes.Buffer{}, log: slog.New(slog.DiscardHandler), clock: core.SystemClock{}}
	a, err := storeFlags{Data: t.TempDir()}.start(e)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.close() }()
	ctx := core.WithActor(t.Context(), access.Operator("test"))
	w, err := a.access.CreateWorkspace(ctx, "Shop")
	if err != nil {
		t.Fatal(err)
	}
	ws := w.Workspace.ID
	err = a.audit.Write(ctx, audit.Entry{Workspace: ws, Action: "query.profile", Identifiers: []audit.Subject{{Namespace: "phone", Value: "+40 721-000 111"}}})
	if err == nil {
		err = a.audit.Settle(ctx, ws)
	}
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]int64{"+40721000111": 1, "0040 721 000 111": 1, "+40 (721) 000111": 1, "0721000111": 0, "no number": 0} {
		n, err := a.audit.Count(ctx, ws, audit.Filter{Subject: &audit.Subject{Namespace: "phone", Value: value}})
		if err != nil || n != want {
			t.Errorf("%q: %d entries, not %d: %v", value, n, want, err)
		}
	}
}

// TestABackupHasWhatWaitsInTheJournal writes an entry that nobody puts into the log, and
// looks for it in what is restored from a backup.
func TestABackupHasWhatWaitsInTheJournal(t *testing.T) {
	e := &env{ctx: context.Background(), out: &bytes.Buffer{}, log: slog.New(slog.DiscardHandler), clock: core.SystemClock{}}
	from, to, file := storeFlags{Data: t.TempDir()}, storeFlags{Data: t.TempDir()}, filepath.Join(t.TempDir(), "copy")
	ctx := core.WithActor(t.Context(), access.Operator("test"))
	a, err := from.start(e)
	if err != nil {
		t.Fatal(err)
	}
	w, err := a.access.CreateWorkspace(ctx, "Shop")
	if err == nil {
		err = a.audit.Write(ctx, audit.Entry{Workspace: w.Workspace.ID, Action: "query.profile"})
	}
	if err = errors.Join(err, a.close()); err != nil {
		t.Fatal(err)
	}
	if err := (&backupCmd{storeFlags: from, File: file}).Run(e); err != nil {
		t.Fatal(err)
	}
	if err := (&restoreCmd{storeFlags: to, File: file}).Run(e); err != nil {
		t.Fatal(err)
	}
	b, err := to.start(e)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.close() }()
	n, err := b.audit.Count(ctx, w.Workspace.ID, audit.Filter{Action: "query.profile"})
	if err != nil || n != 1 {
		t.Errorf("%d entries, not 1: %v", n, err)
	}
}

package main

import (
	"bytes"
	"context"
	"log/slog"
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

package library_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/access"
	"github.com/headwater-cdp/headwater/core/library"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

const ws = "ws_LIBRARY001"

// rig is a library over a store, and people who work with it.
type rig struct {
	*library.Service
	t              *testing.T
	access         *access.Service
	store          store.Store
	ana, ben, cora context.Context // marketers, and an analyst
}

func as(id, role string) context.Context {
	return core.WithActor(context.Background(), &core.Actor{Workspace: ws, ID: id, Roles: []string{role}})
}

func newRig(t *testing.T) *rig {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(t.TempDir(), "headwater.db")})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	specs := append(store.Specs(), access.Specs()...)
	require.NoError(t, db.Declare(t.Context(), append(specs, library.Specs()...)...))
	r := &rig{t: t, store: db, access: access.New(access.Options{Store: db}), ana: as("key_ana", "marketer"), ben: as("key_ben", "marketer"), cora: as("key_cora", "analyst")}
	r.Service = library.New(library.Options{Store: db, Access: r.access})
	return r
}

func mail(subject, html string) library.Content {
	return library.Content{Default: "en", Locales: map[string]library.Text{"en": {Subject: subject, HTML: html}}}
}

// create makes a template for mail.
func (r *rig) create(c library.Content) *library.Template {
	r.t.Helper()
	t, err := r.Create(r.ana, ws, library.Input{Name: "Welcome", Channel: library.Email, Family: "ONBOARDING", Content: c})
	require.NoError(r.t, err)
	return t
}

// publish has ana submit, ben agree and ana publish.
func (r *rig) publish(id string) *library.TemplateVersion {
	r.t.Helper()
	_, a, err := r.Submit(r.ana, ws, id, library.Edit{})
	require.NoError(r.t, err)
	_, err = r.access.DecideApproval(r.ben, a.ApprovalID, true, "")
	require.NoError(r.t, err)
	_, v, err := r.Publish(r.ana, ws, id, library.Edit{})
	require.NoError(r.t, err)
	return v
}

func requireReason(t *testing.T, err error, code core.Code, reason string) {
	t.Helper()
	require.ErrorIs(t, err, core.Errorf(code, reason, ""))
}

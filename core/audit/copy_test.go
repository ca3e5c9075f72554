package audit_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
	"github.com/headwater-cdp/headwater/core/audit"
	"github.com/headwater-cdp/headwater/core/keyring"
	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
	"github.com/headwater-cdp/headwater/core/work"
	"github.com/headwater-cdp/headwater/internal/auditverify"
)

// copyStore restores a backup of a store as another.
func copyStore(t *testing.T, db store.Store, path string) {
	t.Helper()
	specs := append(append(append(store.Specs(), work.Specs()...), keyring.Specs()...), audit.Specs()...)
	var file bytes.Buffer
	require.NoError(t, store.Backup(t.Context(), db, specs, &file, nil))
	to, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	require.NoError(t, err)
	require.NoError(t, store.Restore(t.Context(), to, specs, &file, nil))
	require.NoError(t, to.Close(context.Background()))
}

func optionsWith(t *testing.T, p *process, saved string) auditverify.Options {
	t.Helper()
	return auditverify.Options{Keys: []string{vkey(t, p)}, Checkpoint: []byte(saved)}
}

func commitOps(t testing.TB, db store.Store, ops ...store.Op) error {
	t.Helper()
	_, err := db.Commit(t.Context(), store.Batch{ID: core.NewID(core.PrefixBatch, time.Now()), Ops: ops})
	return err
}

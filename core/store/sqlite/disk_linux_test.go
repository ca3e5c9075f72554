package sqlite_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/store"
	"github.com/headwater-cdp/headwater/core/store/sqlite"
)

func TestFullDiskRefusesWritesAndReadsOn(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s, err := sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "hw.db")})
	require.NoError(t, err)
	require.NoError(t, s.Declare(t.Context(), people.Spec))
	ballast := filepath.Join(dir, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 1<<20), 0o600))
	n, err := fill(t, s)
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.Greater(t, n, 10)
	count, err := people.Count(t.Context(), s, store.Query{Workspace: "ws"})
	require.NoError(t, err)
	require.EqualValues(t, n, count)
	require.NoError(t, os.Remove(ballast))
	_, err = s.Commit(t.Context(), store.Batch{ID: "more", Ops: []store.Op{people.Insert(&person{Meta: store.Meta{ID: "ws/more"}})}})
	require.NoError(t, err, "there is room again")
	require.NoError(t, s.Close(t.Context()))
	s, err = sqlite.Open(t.Context(), sqlite.Options{Path: filepath.Join(dir, "hw.db")})
	require.NoError(t, err)
	require.NoError(t, s.Declare(t.Context(), people.Spec))
	more, err := people.Get(t.Context(), s, "ws/more")
	require.NoError(t, err)
	require.NotNil(t, more)
	_, err = s.Commit(t.Context(), store.Batch{ID: "less", Ops: []store.Op{people.Delete(more)}})
	require.NoError(t, err)
	intact(t, s, n)
	require.NoError(t, s.Close(t.Context()))
}

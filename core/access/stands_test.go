package access_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core/access"
)

// What a key made works while the key does, or the one that a rotation put in its place.
func TestStands(t *testing.T) {
	f := setup(t)
	stands := func(id string) bool {
		t.Helper()
		ok, err := f.Stands(t.Context(), f.made.Workspace.ID, id)
		require.NoError(t, err)
		return ok
	}
	old := f.key(t, access.NewKey{Roles: []string{access.Analyst}}).Key.KeyID
	require.True(t, stands(old))
	next, err := f.RotateKey(f.admin, "", old, 0)
	require.NoError(t, err)
	require.True(t, stands(old), "its successor does")
	_, err = f.RevokeKey(f.admin, "", next.Key.KeyID)
	require.NoError(t, err)
	require.False(t, stands(old))
	require.False(t, stands(next.Key.KeyID))
	require.False(t, stands("key_unknown"))
	require.False(t, stands("mem_unknown"))
	require.True(t, stands("system:letters"))

	leaked := f.key(t, access.NewKey{Roles: []string{access.Analyst}}).Key.KeyID
	_, err = f.RotateKey(f.admin, "", leaked, 0)
	require.NoError(t, err)
	_, err = f.RevokeKey(f.admin, "", leaked)
	require.NoError(t, err)
	require.False(t, stands(leaked), "it was revoked itself")
}

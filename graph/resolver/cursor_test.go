package resolver

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headwater-cdp/headwater/core"
)

func FuzzChangeCursor(f *testing.F) {
	f.Add(changeCursor{"123", 4}.encode())
	f.Add("")
	f.Add("AAAA")
	f.Add(changeCursor{"a:b", -1}.encode())
	f.Fuzz(func(t *testing.T, s string) {
		c, err := decodeChangeCursor(s)
		if err != nil {
			require.Equal(t, core.Invalid, core.CodeOf(err))
			return
		}
		again, err := decodeChangeCursor(c.encode())
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

func FuzzMembershipCursor(f *testing.F) {
	f.Add(encodeMembershipCursor("123"))
	f.Add(changeCursor{"123", 4}.encode())
	f.Add("")
	f.Add("fjo")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := decodeMembershipCursor(s)
		if err != nil {
			require.Equal(t, core.Invalid, core.CodeOf(err))
			return
		}
		again, err := decodeMembershipCursor(encodeMembershipCursor(token))
		require.NoError(t, err)
		require.Equal(t, token, again)
		_, err = decodeChangeCursor(s)
		require.Error(t, err, "one of profileChanged")
	})
}

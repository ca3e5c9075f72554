package main

import (
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealth(t *testing.T) {
	s := serve(t, "--data", t.TempDir())
	addr := strings.TrimPrefix(s.url, "http://")
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	for _, to := range []string{addr, "0.0.0.0:" + port, ":" + port} {
		require.Equal(t, "ready\n", headwater(t, "health", "--addr", to))
	}
	require.Zero(t, s.stop())
	out, code := headwaterCode(t, "health", "--addr", addr)
	require.Equal(t, 1, code)
	require.Contains(t, out, "NOT_LISTENING")
	out, code = headwaterCode(t, "health", "--addr", "nowhere")
	require.Equal(t, 1, code)
	require.Contains(t, out, "ADDRESS")
}

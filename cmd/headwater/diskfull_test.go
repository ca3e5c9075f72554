package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// On a full disk writes are refused, reads go on, and nothing is corrupt: once
// there is space again the server takes events as before.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a small disk here (needs root): %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })

	keys := newWorkspace(t, dir, "full")
	s := serve(t, "--data", dir)
	send := func(i int) (int, string) {
		status, answer, err := post(s.url+"/v1/batch", keys.WriteKey, batchBody(fmt.Sprintf(
			`{"type":"identify","messageId":"m-%d","userId":"u-%d","traits":{"n":%d}}`, i, i, i)))
		require.NoError(t, err)
		return status, answer
	}
	status, answer := send(0)
	require.Equal(t, http.StatusOK, status, answer)

	filler := filepath.Join(dir, "filler")
	fill(t, filler)
	i := 1
	require.Eventually(t, func() bool { // what the files had allocated may still take a few
		status, answer = send(i)
		i++
		return status == http.StatusServiceUnavailable
	}, 20*time.Second, time.Millisecond, "a full disk must refuse writes")
	require.Contains(t, answer, `"UNAVAILABLE"`)
	refused := i - 1

	find := func(user int) *struct{ ID string } {
		var data struct{ Profile *struct{ ID string } }
		query(t, s.url, keys.AdminKey, `query($u:String!){profile(identifier:{namespace:"user_id",value:$u}){id}}`,
			map[string]any{"u": fmt.Sprintf("u-%d", user)}, &data)
		return data.Profile
	}
	// What tells nothing of people is read on; what does is not shown, for nobody could
	// prove later that it was.
	var viewer struct{ Viewer struct{ ID string } }
	query(t, s.url, keys.AdminKey, `{viewer{id}}`, nil, &viewer)
	require.NotEmpty(t, viewer.Viewer.ID, "reads go on")
	answer = ask(t, s.url, keys.AdminKey, `{profiles(first:1){edges{node{id traits}}}}`, nil)
	require.Contains(t, answer, "AUDIT_UNAVAILABLE")
	require.NotContains(t, answer, "prof_")

	require.NoError(t, os.Remove(filler))
	require.Eventually(t, func() bool {
		status, answer = send(refused)
		return status == http.StatusOK
	}, 20*time.Second, 50*time.Millisecond, "with space again writes are taken")
	for user := range i {
		require.NotNil(t, find(user), "user %d", user)
	}
	require.Zero(t, s.stop(), s.stderr())
	require.Contains(t, headwater(t, "rebuild", "--check", "--data", dir), "0 differences")
}

// fill writes until the disk has no space left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	require.NoError(t, err)
	defer f.Close()
	for block := make([]byte, 64<<10); len(block) >= 512; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}

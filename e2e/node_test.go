package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// requireNode skips the test where Node or npm is missing.
func requireNode(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIPPED: %s is not installed, so no real client can be run", tool)
		}
	}
}

// script runs a script of ./node and reads the one JSON value that it prints.
func script(t *testing.T, name string, env map[string]string, out any) {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("node", name))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	require.NoError(t, os.Symlink(modules(t), filepath.Join(dir, "node_modules")))

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", name)
	cmd.Dir = dir
	cmd.Env = os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	printed, err := cmd.Output()
	require.NoError(t, err, "node %s: %s%s", name, printed, &stderr)
	require.NoError(t, json.Unmarshal(printed, out), "node %s printed: %s", name, printed)
}

var (
	installing sync.Mutex
	installed  string
)

// modules returns a node_modules as the lock file has it. It is kept in the user's
// cache, under the lock file's hash, so that only the first run asks the registry.
func modules(t *testing.T) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	if installed != "" {
		return installed
	}
	hash := sha256.New()
	manifest := []string{"package.json", "package-lock.json", ".npmrc"}
	for _, name := range manifest {
		text, err := os.ReadFile(filepath.Join("node", name))
		require.NoError(t, err)
		hash.Write(text)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "headwater-e2e", hex.EncodeToString(hash.Sum(nil))[:16])
	if _, err := os.Stat(dir); err != nil {
		install(t, dir, manifest)
	}
	installed = filepath.Join(dir, "node_modules")
	return installed
}

// install makes dir in one step, so that a run that was cut off leaves nothing
// half done and two at once do not disturb each other.
func install(t *testing.T, dir string, manifest []string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o755))
	work, err := os.MkdirTemp(filepath.Dir(dir), "installing-")
	require.NoError(t, err)
	defer os.RemoveAll(work)
	for _, name := range manifest {
		text, err := os.ReadFile(filepath.Join("node", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(work, name), text, 0o600))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = work
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "npm ci: %s", out)
	if err := os.Rename(work, dir); err != nil {
		_, exists := os.Stat(dir)
		require.NoError(t, exists, "npm ci: %v", err)
	}
}

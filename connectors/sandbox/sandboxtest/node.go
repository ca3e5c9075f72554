// Package sandboxtest runs the vendors' own SDKs against the emulators.
package sandboxtest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Variable names the folder in whose node_modules the SDKs are. The tests install
// nothing.
const Variable = "HEADWATER_VENDOR_SDKS"

// Node runs a script that drives an emulator with the SDK that npm calls module; the
// script ends with an error when something is not as the vendor has it. Without the
// SDK or without Node the test is skipped, saying so.
func Node(t *testing.T, module, script string, args ...string) {
	t.Helper()
	cmd := Command(t, module, script, args...)
	out, err := cmd.CombinedOutput()
	t.Logf("%s\n%s", script, out)
	if err != nil {
		t.Errorf("%s: %v", script, err)
	}
}

// Command is what Node runs, for a script that runs beside the test: it is ended after
// a minute, or with the test. NODE_PATH is set, so that a CommonJS script may just
// require the module.
func Command(t *testing.T, module, script string, args ...string) *exec.Cmd {
	t.Helper()
	folder := os.Getenv(Variable)
	if folder == "" {
		t.Skipf("%s names no folder with %s in its node_modules", Variable, module)
	}
	modules := filepath.Join(folder, "node_modules")
	if _, err := os.Stat(filepath.Join(modules, filepath.FromSlash(module))); err != nil {
		t.Skipf("there is no %s in the node_modules of %s", module, Variable)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, node, append([]string{script}, args...)...)
	cmd.Env = []string{Variable + "=" + folder, "NODE_PATH=" + modules, "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}
	cmd.WaitDelay = time.Second
	return cmd
}

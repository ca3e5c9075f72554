package spectest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Script runs a Node script that uses a vendor's own package, with arguments, and
// returns what it printed; the script fails the test by ending with another status than
// 0. The packages are those of HEADWATER_VENDOR_SDKS, a folder in which somebody
// installed them: nothing is installed here, and without them the test is skipped.
func Script(t testing.TB, pkg, script string, args ...string) string {
	t.Helper()
	command := ScriptCommand(t, pkg, script, args...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// ScriptCommand is the command of Script, for one that runs beside the test. It ends
// after a minute at the latest.
func ScriptCommand(t testing.TB, pkg, script string, args ...string) *exec.Cmd {
	t.Helper()
	folder := os.Getenv("HEADWATER_VENDOR_SDKS")
	if folder == "" {
		t.Skipf("HEADWATER_VENDOR_SDKS names no folder in which npm installed %s", pkg)
	}
	modules := filepath.Join(folder, "node_modules")
	if _, err := os.Stat(filepath.Join(modules, pkg)); err != nil {
		t.Skipf("%s is not installed in the folder that HEADWATER_VENDOR_SDKS names", pkg)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not here")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	command := exec.CommandContext(ctx, node, append([]string{script}, args...)...)
	command.Env = append(os.Environ(), "NODE_PATH="+modules)
	return command
}

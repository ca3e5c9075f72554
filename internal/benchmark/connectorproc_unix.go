//go:build unix

package benchmark

import (
	"fmt"
	"os"
	"syscall"
)

func stopProcess(pid int) { _ = syscall.Kill(pid, syscall.SIGSTOP) }

// processRuns reports whether a process runs; a dead one that nobody asked after does not.
func processRuns(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err)
	}
	var n int
	var name, state string
	_, _ = fmt.Sscan(string(raw), &n, &name, &state)
	return state != "Z" && state != "X"
}

//go:build unix && !linux

package pluginhost

import "syscall"

// bindToUs does nothing here: the SDK looks for its parent by itself.
func bindToUs(*syscall.SysProcAttr) {}

func lowerThread() {}

func limit(int, rlimits) {}

func awaitExit(int) {}

func resident(int) int64 { return 0 }
